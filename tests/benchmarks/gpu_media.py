"""Pictures and videos on a GPU: seconds a step and in all, and the memory at its height."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from inference.backends import video_ways
from inference.backends.diffusion import DiffusionBackend
from inference.backends.images import ImageBackend
from inference.backends.videos import VideoBackend
from inference.specs import MediaSpec, ModelSpec
from inference.types import MediaResult, Request
from tests.benchmarks import gpu_models
from tests.benchmarks.gpu_sections import Section, Setting
from tests.integration.inference import media
from tests.unit.inference.listeners import RecordingListener

IMAGE_STEPS, VIDEO_STEPS = 4, 8
_HEADINGS = ("model and size", "frames", "s/step", "steps, s", "decoding and file, s", "GiB")


class RandomImageBackend(ImageBackend):
    """Draws with a pipeline that is made here instead of read."""

    make: Callable[[], Any]

    def open_pipelines(self) -> None:
        """Make the pipeline on its device."""
        with gpu_models.drawn_on(str(self.device)):
            self._pipe = type(self).make()
        self.place(self._pipe)


class RandomVideoBackend(VideoBackend):
    """Films with a pipeline that is made here instead of read."""

    make: Callable[[], Any]

    def open_pipelines(self) -> None:
        """Make the pipeline on its device."""
        with gpu_models.drawn_on(str(self.device)):
            self._ways = video_ways.of(type(self).make())
        for pipe in self._ways.pipes:
            self.place(pipe)


class SdxlBackend(RandomImageBackend):
    """Of Stable Diffusion XL's size."""

    make = staticmethod(gpu_models.sdxl)


class FluxBackend(RandomImageBackend):
    """Of FLUX.1 schnell's size."""

    make = staticmethod(gpu_models.flux)


class WanBackend(RandomVideoBackend):
    """Of Wan 2.1 T2V 1.3B's size."""

    make = staticmethod(gpu_models.wan)


class LtxBackend(RandomVideoBackend):
    """Of LTX-Video 2B's size."""

    make = staticmethod(gpu_models.ltx)


def images(setting: Setting) -> Section:
    """Measure one picture and four of 1024 pixels a side."""
    side = 128 if setting.is_small else 1024
    sizes = [
        (f"{side}x{side}, {count} at once",
         media.image(width=side, height=side, count=count, steps=IMAGE_STEPS))
        for count in (1, 4)
    ]  # fmt: skip
    limits = MediaSpec(steps=IMAGE_STEPS)
    rows: list[tuple[str, ...]] = []
    for name, kind, tiny in (("SDXL", SdxlBackend, media.SDXL), ("Flux", FluxBackend, media.FLUX)):
        backend = _backend(
            setting, kind, ImageBackend, media.image_spec, tiny, limits, pictures_at_once=4
        )
        with media.running(backend):
            rows += [
                _row(backend, f"{name} {size}", request, frames="-") for size, request in sizes
            ]
    return Section(title=f"Pictures in {IMAGE_STEPS} steps", headings=_HEADINGS, rows=tuple(rows))


def videos(setting: Setting) -> Section:
    """Measure a video of five seconds by each of two models."""
    plans = (
        ("Wan", WanBackend, media.WAN, (832, 480), 16),
        ("LTX", LtxBackend, media.LTX, (768, 512), 24),
    )
    rows = []
    for name, kind, tiny, size, fps in plans:
        width, height = (128, 96) if setting.is_small else size
        limits = MediaSpec(steps=VIDEO_STEPS, fps=fps, guidance=0.0, max_seconds=5)
        backend = _backend(setting, kind, VideoBackend, media.video_spec, tiny, limits)
        request = media.video(width=width, height=height, duration_ms=5000)
        with media.running(backend):
            rows.append(
                _row(backend, f"{name} {width}x{height}", request, frames=f"about {5 * fps}")
            )
    return Section(
        title=f"Videos of five seconds in {VIDEO_STEPS} steps, without guidance",
        headings=_HEADINGS,
        rows=tuple(rows),
        note="Guidance doubles the time of a step; a model's usual number of steps is 30 to 50.",
    )


def _backend(
    setting: Setting,
    random: type[DiffusionBackend],
    plain: type[DiffusionBackend],
    spec: Callable[..., ModelSpec],
    tiny: Path,
    limits: MediaSpec,
    **options: Any,
) -> DiffusionBackend:
    found = spec(tiny, media=limits, options={"device": setting.device, **options})
    return plain(found) if setting.is_small else random(found)


def _row(backend: DiffusionBackend, name: str, request: Request, *, frames: str) -> tuple[str, ...]:
    _run(backend, request)  # warms up
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    timed = _run(backend, request)
    steps_s, rest_s = timed.steps_s(), timed.ended_at - timed.steps_at[-1]
    per_step = steps_s / (len(timed.steps_at) - 1)
    peak = torch.cuda.max_memory_allocated() / 2**30 if torch.cuda.is_available() else 0.0
    return (name, frames, f"{per_step:.3f}", f"{steps_s:.2f}", f"{rest_s:.2f}", f"{peak:.1f}")


class _Timed(RecordingListener):
    """Notes when each bit of progress of the steps came."""

    def __init__(self, steps_percent: int) -> None:
        super().__init__()
        self._steps_percent = steps_percent
        self.steps_at: list[float] = []
        self.ended_at = 0.0

    def on_progress(self, percent: int) -> None:
        super().on_progress(percent)
        if percent <= self._steps_percent:
            self.steps_at.append(time.perf_counter())

    def steps_s(self) -> float:
        """Return the seconds from the end of the first step to that of the last."""
        return self.steps_at[-1] - self.steps_at[0]


def _run(backend: DiffusionBackend, request: Request) -> _Timed:
    listener = _Timed(90 if isinstance(backend, VideoBackend) else 99)
    backend.submit(request, listener)
    outcome = listener.wait(600)
    listener.ended_at = time.perf_counter()
    if not isinstance(outcome, MediaResult):
        raise TypeError(f"{backend.spec.id}: {outcome}")
    return listener
