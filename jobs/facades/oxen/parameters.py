"""From the parameters of Oxen's models to the fields of the native bodies. Pure.

A parameter that no model of ours knows is not looked at: whoever keeps the request gives it back.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict

from genie.core.errors import InvalidRequest
from jobs.facades.oxen.errors import Said
from jobs.intake.media_bodies import ImageBody, Size, TransitionBody, VideoBody

BOTH_PROMPTS = "Cannot provide both 'prompt' and 'multi_prompt'."
NO_PROMPT = "Either 'prompt' or 'multi_prompt' must be provided."
EMPTY_PROMPT = "Prompt cannot be empty"

DEFAULT_SECONDS = 5
_DEFAULT_RATIO = "16:9"
MOST_STEPS = 100

# Presets of ``image_size``, and the picture of each ``aspect_ratio``.
PRESETS = {
    "square_hd": "1024x1024",
    "square": "512x512",
    "portrait_4_3": "768x1024",
    "portrait_16_9": "576x1024",
    "landscape_4_3": "1024x768",
    "landscape_16_9": "1024x576",
}
IMAGE_RATIOS = {
    "1:1": PRESETS["square_hd"],
    "3:4": PRESETS["portrait_4_3"],
    "9:16": PRESETS["portrait_16_9"],
    "4:3": PRESETS["landscape_4_3"],
    "16:9": PRESETS["landscape_16_9"],
}
VIDEO_RATIOS = {
    "1:1": "512x512",
    "3:4": "480x640",
    "9:16": "480x832",
    "4:3": "640x480",
    "16:9": "832x480",
}

# What the native bodies' fields are called here, where an error names one.
_NAMES = {
    "duration_seconds": "duration",
    "start_image": "input_image.0",
    "end_image": "input_image.1",
    "size": "image_size",
}


class OxenImageBody(ImageBody):
    """A picture of any size that a model can make."""

    model_config = ConfigDict(strict=True, extra="ignore", hide_input_in_errors=True)

    size: Size = "1024x1024"  # type: ignore[assignment] # more than the native ones


class OxenVideoBody(VideoBody):
    """A video of words."""

    size: Size = VIDEO_RATIOS[_DEFAULT_RATIO]


class OxenTransitionBody(TransitionBody):
    """A video from a picture on, or from one to another."""

    size: Size = VIDEO_RATIOS[_DEFAULT_RATIO]  # type: ignore[assignment] # more than the native ones


def image(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the native fields of a picture.

    Raises:
        InvalidRequest: Its size is none.
        Said: It has no prompt.
    """
    prompt = fields.get("prompt")
    if prompt is None or prompt == "":
        raise Said(EMPTY_PROMPT)
    return _named(fields, "model", "prompt", "negative_prompt", "seed", "n") | {
        "size": _image_size(fields)
    }


def steps(fields: Mapping[str, Any]) -> int | None:
    """Return ``num_inference_steps``; raises InvalidRequest where it is no number of steps."""
    wanted = fields.get("num_inference_steps")
    if wanted is None:
        return None
    if type(wanted) is not int or not 1 <= wanted <= MOST_STEPS:
        raise InvalidRequest.of(
            "num_inference_steps", f"must be an integer between 1 and {MOST_STEPS}"
        )
    return wanted


def starts_from_picture(fields: Mapping[str, Any]) -> bool:
    """Tell whether a video is to begin with a picture that was sent or named."""
    return fields.get("input_image") is not None


def video(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the native fields of a video, which are a transition's if it starts from a picture.

    Raises:
        InvalidRequest: It asks for what none of our models does, or its size or pictures are none.
        Said: It has both kinds of prompt, or neither.
    """
    prompt, seconds = _shot(fields)
    if fields.get("generate_audio") not in (None, False):
        raise InvalidRequest.of("generate_audio", "this model makes no sound")
    if fields.get("input_video") is not None:
        raise InvalidRequest.of("input_video", "this model does not start from a video")
    told = _named(fields, "model", "seed") | {
        "prompt": prompt,
        "duration_seconds": seconds,
        "size": _video_size(fields),
    }
    if starts_from_picture(fields):
        return told | _pictures(fields["input_image"])
    return told | _named(fields, "negative_prompt")


def in_our_words(error: InvalidRequest) -> InvalidRequest:
    """Return a refusal of a native body's field by the name that the field has here."""
    details = error.extra.get("details")
    if isinstance(error, Said) or not isinstance(details, list) or not details:
        return error
    field = str(details[0]["field"])
    return InvalidRequest.of(_NAMES.get(field, field), str(details[0]["message"]))


def _named(fields: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: fields[name] for name in names if fields.get(name) is not None}


def _shot(fields: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return the prompt of a video and its seconds."""
    prompt, shots = fields.get("prompt"), fields.get("multi_prompt")
    duration = fields.get("duration")
    seconds = DEFAULT_SECONDS if duration is None else duration
    if prompt not in (None, "") and shots is not None:
        raise Said(BOTH_PROMPTS)
    if prompt not in (None, ""):
        return prompt, seconds
    if shots is None:
        raise Said(NO_PROMPT)
    if not isinstance(shots, list) or not all(isinstance(one, dict) for one in shots):
        raise InvalidRequest.of("multi_prompt", "must be a list of {prompt, duration}")
    if len(shots) != 1:
        raise InvalidRequest.of("multi_prompt", f"has {len(shots)} shots; this model makes one")
    if "prompt" not in shots[0]:
        raise InvalidRequest.of("multi_prompt.0.prompt", "is required")
    own = shots[0].get("duration")
    return shots[0]["prompt"], seconds if own is None else own


def _image_size(fields: Mapping[str, Any]) -> Any:
    """Return WIDTHxHEIGHT, or what only the native body can refuse."""
    match fields.get("image_size"):
        case None:
            return _ratio_size(fields, IMAGE_RATIOS, default="1:1")
        case str() as name if name in PRESETS:
            return PRESETS[name]
        case str() as text:
            return text
        case {"width": int() as width, "height": int() as height}:
            return f"{width}x{height}"
    known = ", ".join(sorted(PRESETS))
    raise InvalidRequest.of("image_size", f"must be {{width, height}} or one of {known}")


def _video_size(fields: Mapping[str, Any]) -> Any:
    return _ratio_size(fields, VIDEO_RATIOS, default=_DEFAULT_RATIO)


def _ratio_size(fields: Mapping[str, Any], sizes: Mapping[str, str], *, default: str) -> Any:
    if fields.get("size") is not None:
        return fields["size"]
    ratio = fields.get("aspect_ratio")
    if ratio is None:
        return sizes[default]
    if not isinstance(ratio, str) or ratio not in sizes:
        raise InvalidRequest.of("aspect_ratio", f"must be one of {', '.join(sizes)}")
    return sizes[ratio]


def _pictures(value: Any) -> dict[str, Any]:
    pictures = [value] if isinstance(value, str) else value
    if not isinstance(pictures, list) or not 1 <= len(pictures) <= 2:
        raise InvalidRequest.of("input_image", "must be a string, or a list of one or two")
    return dict(zip(("start_image", "end_image"), pictures, strict=False))
