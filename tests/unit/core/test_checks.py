"""An unsound production does not start: each setting has a sentence, and every process refuses."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from pytest_django import Settings

from genie.core import checks, flower, startup
from webhooks import checks as webhooks_checks

ROOT = Path(__file__).resolve().parents[3]
RANDOM = "kN5JmZ2u8Qe0xV7rT1yB4cW6sD9fG3hL-pA_oIiUuYtRrEwQzX"
SIGNED_IN = {"FLOWER_BASIC_AUTH": "ops:secret"}
CELERY = ["/x/bin/celery", "-A", "genie", "flower"]


@pytest.fixture
def production(settings: Settings) -> Settings:
    """Return the settings of a sound production."""
    settings.PRODUCTION = True
    settings.DEBUG = False
    settings.SECRET_KEY = RANDOM
    settings.GENIE_KEY_PEPPER = RANDOM.encode()
    settings.ALLOWED_HOSTS = ["genie.example.com", ".example.org"]
    settings.GENIE_OUTBOUND_DEVELOPMENT = False
    return settings


class TestProduction:
    def test_that_is_sound_passes(self, production: Settings) -> None:
        assert checks.check_production() == []
        assert webhooks_checks.outbound_is_closed() == []

    @pytest.mark.parametrize(
        ("setting", "value", "code", "said"),
        [
            ("DEBUG", True, "core.E001", "DEBUG is on"),
            ("SECRET_KEY", "django-insecure-" + RANDOM, "core.E002", "GENIE_SECRET_KEY"),
            ("SECRET_KEY", "changeme" * 8, "core.E002", "GENIE_SECRET_KEY"),
            ("SECRET_KEY", "s" * 60, "core.E002", "GENIE_SECRET_KEY"),
            ("GENIE_KEY_PEPPER", b"p" * 60, "core.E003", "GENIE_KEY_PEPPER"),
            ("ALLOWED_HOSTS", ["genie.example.com", ".com"], "core.E004", "'.com'"),
            ("ALLOWED_HOSTS", ["."], "core.E004", "'.'"),
        ],
    )
    def test_that_is_not_is_an_error(
        self, production: Settings, setting: str, value: object, code: str, said: str
    ) -> None:
        setattr(production, setting, value)

        (found,) = checks.check_production()

        assert (found.id, found.is_serious()) == (code, True)
        assert said in found.msg

    def test_that_opens_the_outbound_filter_is_an_error(self, production: Settings) -> None:
        production.GENIE_OUTBOUND_DEVELOPMENT = True

        (found,) = webhooks_checks.outbound_is_closed()

        assert (found.id, found.is_serious()) == ("webhooks.E003", True)

    def test_shows_no_secret(self, production: Settings) -> None:
        production.SECRET_KEY = "hunter2-changeme"

        assert "hunter2" not in str(checks.check_production())

    def test_is_not_asked_of_a_development(self, production: Settings) -> None:
        production.PRODUCTION = False
        production.SECRET_KEY = "short"

        assert checks.check_production() == []


class TestFlower:
    @pytest.mark.parametrize(
        ("argv", "environ"),
        [
            (CELERY, SIGNED_IN),
            (CELERY, {"FLOWER_AUTH": r".*@example\.com"}),
            ([*CELERY, "--basic-auth=ops:secret"], {}),
            ([*CELERY, "--basic_auth=ops:secret"], {"FLOWER_UNAUTHENTICATED_API": "0"}),
            (["manage.py", "create_org", "flower"], {}),
            (["celery", "-A", "genie", "worker"], {}),
        ],
    )
    def test_that_is_closed_passes(self, argv: list[str], environ: Mapping[str, str]) -> None:
        assert flower.problem(argv, environ) is None

    @pytest.mark.parametrize(
        ("argv", "environ"),
        [
            (CELERY, {}),
            (CELERY, {"FLOWER_BASIC_AUTH": ""}),
            ([*CELERY, "--basic-auth="], {}),
            ([*CELERY, "--unauthenticated_api"], SIGNED_IN),
            (CELERY, SIGNED_IN | {"FLOWER_UNAUTHENTICATED_API": "true"}),
            # Told by any process, since all of them share an environment.
            (["manage.py", "check"], {"FLOWER_UNAUTHENTICATED_API": "1"}),
        ],
    )
    def test_that_is_open_is_a_sentence(self, argv: list[str], environ: Mapping[str, str]) -> None:
        problem = flower.problem(argv, environ)

        assert problem is not None
        assert problem.endswith(".")
        assert "secret" not in problem


class TestStart:
    def test_of_a_development_asks_nothing(self, production: Settings) -> None:
        production.PRODUCTION = False
        production.GENIE_FIELD_KEYS = []

        startup.refuse_unsound()

    # Every kind of process: a web process loads the application, Celery's begin with a signal.
    @pytest.mark.parametrize(
        "words",
        [
            ["-m", "genie.serve", "--workers", "2", "--port", "0"],
            ["-m", "uvicorn", "--port", "0", "genie.asgi:application"],
            ["-m", "celery", "-A", "genie", "worker", "-P", "solo", "-Q", "maintenance"],
            ["-m", "celery", "-A", "genie", "beat"],
            ["manage.py", "check", "--deploy"],
        ],
        ids=["webs", "web", "worker", "beat", "check"],
    )
    def test_is_refused_with_a_sentence_for_each_error(self, words: list[str]) -> None:
        done = run(words, GENIE_SECRET_KEY="changeme" * 8, GENIE_OUTBOUND_DEVELOPMENT="1")

        assert "GENIE_SECRET_KEY can be guessed" in done.stderr
        assert "GENIE_OUTBOUND_DEVELOPMENT is on" in done.stderr
        assert "Traceback" not in done.stderr
        assert done.returncode != 0

    def test_by_several_webs_of_uvicorn_stops_them_all(self) -> None:
        webs = ["-m", "uvicorn", "--workers", "2", "--port", "0", "genie.asgi:application"]

        done = run(webs, GENIE_OUTBOUND_DEVELOPMENT="1")

        assert "GENIE_OUTBOUND_DEVELOPMENT is on" in done.stderr  # and it has ended

    def test_of_an_open_flower_is_refused(self) -> None:
        done = run(["-m", "celery", "-A", "genie", "flower"])

        assert done.returncode != 0
        assert "Flower has no password" in done.stderr
        assert "Traceback" not in done.stderr


def run(words: list[str], **unsound: str) -> "subprocess.CompletedProcess[str]":
    """Run a process of a production whose servers do not answer."""
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "DJANGO_SETTINGS_MODULE": "genie.settings",
        "GENIE_ENVIRONMENT": "production",
        "DATABASE_URL": "postgresql://genie@127.0.0.1:1/genie",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "GENIE_ALLOWED_HOSTS": "genie.example.com",
        "GENIE_BASE_URL": "https://genie.example.com",
        "GENIE_SECRET_KEY": RANDOM,
        "GENIE_KEY_PEPPER": RANDOM,
        "GENIE_FIELD_KEYS": os.environ["GENIE_FIELD_KEYS"],
        "GENIE_STATE_DIR": os.environ["GENIE_STATE_DIR"],
    }
    return subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env=environ | unsound,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
