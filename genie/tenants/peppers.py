"""The secrets that key digests are made with, read from the settings.

Rotation: put a new pepper in ``GENIE_KEY_PEPPER`` with the next ``GENIE_KEY_PEPPER_VERSION`` and
move the old one to ``GENIE_KEY_OLD_PEPPERS``. Old keys go on working until it is taken out there;
``pepper_version`` tells which they are.
"""

from collections.abc import Sequence

from django.conf import settings


def current() -> tuple[int, bytes]:
    """Return the version and the pepper that new keys are hashed with."""
    return int(getattr(settings, "GENIE_KEY_PEPPER_VERSION", 1)), settings.GENIE_KEY_PEPPER


def accepted() -> Sequence[bytes]:
    """Return every pepper that a presented key may have been hashed with, the current one first."""
    return settings.GENIE_KEY_PEPPER, *getattr(settings, "GENIE_KEY_OLD_PEPPERS", ())
