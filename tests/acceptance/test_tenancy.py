"""Journey: keys open what they should and nothing else; other organisations do not exist."""

import itertools
from collections.abc import Callable

import pytest
import requests

from tests.acceptance.callers import Caller
from tests.acceptance.models_file import needs_tiny_chat
from tests.acceptance.system import System

_passwords = itertools.count(1)


def test_another_organisations_job_is_as_unknown_as_any(
    caller: Caller, new_caller: Callable[..., Caller]
) -> None:
    job_id, stranger = caller.submit(), new_caller()
    caller.ended(job_id)
    unknown = "chatcmpl-c" + "0" * 25

    def ask(method: str, path: str) -> tuple[requests.Response, requests.Response]:
        return tuple(stranger.request(method, path.format(one)) for one in (job_id, unknown))  # type: ignore[return-value]

    for method, path in (
        ("GET", "/v1/jobs/{}"),
        ("GET", "/v1/jobs/{}/events"),
        ("POST", "/v1/jobs/{}/cancel"),
        ("DELETE", "/v1/jobs/{}"),
    ):
        theirs, nobodys = ask(method, path)
        assert theirs.status_code == nobodys.status_code == 404
        assert theirs.content == nobodys.content
        assert theirs.json()["code"] == "job-not-found"
        assert _stable(theirs) == _stable(nobodys)
    assert stranger.get("/v1/jobs").json()["data"] == []
    assert caller.job(job_id)["status"] == "completed"


def test_a_revoked_key_is_refused_on_the_next_request(new_caller: Callable[..., Caller]) -> None:
    caller = new_caller()
    for _ in range(4):  # so that both web processes have seen it
        assert caller.get("/v1/models").status_code == 200
    caller.system.manage("revoke_key", caller.key_id)
    for _ in range(8):
        # A connection of its own each time: any web process may answer.
        answer = requests.get(
            f"{caller.system.base_url}/v1/models", headers=caller.headers, timeout=10
        )
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


def test_keys_that_do_not_open_anything_are_indistinguishable(
    new_caller: Callable[..., Caller],
) -> None:
    caller = new_caller()
    revoked = new_caller(slug=caller.slug)
    caller.system.manage("revoke_key", revoked.key_id)
    expired = new_caller("--expires-at", "2099-01-01T00:00:00Z", slug=caller.slug)
    assert expired.get("/v1/models").status_code == 200
    caller.system.sql(
        "UPDATE tenants_api_key SET expires_at = now() - interval '1 second' WHERE id = %s",
        expired.key_id,
    )
    unknown = caller.key[:-24] + "A" * 24
    headers: list[dict[str, str]] = [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": f"Basic {caller.key}"},
        {"Authorization": "Bearer sk-other-key"},
        {"Authorization": "Bearer sk-genie-"},
        {"Authorization": f"Bearer {caller.key[:-1]}"},
        {"Authorization": f"Bearer {caller.key}x"},
        {"Authorization": f"Bearer {unknown}"},
        {"Authorization": f"Bearer {revoked.key}"},
        {"Authorization": f"Bearer {expired.key}"},
        {"Authorization": f"Bearer {caller.key}' OR 1=1 --"},
        {"Authorization": "Bearer " + "x" * 4000},
    ]
    answers = [
        requests.get(f"{caller.system.base_url}/v1/models", headers=one, timeout=10)
        for one in headers
    ]
    answers.append(
        requests.get(f"{caller.system.base_url}/v1/models?api_key={caller.key}", timeout=10)
    )
    for answer in answers:
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert answer.headers["Content-Type"] == "application/json"
    assert {answer.content for answer in answers} == {answers[0].content}
    assert answers[0].json()["code"] == "unauthorized"


def test_an_allowed_model_may_be_named_by_alias_or_id(new_caller: Callable[..., Caller]) -> None:
    by_alias, by_id = new_caller("--models", "parrot"), new_caller("--models", "echo")
    assert by_alias.chat(model="parrot").status_code == 200
    assert by_id.chat(model="parrot").status_code == 200
    assert by_id.chat(model="echo").status_code == 200
    for caller in (by_alias, by_id):
        answer = caller.chat(model="echo-slow")
        assert (answer.status_code, answer.json()["code"]) == (403, "model-not-allowed")
        assert [model["id"] for model in caller.get("/v1/models").json()["data"]] == ["echo"]
        assert caller.get("/v1/models/echo-slow").status_code == 403


def test_a_key_works_from_its_networks_only(new_caller: Callable[..., Caller]) -> None:
    here = new_caller("--cidrs", "192.0.2.0/24,127.0.0.0/8")
    elsewhere = new_caller("--cidrs", "10.0.0.0/8")
    assert here.chat().status_code == 200
    for headers in ({}, {"X-Forwarded-For": "10.1.2.3"}, {"Forwarded": "for=10.1.2.3"}):
        answer = elsewhere.chat(headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "ip-not-allowed")
    assert elsewhere.jobs_count() == 0


