"""The engine: loads on first use without blocking, and gives every request one outcome."""

import threading
from collections.abc import Callable, Iterator

import pytest

from inference.engine import Engine, EngineState, Progress
from inference.errors import (
    Cancelled,
    EngineClosed,
    GenerationFailed,
    InferenceError,
    ModelLoadFailed,
    UnknownModel,
)
from inference.ports import Handle, Listener
from inference.registry import ModelSpec, Registry
from inference.types import (
    ChatRequest,
    ChatResult,
    FinishReason,
    Modality,
    Request,
    Result,
    SamplingParams,
    Usage,
)
from tests.unit.inference.listeners import RecordingListener
from tests.unit.inference.specs import echo_spec

RESULT = ChatResult(text="hi", finish_reason=FinishReason.STOP, usage=Usage(completion_tokens=1))


class FakeHandle:
    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.usage = Usage(completion_tokens=1)

    def cancel(self) -> None:
        self.listener.on_done(Cancelled(), usage=self.usage)


class FakeBackend:
    """Loads when the test lets it, and ends requests when the test says so."""

    capabilities: frozenset[str] = frozenset()

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec
        self.may_load = threading.Event()
        self.load_error: Exception | None = None
        self.handles: list[FakeHandle] = []
        self.submitted = threading.Semaphore(0)
        self.closed = threading.Event()
        self.is_broken = False

    def load(self) -> None:
        assert self.may_load.wait(10)
        if self.load_error is not None:
            raise self.load_error

    def submit(self, request: Request, listener: Listener) -> Handle:
        handle = FakeHandle(listener)
        self.handles.append(handle)
        self.submitted.release()
        return handle

    def finish(self, outcome: Result | InferenceError = RESULT) -> None:
        self.handles.pop(0).listener.on_done(outcome, usage=Usage(completion_tokens=1))

    def close(self, *, timeout_s: float) -> None:
        self.closed.set()
        for handle in self.handles:
            handle.listener.on_done(EngineClosed(), usage=handle.usage)

    def last_step_at(self) -> float:
        return 5.0

    def running(self) -> int:
        return len(self.handles)

    def memory_bytes(self) -> int:
        return 0

    def is_healthy(self) -> bool:
        return not self.is_broken


class Opened:
    """The backends that the engine opened, in order."""

    def __init__(self) -> None:
        self.backends: list[FakeBackend] = []
        self.prepare: Callable[[FakeBackend], None] = lambda backend: backend.may_load.set()

    def __call__(self, spec: ModelSpec) -> FakeBackend:
        backend = FakeBackend(spec)
        self.prepare(backend)
        self.backends.append(backend)
        return backend


@pytest.fixture
def opened() -> Opened:
    return Opened()


@pytest.fixture
def engine(opened: Opened) -> Iterator[Engine]:
    registry = Registry([echo_spec("a", aliases=("alias",)), echo_spec("b", max_batch=1)])
    found = Engine(registry, open_backend=opened)
    yield found
    for backend in opened.backends:
        backend.may_load.set()
    found.close(timeout_s=5)


def request(model: str = "a") -> ChatRequest:
    return ChatRequest(
        request_id="r", model=model, messages=(), sampling=SamplingParams(max_tokens=5)
    )


def load(engine: Engine, opened: Opened, model: str = "a") -> FakeBackend:
    """Have a model loaded by a first request, and end that."""
    listener = RecordingListener()
    engine.submit(request(model), listener)
    backend = wait_for_backend(opened)
    backend.finish()
    listener.wait()
    return backend


def wait_for_backend(opened: Opened, number: int = 0) -> FakeBackend:
    done = threading.Event()
    for _ in range(500):
        if len(opened.backends) > number and opened.backends[number].submitted.acquire(timeout=10):
            return opened.backends[number]
        done.wait(0.01)
    raise AssertionError("no request reached the backend")


