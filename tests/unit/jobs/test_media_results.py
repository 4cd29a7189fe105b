"""The bodies of media: pictures, videos, speech and transcripts in OpenAI's formats."""

import datetime as dt
from typing import Any

import pytest

from inference.types import Decoding, Segment, Span, TranscriptionResult, Usage
from jobs import results
from tests import schemas

DECODING = Decoding(seek=0, temperature=0.2, logprob=-0.25, repetition=0.5, silence=0.125)
SPOKEN = TranscriptionResult(
    text="One. Two.",
    language="en",
    duration_ms=3_725_250,
    segments=(
        Segment(start_ms=0, end_ms=1500, text=" One.", tokens=(7, 9), decoding=DECODING),
        Segment(start_ms=1500, end_ms=3_725_250, text=" Two.", tokens=(8, 9), decoding=DECODING),
    ),
    words=(Span(start_ms=0, end_ms=900, text="One."),),
    usage=Usage(parts=3_725_250),
)


def written(written_as: str) -> dict[str, Any]:
    return results.transcription_body(SPOKEN, written_as=written_as)


class TestTranscript:
    @pytest.mark.parametrize("written_as", ["json", "text"])
    def test_is_its_text(self, written_as: str) -> None:
        usage = {"type": "duration", "seconds": 3726}
        assert written(written_as) == {"text": "One. Two.", "usage": usage}

    def test_subrip_is_numbered_with_commas(self) -> None:
        assert written("srt")["text"] == (
            "1\n00:00:00,000 --> 00:00:01,500\nOne.\n\n2\n00:00:01,500 --> 01:02:05,250\nTwo.\n"
        )

    def test_webvtt_has_a_head_and_points(self) -> None:
        assert written("vtt")["text"] == (
            "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nOne.\n\n00:00:01.500 --> 01:02:05.250\nTwo.\n"
        )

    def test_verbose_has_segments_and_the_words_that_were_asked_for(self) -> None:
        body = schemas.require("native", "transcription", written("verbose_json"))

        assert body["duration"] == 3725.25
        assert [(one["id"], one["start"], one["end"]) for one in body["segments"]] == [
            (0, 0, 1.5),
            (1, 1.5, 3725.25),
        ]
        assert body["segments"][1] == {
            "id": 1,
            "seek": 0,
            "start": 1.5,
            "end": 3725.25,
            "text": " Two.",
            "tokens": [8, 9],
            "temperature": 0.2,
            "avg_logprob": -0.25,
            "compression_ratio": 0.5,
            "no_speech_prob": 0.125,
        }
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
