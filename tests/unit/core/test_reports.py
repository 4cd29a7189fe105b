"""An error report has the way to the error, and no value of anybody's."""

import sys

from django.conf import settings
from django.test import RequestFactory
from django.views.debug import ExceptionReporter

CANARY = "helio" + "trope"  # in two, since a report quotes the code, this line too


def fail(prompt: str) -> None:
    key = f"sk-genie-acme-{prompt}"
    raise RuntimeError(f"a defect of {len(key)} characters")


def report() -> ExceptionReporter:
    request = RequestFactory(headers={"Authorization": f"Bearer {CANARY}"}).post(
        "/v1/x", {"prompt": CANARY}
    )
    request.COOKIES["sessionid"] = CANARY
    try:
        fail(CANARY)
    except RuntimeError:
        return ExceptionReporter(request, *sys.exc_info())
    raise AssertionError("It did not fail.")


def test_shows_where_and_what_but_no_value() -> None:
    made = report()

    for text in (made.get_traceback_text(), made.get_traceback_html()):
        assert "a defect of" in text
        assert "fail" in text
        assert CANARY not in text


def test_shows_no_setting_that_opens_anything() -> None:
    secrets = [
        settings.SECRET_KEY,
        settings.GENIE_KEY_PEPPER.decode(),
        *settings.GENIE_FIELD_KEYS,
        settings.REDIS_URL,
    ]
    text = report().get_traceback_html()

    assert [one for one in secrets if one in text] == []