class TestLoading:
    def test_the_first_request_loads_its_model(self, engine: Engine, opened: Opened) -> None:
        before = engine.state

        backend = load(engine, opened)

        assert backend.spec.id == "a"
        assert engine.loaded() == ("a",)
        assert [before, engine.state] == [EngineState.NEW, EngineState.READY]

    def test_requests_wait_for_the_load_without_blocking(
        self, engine: Engine, opened: Opened
    ) -> None:
        opened.prepare = lambda backend: None
        listeners = [RecordingListener() for _ in range(3)]

        for listener in listeners:
            engine.submit(request(), listener)

        assert engine.state is EngineState.LOADING
        assert engine.running() == 3
        assert engine.free_slots("a") == 1
        assert [one.is_loading for one in _progress(engine)] == [True]

    def test_a_model_is_loaded_once(self, engine: Engine, opened: Opened) -> None:
        load(engine, opened)
        engine.submit(request(), RecordingListener())

        assert len(opened.backends) == 1

    def test_a_failed_load_answers_all_who_wait(self, engine: Engine, opened: Opened) -> None:
        def fail(backend: FakeBackend) -> None:
            backend.load_error = ModelLoadFailed("Model a could not be loaded.")

        opened.prepare = fail
        listeners = [RecordingListener() for _ in range(3)]
        for listener in listeners:
            engine.submit(request(), listener)
        _release(opened)

        assert [str(listener.wait()) for listener in listeners] == [
            "Model a could not be loaded."
        ] * 3
        assert engine.loaded() == ()

    def test_the_next_request_tries_again(self, engine: Engine, opened: Opened) -> None:
        def fail(backend: FakeBackend) -> None:
            backend.load_error = ModelLoadFailed("no")
            backend.may_load.set()

        opened.prepare = fail
        first = RecordingListener()
        engine.submit(request(), first)
        first.wait()
        opened.prepare = lambda backend: backend.may_load.set()
        second = RecordingListener()

        engine.submit(request(), second)
        wait_for_backend(opened, 1).finish()

        assert second.wait() is RESULT

    def test_an_unforeseen_error_shows_nothing_of_itself(
        self, engine: Engine, opened: Opened
    ) -> None:
        def fail(backend: FakeBackend) -> None:
            backend.load_error = RuntimeError("/secret/path")
            backend.may_load.set()

        opened.prepare = fail
        listener = RecordingListener()

        engine.submit(request(), listener)

        outcome = listener.wait()
        assert isinstance(outcome, ModelLoadFailed)
        assert "secret" not in str(outcome)

    def test_one_who_waits_can_be_cancelled(self, engine: Engine, opened: Opened) -> None:
        opened.prepare = lambda backend: None
        listener, other = RecordingListener(), RecordingListener()
        handle = engine.submit(request(), listener)
        engine.submit(request(), other)

        handle.cancel()
        handle.cancel()

        assert isinstance(listener.wait(1), Cancelled)
        assert listener.usages == [Usage()]
        _release(opened)
        wait_for_backend(opened).finish()
        assert other.wait() is RESULT
        assert len(listener.outcomes) == 1

    @pytest.mark.parametrize("error", [None, ModelLoadFailed("no file")])
    def test_tells_what_it_still_loads(
        self, engine: Engine, opened: Opened, error: Exception | None
    ) -> None:
        opened.prepare = lambda backend: setattr(backend, "load_error", error)
        listener = RecordingListener()
        assert engine.loading() == frozenset()
        engine.preload(["a"])
        engine.submit(request(), listener)
        assert engine.loading() == {"a"}

        _release(opened)
        if error is None:
            wait_for_backend(opened).finish()
        listener.wait()

        assert engine.loading() == frozenset()

    def test_what_somebody_waits_for_goes_before_what_is_loaded_ahead(self, opened: Opened) -> None:
        opened.prepare = lambda backend: None
        registry = Registry([echo_spec(name) for name in ("a", "b", "c")])
        engine = Engine(registry, open_backend=opened)
        engine.preload(["a", "b"])
        first = _wait_opened(opened)
        engine.submit(request("c"), RecordingListener())

        opened.prepare = lambda backend: backend.may_load.set()
        first.may_load.set()
        wait_for_backend(opened, 1).finish()

        assert [backend.spec.id for backend in opened.backends[:2]] == ["a", "c"]
        engine.close(timeout_s=5)

    def test_preload_needs_no_request(self, engine: Engine, opened: Opened) -> None:
        engine.preload(["a"])
        listener = RecordingListener()
        engine.submit(request(), listener)
        wait_for_backend(opened).finish()

        assert listener.wait() is RESULT
        assert len(opened.backends) == 1

    def test_a_broken_backend_is_closed_and_loaded_anew(
        self, engine: Engine, opened: Opened
    ) -> None:
        broken = load(engine, opened)
        broken.is_broken = True
        listener = RecordingListener()

        engine.submit(request(), listener)
        wait_for_backend(opened, 1).finish()

        assert listener.wait() is RESULT
        assert broken.closed.is_set()


