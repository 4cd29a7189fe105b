"""Models that do not fit together: who waits, who leaves, and what those are told who never fit.

The backends are scripted, so every order is the test's own and nothing depends on time.
"""

import dataclasses
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from inference import memory
from inference.engine import Engine
from inference.errors import (
    DeviceLost,
    InferenceError,
    ModelLoadFailed,
    ModelTooLarge,
    OutOfMemory,
)
from inference.memory import Memory
from inference.ports import Handle, Listener
from inference.registry import ModelSpec, Registry
from inference.types import (
    ChatRequest,
    ChatResult,
    FinishReason,
    Request,
    SamplingParams,
    Usage,
)
from tests.unit.inference.listeners import RecordingListener
from tests.unit.inference.specs import echo_spec

LIMIT_S = 10
BUDGET = 100


class FakeHandle:
    usage = Usage()

    def cancel(self) -> None:
        raise AssertionError("nobody cancels here")


@dataclasses.dataclass(eq=False)
class FakeBackend:
    """Holds memory from its load to its close; requests end when the test says so."""

    spec: ModelSpec
    machine: "Machine"
    listeners: list[Listener] = dataclasses.field(default_factory=list)
    capabilities: frozenset[str] = frozenset()

    def load(self) -> None:
        self.machine.load(self)

    def submit(self, request: Request, listener: Listener) -> Handle:
        self.listeners.append(listener)
        self.machine.note(f"run {self.spec.id} {request.request_id}")
        return FakeHandle()

    def finish(self) -> None:
        result = ChatResult(text="", finish_reason=FinishReason.STOP, usage=Usage())
        self.listeners.pop(0).on_done(result, usage=Usage())

    def fail(self, error: InferenceError) -> None:
        self.listeners.pop(0).on_done(error, usage=Usage())

    def close(self, *, timeout_s: float) -> None:
        assert not self.listeners or self.machine.is_over, "a busy model was closed"
        self.machine.unload(self)

    def last_step_at(self) -> float:
        return 0.0

    def running(self) -> int:
        return len(self.listeners)

    def memory_bytes(self) -> int:
        return int(self.spec.options["measured"])

    def is_healthy(self) -> bool:
        return True


class Machine:
    """A device with so much memory, and a record of what happened on it, in order."""

    def __init__(self) -> None:
        self.room = 10**9
        self.events: list[str] = []
        self.backends: dict[str, FakeBackend] = {}
        self.is_over = False
        self._happened = threading.Condition()

    def open(self, spec: ModelSpec) -> FakeBackend:
        return FakeBackend(spec, self)

    def load(self, backend: FakeBackend) -> None:
        size = backend.memory_bytes()
        used = sum(one.memory_bytes() for one in self.backends.values())
        if used + size > self.room:
            self.note(f"no room {backend.spec.id}")
            raise OutOfMemory("There is no memory left.")
        self.backends[backend.spec.id] = backend
        self.note(f"load {backend.spec.id}")

    def unload(self, backend: FakeBackend) -> None:
        if self.backends.pop(backend.spec.id, None) is not None:
            self.note(f"unload {backend.spec.id}")

    def note(self, event: str) -> None:
        with self._happened:
            self.events.append(event)
            self._happened.notify_all()

    def wait(self, event: str) -> None:
        with self._happened:
            assert self._happened.wait_for(lambda: event in self.events, LIMIT_S), self.events


def spec(model_id: str, size: int, *, measured: int | None = None) -> ModelSpec:
    options = {"memory_bytes": size, "measured": size if measured is None else measured}
    return echo_spec(model_id, options=options)


@pytest.fixture
def machine() -> Machine:
    return Machine()


Start = Callable[..., Engine]


