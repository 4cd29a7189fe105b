"""Measures the checkpoints on fresh held-out samples."""

import statistics
from dataclasses import dataclass
from pathlib import Path

from inference.backends.tiny import (
    chat_evaluation,
    embedding_evaluation,
    handwritten,
    rerank_evaluation,
    speech_evaluation,
    transcription_evaluation,
)
from inference.backends.tiny.chat_evaluation import Score
from inference.backends.tiny.dialogue import Kind
from inference.backends.tiny.embedding_evaluation import Retrieval
from inference.backends.tiny.rerank_evaluation import Ranking
from inference.backends.tiny.speech_evaluation import Dialled
from inference.backends.tiny.transcription_evaluation import Hearing

_ROUNDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoints:
    """Where the checkpoints are."""

    chat: Path
    embedding: Path
    speech: Path
    transcription: Path
    rerank: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What `build_models --check` found."""

    held_out: tuple[Score, ...]  # greedy, exact
    sampled: tuple[Score, ...]  # temperature 1, exact
    handwritten: tuple[Score, ...]  # greedy, contains the right text; told, not required
    retrieval: Retrieval
    dialled: Dialled
    hearing: Hearing
    ranking: Ranking

    @property
    def passed(self) -> bool:
        """Whether all kinds together, each kind, and the other models reach their required shares."""
        shares = [score.share for score in self.held_out]
        return (
            self.mean >= chat_evaluation.REQUIRED
            and min(shares) >= chat_evaluation.REQUIRED_OF_A_KIND
            and self.retrieval.share >= embedding_evaluation.REQUIRED
            and self.dialled.share >= speech_evaluation.REQUIRED
            and self.hearing.share >= transcription_evaluation.REQUIRED
            and self.ranking.share >= rerank_evaluation.REQUIRED
        )

    @property
    def mean(self) -> float:
        """The share of exact greedy answers, each kind counted alike."""
        return statistics.fmean(score.share for score in self.held_out)


def check(checkpoints: Checkpoints, *, count: int, seed: int) -> Report:
    """Ask each checkpoint `count` prompts of each kind that were not trained on."""
    examinee = chat_evaluation.Examinee(checkpoints.chat)
    encoder = embedding_evaluation.Encoder(checkpoints.embedding)
    return Report(
        held_out=_scores(examinee, count=count, seed=seed, sample=False),
        sampled=_scores(examinee, count=count, seed=seed, sample=True),
        handwritten=tuple(handwritten.scores(examinee)),
        retrieval=embedding_evaluation.score(encoder, rounds=_ROUNDS, seed=seed),
        dialled=speech_evaluation.score(checkpoints.speech, count=max(1, count // 6), seed=seed),
        hearing=transcription_evaluation.score(checkpoints.transcription, count=count, seed=seed),
        ranking=rerank_evaluation.score(
            rerank_evaluation.Ranker(checkpoints.rerank), rounds=_ROUNDS, seed=seed
        ),
    )


def _scores(
    examinee: chat_evaluation.Examinee, *, count: int, seed: int, sample: bool
) -> tuple[Score, ...]:
    return tuple(
        chat_evaluation.score(examinee, kind, count=count, seed=seed, sample=sample)
        for kind in Kind
    )
