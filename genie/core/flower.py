"""Flower as this process would start it: whether it is closed to strangers, what configures it. Pure.

Flower reads its options from its arguments and from ``FLOWER_`` variables alike; without a way to
sign in it shows every worker and ticket to whoever reaches its port, and lets them stop workers.
"""

from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path

CONFIGURATION = Path(__file__).parent.parent / "flowerconfig.py"
_SIGN_IN = ("basic_auth", "auth")
_FALSE = frozenset({"", "0", "false", "no", "off"})


def problem(argv: Sequence[str], environ: Mapping[str, str]) -> str | None:
    """Return in one sentence why Flower must not start so, or None.

    >>> problem(["celery", "-A", "genie", "flower"], {"FLOWER_BASIC_AUTH": "ops:secret"})
    >>> problem(["celery", "flower"], {})
    'Flower has no password: set FLOWER_BASIC_AUTH, or FLOWER_AUTH and a provider.'
    """
    # Must stay off: it would open Flower's API to everybody, and Flower does not start with it.
    if environ.get("FLOWER_UNAUTHENTICATED_API", "").lower() not in _FALSE:
        return "FLOWER_UNAUTHENTICATED_API is set: Flower's API would be open to everybody."
    if not is_flower(argv):
        return None  # another process, to which Flower's other options say nothing
    if any(word.replace("_", "-") == "--unauthenticated-api" for word in argv):
        return "--unauthenticated-api is given: Flower's API would be open to everybody."
    if not any(_is_set(name, argv, environ) for name in _SIGN_IN):
        return "Flower has no password: set FLOWER_BASIC_AUTH, or FLOWER_AUTH and a provider."
    return None


def configure(environ: MutableMapping[str, str]) -> None:
    """Name our configuration (read-only, tickets with their jobs), unless the operator names another."""
    environ.setdefault("FLOWER_CONF", str(CONFIGURATION))


def is_flower(argv: Sequence[str]) -> bool:
    """Tell whether this command line runs Flower: ``celery ... flower`` or ``python -m celery``."""
    program = argv[0].replace("\\", "/").rpartition("/")[2]
    return program in ("celery", "__main__.py") and "flower" in argv[1:]


def _is_set(option: str, argv: Sequence[str], environ: Mapping[str, str]) -> bool:
    spellings = tuple(f"--{name}=" for name in (option, option.replace("_", "-")))
    return bool(environ.get(f"FLOWER_{option.upper()}")) or any(
        word.startswith(spellings) and not word.endswith("=") for word in argv
    )
