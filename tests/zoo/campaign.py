"""Send events across the zoo while its keepers are killed, and gather what every witness says.

Real processes all of them: PostgreSQL, Redis, two webhook workers, the sweep, receivers, a publisher.
Time is compressed in one place: a retry that waits is brought forward in its row, and how long it
would have waited is kept as evidence. Leases lapse by themselves.
"""

import contextlib
import json
import os
import random
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg
from cryptography.fernet import Fernet

from genie.standalone import servers, stack
from genie.standalone.servers import Servers
from genie.standalone.supervisor import Supervisor
from tests.integration.webhooks import receivers
from tests.zoo import names
from tests.zoo.oracle import DELIVERED, Arrival, Ended, Ends, Evidence, Published, Wait, fails

BASE_DIR = Path(__file__).resolve().parents[2]
WORKERS = ("webhooks-1", "webhooks-2")
DOMAIN = ".zoo.example"
TICK_S = 0.05  # between two transactions of the publisher
READY_S = 90.0
FORWARD_EVERY_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Animal:
    """A receiver: how it behaves, and how its deliveries may end."""

    ends: Ends
    behaviour: str = ""  # "" has no process: nobody is there
    tls: str = ""  # the name on its certificate; "expired" for one that is
    host: str = ""  # a name of the zoo's own DNS server
    weight: int = 1  # its share of the bad ones' events
    at_most: int = 1_000_000  # of those that take an attempt's whole time


GOOD: Mapping[str, Animal] = {
    f"fast-{n}": Animal(behaviour="fast", ends=DELIVERED) for n in range(1, 5)
} | {
    "tls": Animal(behaviour="fast", tls="tls.zoo.example", host="tls", ends=DELIVERED),
}
BAD: Mapping[str, Animal] = {
    "slow": Animal(behaviour="slow", ends=DELIVERED, weight=2),
    "giant": Animal(behaviour="giant", ends=DELIVERED),
    "bomb": Animal(behaviour="bomb", ends=DELIVERED),
    "busy": Animal(behaviour="busy", ends=DELIVERED, weight=4),
    "shaky": Animal(behaviour="shaky", ends=DELIVERED, weight=4),
    "broken": Animal(behaviour="broken", ends=fails("http-500"), weight=4),
    "gone": Animal(behaviour="gone", ends=fails("http-410"), weight=2),
    "redirect": Animal(behaviour="redirect", ends=fails("http-302"), weight=2),
    "reset": Animal(behaviour="reset", ends=fails("reset"), weight=4),
    "hang": Animal(behaviour="hang", ends=fails("timeout"), at_most=24),
    "drip": Animal(behaviour="drip", ends=fails("timeout"), at_most=12),
    "nobody": Animal(ends=fails("connect"), weight=2),
    "tls-expired": Animal(behaviour="fast", tls="expired", host="expired", ends=fails("tls")),
    "tls-other": Animal(behaviour="fast", tls="another.example", host="other", ends=fails("tls")),
    "rebinds": Animal(
        behaviour="leave", host="rebinds", ends=DELIVERED | fails("blocked-address"), weight=2
    ),
    "metadata": Animal(behaviour="fast", host="metadata", ends=fails("blocked-address")),
    "servfail": Animal(behaviour="fast", host="x" + names.FAILS, ends=fails("dns"), at_most=40),
}
ANIMALS = {**GOOD, **BAD}
UNSEEN = ("tls-expired", "tls-other", "metadata", "servfail")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How large a campaign is."""

    events: int = 10_000
    seed: int = 1
    kills: int = 40
    limit_s: float = 900.0  # for the last delivery to end, after the last event was published
    env: Mapping[str, str] = field(default_factory=dict)  # of the workers

    @property
    def phases(self) -> Mapping[str, int]:
        """Return how many events each phase publishes: quietly, beside the bad ones, under fire."""
        calm, mixed = self.events // 5, self.events * 2 // 5
        return {"calm": calm, "mixed": mixed, "kills": self.events - calm - mixed}


class Talk:
    """A process that answers each line of JSON with another."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def hear(self) -> dict[str, Any]:
        """Return the next line that it says."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"{self._process.args!r} ended"
        return dict(json.loads(line))

    def ask(self, **said: Any) -> dict[str, Any]:
        """Say something and return the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(said) + "\n")
        self._process.stdin.flush()
        return self.hear()


