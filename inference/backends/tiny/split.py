"""Decides which prompts are held out of training, by the prompt's own text."""

import hashlib

_HELD_OUT_OF_256 = 13  # about 5 %: enough to sample from, too few to thin the training data


def is_held_out(prompt: str) -> bool:
    """Say whether a prompt belongs to the held-out side.

    The text alone decides, so no seed, order or amount of generated data can move a prompt from
    one side to the other.
    """
    digest = hashlib.blake2b(prompt.encode(), digest_size=1).digest()
    return digest[0] < _HELD_OUT_OF_256