@pytest.mark.parametrize(("option", "longest_s"), [("--rpm", 60), ("--rpd", 86_400)])
def test_a_rate_limit_counts_over_all_web_processes(
    new_caller: Callable[..., Caller], option: str, longest_s: int
) -> None:
    caller = new_caller(option, "5")
    allowed = [caller.get("/v1/models") for _ in range(5)]
    assert {answer.status_code for answer in allowed} == {200}
    assert [int(one.headers["X-RateLimit-Remaining"]) for one in allowed] == [4, 3, 2, 1, 0]
    assert {one.headers["X-RateLimit-Limit"] for one in allowed} == {"5"}

    for answer in (caller.chat(), caller.get("/v1/models")):
        assert (answer.status_code, answer.json()["code"]) == (429, "rate-limited")
        assert 1 <= int(answer.headers["Retry-After"]) <= longest_s
        assert answer.headers["X-RateLimit-Limit"] == "5"
        assert answer.headers["X-RateLimit-Remaining"] == "0"
        assert 1 <= int(answer.headers["X-RateLimit-Reset"]) <= longest_s
    assert caller.jobs_count() == 0


def test_a_key_does_what_its_scopes_say(new_caller: Callable[..., Caller]) -> None:
    maker = new_caller("--scopes", "inference")
    reader = new_caller("--scopes", "jobs:read", slug=maker.slug)
    job_id = maker.submit()
    assert reader.ended(job_id)["status"] == "completed"
    refused = [
        maker.get(f"/v1/jobs/{job_id}"),
        maker.get(f"/v1/jobs/{job_id}/events"),
        maker.get("/v1/jobs"),
        reader.chat(),
        reader.post("/v1/embeddings", {"model": "echo-embedding", "input": "x"}),
        reader.post(f"/v1/jobs/{job_id}/cancel"),
        reader.request("DELETE", f"/v1/jobs/{job_id}"),
        reader.post(f"/api/orgs/{maker.slug}/api-keys", {"name": "mine"}),
    ]
    for answer in refused:
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), answer.url
    assert maker.jobs_count() == 1


def test_a_key_made_over_http_works_until_it_is_deleted(new_caller: Callable[..., Caller]) -> None:
    admin = new_caller("--scopes", "admin,inference,jobs:read")
    keys = f"/api/orgs/{admin.slug}/api-keys"
    made = admin.post(keys, {"name": "made over http", "allowedModels": ["echo"]})
    assert made.status_code == 201, made.text
    assert set(made.json()) >= {"fullKey", "keyId", "keyPrefix"}
    assert made.json()["keyPrefix"] == f"sk-genie-{admin.slug}"
    bearer = {"Authorization": f"Bearer {made.json()['fullKey']}"}

    assert admin.chat(headers=bearer).status_code == 200
    assert admin.chat(headers=bearer, model="echo-slow").status_code == 403
    listed = admin.get(keys)
    assert listed.status_code == 200
    assert made.json()["keyId"] in listed.text
    assert made.json()["fullKey"] not in listed.text
    assert admin.request("DELETE", f"{keys}/{made.json()['keyId']}").status_code == 204
    assert admin.chat(headers=bearer).status_code == 401

    stranger = new_caller("--scopes", "admin")
    assert stranger.get(keys).status_code in (403, 404)
    assert stranger.post(keys, {"name": "x"}).status_code in (403, 404)


def test_a_session_is_as_good_as_a_key_and_needs_its_csrf_token(
    system: System, caller: Caller
) -> None:
    username = f"person-{next(_passwords)}"
    system.manage("create_member", "--org", caller.slug, "--user", username, "--role", "member")
    password = system.make_staff(username)
    with requests.Session() as browser:
        browser.get(f"{system.base_url}/admin/login/", timeout=10)
        signed_in = browser.post(
            f"{system.base_url}/admin/login/",
            {
                "username": username,
                "password": password,
                "csrfmiddlewaretoken": browser.cookies["csrftoken"],
            },
            allow_redirects=False,
            timeout=10,
        )
        assert signed_in.status_code == 302, signed_in.text
        body = {"model": "echo", "messages": [{"role": "user", "content": "me"}]}
        url = f"{system.base_url}/v1/chat/completions"

        refused = browser.post(url, json=body, timeout=20)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        token = {"X-CSRFToken": browser.cookies["csrftoken"]}
        answer = browser.post(url, json=body, headers=token, timeout=20)
        assert answer.status_code == 200, answer.text
        # Reading needs no token, and the session bills the user's default organisation.
        job = browser.get(f"{system.base_url}/v1/jobs/{answer.json()['id']}", timeout=10)
        assert job.json()["status"] == "completed"
    assert caller.job(answer.json()["id"])["status"] == "completed"
    assert caller.balance()[0] > 0


@needs_tiny_chat
def test_a_persona_is_allowed_by_its_alias(new_caller: Callable[..., Caller]) -> None:
    caller = new_caller("--models", "lite")
    assert caller.chat(model="lite", max_tokens=2).status_code == 200
    assert caller.chat(model="heavy", max_tokens=2).status_code == 403


def _stable(answer: requests.Response) -> dict[str, str]:
    varying = {"x-request-id", "date"}
    return {name: value for name, value in answer.headers.items() if name.lower() not in varying}