@pytest.fixture
def start(machine: Machine) -> Iterator[Start]:
    """Make an engine of models with sizes, within a budget of 100 bytes."""
    engines: list[Engine] = []

    def make(
        *models: ModelSpec,
        pinned: frozenset[str] = frozenset(),
        lost: list[DeviceLost] | None = None,
    ) -> Engine:
        limits = Memory(
            budget_bytes=lambda: BUDGET,
            estimate_bytes=lambda one: int(one.options["memory_bytes"]),
            pinned=pinned,
        )
        told = [] if lost is None else lost
        engines.append(
            Engine(
                Registry(models),
                open_backend=machine.open,
                memory=limits,
                on_device_lost=told.append,
            )
        )
        return engines[-1]

    yield make
    machine.is_over = True
    for engine in engines:
        engine.close(timeout_s=1)


def submit(engine: Engine, model: str, name: str) -> RecordingListener:
    listener = RecordingListener()
    engine.submit(
        ChatRequest(
            request_id=name, model=model, messages=(), sampling=SamplingParams(max_tokens=1)
        ),
        listener,
    )
    return listener


def serve(engine: Engine, machine: Machine, model: str, name: str) -> None:
    """Run one request of a model from its beginning to its end."""
    listener = submit(engine, model, name)
    machine.wait(f"run {model} {name}")
    machine.backends[model].finish()
    listener.wait(LIMIT_S)


class TestEviction:
    def test_what_fits_together_stays(self, start: Start, machine: Machine) -> None:
        engine = start(spec("a", 60), spec("b", 40))

        serve(engine, machine, "a", "1")
        serve(engine, machine, "b", "2")

        assert engine.loaded() == ("a", "b")
        assert engine.memory_bytes() == {"a": 60, "b": 40}

    def test_the_least_recently_used_makes_room(self, start: Start, machine: Machine) -> None:
        engine = start(spec("a", 40), spec("b", 40), spec("c", 40))
        serve(engine, machine, "a", "1")
        serve(engine, machine, "b", "2")
        serve(engine, machine, "a", "3")

        serve(engine, machine, "c", "4")

        assert engine.loaded() == ("a", "c")

    def test_a_pinned_model_stays_whatever_it_was_last_used(
        self, start: Start, machine: Machine
    ) -> None:
        engine = start(spec("a", 40), spec("b", 40), spec("c", 40), pinned=frozenset({"a"}))
        serve(engine, machine, "a", "1")
        serve(engine, machine, "b", "2")

        serve(engine, machine, "c", "3")

        assert engine.loaded() == ("a", "c")

    def test_two_that_do_not_fit_together_take_turns(self, start: Start, machine: Machine) -> None:
        engine = start(spec("a", 60), spec("b", 60))

        for turn in range(3):
            serve(engine, machine, "a", f"a{turn}")
            serve(engine, machine, "b", f"b{turn}")

        moves = [event for event in machine.events if not event.startswith("run")]
        assert moves == [
            "load a",
            *["unload a", "load b", "unload b", "load a"] * 2,
            "unload a",
            "load b",
        ]

    def test_the_measured_size_counts_once_it_is_known(
        self, start: Start, machine: Machine
    ) -> None:
        engine = start(spec("a", 10, measured=70), spec("b", 40))
        serve(engine, machine, "a", "1")

        serve(engine, machine, "b", "2")

        assert engine.loaded() == ("b",)

    def test_what_takes_more_than_was_thought_makes_others_leave_at_once(
        self, start: Start, machine: Machine
    ) -> None:
        engine = start(spec("a", 40), spec("b", 40, measured=70))
        serve(engine, machine, "a", "1")

        serve(engine, machine, "b", "2")

        assert engine.loaded() == ("b",)

    def test_what_takes_more_than_there_is_leaves_again(
        self, start: Start, machine: Machine
    ) -> None:
        engine = start(spec("a", 40, measured=101))

        outcome = submit(engine, "a", "1").wait(LIMIT_S)

        assert isinstance(outcome, ModelTooLarge)
        assert engine.loaded() == ()
        assert machine.events == ["load a", "unload a"]


