"""Web processes import the library, and must not load torch by it."""

import subprocess
import sys

PROGRAM = """
import sys
import inference.types, inference.errors, inference.ports, inference.registry, inference.engine
import inference.tokenization, inference.batching, inference.specs, inference.models_file
import inference.upstreams, inference.templates, inference.tickets, inference.apps, inference.recordings
import inference.structured, inference.scripts, inference.toolcalls
heavy = {"torch", "transformers", "django.db"} & set(sys.modules)
sys.exit(f"imported {heavy}" if heavy else 0)
"""


FRONTING = """
import sys
from inference import registry
from inference.specs import ModelSpec, Price
from inference.types import Modality
price = Price(version="1", rates={})
spec = ModelSpec(id="far", modality=Modality.CHAT, backend="openai", source="http://far/v1", price=price)
registry.open_backend(spec)
heavy = {"torch", "transformers", "numpy", "django"} & set(sys.modules)
sys.exit(f"imported {heavy}" if heavy else 0)
"""


def test_a_worker_that_fronts_a_server_needs_no_torch() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FRONTING], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr


def test_nothing_outside_backends_imports_torch() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr
