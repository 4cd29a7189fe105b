"""Makes pictures and sound without a model, and writes down how long a recording is.

For tests and for measuring the rest, like the echo of text: real files of the asked size, real
progress, real usage, the same bytes for the same request. Torch is not needed, and neither are
codecs: pictures are PNG, sound is WAV or bare samples.
"""

import array
import hashlib
import io
import math
import struct
import threading
import wave
import zlib

from inference.backends import fallback
from inference.backends.serial import Run, SerialBackend, generation_failed
from inference.errors import InferenceError, InputRejected, ModelLoadFailed, ModelMissing
from inference.ports import Backend
from inference.specs import ModelSpec, Unit
from inference.types import (
    Decoding,
    ImageFormat,
    ImageRequest,
    MediaFile,
    MediaResult,
    Request,
    Result,
    Segment,
    SoundFormat,
    Span,
    SpeechRequest,
    TranscriptionRequest,
    TranscriptionResult,
    Usage,
)

_RATE = 24_000  # samples a second
_MS_PER_CHARACTER = 20
_MEDIA_TYPES = {SoundFormat.WAV: "audio/wav", SoundFormat.PCM: "audio/pcm"}


def open_audio(spec: ModelSpec) -> Backend:
    """Return the backend of a model that speaks, or of one that listens, by the unit of its price."""
    if Unit.MINUTE in spec.price.rates:
        return EchoTranscriptionBackend(spec)
    return EchoSpeechBackend(spec)


class _EchoMedia(SerialBackend):
    """Options: step_seconds for each step, load_seconds, fail_load, missing."""

    request_type: type[Request]
    refusal = ""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self._step_s = float(spec.options.get("step_seconds", 0.0))
        self._closing = threading.Event()

    def open(self) -> None:
        """Wait as long as option load_seconds says."""
        self._closing.wait(float(self.spec.options.get("load_seconds", 0.0)))
        if self.spec.options.get("missing"):
            raise ModelMissing(f"The files of model {self.spec.id} are not on this worker.")
        if self.spec.options.get("fail_load"):
            raise ModelLoadFailed(f"Model {self.spec.id} could not be loaded on this worker.")

    def refuse(self, request: Request) -> None:
        """Refuse what this model does not make."""
        if not isinstance(request, self.request_type):
            raise InputRejected(f"Model {self.spec.id} {self.refusal} only.", field="model")

    def failure_of(self, error: Exception) -> InferenceError:
        """Return one sentence for whatever went wrong."""
        del error
        return generation_failed()

    def close(self, *, timeout_s: float) -> None:
        """End a load and a step that wait, then everything else."""
        self._closing.set()
        super().close(timeout_s=timeout_s)

    def pause(self) -> None:
        """Take as long as a step takes."""
        if self._step_s:
            self._closing.wait(self._step_s)


class EchoImageBackend(_EchoMedia):
    """Fills each picture with the colours of its prompt and seed."""

    request_type = ImageRequest
    refusal = "makes pictures"

    @property
    def capabilities(self) -> frozenset[str]:
        """What it can do."""
        return frozenset({"seed"})

    def refuse(self, request: Request) -> None:
        """Refuse other requests than for pictures in PNG."""
        super().refuse(request)
        if isinstance(request, ImageRequest) and request.format is not ImageFormat.PNG:
            raise InputRejected(f"Model {self.spec.id} writes png only.", field="output_format")

    def run(self, run: Run) -> Result:
        """Make the pictures, one step of one picture at a time."""
        request = run.request
        assert isinstance(request, ImageRequest)  # noqa: S101 - `refuse` has checked it
        total = request.count * request.steps
        for step in range(total):
            self.pause()
            parts = (step + 1) * request.width * request.height
            run.advance((step + 1) / total, usage=Usage(parts=parts))
        files = tuple(_picture(request, number) for number in range(request.count))
        return MediaResult(files=files, usage=run.usage)


