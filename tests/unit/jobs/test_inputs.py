"""What a job's caller sent may be gone, which ends the job, or away, which is worth another attempt."""

import datetime as dt
import uuid
from typing import Any

import pytest
from django.db import OperationalError

from genie.core import ids
from inference.specs import Price
from jobs import files, inputs
from jobs.claims import Claimed
from jobs.states import JobKind, Mode

CLAIMED = Claimed(
    job_id=ids.new_id(),
    attempt=1,
    kind=JobKind.TRANSITION,
    mode=Mode.ASYNC,
    queue="video",
    model="tiny-video",
    request={"sources": {"start_image": {"file": str(uuid.uuid4())}}},
    created_at=dt.datetime(2026, 11, 20, tzinfo=dt.UTC),
    run_limit_s=60.0,
    price=Price(version="v1", rates={}),
    estimate_microcredits=1,
)


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        (FileNotFoundError("gone"), False),
        (OperationalError("the server closed the connection"), True),
        (OSError(5, "Input/output error"), True),
        (RuntimeError("a bucket's own error"), True),
    ],
)
def test_only_what_is_gone_ends_the_job(
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    retryable: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    def fail(*_: Any) -> bytes:
        raise error

    monkeypatch.setattr(files, "read_input", fail)

    with pytest.raises(inputs.InputFetchFailed) as told:
        inputs.bring(CLAIMED)
    assert told.value.retryable is retryable
    assert told.value.code == "input-fetch-failed"
    assert told.value.message.startswith("start_image: ")
