"""The system checks stop a start with secrets that are none."""

import base64

import pytest
from celery import current_app
from cryptography.fernet import Fernet
from pytest_django import Settings

from jobs import checks

ZEROS = base64.urlsafe_b64encode(bytes(32)).decode()
PHRASE = base64.urlsafe_b64encode(b"correct horse battery staple yes").decode()
FERNET = Fernet.generate_key().decode()


@pytest.fixture
def production(settings: Settings) -> Settings:
    """Return the settings of a sound production."""
    settings.PRODUCTION = True
    settings.SECRET_KEY = "s" * 50
    settings.GENIE_KEY_PEPPER = b"p" * 32
    settings.GENIE_FIELD_KEYS = [FERNET]
    settings.ALLOWED_HOSTS = ["genie.example.com"]
    return settings


class TestSecrets:
    def test_that_are_sound_pass(self, production: Settings) -> None:
        assert checks.check_secrets() == []

    @pytest.mark.parametrize(
        ("setting", "value", "code", "said"),
        [
            ("SECRET_KEY", "s" * 49, "jobs.E001", "49 characters"),
            ("GENIE_KEY_PEPPER", b"p" * 31, "jobs.E002", "31 bytes"),
            ("GENIE_KEY_PEPPER", b"", "jobs.E002", "0 bytes"),
            ("GENIE_FIELD_KEYS", [], "jobs.E003", "empty"),
            ("GENIE_FIELD_KEYS", [FERNET, "short"], "jobs.E003", "Key 2"),
            ("GENIE_FIELD_KEYS", ["\u00e9" * 44], "jobs.E003", "Key 1"),
            (
                "GENIE_FIELD_KEYS",
                [FERNET, ZEROS],
                "jobs.E003",
                "Key 2 of GENIE_FIELD_KEYS can be guessed",
            ),
            ("GENIE_FIELD_KEYS", [PHRASE], "jobs.E003", "can be guessed"),
            ("GENIE_FAILPOINTS", "before_settle:kill", "jobs.E007", "kill themselves"),
            ("ALLOWED_HOSTS", ["genie.example.com", "*"], "jobs.E004", "every host"),
        ],
    )
    def test_that_are_not_stop_a_production(
        self, production: Settings, setting: str, value: object, code: str, said: str
    ) -> None:
        setattr(production, setting, value)

        (found,) = checks.check_secrets()

        assert (found.id, found.is_serious()) == (code, True)
        assert said in found.msg

    def test_are_never_shown(self, production: Settings) -> None:
        production.SECRET_KEY = "hunter2"
        production.GENIE_FIELD_KEYS = ["hunter2"]

        assert "hunter2" not in str(checks.check_secrets())

    def test_may_be_short_in_development_but_must_be_keys(self, production: Settings) -> None:
        production.PRODUCTION = False
        production.SECRET_KEY = "short"
        production.ALLOWED_HOSTS = ["*"]
        production.GENIE_FIELD_KEYS = ["short", ZEROS]

        assert [found.id for found in checks.check_secrets()] == ["jobs.E003"]


class TestCelery:
    def test_of_this_project_speaks_json_only(self) -> None:
        assert checks.check_celery() == []

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("task_serializer", "pickle"),
            ("result_serializer", "yaml"),
            ("accept_content", ["json", "pickle"]),
            ("accept_content", None),
            ("result_accept_content", ["pickle"]),
        ],
    )
    def test_that_takes_anything_else_is_stopped(
        self, monkeypatch: pytest.MonkeyPatch, name: str, value: object
    ) -> None:
        monkeypatch.setitem(current_app.conf, name, value)

        (found,) = checks.check_celery()

        assert found.id == "jobs.E005"
        assert name in found.msg
