"""Prints what a check of the checkpoints found."""

import rich.console
import rich.markup
import rich.table

from inference.backends.tiny import (
    chat_evaluation,
    embedding_evaluation,
    rerank_evaluation,
    speech_evaluation,
    transcription_evaluation,
)
from inference.backends.tiny.chat_evaluation import Score
from inference.backends.tiny.checking import Report

_MISSES_SHOWN = 2  # of each kind


def show(report: Report, *, console: rich.console.Console) -> None:
    """Print the table of shares, some of the misses, and the verdict."""
    console.print(_table(report))
    for title, scores in (("Held out", report.held_out), ("Handwritten", report.handwritten)):
        for score in scores:
            _show_misses(title, score, console=console)
    console.print(
        f"Chat: {report.mean:.1%} over all kinds (required {chat_evaluation.REQUIRED:.0%}, and "
        f"{chat_evaluation.REQUIRED_OF_A_KIND:.0%} of each)."
    )
    retrieval = report.retrieval
    console.print(
        f"Embedding: {retrieval.found} of {retrieval.asked} held-out texts are nearest to their own "
        f"paraphrase among {embedding_evaluation.CANDIDATES} ({retrieval.share:.1%}; "
        f"required {embedding_evaluation.REQUIRED:.0%})."
    )
    dialled, hearing = report.dialled, report.hearing
    console.print(
        f"Speech: {dialled.found} of {dialled.asked} keys are heard where they belong "
        f"({dialled.share:.1%}; required {speech_evaluation.REQUIRED:.0%})."
    )
    console.print(
        f"Transcription: {hearing.exact} of {hearing.asked} held-out recordings without a mistake "
        f"({hearing.share:.1%}; required {transcription_evaluation.REQUIRED:.0%})."
    )
    ranking = report.ranking
    console.print(
        f"Reranking: {ranking.found} of {ranking.asked} held-out texts rank their own paraphrase "
        f"first among {rerank_evaluation.CANDIDATES} ({ranking.share:.1%}; "
        f"required {rerank_evaluation.REQUIRED:.0%})."
    )
    console.print("[green]passed[/]" if report.passed else "[red]fell short[/]")


def _table(report: Report) -> rich.table.Table:
    table = rich.table.Table(title="Chat: right answers to prompts that were not trained on")
    table.add_column("kind")
    for column in ("prompts", "greedy, exact", "temperature 1, exact", "handwritten"):
        table.add_column(column, justify="right")
    by_hand = {score.kind: score for score in report.handwritten}
    for greedy, sampled in zip(report.held_out, report.sampled, strict=True):
        hand = by_hand.get(greedy.kind)
        color = "green" if greedy.share >= chat_evaluation.REQUIRED_OF_A_KIND else "red"
        table.add_row(
            str(greedy.kind),
            str(greedy.asked),
            f"[{color}]{greedy.share:.1%}[/]",
            f"{sampled.share:.1%}",
            "" if hand is None else f"{hand.asked - len(hand.misses)} of {hand.asked}",
        )
    return table


def _show_misses(title: str, score: Score, *, console: rich.console.Console) -> None:
    for miss in score.misses[:_MISSES_SHOWN]:
        text = f"{title}, {score.kind}: {miss.prompt[-90:]!r} -> {miss.answered[:90]!r}, not {miss.expected[:90]!r}"
        console.print(rich.markup.escape(text), highlight=False)
