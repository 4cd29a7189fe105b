"""Batches are checked: every bad line is told, the good are kept, and whoever is cut short begins anew."""

import dataclasses
import io
import json
from typing import Any

import pytest

from genie.core import ids
from jobs import asking, batch_checking, batch_lines, batch_rows, batch_views, batches, library
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
        found = list(
            batch_files.lines_of(io.BytesIO(json_lines([line("a"), line("b")])), most=1000)
        )
        dying.setattr(batch_files, "lines_of", lambda _file, **_more: dies(found))
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

    def cancelled_between(file: Any, **more: Any) -> Any:
        for number, one in enumerate(read(file, **more)):
            if number == 1:
                batches.cancel(batch_id, organization_id=account.organization_id)
            yield one

    monkeypatch.setattr(batch_files, "lines_of", cancelled_between)
    assert batch_checking.check_next()

    assert told(batch_id)["status"] == "cancelled"
    batches.run_once()
    assert not Job.objects.exists()


def test_a_file_of_another_editor_is_read_all_the_same(account: Any) -> None:
    lines = json_lines([line("a"), line("b")]).replace(b"\n", b"\r\n")
    file_id = batching.kept(account, b"\xef\xbb\xbf" + lines + b"\r\n\r\n")
    batch = batching.new_batch(account, input_file_id=file_id)
    batch_rows.insert(batch)

    batch_checking.check_next()

    assert told(batch.id)["status"] == "in_progress"
    assert told(batch.id)["request_counts"]["total"] == 2


def test_what_is_wrong_with_a_line_says_so_of_the_line(account: Any, settings: Any) -> None:
    settings.GENIE_JSON_LIMIT_BYTES = 400
    batch_id = inserted(
        account,
        [line("a"), "no json", "[]", line("a"), line("b", user="x" * 400), line("c", model="none")],
    )

    batch_checking.check_next()

    assert [one["message"] for one in told(batch_id)["errors"]["data"]] == [
        "the line is not valid JSON (Expecting value at character 0)",
        "the line must be a JSON object",
        "custom_id: is that of line 1 too; give each line its own",
        "the line is longer than the 400 bytes of a request; shorten it",
        "There is no model 'none'; GET /v1/models lists them.",
    ]
    assert problems(batch_id)[-1] == (6, "model_not_found", "body.model")


def test_one_of_embeddings_may_be_as_long_as_their_request(account: Any, settings: Any) -> None:
    settings.GENIE_JSON_LIMIT_BYTES = 300
    one = {
        "custom_id": "a",
        "method": "POST",
        "url": "/v1/embeddings",
        "body": {"model": "genie-tiny-embedding", "input": ["x" * 300] * 3},
    }
    batch_id = inserted(account, [one, one | {"custom_id": "b" * 300}], endpoint="/v1/embeddings")

    batch_checking.check_next()

    assert problems(batch_id) == [(2, "invalid_line", None)]


def test_long_lines_are_held_fewer_at_once(account: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of long lines, and their answers, take no more memory than one of short ones."""
    at_once: list[int] = []
    read = batch_files.Reader.read

    async def noting(reader: Any, lines: Any) -> Any:
        at_once.append(len(lines))
        return await read(reader, lines)

    monkeypatch.setattr(batch_files.Reader, "read", noting)
    monkeypatch.setattr(batch_checking, "_BYTES_AT_ONCE", 300)  # about two lines
    monkeypatch.setattr(batch_lines, "_BYTES_AT_ONCE", 1)
    monkeypatch.setattr(batch_views, "_BYTES_AT_ONCE", 1)
    batch_id = inserted(account, [line(name) for name in "abc"])

    batch_checking.check_next()
    fed = [batches.run_once() for _ in range(4)]

    assert at_once == [2, 1]
    assert fed == [1, 1, 1, 0]
    for claimed in builders.claim():
        builders.finish(claimed, cost_microcredits=1)
    batches.run_once()
    file_id = told(batch_id)["output_file_id"]
    assert [one["custom_id"] for one in batching.written(account, file_id)] == ["a", "b", "c"]


class TestLines:
    def test_are_numbered_as_in_the_file_and_blank_ones_passed_over(self) -> None:
        found = list(batch_files.lines_of(io.BytesIO(b"a\r\n\n \nb"), most=9))

        assert found == [(1, b"a"), (4, b"b")]

    def test_a_byte_order_mark_before_the_first_is_no_part_of_it(self) -> None:
        file = io.BytesIO(b"\xef\xbb\xbfa\n\xef\xbb\xbfb")

        found = list(batch_files.lines_of(file, most=9))

        assert found == [(1, b"a"), (2, b"\xef\xbb\xbfb")]

    def test_one_that_is_too_long_is_not_kept_in_memory(self) -> None:
        file = io.BytesIO(b"abcd\n" + b"x" * 5 + b"\n" + b"y" * 100 + b"\nlast")

        assert list(batch_files.lines_of(file, most=4)) == [
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
