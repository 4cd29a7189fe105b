"""Sends what Schemathesis makes of the document to a running system, and keeps what must not be.

Half of the requests are right by the document and half are wrong by it. Left alone, nearly all would
end at a made-up id or model; so paths name real things, and bodies real models, most of the time.
"""

import contextlib
import dataclasses
import itertools
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

from tests.fuzz.checks import CHECKS, SLOW
from tests.fuzz.things import ENDS, Things, recording

# What is answered once other systems have answered, or real work is done.
WAITS = SLOW | {
    *("testWebhook", "openaiCreateVideo", "createVideo", "createTransition", "getReadiness"),
}
MODELS = ("echo", "echo-embedding", "flux-schnell", "echo-speech", "echo-transcription", "wan-2.1")
TIMEOUT_S = 30.0
QUICK_S = 1.0  # for a refusal
LATE_SHARE = 0.01  # of the cases may take longer: the machine is busy with the system itself


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """An answer that must not be."""

    operation: str
    what: str
    again: str  # a command that sends it again


@dataclasses.dataclass(slots=True, kw_only=True)
class Report:
    """What came of a run."""

    cases: int = 0
    statuses: Counter[tuple[str, int]] = dataclasses.field(default_factory=Counter)
    refusals_s: list[float] = dataclasses.field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")  # of refusals
    breaches: dict[tuple[str, str], Breach] = dataclasses.field(default_factory=dict)

    def add(self, breach: Breach) -> None:
        """Keep the first breach of its kind."""
        kind = breach.operation, "".join(one for one in breach.what[:120] if not one.isdigit())
        self.breaches.setdefault(kind, breach)

    @property
    def late(self) -> int:
        """How many refusals took longer than they may."""
        return sum(took > QUICK_S for took in self.refusals_s)


def run(
    schema: Any,
    things: Things,
    *,
    managed: Things,
    cases: int,
    first_seed: int,
    done: Callable[[str, list[Breach]], None] = lambda _label, _breaches: None,
) -> Report:
    """Send so many requests at least, shared evenly by the operations; who interrupts it has what came of them.

    What an operation takes too little to make its share of is sent to all in another round.
    ``managed`` are those of an organization whose caps and keys may change. ``done`` is told of each
    operation with what it answered that must not be.
    """
    report = Report()
    found = list(operations(schema))
    things.make(one for one in found if not is_managed(one))
    managed.make(one for one in found if is_managed(one))
    with requests.Session() as session, contextlib.suppress(KeyboardInterrupt):
        known = -1
        for first in itertools.count(first_seed * 1000, 500_000):
            if report.cases >= cases or report.cases == known:
                break
            known, each = report.cases, math.ceil((cases - report.cases) / len(found) / 2)
            for number, operation in enumerate(found):
                own = managed if is_managed(operation) else things
                before = len(report.breaches)
                try:
                    _Sender(operation, own, report, session).send(each, with_seed=first + number)
                finally:  # an interrupted operation has broken what it has
                    done(operation.label, list(report.breaches.values())[before:])
    return report


def operations(schema: Any) -> Iterator[Any]:
    """Yield the operations of a schema."""
    for found in schema.get_all_operations():
        yield found.ok()


def is_managed(operation: Any) -> bool:
    """Tell whether an operation changes what an organization may do: a cap, a key."""
    return bool(operation.path.startswith("/api/orgs/"))


def _name(operation: Any) -> str:
    return str(operation.definition.raw["operationId"])


@dataclasses.dataclass(frozen=True, slots=True)
class _Sender:
    operation: Any
    things: Things
    report: Report
    session: requests.Session

    def send(self, cases: int, *, with_seed: int) -> None:
        """Send so many right requests at most, and as many wrong ones."""
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            self._send(mode, cases=cases, with_seed=with_seed)

    def _send(self, mode: GenerationMode, *, cases: int, with_seed: int) -> None:
        strategy = self.operation.as_strategy(generation_mode=mode)

        @seed(with_seed)
        @settings(
            max_examples=cases,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=strategy, choice=st.integers(0, 9))
        def one(case: schemathesis.Case[Any], choice: int) -> None:
            self._one(case, choice)

        with contextlib.suppress(Unsatisfiable):  # what takes nothing can be asked nothing wrong
            one()

    def _one(self, case: schemathesis.Case[Any], choice: int) -> None:
        self._name_real_things(case, choice)
        name, caller = _name(self.operation), self.things.caller
        began = time.monotonic()
        try:
            answer = case.call(
                base_url=caller.base_url or caller.system.base_url,
                headers=_headers(case, caller.headers, choice),
                session=self.session,
                timeout=TIMEOUT_S,
                allow_redirects=False,
            )
        except requests.exceptions.InvalidHeader:
            return  # the client refuses to send it
        except requests.RequestException as error:
            told = f"no answer: {error}"
            self.report.add(Breach(operation=name, what=told, again=case.as_curl_command()))
            return
        took = time.monotonic() - began
        self.report.cases += 1
        self.report.statuses[name, answer.status_code] += 1
        if answer.status_code >= 400 and name not in WAITS:
            self.report.refusals_s.append(took)
            self.report.slowest = max(self.report.slowest, (took, name))
        try:
            case.validate_response(answer, checks=CHECKS)
        except (AssertionError, BaseExceptionGroup) as error:
            self.report.add(Breach(operation=name, what=_told(error), again=case.as_curl_command()))

    def _name_real_things(self, case: schemathesis.Case[Any], choice: int) -> None:
        ends = _name(self.operation) in ENDS
        if choice < (3 if ends else 8):
            make = self.things.fresh if ends else self.things.of
            for name in case.path_parameters or {}:
                case.path_parameters[name] = make(case.path, name)
        if isinstance(case.body, dict) and (example := self._example()):
            if choice < 5:  # right but for what was made up for one or two of its fields
                made = list(case.body.items())[choice:][:2]
                case.body = example | {name: value for name, value in made if name != "model"}
            elif choice < 7 and "model" in example:
                case.body["model"] = MODELS[choice % len(MODELS)]

    def _example(self) -> dict[str, Any]:
        body = self.operation.definition.raw.get("requestBody", {"content": {}})
        for content in body["content"].values():
            files = {
                name: recording()
                for name, one in content["schema"].get("properties", {}).items()
                if one.get("format") == "binary" and name in content["schema"].get("required", ())
            }
            example = content.get("examples", {}).get("usual", {}).get("value", {})
            return {**self.things.filled(example), **files}
        return {}


def _headers(case: schemathesis.Case[Any], own: dict[str, str], choice: int) -> dict[str, str]:
    """Return the caller's key; once in a while there is none, or whatever was made up stays."""
    return {} if choice == 9 else own


def _told(error: BaseException) -> str:
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else [error]
    return "; ".join(f"{getattr(one, 'title', '')} {one}"[:700] for one in inner)
