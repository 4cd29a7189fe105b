"""What must not be loaded where: checked in fresh processes, as a web server would start."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "transformers", "safetensors", "numpy")


@pytest.mark.parametrize("module", ["genie.asgi", "jobs.tasks", "genie.urls"])
def test_no_process_loads_torch_before_a_model_needs_it(module: str) -> None:
    program = (
        "import sys, django; django.setup(); "
        f"import {module}; "
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "genie.settings"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("[]")
