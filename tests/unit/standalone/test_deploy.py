"""The deployment files: they parse, no secret has a default, and every part of the system is there."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings

from genie import serve
from genie.standalone import stack
from inference.types import Modality

REPOSITORY = Path(__file__).parents[3]
COMPOSE_TEXT = (REPOSITORY / "docker-compose.yml").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
STAGES = dict(
    re.findall(
        r"^FROM \S+ AS (\S+)\n(.*?)(?=^FROM |\Z)",
        (REPOSITORY / "Dockerfile").read_text("utf-8"),
        re.MULTILINE | re.DOTALL,
    )
)
SECRET_WORDS = ("PASSWORD", "SECRET", "PEPPER", "KEYS")
CELERY_QUEUES = {
    "worker-chat": "chat",
    "worker-embedding": "embedding,rerank",
    "worker-media": "image,video,audio",
    "webhooks": "webhooks",
    "maintenance": "maintenance",
}


class TestCompose:
    def test_has_every_part_of_the_system(self) -> None:
        assert set(SERVICES) == {"postgres", "redis", "migrate", "web", "flower", *CELERY_QUEUES}

    @pytest.mark.parametrize("name", sorted(set(SERVICES) - {"migrate"}))
    def test_every_service_that_stays_up_has_a_health_check(self, name: str) -> None:
        stage = SERVICES[name].get("build", {}).get("target")

        # The web image's own asks for HTTP, which of its services the web process alone speaks.
        from_image = stage == "worker" or name == "web"
        assert "healthcheck" in SERVICES[name] or (from_image and "\nHEALTHCHECK" in STAGES[stage])

    @pytest.mark.parametrize("name", sorted(set(SERVICES) - {"postgres", "redis"}))
    def test_our_own_services_can_write_nothing_but_what_they_must(self, name: str) -> None:
        service = SERVICES[name]

        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]

    def test_the_servers_are_reached_from_within_alone(self) -> None:
        assert COMPOSE["networks"]["data"]["internal"] is True
        for name in ("postgres", "redis"):
            assert SERVICES[name]["networks"] == ["data"]
            assert "ports" not in SERVICES[name]

    def test_what_is_published_is_published_to_this_machine(self) -> None:
        published = [port for one in SERVICES.values() for port in one.get("ports", [])]

        assert len(published) == 2
        assert [port for port in published if "127.0.0.1:" not in port] == []

    @pytest.mark.parametrize("name", [name for name in SERVICES if name.startswith("worker-")])
    def test_a_worker_is_given_longer_than_it_drains(self, name: str) -> None:
        grace_s = int(SERVICES[name]["stop_grace_period"].removesuffix("s"))

        assert grace_s >= stack.DEFAULT_DRAIN_S + 20  # and the engine's end

    def test_logs_do_not_fill_the_disk(self) -> None:
        assert [
            name for name, one in SERVICES.items() if "max-size" not in str(one["logging"])
        ] == []

    def test_the_file_for_gpus_names_workers_and_gives_them_cuda(self) -> None:
        over = yaml.safe_load((REPOSITORY / "deploy" / "compose" / "gpu.yml").read_text("utf-8"))

        workers = {name for name in SERVICES if name.startswith("worker-")}
        assert set(over["services"]) == workers
        for service in over["services"].values():
            assert "/cu" in service["build"]["args"]["TORCH_INDEX"]

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

    def test_flower_is_on_this_machine_only(self) -> None:
        assert SERVICES["flower"]["ports"] == ["127.0.0.1:5555:5555"]

    def test_runs_as_production(self) -> None:
        assert SERVICES["web"]["environment"]["GENIE_ENVIRONMENT"] == "production"


class TestDockerfile:
    def test_the_web_image_installs_no_torch(self) -> None:
        assert "--from=build /opt/venv" in STAGES["web"]
        assert "inference]" not in STAGES["build"]
        assert "inference]" in STAGES["build-worker"]

    def test_both_images_have_what_a_setting_may_ask_for(self) -> None:
        project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
        installed = re.findall(r'"\.\[([a-z0-9,]+)\]"', STAGES["build"] + STAGES["build-worker"])

        # Of the rest, one is for machines without servers, and one for contributors.
        wanted = set(project["optional-dependencies"]) - {"embedded", "dev"}
        assert set(",".join(installed).split(",")) == wanted

    @pytest.mark.parametrize("stage", ["web", "worker"])
    def test_no_image_runs_as_root(self, stage: str) -> None:
        made = re.search(r"--gid (\d+) genie", STAGES["runtime"])
        assert made

        # By number: Kubernetes cannot tell from a name that it is not root's.
        assert f"\nUSER {made[1]}:{made[1]}\n" in STAGES[stage]

    @pytest.mark.parametrize("stage", ["web", "worker"])
    def test_a_stop_reaches_the_process(self, stage: str) -> None:
        assert 'ENTRYPOINT ["tini", "--"]' in STAGES["runtime"]
        assert re.search(r"^CMD \[", STAGES[stage], re.MULTILINE)

    def test_what_is_copied_is_let_into_the_build(self) -> None:
        ignored = (REPOSITORY / ".dockerignore").read_text("utf-8").splitlines()
        copied = re.findall(r"^COPY (?!--from)(.+) \S+$", "".join(STAGES.values()), re.MULTILINE)
        sources = " ".join(copied).split()

        assert ignored[0] == "*"
        assert sources
        for source in sources:
            assert (REPOSITORY / source).exists()
            assert f"!{source}" in ignored or f"!{source.partition('/')[0]}" in ignored


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


class TestProxies:
    """What keeps streams, cancels and large files alive; `make proxies` tries it on running proxies."""

    NGINX = re.sub(r"#.*", "", (REPOSITORY / "deploy" / "nginx" / "genie.conf").read_text("utf-8"))
    CADDY = re.sub(r"#.*", "", (REPOSITORY / "deploy" / "caddy" / "Caddyfile").read_text("utf-8"))

    def test_files_of_the_largest_size_fit(self) -> None:
        limit = re.search(r"client_max_body_size (\d+)m;", self.NGINX)
        assert limit

        assert int(limit[1]) << 20 > settings.GENIE_FILE_LIMIT_BYTES
        assert "max_size" not in self.CADDY  # it has none of its own

    def test_waits_last_as_long_as_the_longest(self) -> None:
        longest_s = max(
            settings.GENIE_SYNC_LIMIT_S,
            settings.GENIE_OXEN_VIDEO_WAIT_S,
            settings.GENIE_OXEN_IMAGE_WAIT_S,
        )
        limits = re.findall(r"proxy_read_timeout (\d+)s", self.NGINX)
        limits += re.findall(r"response_header_timeout (\d+)s", self.CADDY)

        assert len(limits) == 2
        assert all(int(limit) > longest_s for limit in limits)

    def test_connections_are_given_up_before_the_server_does(self) -> None:
        server_s = int(serve.ARGUMENTS[serve.ARGUMENTS.index("--timeout-keep-alive") + 1])
        kept = re.findall(r"keepalive_timeout (\d+)s", self.NGINX)
        kept += re.findall(r"keepalive (\d+)s", self.CADDY)

        assert len(kept) == 2
        assert all(int(seconds) < server_s for seconds in kept)

    def test_nobody_holds_frames_back_or_the_caller_up(self) -> None:
        assert "proxy_buffering off;" in self.NGINX
        assert "proxy_ignore_client_abort off;" in self.NGINX
        assert "flush_interval" not in self.CADDY
        assert "encode" not in self.CADDY

    def test_a_callers_own_forwarded_for_is_not_passed_on(self) -> None:
        headers = re.findall(r"proxy_set_header X-Forwarded-For (\S+);", self.NGINX)

        assert set(headers) == {"$remote_addr"}
        assert len(headers) == self.NGINX.count("proxy_pass ")
