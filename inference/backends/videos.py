"""Videos from prompts and pictures, by the video pipelines of diffusers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from inference import pictures
from inference.backends import diffusion, muxing, pipelines, video_ways
from inference.backends.diffusion import DiffusionBackend
from inference.backends.muxing import Film
from inference.backends.serial import Run
from inference.backends.video_ways import Frames, Way, Ways
from inference.errors import InputRejected, ModelLoadFailed
from inference.specs import ModelSpec
from inference.types import MediaFile, MediaResult, Request, Usage, VideoRequest

_STEPS_SHARE = 0.9  # of the progress; the rest is writing the file
_WAN_TOKENS = 512  # of a prompt; what its pipelines take when they encode prompts themselves


class VideoBackend(DiffusionBackend):
    """Makes one video after another.

    Option `transitions`: a second checkpoint for requests with pictures, as a hub id (of option
    `transitions_revision`), a directory that begins with /, or one under the model's own that begins
    with ./ ; it shares what the two have in common.
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self._ways = Ways()

    @property
    def capabilities(self) -> frozenset[str]:
        """What it can do, once it is loaded."""
        found = {"seed"}
        if self._ways.prompt:
            found.add("generation")
        if self._ways.start or self._ways.both:
            found.add("transition")
        return frozenset(found)

    @property
    def pipes(self) -> tuple[Any, ...]:
        """The pipelines, once they are loaded."""
        return self._ways.pipes

    def open_pipelines(self) -> None:
        """Open the pipelines, and check that they can do what the models file promises."""
        directory = pipelines.fetch(self.spec, self.spec.source)
        ways = video_ways.of(pipelines.open_pipeline(self.spec, directory))
        if "transitions" in self.spec.options:
            ways = ways.over(self._transitions(directory, ways))
        for pipe in ways.pipes:
            diffusion.check_pipeline(self.spec, pipe, needed=("num_frames",))
            self.place(pipe)
        self._ways = ways
        promised = {"generation", "transition"} & set(self.spec.capabilities)
        if missing := promised - self.capabilities:
            raise ModelLoadFailed(
                f"The checkpoint of model {self.spec.id} makes no {', no '.join(sorted(missing))}: "
                "correct its capabilities, or give it option transitions."
            )

    def drop_pipelines(self) -> None:
        """Forget the pipelines."""
        self._ways = Ways()

    def refuse(self, request: Request) -> None:
        """Refuse what is no video, what is too large or long, and pictures that cannot be read."""
        if not isinstance(request, VideoRequest):
            raise InputRejected(f"Model {self.spec.id} makes videos only.", field="model")
        limits, name = self.spec.media, self.spec.id
        if request.width * request.height > limits.max_pixels:
            raise InputRejected(
                f"Model {name} makes videos of at most {limits.max_pixels} pixels.", field="size"
            )
        if request.duration_ms > limits.max_seconds * 1000:
            raise InputRejected(
                f"Model {name} makes at most {limits.max_seconds} s.", field="duration_seconds"
            )
        for content, field in _sent(request):
            pictures.inspect(content, field=field)
        self._way(request)

    def run(self, run: Run) -> MediaResult:
        """Read the pictures, draw the frames, and write them down."""
        request = run.request
        assert isinstance(request, VideoRequest)  # noqa: S101 - `refuse` has checked it
        way = self._way(request)
        film, multiple = self._film(request, way.pipe), _multiple_of_sides(way.pipe)
        size = (
            diffusion.round_up(request.width, multiple),
            diffusion.round_up(request.height, multiple),
        )
        frames = _frames(request, film, size=size)
        run.check()
        drawn = self._draw(run, request, way, frames, size=size)[0]
        usage = Usage(parts=request.width * request.height * request.duration_ms)
        content = _written(drawn, film, run, usage)
        file = MediaFile(
            content=content,
            media_type=f"video/{film.container}",
            width=film.width,
            height=film.height,
            duration_ms=film.duration_ms,
        )
        return MediaResult(files=(file,), usage=usage)

    def _transitions(self, directory: Path, ways: Ways) -> Ways:
        """Return what the second checkpoint can do. It shares parts with the first of its family."""
        first = ways.pipes[0]
        parts = pipelines.shared_parts(type(first).__name__)
        shared = {part: getattr(first, part) for part in parts}
        source = pipelines.source_of_transitions(self.spec, directory)
        found = pipelines.fetch(self.spec, source, shared=parts)
        return video_ways.of(pipelines.open_pipeline(self.spec, found, shared=shared))

    def _way(self, request: VideoRequest) -> Way:
        start, end = request.start_image is not None, request.end_image is not None
        name = self.spec.id
        if end and not start:
            raise InputRejected("end_image needs a start_image.", field="start_image")
        way = self._ways.find(start=start, end=end)
        if way is not None:
            return way
        if not start:
            raise InputRejected(f"Model {name} needs a start_image.", field="start_image")
        if end and self._ways.start:
            raise InputRejected(f"Model {name} takes no end_image.", field="end_image")
        if self._ways.both:
            raise InputRejected(f"Model {name} needs an end_image, too.", field="end_image")
        raise InputRejected(f"Model {name} takes no pictures.", field="start_image")

    def _film(self, request: VideoRequest, pipe: Any) -> Film:
        """Return the film: as many frames as come nearest to the rate, whose last is shown, too."""
        group = _frames_of_a_latent(pipe)
        wanted = request.duration_ms * self.spec.media.fps / 1000
        count = max(1, round((wanted - 1) / group)) * group + 1
        return Film(
            container=request.format,
            width=diffusion.round_up(request.width, 2),
            height=diffusion.round_up(request.height, 2),
            count=count,
            duration_ms=request.duration_ms,
        )

    def _draw(
        self, run: Run, request: VideoRequest, way: Way, frames: Frames, *, size: tuple[int, int]
    ) -> torch.Tensor:
        """Return the frames, [1, frames, 3, height, width]."""
        whole = request.width * request.height * request.duration_ms

        def on_step(share: float) -> None:
            run.advance(_STEPS_SHARE * share, usage=Usage(parts=int(whole * share)))

        return self.denoise(
            way.pipe,
            run,
            on_step=on_step,
            **self._prompts(request, way),
            **way.ask(frames),
            width=size[0],
            height=size[1],
            num_frames=frames.count,
            frame_rate=frames.count * 1000 / request.duration_ms,
            num_inference_steps=self.spec.media.steps,
            guidance_scale=self.spec.media.guidance,
            generator=self.generator(request.seed),
        )

    def _prompts(self, request: VideoRequest, way: Way) -> dict[str, Any]:
        if way.encoder is None:
            return {"prompt": request.prompt, "negative_prompt": request.negative_prompt}
        with torch.no_grad():
            prompt, negative = way.encoder.encode_prompt(
                request.prompt,
                request.negative_prompt,
                do_classifier_free_guidance=self.spec.media.guidance > 1,
                device=self.device,
                max_sequence_length=_WAN_TOKENS,
            )
        return {"prompt_embeds": prompt, "negative_prompt_embeds": negative}


def _sent(request: VideoRequest) -> list[tuple[bytes, str]]:
    named = ((request.start_image, "start_image"), (request.end_image, "end_image"))
    return [(content, field) for content, field in named if content is not None]


def _frames(request: VideoRequest, film: Film, *, size: tuple[int, int]) -> Frames:
    found = {
        field.removesuffix("_image"): pictures.cover(
            pictures.read(content, field=field), width=size[0], height=size[1]
        )
        for content, field in _sent(request)
    }
    return Frames(count=film.count, **found)


def _written(drawn: torch.Tensor, film: Film, run: Run, usage: Usage) -> bytes:
    """Return the file; each frame that is written is a bit of progress."""
    numbers = iter(range(1, film.count + 1))

    def on_frame() -> None:
        share = next(numbers) / film.count
        run.advance(_STEPS_SHARE + (1 - _STEPS_SHARE) * share, usage=usage)

    return muxing.write(_cut(drawn, film), film, threads=torch.get_num_threads(), on_frame=on_frame)


def _cut(drawn: torch.Tensor, film: Film) -> Iterator[NDArray[np.uint8]]:
    for frame in diffusion.centered(drawn, width=film.width, height=film.height):
        yield diffusion.to_bytes(frame)


def _frames_of_a_latent(pipe: Any) -> int:
    """Return how many frames the pipeline packs into one; it makes one more than a multiple."""
    for name in ("vae_temporal_compression_ratio", "vae_scale_factor_temporal"):
        if hasattr(pipe, name):
            return int(getattr(pipe, name))
    return 1


def _multiple_of_sides(pipe: Any) -> int:
    """Return what the sides of a frame must be multiples of: the VAE's step, times the patches."""
    for name in ("vae_spatial_compression_ratio", "vae_scale_factor_spatial", "vae_scale_factor"):
        if hasattr(pipe, name):
            step = int(getattr(pipe, name))
            break
    else:
        step = 8
    model = getattr(pipe, "transformer", None) or getattr(pipe, "transformer_2", None)
    patch = getattr(getattr(model, "config", None), "patch_size", 1) or 1
    sides = patch[1:] if isinstance(patch, (list, tuple)) else (patch,)
    return max(16, step * max(int(side) for side in sides))