class TestWaiting:
    def test_a_busy_model_finishes_first_and_takes_no_newcomers_meanwhile(
        self, start: Start, machine: Machine
    ) -> None:
        engine = start(spec("a", 60), spec("b", 60))
        first = submit(engine, "a", "a1")
        machine.wait("run a a1")
        other = submit(engine, "b", "b1")
        _wait_until(lambda: engine.free_slots("a") == 0)  # it is to leave
        late = submit(engine, "a", "a2")

        machine.backends["a"].finish()
        machine.wait("run b b1")
        machine.backends["b"].finish()
        machine.wait("run a a2")
        machine.backends["a"].finish()

        assert [len(one.outcomes) for one in (first, other, late)] == [1, 1, 1]
        assert machine.events == [
            *("load a", "run a a1", "unload a", "load b", "run b b1"),
            *("unload b", "load a", "run a a2"),
        ]

    def test_a_turn_serves_all_who_waited_for_it(self, start: Start, machine: Machine) -> None:
        engine = start(spec("a", 60), spec("b", 60))
        submit(engine, "a", "a1")
        machine.wait("run a a1")
        for number in range(3):
            submit(engine, "b", f"b{number}")

        machine.backends["a"].finish()
        machine.wait("run b b2")

        assert machine.events[-3:] == ["run b b0", "run b b1", "run b b2"]

    def test_models_are_served_in_the_order_in_which_they_were_asked_for(
        self, start: Start, machine: Machine
    ) -> None:
        engine = start(spec("a", 60), spec("b", 60), spec("small", 10))
        submit(engine, "a", "a1")
        machine.wait("run a a1")
        submit(engine, "b", "b1")

        submit(engine, "small", "s1")  # would fit at once, and must not pass b
        machine.backends["a"].finish()
        machine.wait("run small s1")

        order = [event for event in machine.events if event.startswith("run")]
        assert order == ["run a a1", "run b b1", "run small s1"]


