"""The bodies of media: pictures, videos, speech and transcripts in OpenAI's formats."""

import datetime as dt
from typing import Any

import pytest

from inference.types import Span, TranscriptionResult, Usage
from jobs import results

SPOKEN = TranscriptionResult(
    text="One. Two.",
    language="en",
    duration_ms=3_725_250,
    segments=(
        Span(start_ms=0, end_ms=1500, text=" One."),
        Span(start_ms=1500, end_ms=3_725_250, text=" Two."),
    ),
    words=(Span(start_ms=0, end_ms=900, text="One."),),
    usage=Usage(parts=3_725_250),
)


def written(written_as: str) -> dict[str, Any]:
    return results.transcription_body(SPOKEN, written_as=written_as)


class TestTranscript:
    @pytest.mark.parametrize("written_as", ["json", "text"])
    def test_is_its_text(self, written_as: str) -> None:
        assert written(written_as) == {"text": "One. Two."}

    def test_subrip_is_numbered_with_commas(self) -> None:
        assert written("srt")["text"] == (
            "1\n00:00:00,000 --> 00:00:01,500\nOne.\n\n2\n00:00:01,500 --> 01:02:05,250\nTwo.\n"
        )

    def test_webvtt_has_a_head_and_points(self) -> None:
        assert written("vtt")["text"] == (
            "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nOne.\n\n00:00:01.500 --> 01:02:05.250\nTwo.\n"
        )

    def test_verbose_has_segments_and_the_words_that_were_asked_for(self) -> None:
        body = written("verbose_json")

        assert body["duration"] == 3725.25
        assert [(one["id"], one["start"], one["end"]) for one in body["segments"]] == [
            (0, 0, 1.5),
            (1, 1.5, 3725.25),
        ]
        assert body["words"] == [{"word": "One.", "start": 0, "end": 0.9}]


class TestOthers:
    def test_an_image_tells_which_model_took_the_place(self) -> None:
        body = results.image_body(
            created_at=dt.datetime(2026, 11, 30, tzinfo=dt.UTC),
            files=[{"url": "https://genie.example/files/t/image.png"}],
            substituted="sdxl-turbo",
        )

        assert body == {
            "created": 1_795_996_800,
            "data": [{"url": "https://genie.example/files/t/image.png"}],
            "model_substituted": "sdxl-turbo",
        }

    def test_a_video_spells_its_duration_twice(self) -> None:
        body = results.video_body(url="u", duration_ms=4000, substituted=None)

        assert (body["duration_ms"], body["durationMs"]) == (4000, 4000)
