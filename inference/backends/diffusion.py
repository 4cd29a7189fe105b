"""What the backends of pictures and of videos share: a diffusion pipeline, driven step by step."""

import abc
import contextlib
import inspect
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch

from inference.backends import devices, loading, pipelines
from inference.backends.serial import Run, SerialBackend, generation_failed
from inference.errors import GenerationFailed, InferenceError, ModelLoadFailed, OutOfMemory
from inference.specs import ModelSpec

logger = logging.getLogger(__name__)

Step = Callable[[float], None]  # called after each step with the share of the steps that are done

# What the backends set themselves; an option may not set it once more.
_SET_HERE = frozenset({
    "prompt", "negative_prompt", "width", "height", "num_frames", "num_inference_steps",
    "guidance_scale", "generator", "output_type", "return_dict", "image", "last_image", "conditions",
    "frame_rate", "num_images_per_prompt", "num_videos_per_prompt", "prompt_embeds",
    "negative_prompt_embeds", "callback", "callback_on_step_end",
})  # fmt: skip
_NEEDED = ("prompt", "width", "height", "num_inference_steps", "generator", "output_type")


class DiffusionBackend(SerialBackend):
    """Options: device, dtype, vae_dtype, vae_tiling, offload, variant, arguments, torch_threads."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self.device = torch.device("cpu")
        self._placed: Any = None  # the pipeline whose parts are offloaded in its order

    @abc.abstractmethod
    def open_pipelines(self) -> None:
        """Open what the model is made of; whatever goes wrong is put into words by the caller."""

    @abc.abstractmethod
    def drop_pipelines(self) -> None:
        """Forget what the model is made of."""

    def open(self) -> None:
        """Bring the model into memory.

        Raises:
            ModelLoadFailed: or OutOfMemory, if that was the reason.
        """
        loading.set_threads(self.spec)
        self.device = loading.pick_device(self.spec)
        loading.guarded(self.spec, self.open_pipelines)
        logger.info(
            "model %s: %s on %s, %.1f GiB. %s",
            self.spec.id,
            ", ".join(type(pipe).__name__ for pipe in self.pipes),
            self.device,
            self.memory_bytes() / 2**30,
            self.spec.description,  # a stand-in says that it is one
        )

    def release(self) -> None:
        """Free the memory of the model."""
        self._placed = None
        self.drop_pipelines()
        loading.free_unused()

    def failure_of(self, error: Exception) -> InferenceError:
        """Return what callers are told about an exception."""
        if not loading.is_out_of_memory(error):
            return generation_failed()
        loading.free_unused()
        return OutOfMemory(
            "There is no memory left for this request, now. Try later, or ask for a smaller size."
        )

    @property
    @abc.abstractmethod
    def pipes(self) -> tuple[Any, ...]:
        """The pipelines in memory; they may share parts."""

    def memory_bytes(self) -> int:
        """Return what the model takes on its device: with offload, its largest part."""
        found = {id(part): part for pipe in self.pipes for part in pipe.components.values()}
        parts = [part for part in found.values() if isinstance(part, torch.nn.Module)]
        if self.spec.options.get("offload", "none") == "none":
            return devices.size_of(*parts)
        return max(map(devices.size_of, parts), default=0)

    def place(self, pipe: Any) -> None:
        """Bring a pipeline to the device."""
        pipelines.place(self.spec, pipe, self.device)
        self._placed = pipe

    def denoise(self, pipe: Any, run: Run, *, on_step: Step, **arguments: Any) -> torch.Tensor:
        """Run a pipeline, and return what it drew: float, 0 to 1.

        ``arguments`` that the pipeline does not know are left out. What ``on_step`` raises ends the
        run within the step; ``run`` is asked beside the steps, too, for each piece that is decoded.

        Raises:
            GenerationFailed: its numbers overflowed.
        """
        if self._placed is not pipe and "offload" in self.spec.options:
            self.place(pipe)
        known = _parameters(pipe)
        wanted = {**self.spec.options.get("arguments", {}), **arguments, "output_type": "pt"}
        passed = {name: value for name, value in wanted.items() if name in known}
        steps = int(arguments["num_inference_steps"])

        def on_step_done(share: float) -> None:
            if self.device.type == "cuda":
                # A step has only been queued. Without waiting for it progress, usage and the time of
                # a cancel would be those of the queue; waiting costs one launch a step.
                torch.cuda.synchronize(self.device)
            on_step(share)

        try:
            with _checked(pipe, run):
                passed |= _callback(pipe, known, on_step_done, steps=steps)
                drawn = pipe(**passed, return_dict=False)[0]
        except BaseException:
            pipe.maybe_free_model_hooks()  # else what is offloaded at the end stays on the device
            raise
        if not bool(torch.isfinite(drawn).all()):
            raise GenerationFailed("The model's numbers overflowed; there is nothing to see.")
        return drawn

    def generator(self, seed: int) -> torch.Generator:
        """Return the source of a picture's noise. The processor's, so any device draws the same."""
        return torch.Generator("cpu").manual_seed(seed)


def check_pipeline(spec: ModelSpec, pipe: Any, *, needed: tuple[str, ...] = ()) -> None:
    """Refuse a pipeline that does not take what a request says, or cannot be stopped.

    Raises:
        ModelLoadFailed: says what it is.
    """
    known = _parameters(pipe)
    name = type(pipe).__name__
    missing = [argument for argument in (*_NEEDED, *needed) if argument not in known]
    if missing or not {"callback_on_step_end", "callback"} & known.keys():
        raise ModelLoadFailed(
            f"Model {spec.id} is a {name}, which this backend cannot drive: it does not take "
            f"{', '.join(missing) or 'a callback'}."
        )
    unknown = [given for given in spec.options.get("arguments", {}) if given not in known]
    twice = [given for given in spec.options.get("arguments", {}) if given in _SET_HERE]
    if unknown or twice:
        raise ModelLoadFailed(
            f"options.arguments of model {spec.id} has {', '.join(unknown + twice)}, which a {name} "
            "does not take, or which each request sets."
        )


def centered(drawn: torch.Tensor, *, width: int, height: int) -> torch.Tensor:
    """Return the middle of pictures, [..., channels, height, width]."""
    top, left = (drawn.shape[-2] - height) // 2, (drawn.shape[-1] - width) // 2
    return drawn[..., top : top + height, left : left + width]


def to_bytes(drawn: torch.Tensor) -> Any:
    """Return one picture, [channels, height, width] of 0 to 1, as a uint8 array with channels last."""
    scaled = (drawn.float() * 255).round().clamp(0, 255).to(torch.uint8)
    return scaled.permute(1, 2, 0).contiguous().cpu().numpy()


def round_up(value: int, multiple: int) -> int:
    """Return the least multiple that is at least this value."""
    return -(-value // multiple) * multiple


@contextlib.contextmanager
def _checked(pipe: Any, run: Run) -> Iterator[None]:
    """Ask meanwhile whether the request is to end, whenever a piece of it is en- or decoded.

    A long video is decoded piece by piece, and that may take longer than all its steps.
    """
    vae = getattr(pipe, "vae", None)
    halves = [getattr(vae, name, None) for name in ("encoder", "decoder")]
    hooks = [
        half.register_forward_pre_hook(lambda *_: run.check())
        for half in halves
        if isinstance(half, torch.nn.Module)
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _parameters(pipe: Any) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(pipe.__call__).parameters


def _callback(
    pipe: Any, known: Mapping[str, inspect.Parameter], on_step: Step, *, steps: int
) -> dict[str, Any]:
    """Return the arguments that let a pipeline call ``on_step`` after each step."""

    def stepped(_pipe: Any, step: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        # A scheduler of second order takes about twice the steps that were asked for.
        on_step((step + 1) / (getattr(pipe, "num_timesteps", None) or steps))
        return tensors

    def stepped_plainly(step: int, _timestep: Any, _latents: Any) -> None:
        on_step((step + 1) / steps)

    if "callback_on_step_end" in known:
        return {"callback_on_step_end": stepped}
    return {"callback": stepped_plainly}  # older pipelines
