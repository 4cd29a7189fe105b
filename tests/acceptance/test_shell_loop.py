"""Journey: the shell loop of the asynchronous documentation, with curl and jq as written."""

import os
import shutil
import subprocess

import pytest

from tests.acceptance.callers import Caller

SCRIPT = r"""
set -euo pipefail
JOB=$(curl -sS --fail-with-body "$BASE_URL/v1/chat/completions" \
  -H "Authorization: Bearer $API_KEY" -H 'Content-Type: application/json' \
  -d '{"model": "echo", "mode": "async", "messages": [{"role": "user", "content": "from a shell"}]}' \
  | jq -r .id)
ID=${JOB#chatcmpl-}
while :; do
  ANSWER=$(curl -sS --fail-with-body "$BASE_URL/api/v1/jobs/$ID" -H "Authorization: Bearer $API_KEY")
  STATUS=$(jq -r .status <<<"$ANSWER")
  case $STATUS in
    completed) break ;;
    queued | running) sleep 0.2 ;;
    *) echo "the job ended as $STATUS" >&2; exit 1 ;;
  esac
done
jq -r '.result.choices[0].message.content' <<<"$ANSWER"
"""


@pytest.mark.skipif(
    not (shutil.which("curl") and shutil.which("jq")), reason="curl and jq are not installed"
)
def test_submit_strip_the_prefix_and_poll_until_completed(caller: Caller) -> None:
    done = subprocess.run(
        ["bash", "-c", SCRIPT],  # noqa: S607 - as a reader would run it
        env={
            "PATH": os.environ["PATH"],
            "BASE_URL": caller.system.base_url,
            "API_KEY": caller.key,
            "no_proxy": "127.0.0.1",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "echo: from a shell\n"
