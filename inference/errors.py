"""Everything that can go wrong with a model, as one tree.

InferenceError                code                 retryable
    ModelLoadFailed           model-load-failed    no
        ModelMissing          model-load-failed    no
        ServerUnavailable     model-load-failed    yes
    OutOfMemory               out-of-memory        yes
        ModelTooLarge         out-of-memory        no
    InputRejected             invalid-request      no
    GenerationFailed          inference-failed     yes
    Cancelled                 cancelled            no
    DeviceLost                worker-lost          yes, in another process
    EngineClosed              worker-lost          yes
    UnknownModel              model-not-found      no
RegistryError                 the models file has mistakes; a worker does not start with one

Every message may be shown to the caller: no prompt, no path, no trace. What an operator needs
beyond it goes to the log of the process.
"""

from collections.abc import Sequence


class InferenceError(Exception):
    """The base of all outcomes that are no result."""

    code: str = "inference-failed"  # as the wire contract spells it
    retryable: bool = False  # whether another attempt at the same request may succeed

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ModelLoadFailed(InferenceError):
    """The model could not be loaded; the next request for it tries again.

    Not retryable: what keeps a model from loading (a missing file, a wrong option) lasts, and a
    caller who is told at once can do something about it.
    """

    code = "model-load-failed"


class ModelMissing(ModelLoadFailed):
    """The model's files are not on this worker."""


class ServerUnavailable(ModelLoadFailed):
    """The server that runs the model is not there, or too busy, at the moment."""

    retryable = True


class OutOfMemory(InferenceError):
    """The device or the cache has no room for this request, now."""

    code = "out-of-memory"
    retryable = True


class ModelTooLarge(OutOfMemory):
    """The model can never be loaded within this worker's memory; the message says the sizes."""

    retryable = False


class InputRejected(InferenceError):
    """The request cannot run as it is, however often it is tried."""

    code = "invalid-request"

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field  # as the caller wrote it: messages, input[3], max_tokens


class GenerationFailed(InferenceError):
    """The model failed while it worked on the request."""

    code = "inference-failed"
    retryable = True


class Cancelled(InferenceError):
    """Somebody called cancel() on the handle."""

    code = "cancelled"

    def __init__(self, message: str = "The request was cancelled.") -> None:
        super().__init__(message)


class DeviceLost(InferenceError):
    """The device serves this process no more; whatever else runs on it fails too."""

    code = "worker-lost"
    retryable = True


class EngineClosed(InferenceError):
    """The engine is draining or closed; another worker can run the request."""

    code = "worker-lost"
    retryable = True

    def __init__(self, message: str = "The worker is shutting down.") -> None:
        super().__init__(message)


class UnknownModel(InferenceError):
    """No model of the registry has this id or alias."""

    code = "model-not-found"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no model named {name!r}. List the models to see which exist.")
        self.name = name


class RegistryError(Exception):
    """The models file has mistakes: one sentence for each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)
