"""Signing in to the admin: wrong passwords lock, and a second factor where it is asked for."""

import sys
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth.models import AnonymousUser
from django.test import Client, RequestFactory
from django.utils import timezone
from pytest_django import Settings

from genie.apps import AdminConfig
from genie.core import crypto
from genie.tenants import authenticator, second_factor
from genie.tenants.authenticator import Authenticator, Secrets
from genie.tenants.models import User

pytestmark = pytest.mark.django_db

LOGIN = "/admin/login/"


@pytest.fixture
def staff(db: None) -> User:
    return User.objects.create_superuser("stella", password="right horse battery staple")


def sign_in(password: str, username: str = "stella", **more: Any) -> Any:
    return Client().post(LOGIN, {"username": username, "password": password}, **more)


class TestGuessing:
    def test_is_stopped_after_five_wrong_passwords(self, staff: User) -> None:
        for _ in range(4):
            assert sign_in("wrong").status_code == 200

        locked = sign_in("wrong")

        assert (locked.status_code, locked["Retry-After"]) == (429, "900")
        assert "Wait 15 minutes" in locked.text
        # The right one opens nothing now, or a guesser would learn that it is right.
        assert sign_in("right horse battery staple").status_code == 429

    def test_leaves_others_and_other_addresses_alone(self, staff: User) -> None:
        for _ in range(5):
            sign_in("wrong")

        assert sign_in("right horse battery staple", REMOTE_ADDR="192.0.2.7").status_code == 302
        assert sign_in("wrong", username="someone-else").status_code == 200

    def test_is_told_apart_by_the_address_behind_trusted_proxies(
        self, staff: User, settings: Settings
    ) -> None:
        settings.GENIE_TRUSTED_PROXIES = 1
        for _ in range(5):
            sign_in("wrong", HTTP_X_FORWARDED_FOR="198.51.100.1, 192.0.2.1")

        elsewhere = sign_in("wrong", HTTP_X_FORWARDED_FOR="198.51.100.1, 192.0.2.2")
        forged = sign_in("wrong", HTTP_X_FORWARDED_FOR="198.51.100.9, 192.0.2.1")

        assert (elsewhere.status_code, forged.status_code) == (200, 429)

    def test_begins_anew_after_the_right_one(self, staff: User) -> None:
        for _ in range(4):
            sign_in("wrong")

        assert sign_in("right horse battery staple").status_code == 302
        assert sign_in("wrong").status_code == 200


class TestSecondFactor:
    def test_is_asked_for_where_the_setting_says_so(self, settings: Settings) -> None:
        config = AdminConfig("django.contrib.admin", sys.modules["django.contrib.admin"])
        assert config.default_site == "django.contrib.admin.sites.AdminSite"

        settings.GENIE_ADMIN_SECOND_FACTOR = True

        assert config.default_site == "genie.tenants.second_factor.AdminSite"

    def test_opens_with_a_code_of_the_app_and_with_one_on_paper_once(self, staff: User) -> None:
        made = second_factor.enroll(staff)
        code, paper = shown(staff), made.recovery_codes[0]

        assert made.uri.startswith("otpauth://totp/Genie%3Astella?secret=")
        assert [admits(staff, paper), admits(staff, code)] == [True, True]
        assert [admits(staff, paper), admits(staff, code), admits(staff, "")] == [False] * 3

    def test_takes_a_code_of_a_clock_that_is_half_a_minute_off(self, staff: User) -> None:
        second_factor.enroll(staff)

        assert not admits(staff, shown(staff, steps=-2))
        assert admits(staff, shown(staff, steps=-1))

    def test_waits_after_a_wrong_code(self, staff: User) -> None:
        made = second_factor.enroll(staff)

        assert not Authenticator.objects.get(user=staff).verify_token("000000")
        assert not Authenticator.objects.get(user=staff).verify_token(made.recovery_codes[0])

    def test_is_kept_sealed_and_opens_nothing_without_its_field_key(
        self, staff: User, settings: Settings
    ) -> None:
        made = second_factor.enroll(staff)
        kept, code = Authenticator.objects.get(user=staff).secrets, shown(staff)

        assert made.recovery_codes[0] not in kept
        assert Secrets.unsealed(kept).recovery_codes == made.recovery_codes
        settings.GENIE_FIELD_KEYS = [Fernet.generate_key().decode()]
        with pytest.raises(crypto.CannotUnseal):
            Secrets.unsealed(kept)
        assert [admits(staff, code), admits(staff, made.recovery_codes[0])] == [False, False]

    def test_alone_opens_nothing(self, staff: User) -> None:
        request = RequestFactory().get("/admin/")
        request.user = AnonymousUser()
        request.user.is_verified = lambda: True  # type: ignore[attr-defined]

        assert not second_factor.AdminSite().has_permission(request)

    def test_of_a_password_alone_opens_nothing(self, staff: User) -> None:
        request = RequestFactory().get("/admin/")
        request.user = staff
        staff.is_verified = lambda: False  # type: ignore[attr-defined]

        assert not second_factor.AdminSite().has_permission(request)

    def test_can_be_replaced_and_removed(self, staff: User) -> None:
        first = second_factor.enroll(staff)
        second_factor.enroll(staff)

        assert not admits(staff, first.recovery_codes[0])
        assert [second_factor.remove(staff), second_factor.remove(staff)] == [True, False]


class TestCommand:
    def test_enrolls_and_removes(self, staff: User, run: Any) -> None:
        made = run("second_factor", "enroll", "stella")

        assert made["uri"].startswith("otpauth://")
        assert len(made["recoveryCodes"]) == second_factor.RECOVERY_CODES
        assert run("second_factor", "remove", "stella")["removed"] is True

    def test_knows_no_stranger(self, run: Any) -> None:
        with pytest.raises(Exception, match="no user 'nobody'"):
            run("second_factor", "enroll", "nobody")


def shown(user: User, *, steps: int = 0) -> str:
    """Return the code that the user's app shows, or showed so many steps ago."""
    key = Secrets.unsealed(Authenticator.objects.get(user=user).secrets).key
    now = int(timezone.now().timestamp() // authenticator.STEP_S)
    return authenticator.code_at(key, now + steps)


def admits(user: User, token: str) -> bool:
    """Tell whether the form of the second factor lets this user in who knows the password."""
    Authenticator.objects.update(throttling_failure_count=0)  # which would refuse for a second
    form = second_factor.AdminSite.login_form(
        RequestFactory().post(LOGIN),
        data={
            "username": user.username,
            "password": "right horse battery staple",
            "otp_device": Authenticator.objects.get(user=user).persistent_id,
            "otp_token": token,
        },
    )
    return bool(form.is_valid())
