"""The embedding backend on a real, tiny model on the CPU."""

import math
from pathlib import Path

import pytest
import torch
import transformers

from inference.backends.embeddings import EmbeddingBackend
from inference.errors import Cancelled, EngineClosed, GenerationFailed, InputRejected
from inference.types import ChatRequest, EmbeddingRequest, EmbeddingResult, SamplingParams, Usage
from tests.integration.inference import builders
from tests.unit.inference.listeners import RecordingListener

Inputs = tuple[str | tuple[int, ...], ...]


def start(
    backend: EmbeddingBackend, inputs: Inputs, dimensions: int | None = None
) -> RecordingListener:
    listener = RecordingListener()
    backend.submit(
        EmbeddingRequest(request_id="r", model="m", inputs=inputs, dimensions=dimensions), listener
    )
    return listener


def run(
    backend: EmbeddingBackend, inputs: Inputs, dimensions: int | None = None
) -> EmbeddingResult:
    outcome = start(backend, inputs, dimensions).wait()
    assert isinstance(outcome, EmbeddingResult), outcome
    return outcome


def close_to(first: list[float], second: list[float]) -> bool:
    return all(math.isclose(a, b, abs_tol=1e-5) for a, b in zip(first, second, strict=True))


class TestVectors:
    def test_are_the_mean_of_the_hidden_states(
        self, embedding_backend: EmbeddingBackend, embedding_checkpoint: Path
    ) -> None:
        model = transformers.AutoModel.from_pretrained(embedding_checkpoint)
        tokenizer = transformers.AutoTokenizer.from_pretrained(embedding_checkpoint)
        with torch.no_grad():
            hidden = model(**tokenizer("hello world", return_tensors="pt")).last_hidden_state
        expected = torch.nn.functional.normalize(hidden[0].mean(0), dim=0).tolist()

        vector = run(embedding_backend, ("hello world",)).vectors[0]

        assert vector.typecode == "f"
        assert close_to(vector.tolist(), expected)

    def test_have_length_one_and_keep_their_order(
        self, embedding_backend: EmbeddingBackend
    ) -> None:
        texts = ("one", "the quick brown fox jumps", "two three")
        alone = [run(embedding_backend, (text,)).vectors[0].tolist() for text in texts]

        together = run(embedding_backend, texts).vectors

        assert all(close_to(a, b.tolist()) for a, b in zip(alone, together, strict=True))
        assert all(math.isclose(sum(x * x for x in v), 1, rel_tol=1e-4) for v in together)

    def test_dimensions_cut_and_normalise_again(self, embedding_backend: EmbeddingBackend) -> None:
        whole = run(embedding_backend, ("hello",)).vectors[0].tolist()
        length = math.sqrt(sum(x * x for x in whole[:8]))

        cut = run(embedding_backend, ("hello",), dimensions=8).vectors[0].tolist()

        assert close_to(cut, [x / length for x in whole[:8]])

    def test_token_ids_are_taken_as_they_are(self, embedding_backend: EmbeddingBackend) -> None:
        tokenizer = embedding_backend._tokenizer
        assert tokenizer is not None
        ids = tuple(tokenizer.text_ids("hello fox"))

        outcome = run(embedding_backend, ("hello fox", ids))

        assert close_to(outcome.vectors[0].tolist(), outcome.vectors[1].tolist())
        assert outcome.usage == Usage(prompt_tokens=2 * len(ids))

    def test_many_jobs_share_passes(self, embedding_backend: EmbeddingBackend) -> None:
        large = start(embedding_backend, ("fox",) * 200)
        small = [start(embedding_backend, (f"hello {n}",)) for n in range(20)]

        assert all(isinstance(listener.wait(), EmbeddingResult) for listener in [large, *small])
        outcome = large.outcomes[0]
        assert isinstance(outcome, EmbeddingResult)
        assert len(outcome.vectors) == 200
        assert embedding_backend.running() == 0


class TestRefusals:
    @pytest.mark.parametrize(
        ("inputs", "field"),
        [
            (("ok", "fox " * 100), "input[1]"),
            (("ok", "ok", ()), "input[2]"),
            (((1, 2, 99999),), "input[0]"),
            (((-1,),), "input[0]"),
            ((), "input"),
        ],
    )
    def test_name_the_input(
        self, embedding_backend: EmbeddingBackend, inputs: Inputs, field: str
    ) -> None:
        outcome = start(embedding_backend, inputs).wait(1)

        assert isinstance(outcome, InputRejected)
        assert outcome.field == field
        assert outcome.message.startswith(field)

    @pytest.mark.parametrize("dimensions", [0, 33])
    def test_name_the_dimensions(
        self, embedding_backend: EmbeddingBackend, dimensions: int
    ) -> None:
        outcome = start(embedding_backend, ("a",), dimensions).wait(1)

        assert isinstance(outcome, InputRejected)
        assert outcome.field == "dimensions"

    def test_a_chat_is_no_embedding(self, embedding_backend: EmbeddingBackend) -> None:
        listener = RecordingListener()
        sampling = SamplingParams(max_tokens=1)

        embedding_backend.submit(
            ChatRequest(request_id="r", model="m", messages=(), sampling=sampling), listener
        )

        assert isinstance(listener.wait(1), InputRejected)


class TestEnds:
    def test_cancel_ends_it_once(self, embedding_backend: EmbeddingBackend) -> None:
        listener = RecordingListener()
        request = EmbeddingRequest(request_id="r", model="m", inputs=("fox",) * 2000)

        handle = embedding_backend.submit(request, listener)
        handle.cancel()
        handle.cancel()

        assert isinstance(listener.wait(1), Cancelled)
        assert isinstance(start(embedding_backend, ("after",)).wait(), EmbeddingResult)
        assert len(listener.outcomes) == 1

    def test_close_ends_what_runs(self, embedding_checkpoint: Path) -> None:
        backend = EmbeddingBackend(builders.embedding_spec(embedding_checkpoint))
        backend.load()
        listener = start(backend, ("fox",) * 5000)

        backend.close(timeout_s=10)

        assert isinstance(listener.wait(1), EngineClosed)
        assert isinstance(start(backend, ("late",)).wait(1), EngineClosed)

    def test_a_failed_pass_shows_nothing_of_the_inside(
        self, embedding_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        backend = EmbeddingBackend(builders.embedding_spec(embedding_checkpoint))
        backend.load()

        def crash(inputs: object) -> None:
            raise RuntimeError("/secret")

        monkeypatch.setattr(backend._network, "run", crash)

        outcome = start(backend, ("a",)).wait()

        backend.close(timeout_s=10)
        assert isinstance(outcome, GenerationFailed)
        assert "secret" not in str(outcome)
