"""How each kind of video pipeline is asked: by a prompt, from a picture on, from one to another.

A checkpoint can only do what it was trained for. Which that is follows from its pipeline's class and
a few of its settings, so it is known once it is loaded.
"""

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import diffusers
from diffusers.pipelines.ltx.pipeline_ltx_condition import LTXVideoCondition
from PIL import Image

from inference import framing
from inference.framing import Pictures

_Asked = Mapping[str, Any]  # arguments of a pipeline beside those that every one takes


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Frames:
    """The pictures that a video starts and ends with, in the size that the pipeline works in."""

    start: Image.Image | None = None
    end: Image.Image | None = None
    count: int  # frames of the whole video


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One pipeline, and what to tell it of the pictures."""

    pipe: Any
    ask: Callable[[Frames], _Asked] = lambda _frames: {}
    # The pipeline that turns prompts into numbers, if another does it.
    encoder: Any = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """What a model can do; None where it cannot."""

    prompt: Way | None = None  # a prompt alone
    start: Way | None = None  # from a picture on
    both: Way | None = None  # from one picture to another

    def over(self, others: "Ways") -> "Ways":
        """Return these ways, and the others' where these have none."""
        return Ways(
            prompt=self.prompt or others.prompt,
            start=self.start or others.start,
            both=self.both or others.both,
        )

    def find(self, *, start: bool, end: bool) -> Way | None:
        """Return the way for the pictures that there are."""
        if end:
            return self.both
        return self.start if start else self.prompt

    @property
    def pipes(self) -> tuple[Any, ...]:
        """The pipelines, each once."""
        found = [way.pipe for way in (self.prompt, self.start, self.both) if way is not None]
        return tuple({id(pipe): pipe for pipe in found}.values())


def of(pipe: Any) -> Ways:
    """Return what a pipeline can do, by its class; one that is not known takes prompts alone."""
    match type(pipe).__name__:
        case "LTXConditionPipeline":
            conditioned = Way(pipe=pipe, ask=_conditions)
            return Ways(prompt=Way(pipe=pipe), start=conditioned, both=conditioned)
        case "LTXPipeline" | "LTXImageToVideoPipeline":
            # One set of weights serves both; neither was trained with a picture at the end.
            return Ways(
                prompt=Way(pipe=_as(diffusers.LTXPipeline, pipe)),
                start=Way(pipe=_as(diffusers.LTXImageToVideoPipeline, pipe), ask=_image),
            )
        case "WanPipeline" if pipe.config.expand_timesteps:
            turned = _as(diffusers.WanImageToVideoPipeline, pipe, expand_timesteps=True)
            return Ways(prompt=Way(pipe=pipe), start=Way(pipe=turned, ask=_image, encoder=pipe))
        case "WanImageToVideoPipeline":
            return _wan_from_pictures(pipe)
    return Ways(prompt=Way(pipe=pipe))


def _wan_from_pictures(pipe: Any) -> Ways:
    # The same text encoder, through the class that does not need a further library to clean prompts.
    encoder = diffusers.WanPipeline(
        tokenizer=pipe.tokenizer,
        text_encoder=pipe.text_encoder,
        vae=pipe.vae,
        scheduler=pipe.scheduler,
        transformer=pipe.transformer,
    )
    way = Way(pipe=pipe, ask=_image, encoder=encoder)
    taken = framing.of_pipeline(
        type(pipe).__name__,
        expand_timesteps=pipe.config.expand_timesteps,
        transformer=(pipe.transformer or pipe.transformer_2).config,
    )
    return Ways(
        start=way if Pictures.START in taken else None,
        both=way if Pictures.BOTH in taken else None,
    )


def _image(frames: Frames) -> _Asked:
    return {"image": frames.start} | ({"last_image": frames.end} if frames.end else {})


def _conditions(frames: Frames) -> _Asked:
    placed = ((frames.start, 0), (frames.end, frames.count - 1))
    return {
        "conditions": [
            LTXVideoCondition(image=image, frame_index=number)
            for image, number in placed
            if image is not None
        ]
    }


def _as(pipeline_class: Any, pipe: Any, **settings: Any) -> Any:
    """Return a pipeline of this class with the parts of another, or that one if it is one."""
    if type(pipe) is pipeline_class:
        return pipe
    taken = inspect.signature(pipeline_class.__init__).parameters
    parts = {name: part for name, part in pipe.components.items() if name in taken}
    found = pipeline_class(**parts, **settings)
    found.set_progress_bar_config(disable=True)
    return found
