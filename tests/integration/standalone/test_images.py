"""The deployment files, run without containers: what an image would hold, and what a service would start.

The code is copied as the Dockerfile copies it, the environment is made as docs/deployment.md makes it,
and each service's own command runs on it: against this run's Redis, and no database.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
import requests
import yaml

from genie.standalone import embedded_redis, ports
from genie.standalone.client import Client
from tests.integration.standalone.waiting import wait_for

REPOSITORY = Path(__file__).parents[3]
DOCKERFILE = (REPOSITORY / "Dockerfile").read_text("utf-8")
STAGES = dict(
    re.findall(r"^FROM \S+ AS (\S+)\n(.*?)(?=^FROM |\Z)", DOCKERFILE, re.MULTILINE | re.DOTALL)
)
MODELS = Path(__file__).with_name("models.toml")
NOWHERE = "postgresql://genie@127.0.0.1:1/genie"
START_LIMIT_S = 60.0
STOP_LIMIT_S = 40.0

pytestmark = pytest.mark.timeout(200)


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A directory that holds what the images hold, and the services of the compose file."""

    root: Path
    services: dict[str, dict[str, Any]]

    def environment(self, service: str, **more: str) -> dict[str, str]:
        """Return a service's environment, with servers that are here."""
        stage = self.services[service]["build"]["target"]
        own = _environment_of(stage) | {
            name: str(value) for name, value in self.services[service]["environment"].items()
        }
        here = {
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "HOME": "/nonexistent",
            "DATABASE_URL": NOWHERE,
            "REDIS_URL": os.environ["REDIS_URL"],
            "GENIE_MODELS_FILE": str(MODELS),
            "GENIE_METRICS_DIR": "",  # a container has one of its own
        }
        return own | here | more

    def command(self, service: str) -> list[str]:
        """Return what a service runs: its own command, or that of its image."""
        found = re.search(r"^CMD (\[.*\])$", STAGES["web"].replace("\\\n", ""), re.MULTILINE)
        assert found
        chosen = self.services[service].get("command") or json.loads(found[1])
        return [word.replace("$$", "$") for word in chosen]

    def health_check(self, service: str) -> list[str]:
        """Return what tells whether a service is healthy: its own check, or that of its image."""
        own = self.services[service].get("healthcheck")
        if own is None:
            stage = STAGES[self.services[service]["build"]["target"]].replace("\\\n", "")
            found = re.search(r"^HEALTHCHECK .*CMD (\[.*\])$", stage, re.MULTILINE)
            assert found
            return list(json.loads(found[1]))
        assert own["test"][0] == "CMD"
        return list(own["test"][1:])


def _environment_of(stage: str) -> dict[str, str]:
    """Return what the image puts into the environment of its processes."""
    lines = f"{STAGES['runtime']}{STAGES[stage]}".replace("\\\n", "")
    said = " ".join(re.findall(r"^ENV (.+)$", lines, re.MULTILINE))
    return dict(re.findall(r"(\w+)=(\S+)", said))


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    root = tmp_path_factory.mktemp("image")
    for source, target in re.findall(
        r"^COPY (?!--from)(\S+) (\S+)$", STAGES["runtime"], re.MULTILINE
    ):
        there = root / (target if target != "./" else source)
        there.parent.mkdir(parents=True, exist_ok=True)
        if (REPOSITORY / source).is_dir():
            shutil.copytree(REPOSITORY / source, there)  # compiled, as the image has it
        else:
            shutil.copy(REPOSITORY / source, there)
    text = (REPOSITORY / "docker-compose.yml").read_text("utf-8")
    return Image(root=root, services=_services(text, _documented_settings(root)))


def _documented_settings(directory: Path) -> dict[str, str]:
    """Run the lines of docs/deployment.md that make the .env file, and return what is in it."""
    page = (REPOSITORY / "docs" / "deployment.md").read_text("utf-8")
    found = re.search(r"^umask 077\n.*?^END$", page, re.MULTILINE | re.DOTALL)
    assert found
    subprocess.run(["/bin/sh", "-eu", "-c", found[0]], cwd=directory, check=True)
    lines = (directory / ".env").read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines)


