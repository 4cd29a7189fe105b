"""OpenAI's own client keeps files, and has batches answered."""

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

import openai
import pytest

from tests import schemas
from tests.acceptance import system
from tests.acceptance.callers import Caller

CHATS: Final = "/v1/chat/completions"


@pytest.fixture
def client(caller: Caller) -> Iterator[openai.OpenAI]:
    base_url = f"{caller.system.base_url}/openai/v1"
    with openai.OpenAI(base_url=base_url, api_key=caller.key, max_retries=0) as made:
        yield made


def line(name: str, *, url: str = CHATS, **body: Any) -> dict[str, Any]:
    usual = {"model": "echo", "messages": [{"role": "user", "content": name}]}
    return {"custom_id": name, "method": "POST", "url": url, "body": usual | body}


def sent(client: openai.OpenAI, lines: list[Any], *, purpose: Any = "batch") -> str:
    text = "\n".join(one if isinstance(one, str) else json.dumps(one) for one in lines)
    return client.files.create(file=("in.jsonl", text.encode()), purpose=purpose).id


def batch_of(client: openai.OpenAI, lines: list[Any], *, endpoint: Any = CHATS) -> Any:
    made = client.batches.create(
        input_file_id=sent(client, lines), endpoint=endpoint, completion_window="24h"
    )
    schemas.require("openai", "batch", made.to_dict())
    return made


def becomes(client: openai.OpenAI, batch_id: str, *statuses: str) -> Any:
    def reached() -> Any:
        batch = client.batches.retrieve(batch_id)
        schemas.require("openai", "batch", batch.to_dict())
        return batch if batch.status in statuses else None

    return system.until(reached, what=f"a batch that is {' or '.join(statuses)}")


def concluded(client: openai.OpenAI, batch_id: str) -> Any:
    return becomes(client, batch_id, "completed", "cancelled", "expired", "failed")


def lines_of(client: openai.OpenAI, file_id: str) -> list[dict[str, Any]]:
    schemas.require("openai", "file", client.files.retrieve(file_id).to_dict())
    lines = [json.loads(one) for one in client.files.content(file_id).text.splitlines()]
    return [schemas.require("openai", "batch_line", one) for one in lines]


class TestFiles:
    def test_are_kept_read_listed_and_deleted_by_their_organization_alone(
        self, client: openai.OpenAI, new_caller: Callable[..., Caller]
    ) -> None:
        made = client.files.create(file=("notes.txt", b"some notes"), purpose="user_data")

        schemas.require("openai", "file", made.to_dict())
        assert (made.filename, made.bytes, made.purpose) == ("notes.txt", 10, "user_data")
        assert client.files.retrieve(made.id) == made
        assert client.files.content(made.id).read() == b"some notes"
        other = client.files.create(
            file=("in.jsonl", b"{}"),
            purpose="batch",
            expires_after={"anchor": "created_at", "seconds": 3600},
        )
        assert other.expires_at == other.created_at + 3600
        assert [one.id for one in client.files.list()] == [other.id, made.id]
        assert [one.id for one in client.files.list(limit=1, order="asc")] == [made.id, other.id]
        assert [one.id for one in client.files.list(purpose="batch")] == [other.id]
        stranger = new_caller()
        for path in (made.id, f"{made.id}/content"):
            assert stranger.get(f"/openai/v1/files/{path}").status_code == 404
        assert stranger.request("DELETE", f"/openai/v1/files/{made.id}").status_code == 404
        assert client.files.delete(made.id).deleted
        with pytest.raises(openai.NotFoundError):
            client.files.content(made.id)

    def test_an_unknown_purpose_and_an_empty_file_are_refused(self, client: openai.OpenAI) -> None:
        with pytest.raises(openai.BadRequestError) as unknown:
            sent(client, ["a"], purpose="fun")
        with pytest.raises(openai.BadRequestError) as empty:
            client.files.create(file=("in.jsonl", b""), purpose="batch")

        assert (unknown.value.param, empty.value.param) == ("purpose", "file")


