"""The verifiers of docs/how-to/receive-webhooks.md, run as they stand there."""

import base64
import datetime as dt
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from webhooks import signing

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "receive-webhooks.md"
NODE = shutil.which("node")
BODY = '{"status":"completed","text":"caf\u00e9"}'.encode()
SECRETS = ["short", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "schl\u00fcssel"]
Verifier = Callable[[str, bytes, dict[str, str], str], bool]

CALL = """
import * as verifiers from "./verify.mjs";
const [name, body, headers, secret] = JSON.parse(process.argv[2]);
console.log(verifiers[name](Buffer.from(body, "base64"), headers, secret));
"""


def example(name: str) -> str:
    found = re.search(
        rf"<!-- example: {re.escape(name)} -->\n```\w+\n(.*?)```",
        PAGE.read_text("utf-8"),
        re.DOTALL,
    )
    assert found is not None
    return found[1]


def headers(secret: str, *, age_s: int = 0) -> dict[str, str]:
    made = signing.headers(
        BODY,
        event_type="job.completed",
        delivery_id="0190b7c0-0000-7000-8000-000000000001",
        secrets=[secret],
        at=dt.datetime.now(tz=dt.UTC) - dt.timedelta(seconds=age_s),
    )
    return {name.lower(): value for name, value in made.items()}


def in_python(name: str, body: bytes, given: dict[str, str], secret: str) -> bool:
    scope: dict[str, Callable[..., bool]] = {}
    exec(example("verify.py"), scope)  # noqa: S102 - the page's own example
    camel = {"verifyNative": "verify_native"}
    return scope[camel.get(name, name)](body, given, secret)


@pytest.fixture(params=["python", "node"])
def verify(request: pytest.FixtureRequest, tmp_path: Path) -> Verifier:
    if request.param == "python":
        return in_python
    if NODE is None:
        pytest.skip("node is not installed")
    (tmp_path / "verify.mjs").write_text(example("verify.mjs"))
    (tmp_path / "call.mjs").write_text(CALL)

    def in_node(name: str, body: bytes, given: dict[str, str], secret: str) -> bool:
        words = json.dumps([name, base64.b64encode(body).decode(), given, secret])
        ran = subprocess.run(
            [NODE, "call.mjs", words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
        return bool(json.loads(ran.stdout))

    return in_node


class TestVerifier:
    @pytest.mark.parametrize("secret", SECRETS)
    @pytest.mark.parametrize("name", ["verify", "verifyNative"])
    def test_accepts_what_we_sign(self, verify: Verifier, name: str, secret: str) -> None:
        assert verify(name, BODY, headers(secret), secret)

    @pytest.mark.parametrize("name", ["verify", "verifyNative"])
    def test_refuses_other_bytes_another_secret_and_no_signature(
        self, verify: Verifier, name: str
    ) -> None:
        assert not verify(name, BODY + b" ", headers("s"), "s")
        assert not verify(name, BODY, headers("s"), "t")
        assert not verify(name, BODY, {}, "s")

    def test_refuses_what_is_older_than_five_minutes(self, verify: Verifier) -> None:
        assert verify("verify", BODY, headers("s", age_s=280), "s")
        assert not verify("verify", BODY, headers("s", age_s=320), "s")

    def test_accepts_one_of_several_signatures(self, verify: Verifier) -> None:
        both = headers("s")
        both["webhook-signature"] = f"v1,AAAA {both['webhook-signature']}"

        assert verify("verify", BODY, both, "s")
