"""A journey through both tiny models of sound: a text is dialled, and the tones are written down."""

from tests.acceptance.callers import Caller
from tests.acceptance.models_file import needs_tiny_speech, needs_tiny_transcription


@needs_tiny_speech
@needs_tiny_transcription
def test_what_is_spoken_is_written_down_again(caller: Caller) -> None:
    spoken = caller.post(
        "/v1/audio/speech",
        {"model": "genie-tiny-speech", "input": "0123", "response_format": "mp3"},
    )
    assert spoken.status_code == 200, spoken.text
    assert spoken.headers["Content-Type"] == "audio/mpeg"

    written = caller.request(
        "POST",
        "/v1/audio/transcriptions",
        files={"file": ("call.mp3", spoken.content)},
        data={
            "model": "genie-tiny-transcription",
            "response_format": "verbose_json",
            "timestamp_granularities[]": "word",
        },
    )

    assert written.status_code == 200, written.text
    body = written.json()
    assert body["text"] == "0 1 2 3"
    assert body["language"] in ("en", "english")
    assert [word["word"] for word in body["words"]] == body["text"].split()
