"""Files in a bucket: the real client against a server that speaks S3's protocol."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
import requests
from moto.server import ThreadedMotoServer

from genie.settings import files as file_settings
from inference.types import MediaFile
from jobs import files, services, storage
from jobs.models import File
from jobs.moves import Ending
from jobs.states import JobKind, JobState
from tests import builders

pytestmark = pytest.mark.django_db

BUCKET = "genie-results"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint: str, settings: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1").create_bucket(Bucket=BUCKET)
    # As the settings themselves make it of these.
    monkeypatch.setattr(file_settings, "GENIE_FILES_BUCKET", BUCKET)
    monkeypatch.setattr(file_settings, "_ENDPOINT", endpoint)
    monkeypatch.setattr(file_settings, "_REGION", "us-east-1")
    settings.STORAGES = {**settings.STORAGES, "files": file_settings._files_storage()}
    return endpoint


@pytest.mark.usefixtures("bucket")
def test_what_a_job_makes_is_stored_read_by_a_signed_address_and_removed() -> None:
    job = builders.make_job(kind=JobKind.IMAGE, queue="image", request={"image": {}})
    (one,) = builders.claim(queue="image")
    picture = MediaFile(content=b"pixels", media_type="image/png")

    stored = files.keep_output(job.id, one.attempt, picture, label="image")

    assert stored is not None
    name = File.objects.get().name
    assert requests.get(storage.files().url(name), timeout=10).content == b"pixels"
    with builders.later("1 minute"):
        end(one)
        assert files.remove_unneeded() == 1
    assert not storage.files().exists(name)


@pytest.mark.usefixtures("bucket")
def test_what_a_caller_sent_is_read_back() -> None:
    account = builders.make_account()
    file_id = files.keep_input(account.organization_id, b"sent", media_type="image/png")
    request = {"video": {}, "sources": {"start_image": {"file": str(file_id)}}}
    job = builders.make_job(account, kind=JobKind.TRANSITION, queue="video", request=request)

    assert files.read_input(job.id, file_id) == b"sent"


def end(one: Any) -> None:
    """End the job as failed: nothing leads to its files any more."""
    error = {"code": "inference-failed", "message": "Failed."}
    services.finish_many(
        [
            Ending(
                job_id=one.job_id,
                attempt=one.attempt,
                state=JobState.FAILED,
                cost_microcredits=0,
                error=error,
            )
        ]
    )
