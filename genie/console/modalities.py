"""Which forms the playground offers: those that a model of this installation serves. Pure."""

import dataclasses
from collections.abc import Sequence

from genie.console.media_shapes import IMAGE, SPEECH, TRANSCRIPTION, TRANSITION, VIDEO
from genie.console.shapes import Shape
from genie.console.text_shapes import CHAT, EMBEDDING, RERANK
from inference.specs import ModelSpec

SHAPES = (CHAT, IMAGE, VIDEO, TRANSITION, SPEECH, TRANSCRIPTION, EMBEDDING, RERANK)
# What tells models of one modality apart.
KINDS = tuple(one.capability for one in SHAPES if one.capability)


def offered(models: Sequence[ModelSpec]) -> list[Shape]:
    """Return the forms that these models serve, each with one of them chosen at first."""
    return [
        _choosing(shape, serving)
        for shape in SHAPES
        if (serving := [one for one in models if serves(one, shape)])
    ]


def serves(model: ModelSpec, shape: Shape) -> bool:
    """Tell whether a form is for this model.

    Models of one modality may do different things; one that names none of them leaves it to the API.
    """
    named = [one for one in model.capabilities if one in KINDS]
    return model.modality == shape.modality and (
        not shape.capability or not named or shape.capability in named
    )


def named(key: str, shapes: Sequence[Shape]) -> Shape:
    """Return the form of this key; the first one for any other text.

    >>> named("video", SHAPES).label, named("nonsense", SHAPES).label
    ('Video', 'Chat')
    """
    return next((one for one in shapes if one.key == key), shapes[0])


def _choosing(shape: Shape, serving: Sequence[ModelSpec]) -> Shape:
    names = [name for one in serving for name in (one.id, *one.aliases)]
    return shape if shape.model in names else dataclasses.replace(shape, model=names[0])
