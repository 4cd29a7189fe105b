"""Choosing tokens: the right distribution, the right nucleus, and nothing but seed and place."""

import collections
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import TopPLogitsWarper

from inference.backends.sampling import ARGUMENT, Choice, RequestSampler, processors, uniform

END = 0
PLAIN: dict[str, Any] = {
    "seed": 1,
    "temperature": 0.0,
    "top_p": 1.0,
    "min_tokens": 0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
}


def row(generated: list[int] | None = None, *, requeued: int = 0, **choice: Any) -> Any:
    """A request as the manager shows it; `requeued` of its tokens are in the prompt again."""
    made = generated or []
    state = SimpleNamespace(
        logit_processor_kwargs={ARGUMENT: Choice(**{**PLAIN, **choice})},
        initial_tokens=[9, 9, *made[:requeued]],
        generated_tokens=made[requeued:],
        _true_initial_tokens=2 if requeued else 0,
    )
    return SimpleNamespace(state=state)


def choose(logits: list[list[float]], rows: list[Any]) -> list[int]:
    sampler = RequestSampler(end_ids=[END], on_step=lambda: None)
    argument = sampler.prepare_tensor_args(rows)
    chosen: list[int] = sampler(torch.tensor(logits), argument).argmax(-1).tolist()
    return chosen


def test_greedy_takes_the_largest() -> None:
    assert choose([[0.0, 2.0, 1.0]], [row()]) == [1]


def test_rows_do_not_touch_each_other() -> None:
    logits = [[0.0, 2.0, 1.0]] * 3
    rows = [row(), row([1, 1], frequency_penalty=2.0), row(temperature=1.0, seed=4)]

    together = choose(logits, rows)

    assert together == [choose(logits[:1], [each])[0] for each in rows]
    assert together[:2] == [1, 2]


def test_follows_the_distribution() -> None:
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log().tolist()
    rows = [row(temperature=1.0, seed=seed) for seed in range(4000)]

    counts = collections.Counter(choose([logits] * len(rows), rows))

    shares = [counts[token] / len(rows) for token in range(4)]
    assert shares == pytest.approx([0.5, 0.3, 0.15, 0.05], abs=0.03)


def test_temperature_sharpens() -> None:
    logits = torch.tensor([0.6, 0.4]).log().tolist()
    rows = [row(temperature=0.1, seed=seed) for seed in range(500)]

    counts = collections.Counter(choose([logits] * len(rows), rows))

    assert counts[0] > 480


@pytest.mark.parametrize("temperature", [5e-324, 1e-9, 1e-3])
def test_a_tiny_temperature_is_greedy(temperature: float) -> None:
    assert choose([[3.0, 40.0, 39.0]], [row(temperature=temperature)]) == [1]


@given(
    # Hundredths: tokens that are equally likely in float32 are kept or dropped together here, and
    # by their order in the library.
    logits=st.lists(
        st.integers(-500, 500).map(lambda hundredths: hundredths / 100),
        min_size=2,
        max_size=12,
        unique=True,
    ),
    top_p=st.floats(0.01, 0.99),
    seed=st.integers(0, 10_000),
)
def test_never_leaves_the_nucleus(logits: list[float], top_p: float, seed: int) -> None:
    warped = TopPLogitsWarper(top_p=top_p + 1e-3)(None, torch.tensor([logits]))

    (token,) = choose([logits], [row(temperature=1.0, top_p=top_p, seed=seed)])

    assert warped[0, token] > -torch.inf


def test_a_nucleus_of_nothing_is_the_most_likely() -> None:
    rows = [row(temperature=1.0, top_p=0.0, seed=seed) for seed in range(20)]

    assert set(choose([[1.0, 2.0, 1.5]] * 20, rows)) == {1}


def test_presence_counts_once_and_frequency_each_time() -> None:
    logits = [[0.0, 3.0, 1.0]]

    assert choose(logits, [row([1, 1, 1], presence_penalty=1.5)]) == [1]
    assert choose(logits, [row([1, 1, 1], frequency_penalty=0.6)]) == [1]
    assert choose(logits, [row([1, 1, 1, 1], frequency_penalty=0.6)]) == [2]


def test_the_end_is_forbidden_before_min_tokens() -> None:
    logits = [[9.0, 1.0, 0.0]]

    assert choose(logits, [row([1], min_tokens=2)]) == [1]
    assert choose(logits, [row([1, 1], min_tokens=2)]) == [END]


def test_a_requeued_request_goes_on_as_before() -> None:
    logits = [torch.linspace(0, 1, 50).tolist()]
    options: dict[str, Any] = {"temperature": 1.0, "seed": 3, "frequency_penalty": 0.5}
    made = [4, 5, 6, 4]

    usual = choose(logits, [row(made, **options)])

    assert choose(logits, [row(made, requeued=3, **options)]) == usual


@given(seed=st.integers(), index=st.integers(0, 100_000))
def test_uniform_is_in_range_and_repeatable(seed: int, index: int) -> None:
    assert 0.0 <= uniform(seed, index) < 1.0
    assert uniform(seed, index) == uniform(seed, index)


def test_the_list_makes_room_for_one_argument() -> None:
    found = processors(RequestSampler(end_ids=[], on_step=lambda: None))

    assert found.tensors_required == 1
    assert found.do_processing
