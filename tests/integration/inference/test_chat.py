"""The transformers chat backend on a real, tiny model on the CPU."""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from inference.backends.transformers import ChatBackend
from inference.errors import (
    Cancelled,
    EngineClosed,
    GenerationFailed,
    InputRejected,
    ModelLoadFailed,
    OutOfMemory,
)
from inference.ports import Handle
from inference.tokenization import counter_for
from inference.types import (
    ChatRequest,
    ChatResult,
    EmbeddingRequest,
    FinishReason,
    SamplingParams,
    Usage,
)
from tests.integration.inference import builders
from tests.unit.inference.listeners import RecordingListener

GREEDY: dict[str, Any] = {"temperature": 0.0}
SAMPLED: dict[str, Any] = {"temperature": 1.0, "top_p": 0.95}


def chat(text: str = "hello", **sampling: Any) -> ChatRequest:
    return ChatRequest(
        request_id="r",
        model="tiny",
        messages=({"role": "user", "content": text},),
        sampling=SamplingParams(**{"max_tokens": 24, **GREEDY, **sampling}),
    )


def start(backend: ChatBackend, request: ChatRequest) -> tuple[Handle, RecordingListener]:
    listener = RecordingListener()
    return backend.submit(request, listener), listener


def result(listener: RecordingListener) -> ChatResult:
    outcome = listener.wait()
    assert isinstance(outcome, ChatResult), outcome
    assert outcome.text == listener.text
    assert outcome.usage == listener.usages[0]
    return outcome


def run(backend: ChatBackend, request: ChatRequest) -> ChatResult:
    return result(start(backend, request)[1])


def run_all(backend: ChatBackend, requests: list[ChatRequest]) -> list[ChatResult]:
    started = [start(backend, request)[1] for request in requests]
    return [result(listener) for listener in started]


class TestText:
    def test_greedy_equals_the_librarys_own_generate(
        self, chat_backend: ChatBackend, chat_checkpoint: Path
    ) -> None:
        model = transformers.AutoModelForCausalLM.from_pretrained(chat_checkpoint)
        tokenizer = transformers.AutoTokenizer.from_pretrained(chat_checkpoint)
        prompt = tokenizer.apply_chat_template(
            [{"role": "user", "content": "hello"}],
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
        )
        with torch.no_grad():
            made = model.generate(**prompt, max_new_tokens=24, do_sample=False)
        expected = tokenizer.decode(
            made[0, prompt["input_ids"].shape[1] :],
            skip_special_tokens=True,
            clean_up_tokenization_spaces=False,
        )

        outcome = run(chat_backend, chat())

        assert outcome.text == expected
        assert outcome.usage.prompt_tokens == prompt["input_ids"].shape[1]

    @pytest.mark.parametrize("sampling", [GREEDY, SAMPLED], ids=["greedy", "seeded"])
    def test_company_changes_nothing(
        self, chat_backend: ChatBackend, sampling: dict[str, Any]
    ) -> None:
        requests = [chat(f"hello {n} fox" * (1 + n % 4), seed=n, **sampling) for n in range(12)]
        alone = [run(chat_backend, request) for request in requests]

        together = run_all(chat_backend, requests)

        assert together == alone

    def test_equal_seeds_agree_and_others_do_not(self, chat_backend: ChatBackend) -> None:
        seeds = [7, 7, 8, 9]

        texts = [
            outcome.text
            for outcome in run_all(chat_backend, [chat(seed=s, **SAMPLED) for s in seeds])
        ]

        assert texts[0] == texts[1]
        assert len(set(texts)) == 3

    def test_without_a_seed_texts_differ(self, chat_backend: ChatBackend) -> None:
        texts = {o.text for o in run_all(chat_backend, [chat(**SAMPLED) for _ in range(4)])}

        assert len(texts) > 1

    @pytest.mark.parametrize(
        "sampling", [{"temperature": 1e-9}, {"top_p": 0.0, "temperature": 1.0}]
    )
    def test_the_limits_of_sampling_are_greedy(
        self, chat_backend: ChatBackend, sampling: dict[str, Any]
    ) -> None:
        assert run(chat_backend, chat(**sampling)).text == run(chat_backend, chat()).text

    def test_deltas_are_never_half_a_character(self, chat_backend: ChatBackend) -> None:
        handle, listener = start(chat_backend, chat(seed=3, max_tokens=100, **SAMPLED))

        outcome = result(listener)

        assert all(text for text in listener.deltas)
        assert listener.counts == sorted(listener.counts)
        assert handle.usage == outcome.usage


