"""`manage.py workers`: one supervised Celery worker per topology entry, on this machine."""

import secrets
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path

from genie.standalone import requirements, signals, stack, topology
from genie.standalone.console import Console
from genie.standalone.supervisor import Supervisor


def serve(
    *,
    base_dir: Path,
    topology_file: Path | None,
    models_file: Path,
    env: Mapping[str, str],
    console: Console,
) -> None:
    """Run the workers until a signal asks to stop, then drain them.

    They write where we write, so that a service manager collects their logs. Without a topology
    file there is one worker for each NVIDIA device, or one for the CPU.

    Raises:
        StandaloneError: the topology is not usable, or a library is missing.
    """
    entries = stack.workers_of(topology_file, env)
    models = requirements.read_models(models_file)
    topology.check(entries, models)
    requirements.check_inference(models)
    hurry = threading.Event()
    supervisor = Supervisor(marker=secrets.token_hex(8), say=console.problem, hurry=hurry)
    with (
        tempfile.TemporaryDirectory(prefix="genie-metrics-") as scratch,
        signals.stopping(hurry) as stop,
    ):
        # Unless their environment says where, they count together in a place of this run.
        together = None if "GENIE_METRICS_DIR" in env else Path(scratch)
        layout = stack.Layout(base_dir=base_dir, env=env, logs=None, metrics=together)
        stop.on_request = lambda: console.line("Draining the workers (again to stop at once) ...")
        try:
            for entry in entries:
                supervisor.start(stack.worker(layout, entry))
                console.line(_described(entry))
            threading.Event().wait()
        except signals.StopRequested:
            console.line("Stopped.")
        finally:
            for name in supervisor.stop_all():
                console.problem(f"{name} did not stop in time and was killed")


def _described(entry: topology.WorkerEntry) -> str:
    where = (
        ""
        if entry.gpus is None
        else f" on GPU {', '.join(entry.gpus)}"
        if entry.gpus
        else " on the CPU"
    )
    return f"worker {entry.name} serves {', '.join(entry.queues)}{where}"