@dataclass(slots=True, kw_only=True)
class Zoo:
    """The running zoo."""

    own: Servers
    supervisor: Supervisor
    publisher: Talk
    urls: Mapping[str, str]
    log: Path
    plan: Plan
    say: Callable[[str], None]
    published: list[Published] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)

    def publish(self, animals: Sequence[str], *, phase: str, commit: bool = True) -> None:
        """Publish an event for each animal, in one transaction."""
        said = self.publisher.ask(urls=[self.urls[one] for one in animals], commit=commit)
        self.published += [
            Published(id=id_, animal=animal, digest=digest, at=said["at"], committed=commit, phase=phase)
            for id_, animal, digest in zip(said["ids"], animals, said["digests"], strict=True)
        ]  # fmt: skip

    def kill(self, name: str) -> None:
        """End a worker where it stands; the supervisor starts it again at once."""
        self.supervisor.process(name)._backoff.failures = 0
        with contextlib.suppress(ProcessLookupError):  # it is just being started
            self.supervisor.signal(name, signal.SIGKILL)

    def evidence(self) -> Evidence:
        """Return what all witnesses say."""
        said = [json.loads(line) for line in self.log.read_text("utf-8").splitlines()]
        with psycopg.connect(self.own.database_url) as connection:
            rows = connection.execute(_ENDED).fetchall()
        return Evidence(
            published=self.published,
            arrivals=[Arrival(**one) for one in said if one["animal"] != "canary"],
            ended=[
                Ended(id=str(row[0]), state=row[1], reason=row[2], recorded=row[3]) for row in rows
            ],
            waits=self.waits,
            canary=sum(one["animal"] == "canary" for one in said),
            expected={name: animal.ends for name, animal in ANIMALS.items()},
            unseen=UNSEEN,
            good=tuple(GOOD),
        )


# A delivery's reason is that of its latest failure, also after it was delivered in the end.
_ENDED = """
SELECT d.id, d.state, CASE WHEN d.state = 'delivered' THEN NULL ELSE d.reason END,
       (SELECT count(*) FROM webhooks_attempt a WHERE a.delivery_id = d.id)
  FROM webhooks_delivery d
"""
FORWARD = """
WITH waiting AS (
    SELECT id, next_attempt_at FROM webhooks_delivery
     WHERE state = 'pending' AND lease_expires_at IS NULL AND next_attempt_at > genie_now()
       FOR UPDATE SKIP LOCKED
), moved AS (
    UPDATE webhooks_delivery d SET next_attempt_at = genie_now() FROM waiting w WHERE d.id = w.id
    RETURNING d.id, w.next_attempt_at
), latest AS (
    SELECT a.delivery_id, count(*) AS failures,
           max(a.started_at + a.duration_ms * interval '1 millisecond') AS ended_at
      FROM webhooks_attempt a JOIN moved m ON m.id = a.delivery_id GROUP BY 1
)
SELECT m.id, l.failures, extract(epoch FROM m.next_attempt_at - l.ended_at)::float8
  FROM moved m JOIN latest l ON l.delivery_id = m.id
"""
_PENDING = "SELECT count(*) FROM webhooks_delivery WHERE state = 'pending'"


def run(directory: Path, plan: Plan, *, say: Callable[[str], None] = lambda _: None) -> Evidence:
    """Run a campaign on servers of its own and return the evidence."""
    with _zoo(directory, plan, say) as zoo, _bringing_forward(zoo):
        draw = random.Random(plan.seed)  # noqa: S311 - so that a seed says it all
        counts = plan.phases
        zoo.say(f"calm: {counts['calm']} events to good receivers")
        _publish_phase(zoo, draw, "calm", _deal(draw, counts["calm"], bad_share=0.0))
        _wait_for(lambda: _pending(zoo) == 0, "the calm deliveries to end", 60)
        zoo.say(f"mixed: {counts['mixed']} events, 40 % of them to bad receivers")
        _publish_phase(zoo, draw, "mixed", _deal(draw, counts["mixed"], bad_share=0.4))
        zoo.say(f"kills: {counts['kills']} events, and {plan.kills} workers killed")
        with _killing(zoo, draw):
            _publish_phase(zoo, draw, "kills", _deal(draw, counts["kills"], bad_share=0.4))
        zoo.say("waiting for the last deliveries to end")
        with contextlib.suppress(TimeoutError):  # the oracle says which did not
            _wait_for(lambda: _pending(zoo) == 0, "the last delivery to end", plan.limit_s)
        return zoo.evidence()


