"""Memory of a CUDA device: what leaves gives it back, and a poisoned context is recognised."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from inference import memory
from inference.engine import Engine
from inference.registry import Registry
from inference.specs import ModelSpec
from inference.types import ChatRequest, ChatResult, SamplingParams
from tests.integration.inference import builders
from tests.unit.inference.listeners import RecordingListener

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

GIB = 1024**3
# In a process of its own: nothing works on the device after it.
POISON = """
import torch
from inference import faults
numbers = torch.zeros(4, device="cuda")
try:
    numbers[torch.tensor([9], device="cuda")]
    torch.cuda.synchronize()
except Exception as error:
    assert faults.is_device_lost(error), repr(error)
    try:
        torch.zeros(1, device="cuda").cpu()
    except Exception as later:
        assert faults.is_device_lost(later), repr(later)
        raise SystemExit(0)
raise SystemExit("the device was not lost")
"""


@pytest.fixture
def specs(tmp_path: Path) -> list[ModelSpec]:
    """Two chat models of the same files, with a cache of about 1 GiB each."""
    checkpoint = builders.build_chat_checkpoint(tmp_path / "chat")
    options = {"device": "cuda", "cache_gib": 1}
    limits = {"context_tokens": 1024, "max_batch": 512}
    return [
        builders.chat_spec(checkpoint, id=name, options=options, **limits) for name in ("a", "b")
    ]


@pytest.fixture
def engine(specs: list[ModelSpec]) -> Iterator[Engine]:
    """An engine whose budget holds one of the two."""
    limits = memory.of_this_process(budget_bytes=int(1.5 * GIB), pinned=[])
    found = Engine(Registry(specs), memory=limits)
    yield found
    found.close(timeout_s=30)


def _answer(engine: Engine, model: str) -> str:
    listener = RecordingListener()
    engine.submit(
        ChatRequest(
            request_id="r",
            model=model,
            messages=({"role": "user", "content": "hello"},),
            sampling=SamplingParams(max_tokens=8, temperature=0.0),
        ),
        listener,
    )
    outcome = listener.wait(120)
    assert isinstance(outcome, ChatResult), outcome
    return outcome.text


def test_two_models_that_do_not_fit_together_alternate_without_leaking(engine: Engine) -> None:
    first = _answer(engine, "a")
    alone = torch.cuda.memory_allocated()

    answers = [_answer(engine, model) for model in ("b", "a", "b", "a")]

    assert engine.loaded() == ("a",)
    assert len({first, *answers}) == 1  # the same files, so the same words
    assert alone > GIB // 2
    assert torch.cuda.memory_allocated() < 1.2 * alone


def test_the_default_budget_is_a_share_of_the_device() -> None:
    limits = memory.of_this_process(budget_bytes=None, pinned=[])
    total = torch.cuda.get_device_properties(0).total_memory

    budget = limits.budget_bytes()

    assert budget is not None
    assert budget >= total * memory.CUDA_SHARE * 0.99


def test_a_poisoned_context_is_recognised() -> None:
    done = subprocess.run(
        [sys.executable, "-c", POISON], capture_output=True, text=True, timeout=300, check=False
    )

    assert done.returncode == 0, done.stderr
