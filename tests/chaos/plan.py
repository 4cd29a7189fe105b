"""What a campaign will do, drawn from its seed before anything runs: the faults, and every call; pure."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

_T = TypeVar("_T")

ORGANIZATIONS = 12
CAPPED = (3, 7, 11)  # whose daily caps bind before the end
CALM_START_S = 3.0
CALM_END_S = 12.0  # no fault begins so shortly before the end of the load
# What one job is worth at most nearly, in micro-credits: what the caps that bind are made of.
USUAL_COST = 3_000
CAP_SHARE = 0.4  # of what a capped organisation would spend


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of fault: what it is done to, for how long, and how often beside the others."""

    target: str  # two faults of one target never overlap
    lasts_s: tuple[float, float] = (0.0, 0.0)
    weight: int = 1
    rows: str  # of the fault matrix
    proxied: bool = False  # needs a proxy in front of the servers


WORKERS = ("worker-echo-1", "worker-echo-2", "worker-tiny-1", "worker-tiny-2")
WEBS = ("web-1", "web-2")
# The targets of faults that name a class of processes; one of its members is drawn.
CLASSES: Mapping[str, Sequence[str]] = {
    "worker": WORKERS,
    "web": WEBS,
    "webhooks": ("webhooks",),
    "maintenance": ("maintenance",),
}

