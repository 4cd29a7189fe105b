"""The system that a campaign hurts: as the acceptance tests start it, its servers behind a proxy."""

import contextlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from genie.standalone.servers import Servers
from genie.standalone.topology import WorkerEntry
from tests.acceptance import system as systems
from tests.acceptance.models_file import TINY
from tests.acceptance.system import System
from tests.chaos import proxy
from tests.chaos.client import Org
from tests.chaos.faults import Stage
from tests.chaos.plan import CAPPED, ORGANIZATIONS, Plan
from tests.zoo.campaign import ANIMALS, process
from tests.zoo.oracle import Ends

SYNC_LIMIT_S = 20.0
ECHOES = ("echo", "echo-slow", "echo-embedding", "echo-image")
TINY_CHAT = "genie-tiny-chat"
# The leases of the acceptance tests are for an idle machine; here everything is started again and
# again on the same few cores, and a lease that lapses under a live worker is no fault of its own.
TIMES = {
    "GENIE_LEASE_S": "6",
    "GENIE_HEARTBEAT_S": "1",
    "GENIE_TICKET_AGE_S": "1.5",
    "GENIE_DRAIN_S": "2",
    "GENIE_WEB_DRAIN_S": "1",
    "GENIE_SYNC_LIMIT_S": f"{SYNC_LIMIT_S:g}",
    "GENIE_WEBHOOK_ATTEMPT_S": "2",
    "GENIE_WEBHOOK_LEASE_MARGIN_S": "6",
}
# A guard that is taken away by a setting: the oracle must say so. Celery alone has neither, and looks
# for nothing that no message tells of.
CONTROLS: Mapping[str, Mapping[str, str]] = {
    "no-sweep": {"GENIE_SWEEP_INTERVAL_S": "86400"},
    "no-reaper": {"GENIE_LEASE_S": "86400"},
    "celery-only": {
        "GENIE_SWEEP_INTERVAL_S": "86400",
        "GENIE_LEASE_S": "86400",
        "GENIE_CLAIM_LOOK_S": "86400",
    },
}


def chats() -> Mapping[str, int]:
    """Return the chat models of a campaign with their weights; the tiny one if it is built."""
    tiny = {TINY_CHAT: 1} if TINY_CHAT in TINY else {}
    return {"echo": 12, "echo-slow": 20, **tiny}


def workers() -> tuple[WorkerEntry, ...]:
    """Return two workers of each kind: for the echoes of all modalities, and for the tiny chat model."""
    echoes = [
        WorkerEntry(
            name=f"echo-{number}", queues=("chat", "embedding", "image", "audio"), models=ECHOES
        )
        for number in (1, 2)
    ]
    tiny = [
        WorkerEntry(
            name=f"tiny-{number}", queues=("tiny-chat",), models=(TINY_CHAT,), torch_threads=1
        )
        for number in (1, 2)
        if TINY_CHAT in TINY
    ]
    return (*echoes, *tiny)


@contextlib.contextmanager
def running(directory: Path, *, control: str = "") -> Iterator[tuple[System, Stage]]:
    """Run a system whose servers are reached through a proxy for the length of the block."""
    with proxy.running() as between:
        links: dict[tuple[str, str], proxy.Link] = {}

        def reached(own: Servers, kind: str) -> Mapping[str, str]:
            postgres = links[kind, "postgres"] = between.open(own.postgres.port)
            redis = links[kind, "redis"] = between.open(own.redis.port)
            return {
                **TIMES,
                **CONTROLS.get(control, {}),
                "DATABASE_URL": _through(own.database_url, postgres),
                "REDIS_URL": _through(own.redis_url, redis),
            }

        with systems.running(
            directory,
            workers=workers(),
            models=(*ECHOES, TINY_CHAT),
            strict=False,
            reached=reached,
        ) as system:
            yield system, Stage(system=system, organizations=(), proxy=between, links=links)


def _through(url: str, link: proxy.Link) -> str:
    return url.replace(f":{link.server_port}/", f":{link.port}/")


def enrol(system: System, plan: Plan) -> tuple[Org, ...]:
    """Make the organisations of a campaign, some of them with a cap that binds."""
    run = secrets.token_hex(3)
    made = []
    for number in range(ORGANIZATIONS):
        slug = f"chaos-{run}-{number}"
        system.manage("create_org", slug)
        made.append(Org(slug=slug, key=system.manage("create_key", "--org", slug)["fullKey"]))
        if number in CAPPED:
            system.manage(
                *("set_cap", "--org", slug, "--layer", "org", "--window", "daily"),
                *("--credits", str(plan.cap_microcredits / 1e6)),
            )
    return tuple(made)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sink:
    """Receivers of webhooks, each with a manner of its own, and the log of what they got."""

    urls: Mapping[str, str]
    ends: Mapping[str, Ends]
    secret: str
    log: Path


@contextlib.contextmanager
def sink(directory: Path, names: Mapping[str, int]) -> Iterator[Sink]:
    """Run receivers for the length of the block; see the zoo for how each behaves."""
    secret = "whsec_" + secrets.token_urlsafe(30).replace("-", "A").replace("_", "B")
    log = directory / "arrivals.jsonl"
    with process("tests.zoo.animals", env=dict(os.environ)) as talk:
        living = {name: (ANIMALS[name].behaviour, None) for name in names}
        ports = talk.ask(secret=secret, log=str(log), animals=living)
        yield Sink(
            urls={name: f"http://127.0.0.1:{ports[name]}/{name}" for name in names},
            ends={name: ANIMALS[name].ends for name in names},
            secret=secret,
            log=log,
        )


class Journal:
    """What happens, one JSON object a line, for whoever wants to know afterwards."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")

    def write(self, **said: object) -> None:
        """Write a line."""
        self._file.write(json.dumps(said, default=str) + "\n")

    def close(self) -> None:
        """Write out and close."""
        self._file.close()
