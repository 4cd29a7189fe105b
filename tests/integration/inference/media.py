"""Requests, registry entries and readings of results for the tests of pictures and videos."""

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.backends.serial import SerialBackend
from inference.backends.tiny import build
from inference.errors import InferenceError
from inference.ports import Handle
from inference.specs import MediaSpec, ModelSpec, Price, Unit
from inference.types import ImageRequest, MediaFile, MediaResult, Modality, Result, VideoRequest
from tests.unit.inference.listeners import RecordingListener

SDXL, FLUX = build.CHECKPOINTS / build.SDXL, build.CHECKPOINTS / build.FLUX
WAN, LTX = build.CHECKPOINTS / build.WAN, build.CHECKPOINTS / build.LTX

_Backend = TypeVar("_Backend", bound=SerialBackend)
Pixels = NDArray[np.int16]


def image_spec(source: Path | str, **changes: Any) -> ModelSpec:
    """Return a registry entry for a pipeline of pictures."""
    return _spec(source, Modality.IMAGE, Unit.MEGAPIXEL_STEP, **changes)


def video_spec(source: Path | str, **changes: Any) -> ModelSpec:
    """Return a registry entry for a pipeline of videos."""
    return _spec(source, Modality.VIDEO, Unit.MEGAPIXEL_SECOND, **changes)


def _spec(source: Path | str, modality: Modality, unit: Unit, **changes: Any) -> ModelSpec:
    options = {"device": "cpu", **changes.pop("options", {})}
    values: dict[str, Any] = {
        "id": "tiny",
        "modality": modality,
        "backend": "diffusers",
        "source": str(source),
        "price": Price(version="test", rates={unit: 1}),
        "media": MediaSpec(steps=2, fps=4, max_pixels=300_000, max_seconds=5),
        "options": options,
    }
    return ModelSpec(**{**values, **changes})


def image(**changes: Any) -> ImageRequest:
    """Return a request for a small picture."""
    values: dict[str, Any] = {
        "request_id": "r", "model": "tiny", "prompt": "a lake", "width": 64, "height": 64,
        "steps": 2, "seed": 7,
    }  # fmt: skip
    return ImageRequest(**{**values, **changes})


def video(**changes: Any) -> VideoRequest:
    """Return a request for a small video of two seconds."""
    values: dict[str, Any] = {
        "request_id": "r", "model": "tiny", "prompt": "a lake", "width": 64, "height": 64,
        "duration_ms": 2000, "seed": 7,
    }  # fmt: skip
    return VideoRequest(**{**values, **changes})


def png(color: str, *, width: int = 50, height: int = 40) -> bytes:
    """Return a picture of one colour, encoded."""
    written = io.BytesIO()
    Image.new("RGB", (width, height), color).save(written, "png")
    return written.getvalue()


def start(backend: SerialBackend, request: Any) -> RecordingListener:
    """Submit a request, and return what hears of it."""
    listener = RecordingListener()
    backend.submit(request, listener)
    return listener


@contextlib.contextmanager
def running(backend: _Backend) -> Iterator[_Backend]:
    """Give a backend that is loaded, and close it."""
    backend.load()
    try:
        yield backend
    finally:
        backend.close(timeout_s=10)


def outcome(backend: SerialBackend, request: Any) -> Result | InferenceError:
    """Return how a request ends."""
    return start(backend, request).wait()


def files(backend: SerialBackend, request: Any) -> tuple[MediaFile, ...]:
    """Return what a request makes."""
    result = outcome(backend, request)
    assert isinstance(result, MediaResult), result
    return result.files


def pixels(file: MediaFile) -> Pixels:
    """Return a picture's pixels, [height, width, 3]."""
    return np.asarray(Image.open(io.BytesIO(file.content)).convert("RGB")).astype(np.int16)


def frames(file: MediaFile) -> Pixels:
    """Return a video's pixels, [frames, height, width, 3]."""
    with av.open(io.BytesIO(file.content), "r") as opened:
        decoded = [frame.to_ndarray(format="rgb24") for frame in opened.decode(video=0)]
    return np.stack(decoded).astype(np.int16)


def duration_ms(file: MediaFile) -> float:
    """Return how long a player says that a video is."""
    with av.open(io.BytesIO(file.content), "r") as opened:
        assert opened.duration is not None
        return opened.duration / 1000


class Canceller(RecordingListener):
    """Cancels its request once it has come so far."""

    def __init__(self, percent: int) -> None:
        super().__init__()
        self._percent = percent
        self.handle: Handle | None = None

    def on_progress(self, percent: int) -> None:
        super().on_progress(percent)
        if percent >= self._percent and self.handle is not None:
            self.handle.cancel()


def cancelled_at(backend: SerialBackend, request: Any, *, percent: int) -> Canceller:
    """Run a request that is cancelled when it has come so far, and return what heard of it."""
    listener = Canceller(percent)
    with backend._changed:  # the line is held shut until the handle is known
        listener.handle = backend.submit(request, listener)
    listener.wait()
    return listener
