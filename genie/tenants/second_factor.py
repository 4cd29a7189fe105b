"""A second factor for the admin: codes of an authenticator app, and codes on paper for when it is lost."""

import secrets
from dataclasses import dataclass

from django_otp.admin import OTPAdminSite
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from genie.core import transactions
from genie.tenants.models import User

RECOVERY_CODES = 8  # each opens once
RECOVERY_CODE_BYTES = 6  # 48 bits; devices are slowed down by django-otp after each wrong code


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
    with transactions.transaction():
        _remove(user)
        app = TOTPDevice.objects.create(user=user, name="app")
        paper = StaticDevice.objects.create(user=user, name="recovery codes")
        for code in codes:
            paper.token_set.create(token=code)
    return Enrolled(uri=app.config_url, recovery_codes=codes)


def remove(user: User) -> bool:
    """Take a user's second factor away; return whether there was one."""
    with transactions.transaction():
        return _remove(user)


def _remove(user: User) -> bool:
    removed = [kind.objects.filter(user=user).delete()[0] for kind in (TOTPDevice, StaticDevice)]
    return any(removed)