def _deal(draw: random.Random, count: int, *, bad_share: float) -> list[str]:
    """Return the animals of a phase's events, in random order."""
    bad = int(count * bad_share)
    names_, weights = list(BAD), [one.weight for one in BAD.values()]
    dealt = list(BAD)[:bad]  # each at least once, where there is room
    had = dict.fromkeys(dealt, 1)
    while len(dealt) < bad:
        (name,) = draw.choices(names_, weights)
        if had.get(name, 0) < BAD[name].at_most:
            had[name] = had.get(name, 0) + 1
            dealt.append(name)
    dealt += [draw.choice(list(GOOD)) for _ in range(count - bad)]
    draw.shuffle(dealt)
    return dealt


def _publish_phase(zoo: Zoo, draw: random.Random, phase: str, animals: Sequence[str]) -> None:
    """Publish at an even pace, a few events to a transaction; every tenth transaction rolls back."""
    pace, at = threading.Event(), 0
    while at < len(animals):
        began = time.monotonic()
        size = draw.randint(1, 9)
        zoo.publish(animals[at : at + size], phase=phase)
        at += size
        if draw.random() < 0.1:
            zoo.publish(draw.choices(list(ANIMALS), k=size), phase=phase, commit=False)
        pace.wait(max(0.0, TICK_S - (time.monotonic() - began)))


@contextlib.contextmanager
def _killing(zoo: Zoo, draw: random.Random) -> Iterator[None]:
    """Kill workers at random moments while the block runs, and the rest of them after it."""
    over, left = threading.Event(), zoo.plan.kills
    span_s = zoo.plan.phases["kills"] / 5 * TICK_S  # what publishing will take, at least

    def kill() -> None:
        nonlocal left
        while left and not over.wait(draw.uniform(0.2, 1.8) * span_s / zoo.plan.kills):
            zoo.kill(draw.choice(WORKERS))
            left -= 1

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    for _ in range(left):
        zoo.kill(draw.choice(WORKERS))


@contextlib.contextmanager
def _bringing_forward(zoo: Zoo) -> Iterator[None]:
    """Make retries due that wait for their time, and note how long they would have waited."""
    over = threading.Event()

    def forward() -> None:
        with psycopg.connect(zoo.own.database_url, autocommit=True) as connection:
            while not over.wait(FORWARD_EVERY_S):
                rows = connection.execute(FORWARD).fetchall()
                zoo.waits.extend(Wait(id=str(id_), failures=n, planned_s=s) for id_, n, s in rows)

    thread = threading.Thread(target=forward)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextlib.contextmanager
def _zoo(directory: Path, plan: Plan, say: Callable[[str], None]) -> Iterator[Zoo]:
    with contextlib.ExitStack() as opened:
        say("opening the zoo")
        own = opened.enter_context(servers.temporary(directory / "servers"))
        secret = (
            "whsec_"
            + Fernet.generate_key().decode().rstrip("=").replace("-", "A").replace("_", "B")[:40]
        )
        zone = names.Zone(names=_zone())
        dns_port = opened.enter_context(names.serve(zone))
        (directory / "tls").mkdir()
        authority = receivers.authority(directory / "tls")
        log = directory / "arrivals.jsonl"
        good = _animals(opened, GOOD, authority, secret, log)
        bad = _animals(opened, BAD, authority, secret, log)
        env = _environment(directory, own, authority.ca_file) | {
            "ZOO_DNS_PORT": str(dns_port),
            "ZOO_SECRET": secret,
            **plan.env,
        }
        _manage(env, "migrate", "--verbosity", "0")
        supervisor = Supervisor(marker=secrets.token_hex(8), say=lambda _: None)
        opened.callback(supervisor.stop_all)
        _start_workers(supervisor, directory, env)
        publisher = opened.enter_context(process("tests.zoo.publisher", env=env))
        publisher.hear()
        zoo = Zoo(
            own=own,
            supervisor=supervisor,
            publisher=publisher,
            urls=_urls({**good, **bad}),
            log=log,
            plan=plan,
            say=say,
        )
        _warm_up(zoo)
        yield zoo