class TestNoRoom:
    def test_a_model_that_never_fits_says_the_sizes(self, start: Start) -> None:
        engine = start(spec("huge", 2 * 2**20))

        outcome = submit(engine, "huge", "1").wait(LIMIT_S)

        assert isinstance(outcome, ModelTooLarge)
        assert outcome.code == "out-of-memory"
        assert not outcome.retryable
        assert outcome.message == (
            "Model huge needs 2.0 MiB of memory, and this worker has 100 bytes for its models."
        )

    def test_what_pinned_models_hold_is_told(self, start: Start, machine: Machine) -> None:
        engine = start(spec("a", 60), spec("b", 60), pinned=frozenset({"a"}))
        serve(engine, machine, "a", "1")

        outcome = submit(engine, "b", "2").wait(LIMIT_S)

        assert isinstance(outcome, ModelTooLarge)
        assert "of which pinned models hold 60 bytes" in outcome.message
        assert engine.loaded() == ("a",)

    def test_a_device_with_less_room_than_the_budget_evicts_more(
        self, start: Start, machine: Machine
    ) -> None:
        machine.room = 50
        engine = start(spec("a", 30), spec("b", 30))
        serve(engine, machine, "a", "1")

        serve(engine, machine, "b", "2")

        assert engine.loaded() == ("b",)
        assert "no room b" in machine.events

    def test_out_of_memory_is_told_where_nothing_can_leave(
        self, start: Start, machine: Machine
    ) -> None:
        machine.room = 50
        engine = start(spec("a", 30), spec("b", 30))
        submit(engine, "a", "1")
        machine.wait("run a 1")

        outcome = submit(engine, "b", "2").wait(LIMIT_S)

        assert isinstance(outcome, OutOfMemory)
        assert outcome.retryable
        assert engine.loaded() == ("a",)

    def test_the_error_of_a_load_holds_nothing_of_it(
        self, start: Start, machine: Machine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(_: FakeBackend) -> None:
            raise OutOfMemory("There is no memory left.") from RuntimeError("of the device")

        monkeypatch.setattr(machine, "load", fail)
        engine = start(spec("a", 60))

        outcome = submit(engine, "a", "1").wait(LIMIT_S)

        assert isinstance(outcome, OutOfMemory)
        assert (outcome.__traceback__, outcome.__cause__, outcome.__context__) == (None,) * 3


class TestOperators:
    def test_a_load_tells_how_it_went(self, start: Start) -> None:
        engine = start(spec("a", 60), spec("huge", 200))

        assert _told(lambda told: engine.load("a", told)) is None
        assert _told(lambda told: engine.load("a", told)) is None
        assert isinstance(_told(lambda told: engine.load("huge", told)), ModelTooLarge)

    def test_an_unload_waits_for_what_runs(self, start: Start, machine: Machine) -> None:
        engine = start(spec("a", 60))
        submit(engine, "a", "1")
        machine.wait("run a 1")
        done = threading.Event()
        engine.unload("a", lambda _: done.set())

        assert not done.is_set()
        machine.backends["a"].finish()

        assert done.wait(LIMIT_S)
        assert engine.loaded() == ()

    def test_a_pinned_model_and_one_that_is_not_there_are_not_unloaded(
        self, start: Start, machine: Machine
    ) -> None:
        engine = start(spec("a", 60), spec("b", 40), pinned=frozenset({"a"}))
        serve(engine, machine, "a", "1")

        pinned = _told(lambda told: engine.unload("a", told))
        absent = _told(lambda told: engine.unload("b", told))

        assert isinstance(pinned, ModelLoadFailed)
        assert "pinned" in pinned.message
        assert isinstance(absent, ModelLoadFailed)


class TestDeviceLost:
    def test_is_told_once_a_request_has_failed_of_it(self, start: Start, machine: Machine) -> None:
        lost: list[DeviceLost] = []
        engine = start(spec("a", 60), lost=lost)
        listener = submit(engine, "a", "1")
        machine.wait("run a 1")
        error = DeviceLost("The device failed.")

        machine.backends["a"].fail(error)

        assert listener.wait(LIMIT_S) is error
        assert lost == [error]

    def test_is_told_of_a_load_that_nobody_waits_for(
        self, start: Start, machine: Machine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lost: list[DeviceLost] = []
        engine = start(spec("a", 60), lost=lost)

        def fail(_: FakeBackend) -> None:
            raise DeviceLost("The device failed.")

        monkeypatch.setattr(machine, "load", fail)

        engine.preload(["a"])

        _wait_until(lambda: bool(lost))


class TestDefects:
    def test_an_estimate_that_fails_costs_one_model_and_not_the_loader(
        self, machine: Machine
    ) -> None:
        def estimate(one: ModelSpec) -> int:
            return {"b": 60}[one.id]

        limits = Memory(budget_bytes=lambda: BUDGET, estimate_bytes=estimate)
        registry = Registry([spec("a", 60), spec("b", 60)])
        engine = Engine(registry, open_backend=machine.open, memory=limits)

        assert isinstance(submit(engine, "a", "1").wait(LIMIT_S), ModelLoadFailed)
        serve(engine, machine, "b", "2")

        engine.close(timeout_s=1)


class TestMachine:
    def test_a_container_has_what_its_limit_says(self, tmp_path: Path) -> None:
        limit = tmp_path / "memory.max"
        limit.write_text("1073741824\n")

        assert memory.machine_bytes(limit_file=limit) == 2**30

    @pytest.mark.parametrize("content", ["max\n", None])
    def test_without_a_limit_the_machine_counts(self, tmp_path: Path, content: str | None) -> None:
        limit = tmp_path / "memory.max"
        if content is not None:
            limit.write_text(content)

        assert memory.machine_bytes(limit_file=limit) > 2**30

    def test_a_budget_that_was_given_asks_no_device(self) -> None:
        limits = memory.of_this_process(budget_bytes=7, pinned=["a"])

        assert limits.budget_bytes() == 7
        assert limits.pinned == {"a"}
        assert limits.estimate_bytes(spec("a", 60)) == 60


def _wait_until(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(1000):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError("it did not become so")


def _told(ask: Callable[[Callable[[InferenceError | None], None]], None]) -> InferenceError | None:
    """Return what a load or unload tells."""
    answers: list[InferenceError | None] = []
    done = threading.Event()

    def told(answer: InferenceError | None) -> None:
        answers.append(answer)
        done.set()

    ask(told)
    assert done.wait(LIMIT_S)
    (answer,) = answers
    return answer