def _services(text: str, settings: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    def value(match: re.Match[str]) -> str:
        name, rest = match[1], match[2]
        assert name in settings or rest.startswith(":-"), f"{name} is not in docs/deployment.md"
        return settings.get(name, rest.removeprefix(":-"))

    filled = re.sub(r"(?<!\$)\$\{([A-Z_]+)([^}]*)\}", value, text)
    return dict(yaml.safe_load(filled)["services"])


@contextlib.contextmanager
def running(
    argv: list[str], *, root: Path, env: Mapping[str, str]
) -> "Iterator[tuple[subprocess.Popen[bytes], Path]]":
    """Run a program for the length of the block; give it and the file that it writes to."""
    log = root / f"{re.sub('[^a-z]+', '-', ' '.join(argv).lower())[:60]}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            argv, cwd=root, env=dict(env), stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield process, log
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


def _says(log: Path, text: str) -> bool:
    return text in log.read_text("utf-8", "replace")


def test_the_image_collects_its_static_files(image: Image) -> None:
    found = re.search(r"^RUN ((?:.*\\\n)*.*collectstatic.*)$", STAGES["web"], re.MULTILINE)
    assert found

    subprocess.run(
        ["/bin/sh", "-eu", "-c", found[1]],
        cwd=image.root,
        env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"},
        check=True,
        capture_output=True,
    )

    assert (image.root / "staticfiles" / "admin" / "css" / "base.css").is_file()


def test_the_documented_settings_are_sound(image: Image) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=image.root,
        env=image.environment("web"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_migrate_comes_to_the_point_of_connecting(image: Image) -> None:
    done = subprocess.run(
        image.command("migrate"),
        cwd=image.root,
        env=image.environment("migrate"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "refused" in done.stderr, done.stderr[-2000:]


def test_web_serves_and_stops(image: Image) -> None:
    port = ports.free_port()
    argv = [word if word != "8000" else str(port) for word in image.command("web")]
    client = Client(host="127.0.0.1", port=port)

    def is_up() -> bool:
        with contextlib.suppress(OSError):
            return client.get("/health", timeout_s=5).status == 200
        return False

    with running(argv, root=image.root, env=image.environment("web")) as (process, _):
        wait_for(is_up, START_LIMIT_S)
        answer = client.get("/ready")
        assert answer.status == 503
        assert (answer.body["checks"]["broker"], answer.body["checks"]["database"]) == (
            "ok",
            "does not answer",
        )
        assert _sign_in_through_a_proxy(port, "https://genie.example.com") != 403
        assert _sign_in_through_a_proxy(port, "https://evil.example") == 403
        process.terminate()
        assert process.wait(STOP_LIMIT_S) == 0


def _sign_in_through_a_proxy(port: int, origin: str) -> int:
    """Post the admin's login form as a browser behind a proxy with TLS does; return the status."""
    address, host = f"http://127.0.0.1:{port}/admin/login/", {"Host": "genie.example.com"}
    page = requests.get(address, headers=host, timeout=30)
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
    assert token, page.text
    cookie = page.headers["Set-Cookie"].partition(";")[0]
    return requests.post(
        address,
        data={"csrfmiddlewaretoken": token[1], "username": "x", "password": "y"},
        headers={**host, "Cookie": cookie, "Origin": origin},
        timeout=30,
    ).status_code


@pytest.mark.parametrize("name", ["worker-chat", "worker-embedding", "webhooks", "maintenance"])
def test_a_worker_starts_is_healthy_and_stops(image: Image, name: str, tmp_path: Path) -> None:
    schedule = "/tmp/celerybeat-schedule"  # noqa: S108 - a tmpfs of the container
    argv = [
        word if word != schedule else str(tmp_path / "schedule") for word in image.command(name)
    ]
    env = image.environment(name, GENIE_PULSE_DIR=str(tmp_path / "pulse"))

    def is_healthy() -> bool:
        argv = image.health_check(name)
        return subprocess.run(argv, cwd=image.root, env=env, check=False).returncode == 0

    with running(argv, root=image.root, env=env) as (process, log):
        assert not is_healthy()
        wait_for(lambda: _says(log, " ready."), START_LIMIT_S)
        wait_for(is_healthy, START_LIMIT_S)
        process.terminate()
        process.wait(STOP_LIMIT_S)


def test_flower_comes_up_and_changes_nothing(image: Image) -> None:
    port = ports.free_port()
    env = image.environment("flower", FLOWER_PORT=str(port))
    user, _, password = env["FLOWER_BASIC_AUTH"].partition(":")
    client = Client(host="127.0.0.1", port=port)

    def is_up() -> bool:
        with contextlib.suppress(OSError):
            return client.get("/healthcheck", timeout_s=5).status == 200
        return False

    with running(image.command("flower"), root=image.root, env=env):
        wait_for(is_up, START_LIMIT_S)
        assert client.get("/workers").status == 401
        address, auth = f"http://127.0.0.1:{port}", (user, password)
        shutdown = requests.post(f"{address}/api/worker/shutdown/x", auth=auth, timeout=30)
        assert shutdown.status_code == 403
        assert "Result" in requests.get(f"{address}/tasks", auth=auth, timeout=30).text


def test_redis_asks_for_its_password_and_hears_its_stop(image: Image, tmp_path: Path) -> None:
    port = ports.free_port()
    # The image's server, but here and not where another one may listen.
    stub = tmp_path / "valkey-server"
    program = embedded_redis.program()
    stub.write_text(f'#!/bin/sh\nexec {program} "$@" --port {port} --dir {tmp_path}\n', "utf-8")
    stub.chmod(0o755)
    password = image.services["redis"]["environment"]["REDISCLI_AUTH"]
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "REDISCLI_AUTH": password}

    def answers(given: str | None) -> bool:
        try:
            with redis.Redis(port=port, password=given, socket_timeout=2) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    with running(image.command("redis"), root=tmp_path, env=env) as (process, _):
        wait_for(lambda: answers(password), START_LIMIT_S)
        assert not answers(None)
        assert password not in Path(f"/proc/{process.pid}/cmdline").read_text("utf-8")
        process.terminate()
        assert process.wait(STOP_LIMIT_S) == 0
    assert (tmp_path / "appendonlydir").is_dir()
