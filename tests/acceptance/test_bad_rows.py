"""Journey: what is wrong with a field, a key or an address, row by row, in the envelope of each contract.

The numbers are those of the matrix in docs/reliability-rows.md.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest
import requests

from tests import schemas
from tests.acceptance.callers import Caller

LIMIT_S = 2.0  # twice what is promised: the machine runs the whole system beside
CANARY = "canary-of-a-bad-row"
USER = {"role": "user", "content": CANARY}
MISSING = object()


class Contract(NamedTuple):
    """A contract by one of its routes, and the envelope that its refusals have."""

    path: str
    body: Mapping[str, Any]
    poll: str  # of a job, with its id
    schema: str


CHAT: Mapping[str, Any] = {"model": "echo", "messages": [USER]}
PICTURE: Mapping[str, Any] = {"model": "flux-schnell", "prompt": CANARY}
CONTRACTS = {
    "genie": Contract("/v1/chat/completions", CHAT, "/v1/jobs/{id}", "native"),
    "images": Contract("/v1/images/generations", PICTURE, "/v1/jobs/{id}", "native"),
    "openai": Contract("/openai/v1/chat/completions", CHAT, "/openai/v1/responses/{id}", "openai"),
    "bifrost": Contract(
        "/v1/async/chat/completions", CHAT, "/v1/async/chat/completions/{id}", "bifrost"
    ),
    "inference_net": Contract(
        "/v1/slow/chat/completions", CHAT, "/v1/generation/{id}", "inference_net"
    ),
    "oxen": Contract("/api/images/generate", PICTURE, "/api/media/generations/{id}", "oxen"),
}
CHATS = ("genie", "openai", "bifrost", "inference_net")
PICTURES = ("images", "oxen")
ALL = (*CHATS, *PICTURES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A submission that is wrong in one way."""

    fields: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    key: str = "all"  # whose it is
    status: int = 400
    but: Mapping[str, int] = field(default_factory=dict)  # where a contract says otherwise
    of: tuple[str, ...] = ALL


_BIFROST = {"bifrost": 400}  # which knows no other status there
_COUNTED = ("genie", "openai", "inference_net")  # Bifrost's contract ignores a chat's n


def _chat(status: int = 400, **fields: Any) -> Row:
    return Row(fields=fields, status=status, of=CHATS)


def _picture(status: int = 400, **fields: Any) -> Row:
    return Row(fields=fields, status=status, of=PICTURES)


def _key(key: str, status: int, **but: int) -> Row:
    return Row(key=key, status=status, but=but)