def _start_workers(supervisor: Supervisor, directory: Path, env: Mapping[str, str]) -> None:
    layout = stack.Layout(base_dir=BASE_DIR, env=env, logs=directory / "logs")
    spec = stack.webhooks(layout)
    python, module_flag, *rest = spec.argv
    for name in WORKERS:
        argv = (
            python,
            module_flag,
            "tests.zoo.worker",
            *(name + "@%h" if one == "webhooks@%h" else one for one in rest),
        )
        log_path = directory / "logs" / f"{name}.log"
        supervisor.start(replace(spec, name=name, argv=argv, log_path=log_path))
    supervisor.start(stack.maintenance(layout, schedule=directory / "beat"))


def _warm_up(zoo: Zoo) -> None:
    """Have every good receiver served once, so that no start-up is measured."""
    for _ in range(4):
        zoo.publish(list(GOOD), phase="warm-up")
    _wait_for(lambda: _pending(zoo) == 0, "the workers to deliver", READY_S)


def _animals(
    opened: contextlib.ExitStack, kinds: Mapping[str, Animal], authority: receivers.Authority, secret: str, log: Path
) -> dict[str, int]:  # fmt: skip
    """Run these animals in a process of theirs and return their ports."""
    talk = opened.enter_context(process("tests.zoo.animals", env=dict(os.environ)))
    living = {
        name: (animal.behaviour, _certificate(authority, animal))
        for name, animal in kinds.items()
        if animal.behaviour
    }
    return talk.ask(secret=secret, log=str(log), animals=living)


def _certificate(authority: receivers.Authority, animal: Animal) -> str | None:
    if not animal.tls:
        return None
    expired = animal.tls == "expired"
    return str(
        authority.certificate_file(animal.host + DOMAIN if expired else animal.tls, expired=expired)
    )


def _zone() -> dict[str, list[list[str]]]:
    here = [["127.0.0.1"]]
    return {
        "tls" + DOMAIN: here,
        "expired" + DOMAIN: here,
        "other" + DOMAIN: here,
        "metadata" + DOMAIN: [["169.254.169.254"]],
        # Each look-up of a new connection sees the next of these; then it stays inside.
        "rebinds" + DOMAIN: [*here * 3, ["127.0.0.1", "169.254.169.254"]],
    }


def _urls(ports: Mapping[str, int]) -> dict[str, str]:
    found = {}
    for name, animal in ANIMALS.items():
        host = (
            animal.host
            if animal.host.endswith(names.FAILS)
            else animal.host and animal.host + DOMAIN
        )
        port = ports.get(name, 1)  # nobody listens on port 1
        found[name] = f"{'https' if animal.tls else 'http'}://{host or '127.0.0.1'}:{port}/{name}"
    return found


@contextlib.contextmanager
def process(module: str, *, env: Mapping[str, str]) -> Iterator[Talk]:
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(
        [sys.executable, "-m", module], cwd=BASE_DIR, env=dict(env), text=True, **pipes
    ) as process:
        try:
            yield Talk(process)
        finally:
            process.terminate()


def _manage(env: Mapping[str, str], *argv: str) -> None:
    subprocess.run([sys.executable, "manage.py", *argv], cwd=BASE_DIR, env=dict(env), check=True)


def _pending(zoo: Zoo) -> int:
    with psycopg.connect(zoo.own.database_url) as connection:
        row = connection.execute(_PENDING).fetchone()
    return int(row[0]) if row else 0


def _wait_for(done: Callable[[], bool], what: str, limit_s: float) -> None:
    pause, deadline = threading.Event(), time.monotonic() + limit_s
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {limit_s:g} s for {what}")
        pause.wait(0.1)


def _environment(directory: Path, own: Servers, ca_file: str) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GENIE_", "DATABASE_", "REDIS_"))
    }
    return {
        **kept,
        "DATABASE_URL": own.database_url,
        "REDIS_URL": own.redis_url,
        "GENIE_SECRET_KEY": secrets.token_urlsafe(50),
        "GENIE_KEY_PEPPER": secrets.token_urlsafe(32),
        "GENIE_FIELD_KEYS": Fernet.generate_key().decode(),
        "GENIE_ENVIRONMENT": "development",
        "GENIE_OUTBOUND_DEVELOPMENT": "1",
        "GENIE_OUTBOUND_CA_FILE": ca_file,
        "GENIE_STATE_DIR": str(directory / "state"),
        "GENIE_SWEEP_INTERVAL_S": "0.5",
        "DJANGO_SETTINGS_MODULE": "genie.settings",
        "PYTHONUNBUFFERED": "1",
    }
