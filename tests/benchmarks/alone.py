"""An engine alone in a process of its own: each line it reads asks for so many chats at once.

    python -m tests.benchmarks.alone MODELS_FILE MODEL CHATS TOKENS

It answers each with the tokens a second of chats of TOKENS tokens. Before that it warms up with
CHATS at once, and prints ``ready``.
"""

import logging
import sys
from pathlib import Path

from inference import registry
from inference.backends.transformers import ChatBackend
from tests.benchmarks import batching


def main() -> None:
    """Load the model, warm it up, and run what is asked for until the input ends."""
    logging.disable(logging.INFO)
    models_file, model_id, most, length = sys.argv[1:]
    tokens = int(length)
    backend = ChatBackend(registry.load_registry(Path(models_file)).get(model_id))
    backend.load()
    batching.run(backend, model_id, int(most))
    _say("ready")
    for line in sys.stdin:
        chats = int(line)
        seconds, _ = batching.run(backend, model_id, chats, tokens=tokens)
        _say(str(chats * tokens / seconds))
    backend.close(timeout_s=30)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