def _said(value: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": value}]


ROWS = {
    "B21 a seed beyond 64 bits": Row(fields={"seed": 1 << 63}),
    "B22 n is 1.5": Row(fields={"n": 1.5}, of=_COUNTED),
    "B22 n is true": Row(fields={"n": True}, of=_COUNTED),
    "B23 a text for a boolean": _chat(stream="yes"),
    "B23 a number for a text": Row(fields={"model": 5}),
    "B32 no messages": _chat(messages=MISSING),
    "B32 messages are null": _chat(messages=None),
    "B32 no prompt": _picture(prompt=MISSING),
    "B32 a null prompt": _picture(prompt=None),
    "B32 an empty prompt": _picture(prompt=""),
    "B32 a blank prompt": _picture(prompt=" \n "),
    "B33 a prompt that is too long": _picture(prompt=f"{CANARY} " * 400),
    "B34 more than the context": _chat(model="echo-small", messages=_said(f"{CANARY} " * 60)),
    "B35 max_tokens is 0": _chat(max_tokens=0),
    "B35 max_tokens is -1": _chat(max_tokens=-1),
    "B35 max_tokens is 10^9": _chat(max_tokens=10**9),
    "B35 n is 0": Row(fields={"n": 0}, of=(*_COUNTED, *PICTURES)),
    "B35 n is 9": Row(fields={"n": 9}, of=_COUNTED),
    "B35 n is 11": _picture(n=11),
    "B36 temperature is -1": _chat(temperature=-1),
    "B36 temperature is 2.1": _chat(temperature=2.1),
    "B36 top_p is 1.1": _chat(top_p=1.1),
    "B36 a penalty of 3": _chat(presence_penalty=3),
    "B37 messages are empty": _chat(messages=[]),
    "B37 an unknown role": _chat(messages=[{"role": CANARY, "content": CANARY}]),
    "B37 a tool that answers no call": _chat(messages=[{"role": "tool", "content": CANARY}]),
    "B38 an unknown model": Row(fields={"model": CANARY}, status=404, but=_BIFROST),
    "B38 a path for a model": Row(fields={"model": f"../../{CANARY}"}, status=404, but=_BIFROST),
    "B38 a model of another kind": _chat(model="echo-embedding"),
    "B40 a thousand tools": _chat(
        tools=[{"type": "function", "function": {"name": f"f{n}"}} for n in range(1000)]
    ),
    "B51 no key": _key("none", 401),
    "B51 an unknown key": _key("unknown", 401, **_BIFROST),
    "B51 a revoked key": _key("revoked", 401, **_BIFROST),
    "B53 a key that may only look": _key("looks", 403),
    "B54 SQL for a key": _key("sql", 401, **_BIFROST),
    "B54 8,000 characters for a key": _key("long", 401, **_BIFROST),
    "B59 a key for repeats of 256 characters": Row(headers={"Idempotency-Key": "x" * 256}),
    "B59 a key for repeats with a space": Row(headers={"Idempotency-Key": "a b"}),
    "B71 a model that the key may not use": _key("models", 403),
    "B72 an address that the key is not for": _key("networks", 403),
    "B73 words that moderation refuses": _picture(prompt=f"some CSAM, {CANARY}"),
}
IDS = {
    "B30 no id": CANARY,
    "B30 NUL": "%00",
    "B30 no UTF-8": "%ff%fe",
    "B31 5,000 digits": "7" * 5000,
    "B31 beyond 128 bits": "c" + "z" * 25,
    "B52 of nobody": "c" + "0" * 25,
}


@pytest.fixture
def keys(caller: Caller, new_caller: Callable[..., Caller]) -> dict[str, dict[str, str]]:
    """Return what each holder sends to name itself."""
    others = {
        "revoked": new_caller(slug=caller.slug),
        "looks": new_caller("--scopes", "jobs:read", slug=caller.slug),
        "models": new_caller("--models", "echo-slow", slug=caller.slug),
        "networks": new_caller("--cidrs", "10.0.0.0/8", slug=caller.slug),
    }
    caller.system.manage("revoke_key", others["revoked"].key_id)
    sent = {
        "unknown": caller.key[:-24] + "A" * 24,
        "sql": f"{caller.key}' OR 1=1 --",
        "long": "x" * 8000,
        "all": caller.key,
        **{name: one.key for name, one in others.items()},
    }
    return {"none": {}} | {name: {"Authorization": f"Bearer {key}"} for name, key in sent.items()}


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_bad_submission_is_refused_row_by_row(
    caller: Caller, keys: dict[str, dict[str, str]], name: str
) -> None:
    contract = CONTRACTS[name]
    problems = []
    for row_name, row in ROWS.items():
        if name in row.of:
            body = {k: v for k, v in {**contract.body, **row.fields}.items() if v is not MISSING}
            headers = {**keys[row.key], **row.headers, "Content-Type": "application/json"}
            answer = _send(caller, "POST", contract.path, headers, json.dumps(body).encode())
            status = row.but.get(name, row.status)
            problems.append(_problem(row_name, contract, answer, status))
    for row_name, job_id in IDS.items():
        answer = _send(caller, "GET", contract.poll.format(id=job_id), keys["all"])
        problems.append(_problem(row_name, contract, answer, 404))

    assert not any(problems), "\n".join(filter(None, problems))
    assert (caller.jobs_count(), caller.balance()) == (0, (0, 0))
    logs = [log.read_text("utf-8", "replace") for log in caller.system.directory.rglob("*.log")]
    assert len(logs) > 5
    assert [log for log in logs if CANARY in log] == []


def _send(
    caller: Caller, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
) -> requests.Response:
    request = requests.Request(method, "http://x/", headers=dict(headers), data=body).prepare()
    request.url = f"{caller.system.base_url}{path}"  # as it stands: requests would tidy it
    with requests.Session() as session:
        session.trust_env = False
        return session.send(request, allow_redirects=False, timeout=20)


def _problem(row: str, contract: Contract, answer: requests.Response, status: int) -> str:
    """Return what is wrong with the answer, or nothing."""
    if answer.status_code != status:
        return f"{row}: {answer.status_code} for {status}: {answer.text[:300]}"
    if answer.elapsed.total_seconds() > LIMIT_S:
        return f"{row}: took {answer.elapsed}"
    if answer.headers["Content-Type"] != "application/json" or not answer.headers["X-Request-Id"]:
        return f"{row}: {answer.headers}"
    if "Traceback" in answer.text or "SELECT " in answer.text:
        return f"{row}: {answer.text[:300]}"
    fits = schemas.fits_any if contract.schema == "oxen" else schemas.fits
    return "" if fits(contract.schema, "error", answer.json()) else f"{row}: {answer.text[:300]}"
