"""The HTTP API of webhooks over Django's handler: who may, what it takes, and what it answers."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
import standardwebhooks
from django.test import Client
from pytest_django import Settings

from genie.core import ids
from genie.tenants.models import User
from tests.integration.tenants.callers import Actors, send, with_key
from tests.integration.tenants.conftest import acme, signed_in, stranger
from tests.integration.webhooks import builders
from tests.integration.webhooks.builders import deliver, event, publish
from tests.integration.webhooks.receivers import Receiver
from webhooks import delivery, endpoints, pulling, selectors
from webhooks.errors import REFUSED
from webhooks.models import Delivery, Endpoint, Event

__all__ = ["acme", "signed_in", "stranger"]

pytestmark = pytest.mark.django_db
real_commits = pytest.mark.django_db(transaction=True)  # what sends opens no transaction

SignedIn = Callable[[User], Client]
Api = Callable[..., Any]
Clock = Callable[[str], None]
URL = "http://127.0.0.1:9/hook"
UNKNOWN = "wh_c0000000000000000000000zz"


@pytest.fixture(autouse=True)
def _development(settings: Settings) -> None:
    settings.GENIE_OUTBOUND_DEVELOPMENT = True


@pytest.fixture
def api(acme: Any) -> Api:
    """Send requests with a key of acme that may do both."""
    key = acme.key(scopes=("jobs:read", "webhooks:write")).full_key

    def request(method: str, path: str, body: object = None, **headers: str) -> Any:
        return send(Client(), method, path, body, **with_key(key), **headers)

    return request


@pytest.fixture
def hook(api: Api) -> dict[str, Any]:
    """Return a new endpoint as its creation answered."""
    answer = api("POST", "/v1/webhooks", {"name": "ops", "url": URL, "events": ["job.completed"]})
    assert answer.status_code == 201, answer.content
    return dict(answer.json())


def happen(organization: Any, event_type: str = "job.completed", **fields: Any) -> list[uuid.UUID]:
    return publish(event(event_type, organization_id=organization.id, **fields))


class TestWebhooks:
    def test_are_registered_with_a_secret_that_is_shown_once(self, api: Api, hook: Any) -> None:
        shown = api("GET", f"/v1/webhooks/{hook['id']}")

        assert hook["secret"].startswith("whsec_")
        assert hook["id"].startswith("wh_c")
        assert shown.json() == {name: value for name, value in hook.items() if name != "secret"}
        assert shown.json() | {"id": "", "created_at": ""} == {
            "id": "",
            "object": "webhook",
            "name": "ops",
            "url": URL,
            "events": ["job.completed"],
            "description": "",
            "enabled": True,
            "disabled_reason": None,
            "disabled_at": None,
            "include_response": False,
            "header_names": [],
            "previous_secret_expires_at": None,
            "health": {
                "consecutive_failures": 0, "failing_since": None, "last_success_at": None,
            },
            "created_at": "",
        }  # fmt: skip
        assert hook["secret"] not in str(Endpoint.objects.values().get())

    def test_are_the_same_below_both_prefixes(self, api: Api, hook: Any) -> None:
        listed = [api("GET", f"{prefix}/v1/webhooks").json() for prefix in ("", "/api")]

        assert listed[0] == listed[1]
        assert [one["id"] for one in listed[0]["data"]] == [hook["id"]]
        assert (listed[0]["has_more"], listed[0]["next_cursor"]) == (False, None)

    def test_are_changed_field_by_field(self, api: Api, hook: Any) -> None:
        path = f"/v1/webhooks/{hook['id']}"
        changes = {
            "description": "who is told", "events": ["job.failed", "budget.cap-hit"],
            "include_response": True, "headers": {"X-Team": "red"}, "enabled": False,
        }  # fmt: skip

        answer = api("PATCH", path, changes)
        back = api("PATCH", path, {"headers": {}, "enabled": True})

        assert answer.status_code == 200
        assert answer.json() | {"disabled_at": ""} == {
            **{name: value for name, value in hook.items() if name != "secret"},
            "description": "who is told",
            "events": ["budget.cap-hit", "job.failed"],
            "include_response": True,
            "header_names": ["X-Team"],
            "enabled": False,
            "disabled_reason": "disabled-by-caller",
            "disabled_at": "",
        }
        assert (back.json()["header_names"], back.json()["disabled_reason"]) == ([], None)

    def test_are_deleted_and_their_secrets_with_them(self, api: Api, hook: Any) -> None:
        path = f"/v1/webhooks/{hook['id']}"

        assert api("DELETE", path).status_code == 204
        assert [api("DELETE", path).status_code, api("GET", path).status_code] == [404, 404]
        assert Endpoint.objects.get().sealed_secret is None
        assert (
            api("POST", "/v1/webhooks", {"name": "ops", "url": URL, "events": []}).status_code
            == 201
        )

    def test_may_have_no_url(self, api: Api) -> None:
        answer = api("POST", "/v1/webhooks", {"name": "pull", "url": None, "events": []})

        assert (answer.status_code, answer.json()["url"]) == (201, None)

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"name": None}, "name"),
            ({"name": ""}, "name"),
            ({"name": "x" * 256}, "name"),
            ({"name": "two\nlines"}, "name"),
            ({"name": "ops"}, "name"),
            ({"name": UNKNOWN}, "name"),
            ({"url": 7}, "url"),
            ({"url": ""}, "url"),
            ({"url": "ftp://receiver.example/"}, "url"),
            ({"url": "http://169.254.169.254/latest"}, "url"),
            ({"url": "https://user:pass@receiver.example/"}, "url"),
            ({"events": "job.completed"}, "events"),
            ({"events": ["job.exploded"]}, "events"),
            ({"events": [1]}, "events.0"),
            ({"events": ["job.failed"] * 21}, "events"),
            ({"enabled": "yes"}, "enabled"),
            ({"include_response": 1}, "include_response"),
            ({"description": "x" * 1001}, "description"),
            ({"headers": {"Host": "elsewhere"}}, "headers"),
            ({"headers": {"X-Team": "a\r\nb"}}, "headers"),
            ({"headers": ["X-Team"]}, "headers"),
            ({"secret": "whsec_mine"}, "secret"),
            ({"includeResponse": True}, "includeResponse"),
        ],
    )
    def test_take_nothing_that_breaks_a_rule(
        self, api: Api, hook: Any, change: dict[str, Any], field: str
    ) -> None:
        body = {"name": "new", "url": URL, "events": ["job.completed"]} | change

        answer = api("POST", "/v1/webhooks", body)

        assert (answer.status_code, answer.json()["code"]) == (400, "invalid-request")
        assert field in {one["field"].split(".")[0] for one in answer.json()["details"]} | {
            one["field"] for one in answer.json()["details"]
        }
        assert Endpoint.objects.count() == 1

    @pytest.mark.parametrize("missing", ["name", "url", "events"])
    def test_need_a_name_a_url_and_events(self, api: Api, missing: str) -> None:
        body = {"name": "new", "url": URL, "events": []}
        del body[missing]

        answer = api("POST", "/v1/webhooks", body)

        assert [one["field"] for one in answer.json()["details"]] == [missing]

    def test_say_the_same_of_every_url_that_is_refused(self, api: Api) -> None:
        answers = {
            api("POST", "/v1/webhooks", {"name": "x", "url": url, "events": []}).content
            for url in ("http://169.254.169.254/", "gopher://a/", "https://a:b@c.example/", "x")
        }

        assert len(answers) == 1

    def test_are_limited_in_number(
        self, api: Api, hook: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(endpoints, "MAX_PER_ORGANIZATION", 1)

        answer = api("POST", "/v1/webhooks", {"name": "two", "url": URL, "events": []})

        assert answer.status_code == 400
        assert "which is the most" in answer.json()["error"]
        builders.make_endpoint(
            None, organization_id=uuid.UUID(int=7)
        )  # that of others counts apart


class TestRotation:
    def test_answers_the_new_secret_and_until_when_the_old_one_signs(
        self, api: Api, hook: Any
    ) -> None:
        answer = api("POST", f"/v1/webhooks/{hook['id']}/rotate-secret")

        assert answer.status_code == 200
        assert answer.json()["secret"] not in (hook["secret"], None)
        assert answer.json()["previous_secret_expires_at"] > hook["created_at"]
        assert "secret" not in api("GET", f"/v1/webhooks/{hook['id']}").json()

    def test_takes_no_body(self, api: Api, hook: Any) -> None:
        answer = api("POST", f"/v1/webhooks/{hook['id']}/rotate-secret", {"secret": "mine"})

        assert [one["field"] for one in answer.json()["details"]] == ["secret"]


@real_commits
class TestTheTestAction:
    def test_sends_now_and_says_how_it_went(self, api: Api, hook: Any, receiver: Receiver) -> None:
        path = f"/v1/webhooks/{hook['id']}"
        told = []
        for mode in ("/200", "/500", "/reset"):
            api("PATCH", path, {"url": receiver.url(mode)})
            answer = api("POST", f"{path}/test")
            assert answer.status_code == 200
            told.append({name: answer.json()[name] for name in ("delivered", "status", "error")})

        first = receiver.requests[0]
        assert told == [
            {"delivered": True, "status": 200, "error": None},
            {"delivered": False, "status": 500, "error": None},
            {"delivered": False, "status": None, "error": "reset"},
        ]
        standardwebhooks.Webhook(hook["secret"]).verify(first.body, first.headers)
        assert first.headers["x-genie-event"] == "webhook.test"
        assert f'"webhook_id":"{hook["id"]}"'.encode() in first.body

    def test_is_on_record_and_never_repeated(self, api: Api, hook: Any, receiver: Receiver) -> None:
        path = f"/v1/webhooks/{hook['id']}"
        api("PATCH", path, {"url": receiver.url("/500"), "enabled": False})

        told = api("POST", f"{path}/test").json()

        logged = api("GET", f"/v1/webhooks/deliveries/{told['delivery_id']}").json()
        assert (logged["state"], logged["reason"], logged["event"]) == (
            "failed", "http-500", "webhook.test",
        )  # fmt: skip
        assert [one["status"] for one in logged["log"]] == [500]
        assert api("GET", path).json()["health"]["consecutive_failures"] == 0
        assert deliver() == 0

    def test_is_bounded_in_number(
        self, api: Api, hook: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def never() -> bool:
            return False

        monkeypatch.setattr(delivery._tests, "acquire", lambda blocking: never())

        answer = api("POST", f"/v1/webhooks/{hook['id']}/test")

        assert (answer.status_code, answer["Retry-After"]) == (503, "1")

    def test_needs_a_url(self, api: Api) -> None:
        pull = api("POST", "/v1/webhooks", {"name": "pull", "url": None, "events": []}).json()

        assert api("POST", f"/v1/webhooks/{pull['id']}/test").status_code == 400


class TestDeliveries:
    def test_are_listed_newest_first_in_pages(self, api: Api, acme: Any, hook: Any) -> None:
        made = [happen(acme.organization)[0] for _ in range(5)]
        path, seen, cursor = f"/v1/webhooks/{hook['id']}/deliveries?limit=2", list[str](), ""

        while cursor is not None:
            page = api("GET", path + (f"&cursor={cursor}" if cursor else "")).json()
            seen += [one["id"] for one in page["data"]]
            cursor = page["next_cursor"]

        assert seen == [str(one) for one in reversed(made)]

    @real_commits
    def test_are_filtered(
        self, api: Api, acme: Any, hook: Any, receiver: Receiver, clock: Clock
    ) -> None:
        path = f"/v1/webhooks/{hook['id']}"
        api("PATCH", path, {"url": receiver.url(), "events": ["job.completed", "job.failed"]})
        (first,) = happen(acme.organization)
        deliver()
        clock("1 hour")
        (second,) = happen(acme.organization, "job.failed")
        between = Delivery.objects.get(id=second).created_at.isoformat().replace("+00:00", "Z")

        def listed(query: str) -> list[str]:
            answer = api("GET", f"{path}/deliveries?{query}")
            assert answer.status_code == 200, answer.content
            return [one["id"] for one in answer.json()["data"]]

        assert listed("state=delivered") == [str(first)]
        assert listed("state=pending") == [str(second)]
        assert listed("event=job.failed") == [str(second)]
        assert listed(f"since={between}") == [str(second)]
        assert listed(f"until={between}") == [str(first)]
        assert listed("state=failed") == []

    @pytest.mark.parametrize(
        "query",
        [
            "state=lost", "limit=0", "limit=101", "limit=x", "cursor=x", "since=yesterday",
            "until=2026-01-01", "event=%00", "colour=red",
        ],
    )  # fmt: skip
    def test_refuse_an_odd_parameter(self, api: Api, hook: Any, query: str) -> None:
        answer = api("GET", f"/v1/webhooks/{hook['id']}/deliveries?{query}")

        assert (answer.status_code, len(answer.json()["details"])) == (400, 1)
        assert answer.json()["details"][0]["field"] == query.partition("=")[0]

    @real_commits
    def test_show_the_bytes_that_were_sent_and_each_attempt(
        self, api: Api, acme: Any, hook: Any, receiver: Receiver
    ) -> None:
        api("PATCH", f"/v1/webhooks/{hook['id']}", {"url": receiver.url("/503")})
        (made,) = happen(acme.organization)
        deliver()

        shown = api("GET", f"/v1/webhooks/deliveries/{made}").json()

        (line,) = shown["log"]
        assert (shown["webhook_id"], shown["message_id"]) == (hook["id"], str(made))
        assert (shown["body"].encode(), shown["body_bytes"]) == (builders.BODY, len(builders.BODY))
        assert (line["number"], line["status"], line["error"], line["answer"]) == (
            1, 503, None, "answer 503",
        )  # fmt: skip

    @real_commits
    def test_are_sent_again_under_the_same_id(
        self, api: Api, acme: Any, hook: Any, receiver: Receiver
    ) -> None:
        api("PATCH", f"/v1/webhooks/{hook['id']}", {"url": receiver.url()})
        (made,) = happen(acme.organization)
        early = api("POST", f"/v1/webhooks/deliveries/{made}/redeliver")
        deliver()

        answer = api("POST", f"/v1/webhooks/deliveries/{made}/redeliver")
        deliver()

        assert early.status_code == 400
        assert (answer.status_code, answer.json()["state"]) == (202, "pending")
        assert answer.json()["id"] != str(made) == answer.json()["message_id"]
        assert [one.headers["webhook-id"] for one in receiver.requests] == [str(made)] * 2


class TestReplay:
    @real_commits
    def test_sends_what_was_missed_since_a_time(
        self, api: Api, acme: Any, hook: Any, receiver: Receiver
    ) -> None:
        path = f"/v1/webhooks/{hook['id']}"
        api("PATCH", path, {"url": receiver.url(), "enabled": False})
        happen(acme.organization)
        happen(acme.organization)
        api("PATCH", path, {"enabled": True})

        answers = [
            api("POST", f"{path}/replay", {"since": "2020-01-01T00:00:00Z", "cursor": None})
            for _ in range(2)
        ]
        deliver()

        assert [one.status_code for one in answers] == [202, 202]
        assert [one.json() for one in answers] == [
            {"examined": 2, "replayed": replayed, "has_more": False, "next_cursor": None}
            for replayed in (2, 0)
        ]
        assert len(receiver.requests) == 2

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "since"),
            ({"since": "yesterday"}, "since"),
            ({"since": "2020-01-01T00:00:00Z", "cursor": "x"}, "cursor"),
            ({"since": "2020-01-01T00:00:00Z", "all": True}, "all"),
        ],
    )
    def test_needs_a_time(self, api: Api, hook: Any, body: dict[str, Any], field: str) -> None:
        answer = api("POST", f"/v1/webhooks/{hook['id']}/replay", body)

        assert [one["field"] for one in answer.json()["details"]] == [field]


class TestEvents:
    @pytest.fixture
    def pull(self, api: Api) -> dict[str, Any]:
        body = {"name": "pull", "url": None, "events": ["job.completed", "job.failed"]}
        return dict(api("POST", "/v1/webhooks", body).json())

    @real_commits
    def test_are_pulled_by_a_cursor(self, api: Api, acme: Any, pull: Any, clock: Clock) -> None:
        for _ in range(3):
            happen(acme.organization)
        clock("2 s")

        first = api("GET", "/v1/events?limit=2").json()
        second = api("GET", f"/v1/events?after={first['next_cursor']}").json()
        third = api("GET", f"/v1/events?after={second['next_cursor']}").json()

        ids_seen = [one["id"] for page in (first, second, third) for one in page["data"]]
        assert ids_seen == [
            f"evt_{ids.bare(one)}"
            for one in Event.objects.order_by("created_at").values_list("id", flat=True)
        ]
        assert [page["has_more"] for page in (first, second, third)] == [True, False, False]
        assert third["next_cursor"] == second["next_cursor"]
        assert first["data"][0]["data"] == {"id": "chatcmpl-c1", "status": "completed"}
        assert first["data"][0]["type"] == "job.completed"

    @real_commits
    def test_are_filtered_by_type(self, api: Api, acme: Any, pull: Any, clock: Clock) -> None:
        happen(acme.organization)
        happen(acme.organization, "job.failed")
        clock("2 s")

        page = api("GET", "/v1/events?types=job.failed,budget.cap-hit").json()

        assert [one["type"] for one in page["data"]] == ["job.failed"]

    @real_commits
    def test_come_to_who_waits(
        self, api: Api, acme: Any, pull: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        looks = list[int]()
        look = selectors.settled_events

        def happens_meanwhile(*args: Any, **how: Any) -> list[Event]:
            looks.append(1)
            if len(looks) == 2:
                happen(acme.organization)
                clock("5 s")
            return list(look(*args, **how))

        monkeypatch.setattr(selectors, "settled_events", happens_meanwhile)

        page = api("GET", "/v1/events", Prefer="wait=20").json()

        assert (len(page["data"]), len(looks)) == (1, 2)

    def test_keep_nobody_waiting_beyond_the_bound(
        self, api: Api, pull: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pulling._waiters, "acquire", lambda blocking: False)

        assert api("GET", "/v1/events", Prefer="wait=20").json()["data"] == []

    @pytest.mark.parametrize(
        "query", ["after=x", "limit=0", "types=", "since=now", "page=2", "since=2020-01-01T00:00:00Z&after=x"]
    )  # fmt: skip
    def test_refuse_an_odd_parameter(self, api: Api, query: str) -> None:
        assert api("GET", f"/v1/events?{query}").status_code == 400


ROUTES = [
    ("GET", "/v1/webhooks", None),
    ("POST", "/v1/webhooks", {"name": "new", "url": URL, "events": []}),
    ("GET", "/v1/webhooks/{hook}", None),
    ("PATCH", "/v1/webhooks/{hook}", {"description": "x"}),
    ("POST", "/v1/webhooks/{hook}/rotate-secret", None),
    pytest.param("POST", "/v1/webhooks/{hook}/test", None, marks=real_commits),
    ("POST", "/v1/webhooks/{hook}/replay", {"since": "2020-01-01T00:00:00Z"}),
    ("GET", "/v1/webhooks/{hook}/deliveries", None),
    ("GET", "/v1/webhooks/deliveries/{delivery}", None),
    ("POST", "/v1/webhooks/deliveries/{delivery}/redeliver", None),
    ("DELETE", "/v1/webhooks/{hook}", None),
    ("GET", "/v1/events", None),
]
OF_ONE = [one for one in ROUTES if "/{" in str(one)]


class TestWhoMay:
    @pytest.fixture
    def actors(self, acme: Any, stranger: Any, signed_in: SignedIn) -> Actors:
        return Actors(
            sessions={
                "owner": signed_in(acme.owner),
                "member": signed_in(acme.member),
                "stranger": signed_in(stranger.owner),
            },
            keys={
                "reader": acme.key(scopes=("jobs:read",)).full_key,
                "writer": acme.key(scopes=("webhooks:write",)).full_key,
                "inference": acme.key(scopes=("inference",)).full_key,
                "stranger's key": stranger.key().full_key,
            },
        )

    @pytest.fixture
    def paths(self, acme: Any, receiver: Receiver) -> dict[str, str]:
        made = builders.make_endpoint(receiver.url(), organization_id=acme.organization.id)
        (sent,) = happen(acme.organization)
        builders.end("delivered")
        return {"hook": str(made.endpoint.id), "delivery": str(sent)}

    @pytest.mark.parametrize(("method", "path", "body"), ROUTES)
    @pytest.mark.parametrize("who", ["owner", "member"])
    def test_a_session_of_the_organisation(
        self, actors: Actors, paths: Any, who: str, method: str, path: str, body: object
    ) -> None:
        answer = actors.send(who, method, path.format(**paths), body)

        assert answer.status_code in (200, 201, 202, 204), answer.content

    @pytest.mark.parametrize(("method", "path", "body"), ROUTES)
    def test_a_key_by_its_scopes(
        self, actors: Actors, paths: Any, method: str, path: str, body: object
    ) -> None:
        allowed, refused = ("reader", "writer") if method == "GET" else ("writer", "reader")

        no = actors.send(refused, method, path.format(**paths), body)
        never = actors.send("inference", method, path.format(**paths), body)
        yes = actors.send(allowed, method, path.format(**paths), body)

        assert (no.status_code, no.json()["code"]) == (403, "forbidden")
        assert never.status_code == 403
        assert yes.status_code in (200, 201, 202, 204), yes.content

    @pytest.mark.parametrize(("method", "path", "body"), ROUTES)
    def test_nobody_unknown(
        self, actors: Actors, paths: Any, method: str, path: str, body: object
    ) -> None:
        answer = actors.send("nobody", method, path.format(**paths), body)

        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")

    @pytest.mark.parametrize(("method", "path", "body"), OF_ONE)
    @pytest.mark.parametrize("who", ["stranger", "stranger's key"])
    def test_no_stranger_to_whom_it_is_not_there(
        self, actors: Actors, paths: Any, who: str, method: str, path: str, body: object
    ) -> None:
        before = list(Endpoint.objects.values()), list(Delivery.objects.values())

        theirs = actors.send(who, method, path.format(**paths), body)
        nobodys = actors.send(
            who, method, path.format(hook=UNKNOWN, delivery=uuid.UUID(int=9)), body
        )

        assert theirs.status_code == nobodys.status_code == 404
        assert theirs.content == nobodys.content
        assert (list(Endpoint.objects.values()), list(Delivery.objects.values())) == before

    def test_no_stranger_lists_them(self, actors: Actors, paths: Any) -> None:
        for path in ("/v1/webhooks", "/v1/events"):
            assert actors.send("stranger", "GET", path).json()["data"] == []

    def test_no_session_without_its_csrf_token(self, acme: Any, signed_in: SignedIn) -> None:
        body = {"name": "new", "url": URL, "events": []}

        answer = send(signed_in(acme.owner), "POST", "/v1/webhooks", body)

        assert answer.status_code == 403
        assert not Endpoint.objects.exists()


class TestForm:
    @pytest.mark.parametrize("path", ["/v1/webhooks/", "/v1/webhooks/x/y/z", "/v1/events/1"])
    def test_of_an_unknown_route(self, api: Api, path: str) -> None:
        answer = api("GET", path)

        assert (answer.status_code, answer.json()["code"]) == (404, "not-found")

    def test_of_a_wrong_method(self, api: Api) -> None:
        answer = api("PUT", "/v1/webhooks", {})

        assert (answer.status_code, answer.json()["code"]) == (405, "method-not-allowed")
        assert "POST" in answer["Allow"]

    def test_of_every_answer(self, api: Api, hook: Any) -> None:
        answer = api("GET", "/v1/webhooks")

        assert answer["X-Request-Id"].startswith("req_")
        assert (answer["Cache-Control"], answer["Content-Type"]) == ("no-store", "application/json")

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            (b"", 400),
            (b"[]", 400),
            (b"{", 400),
            (b'{"a":1,"a":2}', 400),
            (b'{"name":"\\u0000"}', 400),
        ],
    )
    def test_of_a_body_that_is_none(self, api: Api, body: bytes, status: int) -> None:
        answer = api("POST", "/v1/webhooks", body)

        assert (answer.status_code, answer.json()["code"]) == (status, "invalid-request")

    def test_of_a_private_url_outside_development(self, api: Api, settings: Settings) -> None:
        settings.GENIE_OUTBOUND_DEVELOPMENT = False

        answer = api("POST", "/v1/webhooks", {"name": "x", "url": URL, "events": []})

        assert answer.json()["details"] == [{"field": "url", "message": REFUSED}]