class TestStops:
    @pytest.mark.parametrize("size", [1, 2, 3, 5])
    @pytest.mark.parametrize("place", [0, 4, 11])
    def test_cuts_before_any_piece_of_the_text(
        self, chat_backend: ChatBackend, place: int, size: int
    ) -> None:
        whole = run(chat_backend, chat(seed=5, **SAMPLED)).text
        stop = whole[place : place + size]

        outcome = run(chat_backend, chat(seed=5, stop=(stop,), **SAMPLED))

        assert outcome.text == whole[: whole.index(stop)]
        assert outcome.finish_reason is FinishReason.STOP
        assert outcome.usage.completion_tokens <= 24

    def test_a_stop_string_that_never_comes_changes_nothing(
        self, chat_backend: ChatBackend
    ) -> None:
        plain = run(chat_backend, chat())

        assert run(chat_backend, chat(stop=(plain.text[-3:] + "\0",))) == plain


class TestLimits:
    @pytest.mark.parametrize("limit", [1, 2, 17])
    def test_makes_no_more_than_max_tokens(self, chat_backend: ChatBackend, limit: int) -> None:
        outcome = run(chat_backend, chat(max_tokens=limit))

        assert outcome.usage.completion_tokens == limit
        assert outcome.finish_reason is FinishReason.LENGTH

    def test_ends_with_the_end_token(self, chat_backend: ChatBackend) -> None:
        outcomes = run_all(
            chat_backend,
            [chat(seed=s, max_tokens=200, temperature=2.0) for s in range(16)],
        )

        ended = [o for o in outcomes if o.finish_reason is FinishReason.STOP]
        assert ended
        assert all(o.usage.completion_tokens < 200 for o in ended)
        assert not any("<|im_end|>" in o.text for o in outcomes)

    def test_min_tokens_put_the_end_off(self, chat_backend: ChatBackend) -> None:
        outcomes = run_all(
            chat_backend,
            [chat(seed=s, max_tokens=200, min_tokens=190, temperature=2.0) for s in range(8)],
        )

        assert all(190 <= o.usage.completion_tokens <= 200 for o in outcomes)

    def test_counts_the_prompt_as_the_counter_does(
        self, chat_backend: ChatBackend, chat_checkpoint: Path
    ) -> None:
        request = chat("naïve 🙂 <|im_end|> test")

        outcome = run(chat_backend, request)

        counter = counter_for(builders.chat_spec(chat_checkpoint))
        assert outcome.usage.prompt_tokens == counter.count_chat(request.messages)

    def test_refuses_what_does_not_fit_the_context(self, chat_backend: ChatBackend) -> None:
        listener = start(chat_backend, chat("x" * 1000))[1]

        outcome = listener.wait(1)
        assert isinstance(outcome, InputRejected)
        assert outcome.field == "messages"
        assert "512" in outcome.message
        assert "xxx" not in outcome.message

    def test_refuses_an_embedding(self, chat_backend: ChatBackend) -> None:
        listener = RecordingListener()

        chat_backend.submit(EmbeddingRequest(request_id="r", model="tiny", inputs=("a",)), listener)

        assert isinstance(listener.wait(1), InputRejected)

    def test_reads_a_long_prompt_in_several_passes(self, chat_checkpoint: Path) -> None:
        spec = builders.chat_spec(
            chat_checkpoint, options={"device": "cpu", "max_batch_tokens": 32}
        )
        backend = ChatBackend(spec)
        backend.load()

        outcome = run(backend, chat("x" * 200))

        backend.close(timeout_s=10)
        assert outcome.usage.prompt_tokens > 200


class TestPenalties:
    def test_presence_forbids_what_was_said(self, chat_backend: ChatBackend) -> None:
        repeated = run(chat_backend, chat(max_tokens=60))
        varied = run(chat_backend, chat(max_tokens=60, presence_penalty=2.0))

        assert varied.text != repeated.text

    def test_frequency_counts_generated_tokens_only(self, chat_backend: ChatBackend) -> None:
        first = run(chat_backend, chat("fox fox fox", max_tokens=1))

        penalised = run(chat_backend, chat("fox fox fox", max_tokens=1, frequency_penalty=2.0))

        assert penalised == first

    def test_a_negative_penalty_repeats(self, chat_backend: ChatBackend) -> None:
        outcome = run(
            chat_backend, chat(max_tokens=60, frequency_penalty=-2.0, presence_penalty=-2.0)
        )

        assert len(set(outcome.text.split())) < 20


