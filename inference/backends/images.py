"""Pictures from prompts, by any text-to-image pipeline of diffusers."""

from typing import Any

import torch
from PIL import Image

from inference import pictures
from inference.backends import diffusion, loading, pipelines
from inference.backends.diffusion import DiffusionBackend
from inference.backends.serial import Run
from inference.errors import InputRejected
from inference.specs import ModelSpec
from inference.types import ImageRequest, MediaFile, MediaResult, Request, Usage

# Drawn at once where nothing else is said: four of a megapixel fill a GPU. On a processor one by
# one: there a batch is no faster, and one by one a picture is the same to the bit in any company.
_PIXELS_AT_ONCE = 4 * 1024 * 1024


class ImageBackend(DiffusionBackend):
    """Draws the pictures of one request after another. Option: pictures_at_once."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self._pipe: Any = None
        self._most_at_once = int(spec.options.get("pictures_at_once", 0))

    @property
    def capabilities(self) -> frozenset[str]:
        """What it can do."""
        return frozenset({"seed"})

    @property
    def pipes(self) -> tuple[Any, ...]:
        """The pipeline, once it is loaded."""
        return () if self._pipe is None else (self._pipe,)

    def open_pipelines(self) -> None:
        """Open the pipeline."""
        directory = pipelines.fetch(self.spec, self.spec.source)
        self._pipe = pipelines.open_pipeline(self.spec, directory)
        diffusion.check_pipeline(self.spec, self._pipe, needed=("num_images_per_prompt",))
        self.place(self._pipe)

    def drop_pipelines(self) -> None:
        """Forget the pipeline."""
        self._pipe = None

    def refuse(self, request: Request) -> None:
        """Refuse what is no picture, or larger than the model takes."""
        if not isinstance(request, ImageRequest):
            raise InputRejected(f"Model {self.spec.id} makes pictures only.", field="model")
        most = self.spec.media.max_pixels
        if request.width * request.height > most:
            raise InputRejected(
                f"Model {self.spec.id} makes pictures of at most {most} pixels.", field="size"
            )

    def run(self, run: Run) -> MediaResult:
        """Draw the pictures, as many at once as fit, and write them down."""
        request = run.request
        assert isinstance(request, ImageRequest)  # noqa: S101 - `refuse` has checked it
        at_once = self._at_once(request)
        files: list[MediaFile] = []
        while len(files) < request.count:
            count = min(at_once, request.count - len(files))
            try:
                drawn = self._draw(run, request, first=len(files), count=count)
            except Exception as error:
                if count == 1 or not loading.is_out_of_memory(error):
                    raise
                at_once = self._most_at_once = 1  # from now on, for whoever comes
                loading.free_unused()
                continue
            for picture in drawn:
                files.append(_file(picture, request))
                run.check()
        parts = request.width * request.height * request.count * request.steps
        return MediaResult(files=tuple(files), usage=Usage(parts=parts))

    def _at_once(self, request: ImageRequest) -> int:
        if self._most_at_once:
            return self._most_at_once
        if self.device.type == "cpu":
            return 1
        return max(1, _PIXELS_AT_ONCE // (request.width * request.height))

    def _draw(self, run: Run, request: ImageRequest, *, first: int, count: int) -> torch.Tensor:
        """Return pictures [count, 3, height, width]; `first` is the number of the first of them."""
        pixel_steps = request.width * request.height * request.steps

        def on_step(share: float) -> None:
            done = first + count * share
            run.advance(done / request.count, usage=Usage(parts=int(pixel_steps * done)))

        multiple = 2 * int(getattr(self._pipe, "vae_scale_factor", 8))  # twice: latents in pairs
        drawn = self.denoise(
            self._pipe,
            run,
            on_step=on_step,
            prompt=request.prompt,
            negative_prompt=request.negative_prompt,
            width=diffusion.round_up(request.width, multiple),
            height=diffusion.round_up(request.height, multiple),
            num_inference_steps=request.steps,
            guidance_scale=self.spec.media.guidance,
            num_images_per_prompt=count,
            generator=[self.generator(request.seed + first + number) for number in range(count)],
        )
        return diffusion.centered(drawn, width=request.width, height=request.height)


def _file(picture: torch.Tensor, request: ImageRequest) -> MediaFile:
    image = Image.fromarray(diffusion.to_bytes(picture))
    return MediaFile(
        content=pictures.write(image, request.format, quality=request.quality),
        media_type=f"image/{request.format}",
        width=request.width,
        height=request.height,
    )
