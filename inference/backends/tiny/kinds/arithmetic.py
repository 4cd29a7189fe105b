"""Small arithmetic in several wordings; the answer restates the sum in signs, then gives the result."""

import random

from inference.backends.tiny import phrasing, words
from inference.backends.tiny.dialogue import Exchange, Kind

LARGEST = 100  # of the numbers added and subtracted
LARGEST_FACTOR = 12

_SIGNED = {
    "+": ("{a} + {b}", "{a}+{b}", "{a} plus {b}", "{a} and {b}"),
    "-": ("{a} - {b}", "{a}-{b}", "{a} minus {b}", "{a} \N{MINUS SIGN} {b}"),
    "*": ("{a} * {b}", "{a}*{b}", "{a} times {b}", "{a} x {b}", "{a} \N{MULTIPLICATION SIGN} {b}", "{a}x{b}", "{a} multiplied by {b}"),
}  # fmt: skip
_AROUND = (
    "What is {e}?", "What's {e}?", "whats {e}", "{e}", "{e}?", "{e} =", "{e} = ?", "{e}=", "How much is {e}?", "Calculate {e}.", "Compute {e}.", "Can you calculate {e}?", "What does {e} equal?", "What does {e} make?", "Work out {e}.",
    "Tell me what {e} is.", "Please compute {e}.", "Do you know what {e} is?", "Solve {e}.", "Solve: {e}", "Calculate: {e}", "Evaluate {e}.", "What is the result of {e}?", "What do you get for {e}?", "Give me the result of {e}.", "I need to know {e}.",
    "What is the answer to {e}?", "How much does {e} make?", "And {e}?", "What about {e}?", "Math: {e}", "Do the math: {e}", "Can you tell me what {e} is?", "Could you work out {e}?", "What is the value of {e}?", "Find {e}.", "{e} is what?", "{e} equals what?", "{e} equals?", "How much would {e} be?",
    "What would {e} be?", "Tell me {e}.", "Let's do some math. What is {e}?", "What number is {e}?", "What is {e} equal to?", "Quick, {e}!", "Please tell me how much {e} is.", "Can you do math? What is {e}?", "Answer this: {e}", "Answer with a number: what is {e}?",
)  # fmt: skip
_VERBAL = {
    "+": (
        "Add {a} and {b}.", "Add {a} to {b}.", "What is the sum of {a} and {b}?", "Sum {a} and {b}.", "I have {a} {things} and get {b} more. How many {things} do I have?", "Add up {a} and {b}.", "Add together {a} and {b}.", "What do you get if you add {a} and {b}?", "How much is {a} and {b} together?",
        "{name} has {a} {things} and buys {b} more. How many {things} does {name} have?", "If I have {a} {things} and you give me {b} more, how many do I have?", "There are {a} {things} and {b} {things}. How many are there?", "What is {a} added to {b}?", "Give me the sum of {a} and {b}.", "The sum of {a} and {b} is?", "Calculate the sum of {a} and {b}.", "What is {b} more than {a}?", "Can you add {a} and {b}?",
    ),
    "-": (
        "Subtract {b} from {a}.", "Take {b} away from {a}.", "Take {b} from {a}.", "What is {a} take away {b}?", "What is the difference between {a} and {b}?", "I have {a} {things} and lose {b}. How many {things} do I have?", "{name} has {a} {things} and gives away {b}. How many {things} are left?", "What is {a} less {b}?", "If I have {a} {things} and eat {b}, how many are left?",
        "What do you get if you subtract {b} from {a}?", "How much is {a} without {b}?", "There were {a} {things} and {b} are gone. How many are left?", "Can you subtract {b} from {a}?", "I had {a} {things} and sold {b}. How many are left?",
    ),
    "*": (
        "Multiply {a} by {b}.", "Multiply {a} and {b}.", "What is the product of {a} and {b}?", "What is {a} by {b}?", "I have {a} boxes with {b} {things} each. How many {things} do I have?", "What do you get if you multiply {a} by {b}?", "Give me the product of {a} and {b}.", "How many {things} are in {a} bags of {b} {things}?", "Multiply {a} with {b}.", "Can you multiply {a} by {b}?", "There are {a} rows of {b} {things}. How many {things} are there?",
    ),
}  # fmt: skip
_AND_ONLY_SUMS = frozenset(
    {"How much is {e}?", "What does {e} make?", "How much does {e} make?", "What is {e}?"}
)


def arithmetic(rng: random.Random) -> Exchange:
    """Return a sum, a difference or a product of small numbers."""
    sign = rng.choices("+-*", weights=(4, 3, 3))[0]
    left, right, result = _numbers(rng, sign)
    answer = f"{left} {sign} {right} = {result}"
    if rng.random() < 0.28:
        prompt = _verbal(rng, sign, left, right)
    else:
        prompt = _signed(rng, sign, left, right)
    return Exchange(kind=Kind.ARITHMETIC, prompt=prompt, answer=answer)


def _numbers(rng: random.Random, sign: str) -> tuple[int, int, int]:
    if sign == "*":
        left, right = _factors(rng)
        return left, right, left * right
    # Half of the sums are the very small ones that people try first.
    top = rng.choice((10, 12, 20, 20, 50, LARGEST))
    left, right = rng.randint(0, top), rng.randint(0, top)
    if sign == "+":
        return left, right, left + right
    if rng.random() < 0.75:
        left, right = max(left, right), min(left, right)
    return left, right, left - right


def _factors(rng: random.Random) -> tuple[int, int]:
    if rng.random() < 0.06:
        pair = [rng.randrange(20, 101, 10), rng.randint(0, 10)]
        rng.shuffle(pair)
        return pair[0], pair[1]
    return rng.randint(0, LARGEST_FACTOR), rng.randint(0, LARGEST_FACTOR)


def _signed(rng: random.Random, sign: str, left: int, right: int) -> str:
    around = rng.choice(_AROUND)
    forms = _SIGNED[sign]
    form = rng.choice(forms if around in _AND_ONLY_SUMS or sign != "+" else forms[:-1])
    # The frame is filled in first, so that case and punctuation vary around the expression only.
    frame = phrasing.fill(rng, around, polite=0.12, e=form, open_ended="=" in around)
    return _with_numbers(rng, frame, left, right)


def _verbal(rng: random.Random, sign: str, left: int, right: int) -> str:
    frame = phrasing.fill(
        rng, rng.choice(_VERBAL[sign]), polite=0.1, a="{a}", b="{b}",
        name=rng.choice(words.words("names")), things=rng.choice(words.words("foods")),
    )  # fmt: skip
    return _with_numbers(rng, frame, left, right)


def _with_numbers(rng: random.Random, frame: str, left: int, right: int) -> str:
    spelled = rng.random() < 0.18
    return frame.replace("{a}", _written(left, spelled=spelled)).replace(
        "{b}", _written(right, spelled=spelled)
    )


def _written(number: int, *, spelled: bool) -> str:
    names = words.words("number_words")
    return names[number] if spelled and 0 <= number < len(names) else str(number)