class TestRun:
    def test_cancel_reaches_the_backend(self, engine: Engine, opened: Opened) -> None:
        load(engine, opened)
        listener = RecordingListener()

        handle = engine.submit(request(), listener)
        handle.cancel()

        assert isinstance(listener.wait(1), Cancelled)
        assert listener.usages == [Usage(completion_tokens=1)]

    def test_only_the_first_outcome_counts(self, engine: Engine, opened: Opened) -> None:
        backend = load(engine, opened)
        listener = RecordingListener()
        engine.submit(request(), listener)
        inner = backend.handles[0].listener

        inner.on_done(RESULT, usage=Usage())
        inner.on_done(GenerationFailed("late"), usage=Usage())
        inner.on_delta("late", completion_tokens=9)

        assert listener.outcomes == [RESULT]
        assert listener.deltas == []

    def test_an_unknown_model_is_an_outcome(self, engine: Engine) -> None:
        listener = RecordingListener()

        engine.submit(request("none"), listener)

        assert isinstance(listener.wait(1), UnknownModel)
        assert engine.running() == 0

    def test_counts_free_slots(self, engine: Engine, opened: Opened) -> None:
        load(engine, opened)
        engine.submit(request(), RecordingListener())

        assert engine.free_slots("a") == 3
        assert engine.free_slots("b") == 1
        assert engine.free_slots(Modality.CHAT) == 4
        assert engine.free_slots(Modality.EMBEDDING) == 0

    def test_tells_when_a_busy_model_last_came_further(
        self, engine: Engine, opened: Opened
    ) -> None:
        load(engine, opened)
        before = engine.progress()
        engine.submit(request(), RecordingListener())

        (progress,) = engine.progress()

        assert before == []
        assert (progress.model, progress.since, progress.is_loading) == ("a", 5.0, False)


class TestEnd:
    def test_a_draining_engine_refuses_and_finishes(self, engine: Engine, opened: Opened) -> None:
        backend = load(engine, opened)
        running, late = RecordingListener(), RecordingListener()
        engine.submit(request(), running)

        engine.drain()
        engine.submit(request(), late)

        assert isinstance(late.wait(1), EngineClosed)
        assert not engine.wait_idle(timeout_s=0)
        assert engine.free_slots("a") == 0
        backend.finish()
        assert running.wait() is RESULT
        assert engine.wait_idle(timeout_s=5)
        assert engine.state is EngineState.DRAINING

    def test_close_ends_what_runs_and_what_waits(self, engine: Engine, opened: Opened) -> None:
        load(engine, opened)
        running, waiting = RecordingListener(), RecordingListener()
        engine.submit(request(), running)
        opened.prepare = lambda backend: None
        engine.submit(request("b"), waiting)

        engine.close(timeout_s=1)

        assert isinstance(running.wait(1), EngineClosed)
        assert isinstance(waiting.wait(1), EngineClosed)
        assert engine.state is EngineState.CLOSED
        assert engine.loaded() == ()
        assert engine.running() == 0

    def test_close_ends_even_what_a_backend_keeps(self, engine: Engine, opened: Opened) -> None:
        backend = load(engine, opened)
        listener = RecordingListener()
        engine.submit(request(), listener)
        backend.handles.clear()  # as if its threads hung

        engine.close(timeout_s=1)

        assert isinstance(listener.wait(1), EngineClosed)

    def test_a_load_that_ends_after_close_is_unloaded(self, engine: Engine, opened: Opened) -> None:
        opened.prepare = lambda backend: None
        engine.submit(request(), RecordingListener())
        backend = _wait_opened(opened)

        engine.close(timeout_s=1)
        backend.may_load.set()

        assert backend.closed.wait(5)


def _progress(engine: Engine) -> list[Progress]:
    pause = threading.Event()
    for _ in range(500):
        if found := engine.progress():
            return found
        pause.wait(0.01)
    raise AssertionError("the engine works on nothing")


def _wait_opened(opened: Opened) -> FakeBackend:
    pause = threading.Event()
    for _ in range(500):
        if opened.backends:
            return opened.backends[0]
        pause.wait(0.01)
    raise AssertionError("the engine opened no backend")


def _release(opened: Opened) -> None:
    _wait_opened(opened).may_load.set()
