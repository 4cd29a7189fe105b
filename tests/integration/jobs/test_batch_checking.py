"""Batches are checked: every bad line is told, the good are kept, and whoever is cut short begins anew."""

import dataclasses
import io
import json
from typing import Any

import pytest

from genie.core import ids
from jobs import asking, batch_checking, batch_rows, batches, library
from jobs.dialects import requests
from jobs.intake import batch_files
from jobs.models import BatchLine, Job
from tests import builders
from tests.integration.jobs import batching
from tests.integration.jobs.batching import told

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("tickets"),
]


def line(name: str, **body: Any) -> dict[str, Any]:
    usual = {
        "model": "genie-tiny-chat",
        "messages": [{"role": "user", "content": name}],
        "max_tokens": 4,
    }
    return {"custom_id": name, "method": "POST", "url": batching.CHATS, "body": usual | body}


def inserted(account: Any, lines: list[Any], **attributes: Any) -> Any:
    file_id = batching.upload(account, lines)
    batch = batching.new_batch(account, input_file_id=file_id, **attributes)
    batch_rows.insert(batch)
    return batch.id


def problems(batch_id: Any) -> list[tuple[Any, Any, Any]]:
    errors = told(batch_id)["errors"]["data"]
    return [(one["line"], one["code"], one["param"]) for one in errors]


def test_a_good_file_is_kept_priced_and_begun(
    account: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_checking, "_AT_ONCE", 2)
    batch_id = inserted(account, [line("a"), "", line("b"), line("c")])
    assert told(batch_id)["status"] == "validating"

    assert batch_checking.check_next()

    assert told(batch_id)["status"] == "in_progress"
    assert told(batch_id)["request_counts"]["total"] == 3
    assert [one.number for one in BatchLine.objects.order_by("number")] == [1, 2, 3]
    assert not batch_checking.check_next()
    batches.run_once()
    jobs = Job.objects.order_by("id")
    assert batching.names(jobs) == ["a", "b", "c"]
    assert [one.facade for one in jobs] == ["openai"] * 3
    asked = asking.asked([jobs[0].id])[jobs[0].id]
    assert asked.body is None  # the line's custom_id is nothing that its request had
    assert requests.sent(asked.body, asked.request, model=asked.model)["messages"] == [
        {"role": "user", "content": "a"}
    ]


def test_every_bad_line_is_told_and_nothing_is_kept_of_it(account: Any) -> None:
    batch_id = inserted(account, [line("a"), "no json", line("a"), line("b", stream=True)])

    batch_checking.check_next()

    assert told(batch_id)["status"] == "failed"
    assert problems(batch_id) == [
        (2, "invalid_line", None),
        (3, "invalid_line", "custom_id"),
        (4, "invalid-request", "body.stream"),
    ]
    batches.run_once()
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    ("lines", "code"), [(["", " "], "empty_file"), ([line("a"), line("b")], "too_many_lines")]
)
def test_files_that_are_wrong_as_a_whole(
    account: Any, lines: list[Any], code: str, settings: Any
) -> None:
    settings.GENIE_BATCH_LINES = 1
    batch_id = inserted(account, lines)

    batch_checking.check_next()

    assert problems(batch_id) == [(None, code, None)]


def test_a_file_that_was_deleted_meanwhile_fails_it(account: Any) -> None:
    file_id = batching.upload(account, [line("a")])
    batch = batching.new_batch(account, input_file_id=file_id)
    batch_rows.insert(batch)
    assert library.remove(file_id, organization_id=account.organization_id)

    batch_checking.check_next()

    assert problems(batch.id) == [(None, "file_removed", None)]


def test_a_cap_that_the_sum_would_pass_is_named(account: Any) -> None:
    builders.cap_org(account, 0)
    batch_id = inserted(account, [line("a")])

    batch_checking.check_next()

    (problem,) = told(batch_id)["errors"]["data"]
    assert problem["code"] == "insufficient_quota"
    assert "org_daily_cap" in problem["message"]


def test_models_that_the_key_did_not_allow_are_refused(account: Any) -> None:
    requester = batching.new_batch(account).requester
    allowed = dataclasses.replace(requester, allowed_models=("another",))
    batch_id = inserted(account, [line("a")], requester=allowed)

    batch_checking.check_next()

    assert [code for _, code, _ in problems(batch_id)] == ["model-not-allowed"]


def test_one_that_was_cut_short_begins_anew(account: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_checking, "_AT_ONCE", 1)
    batch_id = inserted(account, [line("a"), line("b"), line("c")])

    def dies(lines: Any) -> Any:
        yield from lines[:2]
        raise OSError("The process was killed.")

    with monkeypatch.context() as dying:
        found = list(batch_files.lines_of(io.BytesIO(json_lines([line("a"), line("b")]))))
        dying.setattr(batch_files, "lines_of", lambda _file: dies(found))
        with pytest.raises(OSError, match="killed"):
            batch_checking.check_next()
    assert BatchLine.objects.count() == 2
    assert not batch_checking.check_next()  # it may still go on, for all that others know

    with builders.later("1 minute"):
        assert batch_checking.check_next()

    assert told(batch_id)["status"] == "in_progress"
    assert BatchLine.objects.count() == 3


def test_a_cancel_while_it_is_checked_ends_the_check(
    account: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_checking, "_AT_ONCE", 1)
    batch_id = inserted(account, [line("a"), line("b")])
    read = batch_files.lines_of

    def cancelled_between(file: Any) -> Any:
        for number, one in enumerate(read(file)):
            if number == 1:
                batches.cancel(batch_id, organization_id=account.organization_id)
            yield one

    monkeypatch.setattr(batch_files, "lines_of", cancelled_between)
    assert batch_checking.check_next()

    assert told(batch_id)["status"] == "cancelled"
    batches.run_once()
    assert not Job.objects.exists()


class TestLines:
    def test_are_numbered_as_in_the_file_and_blank_ones_passed_over(self) -> None:
        found = list(batch_files.lines_of(io.BytesIO(b"a\r\n\n \nb")))

        assert found == [(1, b"a"), (4, b"b")]

    def test_one_that_is_too_long_is_not_kept_in_memory(self, settings: Any) -> None:
        settings.GENIE_JSON_LIMIT_BYTES = 4
        file = io.BytesIO(b"abcd\n" + b"x" * 5 + b"\n" + b"y" * 100 + b"\nlast")

        assert list(batch_files.lines_of(file)) == [
            (1, b"abcd"), (2, None), (3, None), (4, b"last"),
        ]  # fmt: skip


def json_lines(lines: list[Any]) -> bytes:
    return b"\n".join(json.dumps(one).encode() for one in lines)


def test_a_batch_that_nobody_checks_is_found_by_no_other_organization(
    account: Any, stranger: Any
) -> None:
    file_id = batching.upload(account, [line("a")])
    batch = batching.new_batch(stranger, input_file_id=file_id, id=ids.new_id())
    batch_rows.insert(batch)

    batch_checking.check_next()

    assert problems(batch.id) == [(None, "file_removed", None)]
