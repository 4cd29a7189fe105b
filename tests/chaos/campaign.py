"""Run a campaign on a running system: load and faults side by side, then rest, then the evidence."""

import dataclasses
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg

from tests.acceptance.system import System
from tests.chaos import stack, witnesses
from tests.chaos.client import Client, Org
from tests.chaos.evidence import Done, Evidence, Told
from tests.chaos.faults import Injector, Stage
from tests.chaos.load import Load
from tests.chaos.plan import Plan, Planned, schedule
from tests.chaos.sampling import Sampler

POLL_S = 0.5
RECEIVERS = {"fast-1": 14, "fast-2": 6, "slow": 3, "shaky": 3, "broken": 1, "reset": 1, "gone": 1}
_UNENDED = """
SELECT count(*) FROM jobs_job j JOIN tenants_organization o ON o.id = j.organization_id
 WHERE o.slug = ANY(%s) AND j.state IN ('queued', 'running')
"""
_UNTOLD = """
SELECT count(*) FROM webhooks_delivery d JOIN webhooks_event v ON v.id = d.event_id
  JOIN tenants_organization o ON o.id = v.organization_id WHERE o.slug = ANY(%s) AND d.state = 'pending'
"""

Say = Callable[[str], None]


class _Notes:
    """What happened when: a journal for machines, and the faults for the figures."""

    def __init__(self, journal: stack.Journal, say: Say) -> None:
        self._journal = journal
        self._say = say
        self._began = time.time()
        self._lock = threading.Lock()
        self.done: dict[int, Done] = {}

    def note(self, what: str, about: Told | Planned) -> None:
        """Note a fault, its end, or a call with all its answers."""
        now = time.time()
        with self._lock:
            self._journal.write(at=now, what=what, **dataclasses.asdict(about))
            if isinstance(about, Planned):
                self._fault(what, about, now)

    def _fault(self, what: str, planned: Planned, now: float) -> None:
        if what == "fault":
            self.done[planned.number] = Done(planned=planned, at=now, healed_at=None)
            lasts = f", {planned.lasts_s:g} s" if planned.lasts_s else ""
            self._say(f"{now - self._began:6.1f} s  {planned.kind} ({planned.target}{lasts})")
        else:
            self.done[planned.number] = replace(self.done[planned.number], healed_at=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a campaign is."""

    accepted: int
    faults: int
    unended: int | None = None


def run(
    system: System,
    stage: Stage,
    plan: Plan,
    directory: Path,
    *,
    say: Say = lambda _: None,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Evidence:
    """Run a campaign and return the evidence. The schedule of the faults is written before it begins."""
    planned = schedule(plan)
    journal = stack.Journal(directory / "timeline.jsonl")
    for one in planned:
        journal.write(what="planned", **dataclasses.asdict(one))
    with stack.sink(directory, plan.receivers or {"fast-1": 1}) as sink:
        organizations = stack.enrol(system, plan)
        actors = _Actors.of(system, stage, plan, sink, organizations, _Notes(journal, say))
        try:
            actors.start(planned)
            actors.hurt(progress)
            say("all faults are healed; waiting for everything to end")
            if not actors.rest(progress):
                say(f"not everything had ended after {plan.limit_s:g} s")
        finally:
            actors.stop()
            journal.close()
        return actors.evidence(sink)


@dataclass(slots=True, kw_only=True)
class _Actors:
    """Everybody who does something in a campaign."""

    system: System
    plan: Plan
    slugs: tuple[str, ...]
    notes: _Notes
    load: Load
    injector: Injector
    sampler: Sampler
    over: threading.Event

    @classmethod
    def of(
        cls,
        system: System,
        stage: Stage,
        plan: Plan,
        sink: stack.Sink,
        organizations: Sequence[Org],
        notes: _Notes,
    ) -> "_Actors":
        slugs = tuple(one.slug for one in organizations)
        over = threading.Event()
        client = Client(
            base_url=system.base_url, organizations=organizations, receivers=sink.urls,
            secret=sink.secret, sync_limit_s=float(system.env.get("GENIE_SYNC_LIMIT_S", "120")), over=over,
        )  # fmt: skip
        return cls(
            system=system,
            plan=plan,
            slugs=slugs,
            notes=notes,
            load=Load(plan, client, notes.note),
            injector=Injector(replace(stage, organizations=slugs), notes.note),
            sampler=Sampler(system, slugs),
            over=over,
        )

    def start(self, planned: list[Planned]) -> None:
        self.sampler.start()
        self.load.start()
        self.injector.start(planned)

    def hurt(self, progress: Callable[[Progress], None]) -> None:
        """Wait until there have been jobs and faults enough, and every fault is healed."""
        pause = threading.Event()
        gives_up = time.monotonic() + 4 * self.plan.horizon_s + 60
        while not (self.injector.done and self.load.accepted >= self.plan.jobs):
            if self.load.trouble or self.injector.trouble or time.monotonic() > gives_up:
                break
            progress(self._progress())
            pause.wait(POLL_S)
        self.injector.join()
        self.load.stop()
        self.load.join()

    def rest(self, progress: Callable[[Progress], None]) -> bool:
        """Wait until every job and webhook has ended; tell whether they have in time."""
        pause, deadline = threading.Event(), time.monotonic() + self.plan.limit_s
        while (left := self._left()) and time.monotonic() < deadline:
            progress(self._progress(left))
            pause.wait(POLL_S)
        return left == 0

    def stop(self) -> None:
        self.over.set()
        self.load.stop()
        self.injector.stop()
        self.load.join()
        self.sampler.stop()

    def evidence(self, sink: stack.Sink) -> Evidence:
        """Return what all witnesses say, once everybody has stopped."""
        evidence = witnesses.gather(self.system, self.slugs, sink.log)
        self.sampler.compare(list(evidence.jobs.values()))
        return replace(
            evidence,
            told=self.load.told,
            faults=list(self.notes.done.values()),
            samples=self.sampler.samples,
            sampled=self.sampler.breaches,
            ends=sink.ends,
            ledger=_ledger(self.system),
            trouble=[*self.load.trouble, *self.injector.trouble, *self.sampler.trouble],
        )

    def _left(self) -> int:
        try:
            ((jobs,),) = self.system.sql(_UNENDED, list(self.slugs))
            ((webhooks,),) = self.system.sql(_UNTOLD, list(self.slugs))
        except psycopg.OperationalError:
            return 1  # it is still being started
        return int(jobs + webhooks)

    def _progress(self, unended: int | None = None) -> Progress:
        return Progress(accepted=self.load.accepted, faults=len(self.notes.done), unended=unended)


def _ledger(system: System) -> dict[str, object]:
    try:
        return system.verify_ledger()
    except AssertionError as drift:
        return {"clean": False, "said": str(drift)}