class TestBatches:
    def test_every_line_is_answered_in_the_file_that_it_belongs_to(
        self, client: openai.OpenAI, caller: Caller
    ) -> None:
        lines = [*(line(f"line {number}") for number in range(4)), line("x", model="echo-broken")]
        made = client.batches.create(
            input_file_id=sent(client, lines),
            endpoint=CHATS,
            completion_window="24h",
            metadata={"night": "first"},
        )

        assert made.status == "validating"
        batch = concluded(client, made.id)
        assert batch.status == "completed"
        assert batch.metadata == {"night": "first"}
        counts = batch.request_counts
        assert (counts.total, counts.completed, counts.failed) == (5, 4, 1)
        answers = lines_of(client, batch.output_file_id)
        assert [one["custom_id"] for one in answers] == [f"line {number}" for number in range(4)]
        for one in answers:
            assert one["error"] is None
            assert one["response"]["status_code"] == 200
            said = one["response"]["body"]["choices"][0]["message"]["content"]
            assert said == f"echo: {one['custom_id']}"
        (failed,) = lines_of(client, batch.error_file_id)
        assert failed["custom_id"] == "x"
        assert failed["response"]["status_code"] == 500
        assert failed["response"]["body"]["error"]["code"] == "model-load-failed"
        assert client.files.retrieve(batch.output_file_id).purpose == "batch_output"
        assert batch.usage.total_tokens > 0
        assert client.batches.retrieve(made.id) == batch
        assert [one.id for one in client.batches.list()] == [made.id]
        assert caller.balance()[1] == 0
        with pytest.raises(openai.ConflictError):
            client.batches.cancel(made.id)

    def test_every_bad_line_is_told_and_no_line_is_run(
        self, client: openai.OpenAI, caller: Caller
    ) -> None:
        made = batch_of(
            client,
            [
                line("good"),
                "no json",
                line("good"),
                "",
                line("elsewhere", url="/v1/embeddings"),
                line("streams", stream=True),
                line("who", model="gpt-nobody"),
                line("hot", temperature=9),
                {"custom_id": "bare"},
            ],
        )

        batch = concluded(client, made.id)
        assert batch.status == "failed"
        told = [(one.line, one.code, one.param) for one in batch.errors.data]
        assert told == [
            (2, "invalid_line", None),
            (3, "invalid_line", "custom_id"),
            (5, "invalid_line", "url"),
            (6, "invalid-request", "body.stream"),
            (7, "model_not_found", "body.model"),
            (8, "invalid-request", "body.temperature"),
            (9, "invalid_line", "method"),
        ]
        assert caller.jobs_count() == 0
        assert client.batches.retrieve(batch.id) == batch

    def test_a_cap_that_the_sum_would_pass_fails_it(
        self, client: openai.OpenAI, caller: Caller
    ) -> None:
        chat = caller.submit("line 0", max_tokens=16)
        estimate = int(caller.row(chat)["estimate_microcredits"])
        caller.ended(chat)
        spent, _ = caller.balance()
        limit = (spent + estimate) / 1_000_000  # of a line alone, at half the price
        caller.system.manage(
            *("set_cap", "--org", caller.slug, "--layer", "org", "--window", "daily"),
            *("--credits", f"{limit:.6f}"),
        )
        before = caller.balance()

        made = batch_of(client, [line(f"line {one}", max_tokens=16) for one in range(3)])
        batch = concluded(client, made.id)

        assert batch.status == "failed"
        (problem,) = batch.errors.data
        assert problem.code == "insufficient_quota"
        assert "org_daily_cap" in problem.message
        assert caller.jobs_count() == 1
        assert caller.balance() == before

    def test_a_cancelled_one_keeps_what_was_answered(
        self, client: openai.OpenAI, caller: Caller
    ) -> None:
        lines = [
            line("quick", max_tokens=4),
            *(line(f"slow {one}", model="echo-slow") for one in range(3)),
        ]
        long = " ".join(f"word{number}" for number in range(200))
        for one in lines[1:]:
            one["body"]["messages"] = [{"role": "user", "content": long}]
        batch = becomes(client, batch_of(client, lines).id, "in_progress")
        system.until(lambda: caller.jobs_count() == 4, what="the jobs of all lines")

        cancelled = client.batches.cancel(batch.id)
        assert cancelled.status in ("cancelling", "cancelled")
        assert cancelled.cancelling_at is not None
        ended = concluded(client, batch.id)
        assert ended.status == "cancelled"
        failures = lines_of(client, ended.error_file_id)
        slow = [one for one in failures if one["custom_id"].startswith("slow")]
        assert [one["error"]["code"] for one in slow] == ["batch_cancelled"] * 3
        assert all(one["response"] is None for one in slow)

    def test_a_longer_one_is_fed_as_the_queue_has_room(
        self, client: openai.OpenAI, caller: Caller
    ) -> None:
        names = [f"line {number}" for number in range(400)]
        made = batch_of(client, [line(name, max_tokens=4) for name in names])

        batch = concluded(client, made.id)

        counts = batch.request_counts
        assert (counts.total, counts.completed, counts.failed) == (400, 400, 0)
        answers = lines_of(client, batch.output_file_id)
        assert [one["custom_id"] for one in answers] == names
        assert caller.balance()[1] == 0

    @pytest.mark.parametrize(
        ("endpoint", "body", "objects"),
        [
            ("/v1/completions", {"prompt": "once"}, "text_completion"),
            ("/v1/embeddings", {"model": "echo-embedding", "input": ["a", "b"]}, "list"),
            ("/v1/responses", {"input": "hello"}, "response"),
        ],
    )
    def test_other_endpoints(
        self, client: openai.OpenAI, endpoint: str, body: dict[str, Any], objects: str
    ) -> None:
        one = {
            "custom_id": "a", "method": "POST", "url": endpoint, "body": {"model": "echo"} | body
        }  # fmt: skip
        batch = batch_of(client, [one], endpoint=endpoint)

        (answer,) = lines_of(client, concluded(client, batch.id).output_file_id)
        assert answer["response"]["body"]["object"] == objects

    def test_a_repeated_key_makes_nothing_twice(self, client: openai.OpenAI) -> None:
        key = {"Idempotency-Key": "night-1"}

        def file(content: bytes) -> Any:
            return client.files.create(
                file=("in.jsonl", content), purpose="batch", extra_headers=key
            )

        def batch(file_id: str, **metadata: str) -> Any:
            return client.batches.create(
                input_file_id=file_id,
                endpoint=CHATS,
                completion_window="24h",
                metadata=metadata,
                extra_headers={"Idempotency-Key": "night-2"},
            )

        first = file(b"no json")

        assert file(b"no json").id == first.id
        assert [one.id for one in client.files.list()] == [first.id]
        with pytest.raises(openai.UnprocessableEntityError):
            file(b"something else")
        made = batch(first.id)
        assert batch(first.id).id == made.id
        assert [one.id for one in client.batches.list()] == [made.id]
        with pytest.raises(openai.UnprocessableEntityError):
            batch(first.id, night="second")
        client.files.delete(first.id)
        with pytest.raises(openai.NotFoundError):
            file(b"no json")

    def test_a_strangers_batch_and_file_are_not_there(
        self, client: openai.OpenAI, new_caller: Callable[..., Caller]
    ) -> None:
        batch = batch_of(client, ["no json"])
        stranger = new_caller()

        assert stranger.get(f"/openai/v1/batches/{batch.id}").status_code == 404
        assert stranger.post(f"/openai/v1/batches/{batch.id}/cancel").status_code == 404
        refused = stranger.post(
            "/openai/v1/batches",
            {
                "input_file_id": batch.input_file_id,
                "endpoint": CHATS,
                "completion_window": "24h",
            },
        )
        assert refused.status_code == 400
        assert refused.json()["error"]["param"] == "input_file_id"