class EchoSpeechBackend(_EchoMedia):
    """Hums each text for as long as it is."""

    request_type = SpeechRequest
    refusal = "speaks"

    @property
    def capabilities(self) -> frozenset[str]:
        """What it can do."""
        return frozenset({"speech"})

    def refuse(self, request: Request) -> None:
        """Refuse formats that need a codec."""
        super().refuse(request)
        if isinstance(request, SpeechRequest) and request.format not in _MEDIA_TYPES:
            raise InputRejected(
                f"Model {self.spec.id} writes wav and pcm only.", field="response_format"
            )

    def run(self, run: Run) -> Result:
        """Hum."""
        request = run.request
        assert isinstance(request, SpeechRequest)  # noqa: S101 - `refuse` has checked it
        self.pause()
        usage = Usage(parts=len(request.text))
        run.advance(1, usage=usage)
        duration_ms = int(len(request.text) * _MS_PER_CHARACTER / request.speed)
        samples = _hum(request, count=duration_ms * _RATE // 1000)
        content = samples if request.format is SoundFormat.PCM else _wav(samples)
        file = MediaFile(
            content=content, media_type=_MEDIA_TYPES[request.format], duration_ms=duration_ms
        )
        return MediaResult(files=(file,), usage=usage)


class EchoTranscriptionBackend(_EchoMedia):
    """Writes down how long a WAV recording is."""

    request_type = TranscriptionRequest
    refusal = "writes down recordings"

    @property
    def capabilities(self) -> frozenset[str]:
        """What it can do."""
        return frozenset({"transcription"})

    def run(self, run: Run) -> Result:
        """Read the recording's head."""
        request = run.request
        assert isinstance(request, TranscriptionRequest)  # noqa: S101 - `refuse` has checked it
        self.pause()
        try:
            with wave.open(io.BytesIO(request.audio)) as recording:
                length_ms = recording.getnframes() * 1000 // recording.getframerate()
        except (wave.Error, EOFError, ZeroDivisionError):
            raise InputRejected("The recording is no WAV file.", field="file") from None
        duration_ms = min(length_ms, request.duration_ms)
        usage = Usage(parts=duration_ms)
        run.advance(1, usage=usage)
        text = f"{duration_ms} ms of sound"
        whole = Segment(
            start_ms=0,
            end_ms=duration_ms,
            text=text,
            tokens=(),
            decoding=_certain(text, request.temperature),
        )
        return TranscriptionResult(
            text=text,
            language=request.language or "en",
            duration_ms=duration_ms,
            segments=(whole,),
            words=(Span(start_ms=0, end_ms=duration_ms, text=text),) if request.with_words else (),
            usage=usage,
        )


def _certain(text: str, temperature: float) -> Decoding:
    """Return how a text comes about that is no guess."""
    repetition = fallback.quality_of(text, logprob=0).repetition
    return Decoding(
        seek=0, temperature=temperature, logprob=0.0, repetition=repetition, silence=0.0
    )


def _picture(request: ImageRequest, number: int) -> MediaFile:
    told = f"{request.prompt}\0{request.negative_prompt}\0{request.seed + number}"
    colour = hashlib.sha256(told.encode()).digest()[:3]
    row = b"\0" + colour * request.width
    body = zlib.compress(row * request.height, 1)
    head = struct.pack(">IIBBBBB", request.width, request.height, 8, 2, 0, 0, 0)
    chunks = (_chunk(b"IHDR", head), _chunk(b"IDAT", body), _chunk(b"IEND", b""))
    return MediaFile(
        content=b"\x89PNG\r\n\x1a\n" + b"".join(chunks),
        media_type="image/png",
        width=request.width,
        height=request.height,
    )


def _chunk(kind: bytes, body: bytes) -> bytes:
    """Return one chunk of a PNG file: length, kind, body and checksum (PNG specification, 5.3)."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _hum(request: SpeechRequest, *, count: int) -> bytes:
    pitch = 110 + hashlib.sha256(request.text.encode()).digest()[0]
    wave_of = (int(8000 * math.sin(2 * math.pi * pitch * i / _RATE)) for i in range(count))
    return array.array("h", wave_of).tobytes()


def _wav(samples: bytes) -> bytes:
    written = io.BytesIO()
    with wave.open(written, "wb") as recording:
        recording.setnchannels(1)
        recording.setsampwidth(2)
        recording.setframerate(_RATE)
        recording.writeframes(samples)
    return written.getvalue()
