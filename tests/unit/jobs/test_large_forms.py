"""Forms of long files: read from a stream, with the digest of what they say."""

import asyncio
import io
from typing import Any, NamedTuple

import pytest

from genie.core.errors import InvalidRequest, UnsupportedMediaType
from genie.core.lean import LeanRequest
from jobs.intake import large_forms
from jobs.intake.large_forms import LargeForm
from tests.unit.jobs.test_uploads import BOUNDARY, part


class Read(NamedTuple):
    """A form, and the content of its file."""

    form: LargeForm
    content: bytes


def read(*parts: bytes, boundary: str = BOUNDARY, media_type: str = "multipart/form-data") -> Read:
    content_type = f"{media_type}; boundary={boundary}".encode()
    scope = {
        "type": "http", "method": "POST", "path": "/openai/v1/files", "query_string": b"",
        "headers": [(b"content-type", content_type)],
    }  # fmt: skip
    body = b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()
    content = io.BytesIO(body.replace(BOUNDARY.encode(), boundary.encode()))

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    request = LeanRequest(scope, content, receive)
    with request.until_answered:
        form = asyncio.run(large_forms.read(request, file_field="file"))
        return Read(form, form.content.read())


def test_the_file_and_the_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_forms, "_IN_MEMORY", 1000)
    content = b"line\n" * 50_000

    form, read_content = read(part("purpose", b"batch"), part("file", content, filename="in.jsonl"))

    assert (form.fields, form.name) == ({"purpose": "batch"}, "in.jsonl")
    assert read_content == content


def test_the_digest_is_of_what_is_said_and_not_of_the_boundary() -> None:
    said = [part("purpose", b"batch"), part("file", b"a", filename="x")]

    assert read(*said).form.digest == read(*said, boundary="another").form.digest
    assert read(*said).form.digest != read(said[0], part("file", b"b", filename="x")).form.digest
    assert read(*said).form.digest != read(part("purpose", b"evals"), said[1]).form.digest


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [part("purpose", b"batch")],
        [part("file", b"", filename="x")],
        [part("other", b"a", filename="x")],
        [part("file", b"a", filename="x"), part("file", b"a", filename="x")],
        [part("purpose", b"a"), part("purpose", b"b"), part("file", b"a", filename="x")],
        [part("purpose", b"a\0"), part("file", b"a", filename="x")],
    ],
)
def test_what_is_no_form_with_one_file_is_refused(parts: list[bytes]) -> None:
    with pytest.raises(InvalidRequest):
        read(*parts)


def test_another_type_is_refused() -> None:
    with pytest.raises(UnsupportedMediaType):
        read(part("file", b"a", filename="x"), media_type="text/plain")
