"""From a form with a recording to what admission would take. Touches no table."""

import asyncio
import dataclasses
import random

from django.http import HttpRequest

from genie.core import errors
from genie.tenants.principal import Principal
from inference import recordings
from inference.errors import InputRejected
from inference.specs import ModelSpec
from jobs import prices, results
from jobs.intake import bodies, choosing, submit, uploads
from jobs.intake.media_bodies import TranscriptionBody
from jobs.intake.submit import Prepared, Work
from jobs.intake.uploads import Form
from jobs.states import JobKind

# A form has texts only; what these are meant as, JSON would say.
_NUMBERS = ("temperature", "timeout_seconds")
_INTEGERS = ("seed",)
_YES = ("true", "True", "1")
_TEXTS = frozenset({"text", "srt", "vtt"})


async def prepare(request: HttpRequest, principal: Principal) -> Prepared:
    """Return what POST /v1/audio/transcriptions would admit; raises whatever it would refuse with.

    The recording's length is what is held for, so it is read here: from its head where that tells,
    from its packets where it does not, without decoding anything.
    """
    form = await uploads.read_form(request, file_field="file")
    if form.fields.get("stream") in _YES:  # a client that waits for events must not wait in silence
        raise errors.InvalidRequest.of("stream", "a transcription is answered whole; leave it out")
    body = bodies.parse(TranscriptionBody, _typed(form))
    mode = submit.mode_of(body, stream=None, streams=False)
    work = await work_of(principal, body, form.file.content)
    return await submit.prepared(
        principal,
        body,
        work=work,
        mode=mode,
        envelope=dataclasses.replace(
            submit.envelope_of(request, said=form.digest), asked=form.told
        ),
        uploads={"audio": form.file},
    )


async def work_of(principal: Principal, body: TranscriptionBody, content: bytes) -> Work:
    """Return the work of a transcription; raises whatever the model, the key or the file refuses."""
    spec = choosing.choose(principal, body.model, kind=JobKind.TRANSCRIPTION).spec
    with_words = "word" in (body.timestamp_granularities or ())
    _require_words(body, spec, with_words=with_words)
    duration_ms = await _duration_ms(content, spec)
    options = {
        "duration_ms": duration_ms,
        "language": body.language,
        "prompt": body.prompt or "",
        "temperature": float(body.temperature or 0),
        "with_words": with_words,
        "seed": random.getrandbits(53) if body.seed is None else body.seed,
    }
    return Work(
        kind=JobKind.TRANSCRIPTION,
        spec=spec,
        request={
            "transcription": options,
            "written_as": body.response_format,
            "answer_as": results.ANSWER_TEXT if body.response_format in _TEXTS else "",
        },
        quantities=prices.transcription(duration_ms=duration_ms),
    )


def _typed(form: Form) -> dict[str, object]:
    """Return the fields as JSON would have them; what is no number stays a text, and is refused."""
    fields: dict[str, object] = dict(form.fields)
    for name, read in (*((one, float) for one in _NUMBERS), *((one, int) for one in _INTEGERS)):
        try:
            if name in fields:
                fields[name] = read(str(fields[name]))
        except ValueError:
            continue
    return fields


def _require_words(body: TranscriptionBody, spec: ModelSpec, *, with_words: bool) -> None:
    if body.timestamp_granularities and body.response_format != "verbose_json":
        raise errors.InvalidRequest.of(
            "timestamp_granularities", "needs the response_format verbose_json"
        )
    if with_words and "word-timestamps" not in spec.capabilities:
        raise errors.InvalidRequest.of(
            "timestamp_granularities", f"{spec.id} tells times of segments only"
        )


async def _duration_ms(content: bytes, spec: ModelSpec) -> int:
    try:
        recording = await asyncio.to_thread(recordings.probe, content)
    except InputRejected as error:
        raise errors.InvalidRequest.of("file", error.message) from None
    most_ms = spec.media.max_seconds * 1000
    if recording.duration_ms > most_ms:
        raise errors.InvalidRequest.of(
            "file",
            f"lasts {recording.duration_ms / 1000:g} s; {spec.id} listens to at most {most_ms / 1000:g} s",
        )
    return recording.duration_ms