KINDS: Mapping[str, Kind] = {
    "kill-worker": Kind(target="worker", weight=14, rows="F2 F3 F53"),
    "freeze-worker": Kind(target="worker", weight=5, lasts_s=(5.0, 8.0), rows="F7"),
    "term-worker": Kind(target="worker", weight=5, rows="F8 F10"),
    "quit-worker": Kind(target="worker", weight=2, rows="F9"),
    "kill-web": Kind(target="web", weight=7, rows="F35 F36 F37"),
    "term-web": Kind(target="web", weight=3, rows="F10"),
    "freeze-web": Kind(target="web", weight=2, lasts_s=(1.0, 4.0), rows="F37"),
    "kill-webhooks": Kind(target="webhooks", weight=5, rows="F46"),
    "freeze-webhooks": Kind(target="webhooks", weight=1, lasts_s=(3.0, 8.0), rows="F46"),
    "kill-maintenance": Kind(target="maintenance", weight=4, rows="F43"),
    "freeze-maintenance": Kind(target="maintenance", weight=2, lasts_s=(3.0, 9.0), rows="F43"),
    "redis-kill": Kind(target="redis", weight=4, rows="F15"),
    "redis-wipe": Kind(target="redis", weight=3, lasts_s=(0.5, 2.0), rows="F16"),
    "redis-flush": Kind(target="redis", weight=6, rows="F17 F54"),
    "redis-outage": Kind(target="redis", weight=3, lasts_s=(3.0, 10.0), rows="F18"),
    "redis-full": Kind(target="redis", weight=3, lasts_s=(2.0, 6.0), rows="F21"),
    "redis-black-hole": Kind(
        target="redis", weight=3, lasts_s=(3.0, 9.0), rows="F19", proxied=True
    ),
    "redis-slow": Kind(target="redis", weight=2, lasts_s=(3.0, 6.0), rows="F20", proxied=True),
    "redis-reset": Kind(target="redis", weight=2, rows="F55", proxied=True),
    "postgres-kill": Kind(target="postgres", weight=4, rows="F25"),
    "postgres-outage": Kind(target="postgres", weight=2, lasts_s=(2.0, 5.0), rows="F24 F25"),
    "postgres-terminate": Kind(target="postgres", weight=7, rows="F24"),
    "postgres-black-hole": Kind(
        target="postgres", weight=2, lasts_s=(2.0, 6.0), rows="F27", proxied=True
    ),
    "postgres-cut-commits": Kind(
        target="postgres", weight=6, lasts_s=(2.0, 2.0), rows="F6 F26", proxied=True
    ),
    "postgres-full": Kind(target="postgres", weight=2, lasts_s=(1.5, 4.0), rows="F29"),
    "redis-password": Kind(target="redis", weight=2, lasts_s=(2.0, 5.0), rows="F22"),
    "redis-replica": Kind(target="redis", weight=2, lasts_s=(2.0, 5.0), rows="F22"),
    "redis-failover": Kind(target="redis", weight=2, lasts_s=(0.5, 1.5), rows="F23", proxied=True),
    "second-beat": Kind(target="second-beat", weight=2, lasts_s=(6.0, 12.0), rows="F44"),
    "swizzle": Kind(target="links", weight=4, lasts_s=(0.5, 2.0), rows="F52", proxied=True),
    "locks": Kind(target="locks", weight=4, lasts_s=(1.0, 6.0), rows="F28"),
    "doubled-tickets": Kind(target="tickets", weight=4, rows="F42"),
}
# How long a target is left alone after a fault, so that it can come back and be hurt again.
REST_S = {"postgres": 4.0, "redis": 2.0}
USUAL_REST_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A fault that will be done: at so many seconds from the start of the load."""

    number: int
    at_s: float
    kind: str
    target: str  # a process, or a server
    lasts_s: float
    seed: int  # of whatever else it draws


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request that a client will make, and what it will do with the answer.

    `text` has the call's number in it, so that a job says which call it is of.
    """

    number: int
    organization: int
    facade: str  # genie, openai, bifrost, inference_net, oxen
    mode: str  # sync, stream, async
    model: str
    text: str
    kind: str = "chat"  # or embedding, image
    key: str | None = None  # Idempotency-Key
    posts: int = 1  # sent so often, side by side, under its key
    webhook: str = ""  # the receiver that is told
    then: str = "leave"  # poll, watch, cancel, or disconnect: what the client does next
    after_s: float = 0.0  # before it cancels or disconnects


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How large a campaign is, and what it may do."""

    seed: int
    jobs: int = 2_000
    faults: int = 100
    rate: float = 15.0  # calls a second
    spacing_s: float = 1.6  # between two faults on the average, at least
    clients: int = 32
    limit_s: float = 240.0  # for everything to end, after the load
    kinds: Sequence[str] = tuple(KINDS)
    receivers: Mapping[str, int] = field(default_factory=dict)  # of webhooks, with their weights
    models: Mapping[str, int] = field(default_factory=lambda: {"echo": 10, "echo-slow": 6})
    media: bool = True
    workers: Sequence[str] = WORKERS

    @property
    def horizon_s(self) -> float:
        """Return how long the load is planned to last."""
        return max(self.jobs / self.rate, self.faults * self.spacing_s + CALM_START_S + CALM_END_S)

    @property
    def pace(self) -> float:
        """Return how many calls a second that is."""
        return self.jobs / self.horizon_s

    @property
    def cap_microcredits(self) -> int:
        """Return the daily cap of the organisations whose cap binds."""
        return int(self.jobs / ORGANIZATIONS * USUAL_COST * CAP_SHARE)


def schedule(plan: Plan) -> list[Planned]:
    """Return the faults in order of time; the same for the same plan."""
    draw = random.Random(f"faults {plan.seed}")  # noqa: S311 - so that a seed says it all
    span_s = plan.horizon_s - CALM_START_S - CALM_END_S
    moments = sorted(CALM_START_S + draw.random() * span_s for _ in range(plan.faults))
    names = _dealt(draw, plan.faults, plan.kinds)
    classes = {**CLASSES, "worker": plan.workers}
    free_at: dict[str, float] = {}
    planned = []
    for number, (at_s, name) in enumerate(zip(moments, names, strict=True)):
        kind = KINDS[name]
        members = classes.get(kind.target, (kind.target,))
        target = min(members, key=lambda one: (free_at.get(one, 0.0) > at_s, draw.random()))
        starts_s = max(at_s, free_at.get(target, 0.0))
        lasts_s = round(draw.uniform(*kind.lasts_s), 2)
        free_at[target] = starts_s + lasts_s + REST_S.get(target, USUAL_REST_S)
        planned.append(
            Planned(
                number=number, at_s=round(starts_s, 2), kind=name, target=target, lasts_s=lasts_s,
                seed=draw.getrandbits(32),
            )
        )  # fmt: skip
    return sorted(planned, key=lambda one: one.at_s)


def _dealt(draw: random.Random, count: int, kinds: Sequence[str]) -> list[str]:
    """Return kinds by weight in random order, each at least once where there is room."""
    dealt = list(kinds)[:count]
    weights = [KINDS[name].weight for name in kinds]
    dealt += draw.choices(list(kinds), weights, k=count - len(dealt))
    draw.shuffle(dealt)
    return dealt


# Facade and mode, and how often.
_WAYS: Mapping[tuple[str, str, str], int] = {
    ("genie", "async", "chat"): 34,
    ("genie", "sync", "chat"): 14,
    ("genie", "stream", "chat"): 12,
    ("openai", "sync", "chat"): 6,
    ("openai", "stream", "chat"): 6,
    ("bifrost", "async", "chat"): 8,
    ("inference_net", "async", "chat"): 6,
    ("genie", "async", "embedding"): 4,
    ("genie", "sync", "embedding"): 3,
}
_MEDIA_WAYS: Mapping[tuple[str, str, str], int] = {
    ("oxen", "async", "image"): 4,
    ("genie", "async", "image"): 2,
}
_NEXT: Mapping[str, Mapping[str, int]] = {
    "async": {"leave": 55, "poll": 25, "watch": 8, "cancel": 12},
    "sync": {"leave": 85, "disconnect": 15},
    "stream": {"leave": 80, "disconnect": 20},
}
_WORDS = ["amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heath", "inlet", "jetty"]


def call(plan: Plan, number: int) -> Call:
    """Return one call; the same for the same seed and number, whatever ran before."""
    draw = random.Random(f"call {plan.seed} {number}")  # noqa: S311 - as above
    ways = {**_WAYS, **(_MEDIA_WAYS if plan.media else {})}
    facade, mode, kind = _choose(draw, ways)
    key = f"chaos-{plan.seed}-{number}" if facade == "genie" and draw.random() < 0.6 else None
    then = _choose(draw, _NEXT[mode]) if facade in ("genie", "openai") else "leave"
    told = facade == "genie" and mode == "async" and bool(plan.receivers) and draw.random() < 0.5
    return Call(
        number=number,
        organization=draw.randrange(ORGANIZATIONS),
        facade=facade,
        mode=mode,
        kind=kind,
        model=_model(plan, draw, kind),
        text=" ".join([marker(number), *draw.choices(_WORDS, k=draw.randint(1, 36))]),
        key=key,
        posts=draw.choice((2, 3, 5)) if key and mode == "async" and draw.random() < 0.2 else 1,
        webhook=_choose(draw, plan.receivers) if told else "",
        then=then,
        after_s=draw.uniform(0.0, 1.5),
    )


def marker(number: int) -> str:
    """Return the word by which a call's jobs are known."""
    return f"call{number}z"


def _model(plan: Plan, draw: random.Random, kind: str) -> str:
    if kind == "chat":
        return _choose(draw, plan.models)
    return {"embedding": "echo-embedding", "image": "echo-image"}[kind]


def _choose(draw: random.Random, weights: Mapping[_T, int]) -> _T:
    (chosen,) = draw.choices(list(weights), list(weights.values()))
    return chosen
