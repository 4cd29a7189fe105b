"""Opens a model of sound: one that listens or one that speaks."""

from inference.backends.speech import SpeechBackend
from inference.backends.transcription import TranscriptionBackend
from inference.ports import Backend
from inference.specs import ModelSpec, Unit


def open_audio(spec: ModelSpec) -> Backend:
    """Return the backend of a model, by the unit of its price: minutes heard, or characters spoken."""
    if Unit.MINUTE in spec.price.rates:
        return TranscriptionBackend(spec)
    return SpeechBackend(spec)
