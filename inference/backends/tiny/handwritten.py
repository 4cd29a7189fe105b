"""Asks the prompts that people wrote by hand, and looks for the right answer's text."""

from dataclasses import dataclass

from inference.backends.tiny import chat_tokenizer, words
from inference.backends.tiny.chat_evaluation import Examinee, Miss, Score
from inference.backends.tiny.dialogue import Dialogue, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One prompt and a text that a right answer contains."""

    kind: Kind
    prompt: str
    contains: str


def cases() -> list[Case]:
    """Return the prompts of handwritten.toml."""
    return [
        Case(kind=Kind(group["kind"]), prompt=prompt, contains=contains)
        for group in words.table("handwritten")["prompts"]
        for prompt, contains in group["cases"]
    ]


def scores(examinee: Examinee) -> list[Score]:
    """Return, kind by kind, how many of the prompts are answered rightly."""
    asked = cases()
    rendered = [
        chat_tokenizer.render(examinee.tokenizer, _dialogue(case), ask=True) for case in asked
    ]
    pairs = list(zip(asked, examinee.answers(rendered), strict=True))
    return [
        Score(
            kind=kind,
            asked=sum(case.kind is kind for case, _ in pairs),
            misses=tuple(
                Miss(prompt=case.prompt, expected=case.contains, answered=answer)
                for case, answer in pairs
                if case.kind is kind and case.contains not in answer
            ),
        )
        for kind in dict.fromkeys(case.kind for case in asked)
    ]


def _dialogue(case: Case) -> Dialogue:
    user = {"role": "user", "content": case.prompt}
    return Dialogue(kind=case.kind, messages=(user, {"role": "assistant", "content": ""}))
