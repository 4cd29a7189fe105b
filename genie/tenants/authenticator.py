"""The table of second factors: an authenticator app and recovery codes, sealed at rest.

django-otp asks whatever table derives from its ``Device``; its own tables keep keys as they are.
"""

import hmac
import json
import logging
from base64 import b32encode
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from django.conf import settings
from django.db import models
from django.utils import timezone
from django_otp.models import Device, ThrottlingMixin
from django_otp.oath import hotp

from genie.core import crypto

logger = logging.getLogger(__name__)

STEP_S = 30  # what authenticator apps take for granted
DIGITS = 6
TOLERANCE_STEPS = 1  # before and after, for a phone's clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """What a second factor knows: the key that the app has too, and the codes on paper that are left."""

    key: bytes
    recovery_codes: tuple[str, ...]

    def sealed(self) -> str:
        """Return them as they are stored."""
        return crypto.seal(
            json.dumps({"key": self.key.hex(), "recoveryCodes": self.recovery_codes})
        )

    @classmethod
    def unsealed(cls, token: str) -> "Secrets":
        """Return what was stored.

        Raises:
            CannotUnseal: No key of the ring opens it.
        """
        kept = json.loads(crypto.unseal(token))
        return cls(key=bytes.fromhex(kept["key"]), recovery_codes=tuple(kept["recoveryCodes"]))

    def without(self, code: str) -> "Secrets | None":
        """Return what is left when a recovery code is used; None if it is none of them."""
        left = tuple(one for one in self.recovery_codes if not _same(one, code))
        is_one = len(left) < len(self.recovery_codes)
        return Secrets(key=self.key, recovery_codes=left) if is_one else None


class Authenticator(ThrottlingMixin, Device):  # type: ignore[misc] # untyped
    """A user's second factor. django-otp locks the row while it is asked."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    secrets = models.TextField()  # sealed, as genie.core.crypto does it
    last_step = models.BigIntegerField(default=-1)  # of the last code taken: each opens once

    class Meta:
        constraints = [  # noqa: RUF012 - Django's way; the linter knows it of direct models alone
            models.UniqueConstraint(fields=["user"], name="tenants_authenticator_one_per_user")
        ]

    @property
    def uri(self) -> str:
        """Return the address by which an authenticator app takes the key."""
        issuer = settings.OTP_TOTP_ISSUER
        told = {
            "secret": b32encode(Secrets.unsealed(self.secrets).key).decode(),
            "issuer": issuer,
            "algorithm": "SHA1",
            "digits": DIGITS,
            "period": STEP_S,
        }
        return f"otpauth://totp/{quote(f'{issuer}:{self.user.get_username()}')}?{urlencode(told)}"

    def verify_token(self, token: str) -> bool:
        """Tell whether this code opens, and see to it that it opens only once.

        After a wrong one the next is refused for a second, then for two, four and so on.
        """
        if not self.verify_is_allowed()[0]:
            return False
        if self._takes(token.replace(" ", "")):
            self.throttle_reset(commit=True)
            return True
        self.throttle_increment(commit=True)
        return False

    def get_throttle_factor(self) -> float:
        """Return the seconds after the first wrong code."""
        return 1.0

    def _takes(self, code: str) -> bool:
        try:
            secrets = Secrets.unsealed(self.secrets)
        except crypto.CannotUnseal:
            logger.exception("The second factor of user %s cannot be opened", self.user_id)
            return False
        step = _step_of(code, secrets.key, now_s=timezone.now().timestamp(), after=self.last_step)
        if step is not None:
            self.last_step = step
            return True
        left = secrets.without(code)
        if left is not None:
            self.secrets = left.sealed()
        return left is not None


def _step_of(code: str, key: bytes, *, now_s: float, after: int) -> int | None:
    """Return the step whose code this is, of those that are near and have not been used; or None."""
    now = int(now_s // STEP_S)
    near: Sequence[int] = range(now - TOLERANCE_STEPS, now + TOLERANCE_STEPS + 1)
    fresh = [step for step in near if step > after]
    return next((step for step in fresh if _same(code_at(key, step), code)), None)


def code_at(key: bytes, step: int) -> str:
    """Return the code that an app shows in a step."""
    return f"{hotp(key, step, DIGITS):0{DIGITS}d}"


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
