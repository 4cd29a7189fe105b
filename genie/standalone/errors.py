"""The one error of this package: a sentence for the person at the terminal."""


class StandaloneError(Exception):
    """Say in one sentence what happened, with which value, and what to do.

    The commands print it and exit with 1; no traceback is shown, so the sentence must be enough.
    """
