"""`make up` and `make down`: run the system in the foreground, and stop it from elsewhere."""

import os
import threading
import time
from pathlib import Path

import psutil

from genie.standalone import first_run, signals, state, system
from genie.standalone.console import Console
from genie.standalone.errors import StandaloneError
from genie.standalone.runfile import RunFile
from genie.standalone.system import Options, System

STOP_LIMIT_S = 180.0  # longer than the workers' drain and PostgreSQL's shutdown together
POLL_S = 0.1
CURL = """\
curl {base_url}/v1/chat/completions \\
  -H "Authorization: Bearer {api_key}" \\
  -H "Content-Type: application/json" \\
  -d '{{"model": "{model}", "messages": [{{"role": "user", "content": "{question}"}}], "temperature": 0}}'"""


def serve(options: Options, console: Console) -> None:
    """Start everything, show the first jobs, and serve until a signal asks to stop.

    Raises:
        StandaloneError: why it could not be started, in one sentence.
    """
    hurry = threading.Event()
    console.heading(f"Genie is starting (state: {options.state_dir})")
    with signals.stopping(hurry) as stop:
        try:
            with system.running(options, console, hurry=hurry) as running:
                stop.on_request = lambda: console.line("\nStopping (again to stop at once) ...")
                _show(running, console)
                threading.Event().wait()
        except signals.StopRequested:
            console.line("Stopped. The data is kept: the next `make up` finds it again.")
        except OSError as error:
            raise StandaloneError(explain(error)) from error


def stop(path: Path, console: Console) -> None:
    """Stop the system that runs on a state directory and wait until it has gone.

    Raises:
        StandaloneError: it may not be signalled, or does not end.
    """
    owner = state.read_owner(path)
    if owner is None:
        console.line(f"Genie is not running on {path}.")
        return
    try:
        process = psutil.Process(owner.pid)
        with console.step(f"Genie on {path} (process {owner.pid}) stopped"):
            process.terminate()
            _wait_ended(process, path)
    except psutil.NoSuchProcess:
        return
    except psutil.AccessDenied as error:
        raise StandaloneError(f"Process {owner.pid} belongs to another user.") from error


def _wait_ended(process: psutil.Process, path: Path) -> None:
    """Wait until the process has ended, whether or not its parent has noticed yet."""
    deadline, pause = time.monotonic() + STOP_LIMIT_S, threading.Event()
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            raise StandaloneError(
                f"Process {process.pid} has not ended after {STOP_LIMIT_S:g} s; its logs are in "
                f"{path / 'logs'}."
            )
        pause.wait(POLL_S)


def explain(error: OSError) -> str:
    """Return one sentence about a failure to read or write."""
    where = f" ({error.filename})" if error.filename else ""
    reason = error.strerror or os.strerror(error.errno or 0)
    return f"Genie could not go on: {reason}{where}; make it possible, then run `make up` again."


def _show(running: System, console: Console) -> None:
    run = running.run
    if run is None:
        return
    model = _show_first_jobs(running, console)
    _print_facts(run, running.state.path, console, model=model)


def _show_first_jobs(running: System, console: Console) -> str | None:
    """Show a job of each mode; return the model that they were for, None if there was none to ask."""
    failed = f"Genie runs, but a first job failed; the logs are in {running.state.logs}"
    try:
        model = first_run.chat_model(running.client)
    except StandaloneError as error:
        console.problem(f"{failed} ({error})")
        return None
    if model is None:
        console.problem("The models file has no chat model, so no first job is shown.")
        return None
    secret = running.secrets["webhook_secret"]
    if not first_run.run(running.client, console, model=model, webhook_secret=secret):
        console.problem(failed)
    return model


def _print_facts(run: RunFile, directory: Path, console: Console, *, model: str | None) -> None:
    console.heading("Genie is running")
    password = run.admin_password or "as its owner set it"
    console.facts(
        [
            ("pages", f"{run.base_url}/ (user {run.admin_user}, password {password})"),
            ("API", f"{run.base_url}/v1"),
            ("key", run.api_key),
            ("admin", f"{run.admin_url} (the same user)"),
            ("Flower", run.flower_url),
            ("metrics", f"{run.metrics_url} (bearer token {run.metrics_token})"),
            ("logs", str(directory / "logs")),
            ("details", str(directory / "run.json")),
        ]
    )
    if model is not None:
        console.line()
        console.line(
            CURL.format(
                base_url=run.base_url,
                api_key=run.api_key,
                model=model,
                question=first_run.QUESTIONS[0],
            )
        )
    console.line("\nPress Ctrl-C to stop.")
