"""The reranking backend on the shipped cross-encoder, on the CPU."""

import json
import shutil
from pathlib import Path

import pytest
import torch
import transformers

from inference.backends.reranking import RerankBackend
from inference.errors import Cancelled, GenerationFailed, InputRejected, ModelLoadFailed
from inference.types import EmbeddingRequest, RerankRequest, RerankResult, Usage
from tests.integration.inference import builders
from tests.unit.inference.listeners import RecordingListener

DOCUMENTS = (
    "A recipe for bread with nuts.",
    "The capital of France is Paris.",
    "Paris weather forecast",
    "xyzzy",
)


def start(
    backend: RerankBackend,
    query: str = "What is the capital of France?",
    documents: tuple[str, ...] = DOCUMENTS,
    document_tokens: int | None = None,
) -> RecordingListener:
    listener = RecordingListener()
    backend.submit(
        RerankRequest(
            request_id="r",
            model="m",
            query=query,
            documents=documents,
            document_tokens=document_tokens,
        ),
        listener,
    )
    return listener


def run(backend: RerankBackend, *asked: object, **more: object) -> RerankResult:
    outcome = start(backend, *asked, **more).wait()  # type: ignore[arg-type]
    assert isinstance(outcome, RerankResult), outcome
    return outcome


class TestScores:
    def test_are_highest_for_the_document_that_answers(self, rerank_backend: RerankBackend) -> None:
        found = run(rerank_backend)

        best, *others = sorted(found.scores, reverse=True)
        assert found.scores.index(best) == 1
        assert best > 0.9
        assert max(others) < 0.6
        assert all(0 < score < 1 for score in found.scores)

    def test_are_those_of_the_library_itself(self, rerank_backend: RerankBackend) -> None:
        directory = builders.rerank_spec().source
        tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
        model = transformers.AutoModelForSequenceClassification.from_pretrained(
            directory, dtype=torch.float32
        )
        batch = tokenizer(["a cat"] * 4, list(DOCUMENTS), padding=True, return_tensors="pt")
        with torch.inference_mode():
            expected = model(**batch).logits.squeeze(-1).sigmoid().tolist()

        found = run(rerank_backend, "a cat")

        assert found.scores == pytest.approx(expected, abs=1e-5)
        assert found.usage == Usage(prompt_tokens=int(batch["attention_mask"].sum()))

    def test_do_not_depend_on_the_company(self, rerank_backend: RerankBackend) -> None:
        together = run(rerank_backend).scores
        large = start(rerank_backend, "bread", ("some bread",) * 200)
        small = [start(rerank_backend, documents=(one,)) for one in DOCUMENTS]

        alone = [listener.wait() for listener in small]

        assert [one.scores[0] for one in alone if isinstance(one, RerankResult)] == pytest.approx(
            together, abs=1e-5
        )
        outcome = large.wait()
        assert isinstance(outcome, RerankResult)
        assert len(outcome.scores) == 200
        assert rerank_backend.running() == 0

    def test_see_only_what_is_read_of_a_long_document(self, rerank_backend: RerankBackend) -> None:
        late = "filler " * 400 + "capital of France"

        cut = run(rerank_backend, documents=(late,))
        few = run(rerank_backend, documents=("capital of France", late), document_tokens=8)

        assert cut.scores[0] < 0.5
        assert cut.usage == Usage(prompt_tokens=256)
        assert few.scores[0] > 0.8 > few.scores[1]

    def test_memory_is_that_of_the_weights(self, rerank_backend: RerankBackend) -> None:
        assert 1_000_000 < rerank_backend.memory_bytes() < 4_000_000


class TestRefusals:
    @pytest.mark.parametrize(
        ("query", "documents", "field"),
        [("the " * 129, ("a",), "query"), ("a", (), "documents")],
    )
    def test_name_the_field(
        self,
        rerank_backend: RerankBackend,
        query: str,
        documents: tuple[str, ...],
        field: str,
    ) -> None:
        outcome = start(rerank_backend, query, documents).wait(1)

        assert isinstance(outcome, InputRejected)
        assert outcome.field == field
        assert outcome.message.startswith(field)

    def test_other_work_is_refused(self, rerank_backend: RerankBackend) -> None:
        listener = RecordingListener()

        rerank_backend.submit(EmbeddingRequest(request_id="r", model="m", inputs=("a",)), listener)

        assert isinstance(listener.wait(1), InputRejected)

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ({"architectures": ["BertModel"]}, "names no model for sequence classification"),
            ({"id2label": {"0": "no", "1": "yes"}}, "tells 2 labels apart"),
        ],
    )
    def test_a_checkpoint_without_one_score_is_not_loaded(
        self, tmp_path: Path, change: dict[str, object], sentence: str
    ) -> None:
        directory = tmp_path / "model"
        shutil.copytree(builders.rerank_spec().source, directory)
        config = json.loads((directory / "config.json").read_text())
        (directory / "config.json").write_text(json.dumps(config | change))

        with pytest.raises(ModelLoadFailed, match=sentence):
            RerankBackend(builders.rerank_spec(directory)).load()


class TestEnds:
    def test_a_cancel_counts_between_passes(self, rerank_backend: RerankBackend) -> None:
        listener = RecordingListener()
        request = RerankRequest(
            request_id="r", model="m", query="bread", documents=("some bread",) * 2000
        )

        handle = rerank_backend.submit(request, listener)
        handle.cancel()
        handle.cancel()

        assert isinstance(listener.wait(1), Cancelled)
        assert listener.usages[0].prompt_tokens < 2000 * 5
        assert isinstance(start(rerank_backend).wait(), RerankResult)
        assert len(listener.outcomes) == 1

    def test_a_score_that_is_no_number_fails_its_request(
        self, rerank_backend: RerankBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        network = rerank_backend._network
        assert network is not None
        head = network._model.classifier  # type: ignore[attr-defined]
        monkeypatch.setattr(head.bias, "data", torch.full_like(head.bias.data, torch.nan))

        outcome = start(rerank_backend).wait()

        assert isinstance(outcome, GenerationFailed)
