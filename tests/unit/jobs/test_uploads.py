"""What callers send as bytes: forms and data URLs, well made and otherwise."""

import asyncio
import base64
from typing import Any

import pytest
from django.test import RequestFactory

from genie.core.errors import InvalidRequest, UnsupportedMediaType
from jobs.intake import uploads
from jobs.intake.uploads import Form, Upload

BOUNDARY = "b0undary"


def part(name: str, value: bytes, *, filename: str | None = None) -> bytes:
    disposition = f'form-data; name="{name}"' + (f'; filename="{filename}"' if filename else "")
    head = f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\n\r\n"
    return head.encode() + value + b"\r\n"


def read(*parts: bytes, end: bytes = f"--{BOUNDARY}--\r\n".encode(), media_type: str = "") -> Form:
    request = RequestFactory().post(
        "/v1/audio/transcriptions",
        b"".join(parts) + end,
        content_type=media_type or f"multipart/form-data; boundary={BOUNDARY}",
    )
    return asyncio.run(uploads.read_form(request, file_field="file"))


SOUND = part("file", b"\0sound\xff", filename="a.wav")


class TestForm:
    def test_has_texts_lists_and_one_file(self) -> None:
        form = read(
            SOUND,
            part("model", b"whisper-1"),
            part("timestamp_granularities[]", b"word"),
            part("timestamp_granularities[]", b"segment"),
        )

        assert form.file.content == b"\0sound\xff"
        assert form.fields == {
            "model": "whisper-1",
            "timestamp_granularities": ["word", "segment"],
        }

    def test_tells_of_its_file_all_but_the_content(self) -> None:
        form = read(SOUND, part("model", b"whisper-1"))

        described = {"filename": "a.wav", "content_type": "", "bytes": 7}
        assert form.told == {"model": "whisper-1", "file": described}

    def test_says_the_same_under_another_boundary_and_order(self) -> None:
        first = read(SOUND, part("model", b"m"), part("language", b"en"))
        second = read(part("language", b"en"), part("model", b"m"), SOUND)
        other = read(SOUND, part("model", b"m"), part("language", b"de"))

        assert first.digest == second.digest
        assert first.digest != other.digest

    @pytest.mark.parametrize(
        "parts",
        [
            [part("model", b"m")],
            [SOUND, SOUND],
            [part("file", b"", filename="a.wav")],
            [part("other", b"x", filename="a.wav"), SOUND],
            [SOUND, part("model", b"a"), part("model", b"b")],
            [SOUND, part("prompt", b"a\0b")],
            [SOUND, part("prompt", b"\xff\xfe")],
            [SOUND, part("prompt", b"x" * 100_001)],
            [SOUND, *(part(f"f{number}", b"") for number in range(600))],
            [SOUND, part("a\0b", b"x")],
            [SOUND, part("x" * 100_001, b"x")],
        ],
    )
    def test_otherwise_it_is_refused(self, parts: list[bytes]) -> None:
        with pytest.raises(InvalidRequest):
            read(*parts)

    def test_is_read_as_utf_8(self) -> None:
        form = read(SOUND, part("prompt", "Grüße, 你好".encode()), part("naïve", b"1"))

        assert form.fields == {"prompt": "Grüße, 你好", "naïve": "1"}

    @pytest.mark.parametrize("media_type", ["application/json", "text/plain", "multipart/mixed"])
    def test_of_another_type_is_refused(self, media_type: str) -> None:
        with pytest.raises(UnsupportedMediaType):
            read(SOUND, media_type=media_type)

    def test_without_a_boundary_is_refused(self) -> None:
        with pytest.raises(InvalidRequest):
            read(SOUND, media_type="multipart/form-data")


class TestPicture:
    def test_of_a_data_url_is_its_bytes(self) -> None:
        value = "data:image/png;base64," + base64.b64encode(b"pixels").decode()

        assert uploads.picture(value, field="start_image") == Upload(
            content=b"pixels", media_type="image/png"
        )

    def test_of_another_url_is_left_to_a_worker(self) -> None:
        assert uploads.picture("https://a.example/b.png", field="f") == "https://a.example/b.png"

    @pytest.mark.parametrize(
        "value",
        [
            "data:text/html;base64,AAAA",
            "data:image/svg+xml;base64,AAAA",
            "data:image/png,AAAA",
            "data:image/png;base64,",
            "data:image/png;base64,?",
            "data:image/png;base64,AAA",
        ],
    )
    def test_that_is_none_is_refused_and_names_its_field(self, value: str) -> None:
        with pytest.raises(InvalidRequest, match="start_image"):
            uploads.picture(value, field="start_image")

    def test_over_the_limit_is_refused(self, settings: Any) -> None:
        settings.GENIE_IMAGE_LIMIT_BYTES = 100
        value = "data:image/png;base64," + base64.b64encode(b"x" * 104).decode()

        with pytest.raises(InvalidRequest, match="100 bytes"):
            uploads.picture(value, field="start_image")
