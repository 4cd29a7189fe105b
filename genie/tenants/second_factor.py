"""A second factor for the admin: codes of an authenticator app, and codes on paper for when it is lost."""

import secrets
from dataclasses import dataclass

from django_otp.admin import OTPAdminSite

from genie.core import transactions
from genie.tenants.authenticator import Authenticator, Secrets
from genie.tenants.models import User

KEY_BYTES = 20
RECOVERY_CODES = 8  # each opens once
RECOVERY_CODE_BYTES = 6  # 48 bits; each wrong code makes the next wait longer


class AdminSite(OTPAdminSite):  # type: ignore[misc] # untyped
    """The admin, for staff who have also given a code."""

    def __init__(self) -> None:
        super().__init__("admin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """What a person must take down: shown this once."""

    uri: str  # otpauth://..., for an authenticator app
    recovery_codes: tuple[str, ...]


def enroll(user: User) -> Enrolled:
    """Give a user a new authenticator and new recovery codes; those before are void."""
    codes = tuple(secrets.token_hex(RECOVERY_CODE_BYTES) for _ in range(RECOVERY_CODES))
    made = Secrets(key=secrets.token_bytes(KEY_BYTES), recovery_codes=codes)
    with transactions.transaction():
        _remove(user)
        app = Authenticator.objects.create(user=user, name="app", secrets=made.sealed())
    return Enrolled(uri=app.uri, recovery_codes=codes)


def remove(user: User) -> bool:
    """Take a user's second factor away; return whether there was one."""
    with transactions.transaction():
        return _remove(user)


def _remove(user: User) -> bool:
    removed, _ = Authenticator.objects.filter(user=user).delete()
    return bool(removed)