class TestEnds:
    def test_cancel_ends_it_in_flight(self, chat_backend: ChatBackend) -> None:
        handle, listener = start(chat_backend, chat(max_tokens=400, min_tokens=400))
        _, other = start(chat_backend, chat(seed=1, **SAMPLED))
        listener.wait_for_deltas(2)

        handle.cancel()

        assert isinstance(listener.wait(5), Cancelled)
        made = listener.usages[0]
        assert 2 <= made.completion_tokens < 400
        assert made.prompt_tokens > 0
        assert result(other) == run(chat_backend, chat(seed=1, **SAMPLED))
        assert len(listener.outcomes) == 1

    def test_cancel_before_its_turn_costs_nothing(self, chat_checkpoint: Path) -> None:
        backend = ChatBackend(builders.chat_spec(chat_checkpoint, max_batch=1))
        backend.load()
        first, running = start(backend, chat(max_tokens=400, min_tokens=400))
        handle, waiting = start(backend, chat())

        handle.cancel()

        assert isinstance(waiting.wait(5), Cancelled)
        assert waiting.usages == [Usage()]
        first.cancel()
        running.wait(5)
        backend.close(timeout_s=10)

    def test_close_ends_what_runs(self, chat_checkpoint: Path) -> None:
        backend = ChatBackend(builders.chat_spec(chat_checkpoint))
        backend.load()
        _, listener = start(backend, chat(max_tokens=400, min_tokens=400))
        listener.wait_for_deltas(1)

        backend.close(timeout_s=10)

        assert isinstance(listener.wait(1), EngineClosed)
        assert backend.running() == 0
        late = start(backend, chat())[1]
        assert isinstance(late.wait(1), EngineClosed)

    def test_a_crash_of_the_models_thread_fails_all(
        self, chat_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        backend = ChatBackend(builders.chat_spec(chat_checkpoint))
        backend.load()
        assert backend._manager is not None
        processor = backend._manager._manager.batch_processor
        listeners = [start(backend, chat(max_tokens=400, min_tokens=400))[1] for _ in range(3)]
        listeners[2].wait_for_deltas(1)

        def crash(*args: object) -> None:
            raise RuntimeError("a tensor of another shape in /secret")

        monkeypatch.setattr(processor, "_generation_step", crash)

        assert {type(listener.wait(10)) for listener in listeners} == {GenerationFailed}
        assert not any("secret" in str(listener.outcomes[0]) for listener in listeners)
        late = start(backend, chat())[1]
        assert isinstance(late.wait(10), GenerationFailed)
        assert not backend.is_healthy()
        backend.close(timeout_s=10)


class TestLoad:
    def test_a_missing_checkpoint_shows_no_path(self, tmp_path: Path) -> None:
        backend = ChatBackend(builders.chat_spec(tmp_path / "none"))

        with pytest.raises(ModelLoadFailed) as caught:
            backend.load()

        assert str(tmp_path) not in str(caught.value)

    def test_a_pickle_is_not_loaded(self, chat_checkpoint: Path, tmp_path: Path) -> None:
        for file in chat_checkpoint.iterdir():
            if file.suffix != ".safetensors":
                (tmp_path / file.name).write_bytes(file.read_bytes())
        torch.save({}, tmp_path / "pytorch_model.bin")

        with pytest.raises(ModelLoadFailed):
            ChatBackend(builders.chat_spec(tmp_path)).load()

    def test_a_context_beyond_the_checkpoint_is_refused(self, chat_checkpoint: Path) -> None:
        spec = builders.chat_spec(chat_checkpoint, context_tokens=2048)

        with pytest.raises(ModelLoadFailed, match="lower context_tokens"):
            ChatBackend(spec).load()

    def test_a_context_of_broken_pages_can_be_used_up(self, chat_checkpoint: Path) -> None:
        backend = ChatBackend(builders.chat_spec(chat_checkpoint, context_tokens=61, max_batch=1))
        backend.load()
        prompt = run(backend, chat(max_tokens=1)).usage.prompt_tokens

        outcome = run(backend, chat(max_tokens=61 - prompt))

        backend.close(timeout_s=10)
        assert outcome.usage.total_tokens <= 61

    def test_a_cache_smaller_than_the_context_is_refused(self, chat_checkpoint: Path) -> None:
        spec = builders.chat_spec(chat_checkpoint, options={"device": "cpu", "cache_gib": 1e-6})

        with pytest.raises(OutOfMemory, match="cache_gib"):
            ChatBackend(spec).load()

    @pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
    @pytest.mark.parametrize("attn", ["sdpa", "eager"])
    def test_runs_in_other_formats(self, chat_checkpoint: Path, dtype: str, attn: str) -> None:
        options = {"device": "cpu", "dtype": dtype, "attn": attn}
        backend = ChatBackend(builders.chat_spec(chat_checkpoint, options=options))
        backend.load()

        outcome = run(backend, chat())

        backend.close(timeout_s=10)
        assert outcome.usage.completion_tokens == 24

    @pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
    def test_a_missing_device_is_named(self, chat_checkpoint: Path) -> None:
        spec = builders.chat_spec(chat_checkpoint, options={"device": "cuda"})

        with pytest.raises(ModelLoadFailed, match="CUDA"):
            ChatBackend(spec).load()
