"""The deployment files: they parse, no secret has a default, and every part of the system is there."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from inference.types import Modality

REPOSITORY = Path(__file__).parents[3]
COMPOSE_TEXT = (REPOSITORY / "docker-compose.yml").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SECRET_WORDS = ("PASSWORD", "SECRET", "PEPPER", "KEYS")
CELERY_QUEUES = {
    "worker-chat": "chat",
    "worker-embedding": "embedding",
    "worker-media": "image,video,audio",
    "webhooks": "webhooks",
    "maintenance": "maintenance",
}


class TestCompose:
    def test_has_every_part_of_the_system(self) -> None:
        assert set(SERVICES) == {"postgres", "redis", "migrate", "web", "flower", *CELERY_QUEUES}

    @pytest.mark.parametrize("name", sorted(set(SERVICES) - {"migrate"}))
    def test_every_service_that_stays_up_has_a_health_check(self, name: str) -> None:
        dockerfile = (REPOSITORY / "Dockerfile").read_text("utf-8")

        assert "healthcheck" in SERVICES[name] or (name == "web" and "HEALTHCHECK" in dockerfile)

    def test_no_secret_has_a_default(self) -> None:
        variables = re.findall(r"(?<!\$)\$\{([A-Z_]+)([^}]*)\}", COMPOSE_TEXT)
        secret = [(name, rest) for name, rest in variables if any(w in name for w in SECRET_WORDS)]

        assert len(secret) >= 8
        # An empty one is no secret: it turns off what is optional.
        assert [name for name, rest in secret if not (rest.startswith(":?") or rest == ":-")] == []

    @pytest.mark.parametrize(("name", "queue"), CELERY_QUEUES.items())
    def test_each_worker_serves_its_queue_on_threads(self, name: str, queue: str) -> None:
        command = SERVICES[name]["command"]

        assert command[command.index("-Q") + 1] == queue
        assert command[command.index("-P") + 1] == "threads"

    def test_every_modality_has_a_worker(self) -> None:
        served = ",".join(CELERY_QUEUES.values()).split(",")

        assert {str(modality) for modality in Modality} <= set(served)

    @pytest.mark.parametrize("name", ["web", "maintenance", "worker-media", "worker-chat"])
    def test_whoever_reads_or_writes_files_shares_their_directory(self, name: str) -> None:
        directory = SERVICES[name]["environment"]["GENIE_FILES_DIR"]

        assert f"files:{directory}" in SERVICES[name]["volumes"]

    def test_beat_runs_in_maintenance_alone(self) -> None:
        assert [name for name in CELERY_QUEUES if "-B" in SERVICES[name]["command"]] == [
            "maintenance"
        ]

    def test_flower_is_read_only_and_on_this_machine_only(self) -> None:
        flower = SERVICES["flower"]

        assert flower["environment"]["FLOWER_READ_ONLY"] == "1"
        assert flower["ports"] == ["127.0.0.1:5555:5555"]

    def test_runs_as_production(self) -> None:
        assert SERVICES["web"]["environment"]["GENIE_ENVIRONMENT"] == "production"


class TestDockerfile:
    def test_the_web_image_installs_no_torch(self) -> None:
        text = (REPOSITORY / "Dockerfile").read_text("utf-8")
        stages = dict(
            re.findall(r"^FROM \S+ AS (\S+)\n(.*?)(?=^FROM |\Z)", text, re.MULTILINE | re.DOTALL)
        )

        assert "--from=build /opt/venv" in stages["web"]
        assert "inference]" not in stages["build"]
        assert "inference]" in stages["build-worker"]

    @pytest.mark.parametrize("stage", ["web", "worker"])
    def test_no_image_runs_as_root(self, stage: str) -> None:
        text = (REPOSITORY / "Dockerfile").read_text("utf-8")
        stages = dict(
            re.findall(r"^FROM \S+ AS (\S+)\n(.*?)(?=^FROM |\Z)", text, re.MULTILINE | re.DOTALL)
        )

        assert "\nUSER genie\n" in stages[stage]


class TestPins:
    def test_torch_is_pinned_exactly_and_alike(self) -> None:
        project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
        pinned = re.search(
            r"^torch==(\S+)$", (REPOSITORY / "constraints.txt").read_text(), re.MULTILINE
        )

        assert pinned is not None
        assert f"torch=={pinned[1]}" in project["optional-dependencies"]["inference"]

    def test_web_processes_need_no_torch(self) -> None:
        project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]

        assert not [name for name in project["dependencies"] if name.startswith("torch")]
