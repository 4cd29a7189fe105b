"""Chat on a GPU: tokens a second of the engine alone, at several numbers of chats at once."""

import dataclasses
import statistics
import tempfile
import time
from pathlib import Path

from inference.backends.tiny import build
from inference.backends.transformers import ChatBackend
from inference.specs import ModelSpec
from inference.types import ChatRequest, ChatResult, SamplingParams
from tests.benchmarks import gpu_models
from tests.benchmarks.gpu_sections import Section, Setting
from tests.integration.inference import builders
from tests.unit.inference.listeners import RecordingListener

TOKENS = 128
CHATS = (1, 32, 128, 256)
ROUNDS = 3  # the median of these counts


def chat(setting: Setting) -> Section:
    """Measure a chat model of Qwen3-0.6B's size in one backend, without jobs around it."""
    with tempfile.TemporaryDirectory(prefix="genie-bench-gpu-") as scratch:
        backend = ChatBackend(_spec(setting, Path(scratch)))
        started = time.perf_counter()
        backend.load()
        loaded_s = time.perf_counter() - started
        try:
            rows = tuple(_row(backend, chats) for chats in _sizes(setting))
        finally:
            backend.close(timeout_s=60)
    name = "genie-tiny-chat" if setting.is_small else "Qwen3-0.6B's size"
    return Section(
        title=f"Chat, {name}: the engine alone, {TOKENS} tokens an answer",
        headings=("chats at once", "tokens/s", "of one chat", "seconds"),
        rows=rows,
        note=f"Loaded in {loaded_s:.1f} s. Sampled at temperature 0.8, each chat with its own seed.",
    )


def _sizes(setting: Setting) -> tuple[int, ...]:
    return CHATS[:2] if setting.is_small else CHATS


def _spec(setting: Setting, scratch: Path) -> ModelSpec:
    source = (
        build.CHECKPOINTS / build.CHAT
        if setting.is_small
        else gpu_models.save_qwen(scratch, device=setting.device)
    )
    spec = builders.chat_spec(
        source, context_tokens=1024, max_output_tokens=512, max_batch=max(CHATS),
        options={"device": setting.device},
    )  # fmt: skip
    return dataclasses.replace(spec, id="bench")


def _row(backend: ChatBackend, chats: int) -> tuple[str, ...]:
    _run(backend, chats)  # warms up kernels and caches of this size
    seconds = statistics.median(_run(backend, chats) for _ in range(ROUNDS))
    rate = chats * TOKENS / seconds
    return f"{chats}", f"{rate:,.0f}", f"{rate / chats:,.0f}", f"{seconds:.2f}"


def _run(backend: ChatBackend, chats: int) -> float:
    started = time.perf_counter()
    listeners = [RecordingListener() for _ in range(chats)]
    for number, listener in enumerate(listeners):
        backend.submit(_request(number), listener)
    outcomes = [listener.wait(600) for listener in listeners]
    wrong = [outcome for outcome in outcomes if not isinstance(outcome, ChatResult)]
    if wrong:
        raise RuntimeError(f"{len(wrong)} of {chats} chats failed: {wrong[0]}")
    return time.perf_counter() - started


def _request(number: int) -> ChatRequest:
    return ChatRequest(
        request_id=f"bench-{number}",
        model="bench",
        messages=({"role": "user", "content": f"Tell me something about number {number}."},),
        sampling=SamplingParams(max_tokens=TOKENS, min_tokens=TOKENS, temperature=0.8, seed=number),
    )
