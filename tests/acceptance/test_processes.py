"""What the processes are: web processes never load torch, and run.json's kind of pids are real."""

import subprocess
import sys
from pathlib import Path

from tests.acceptance.system import BASE_DIR, System


def test_a_fresh_web_process_imports_no_torch(system: System) -> None:
    code = (
        "import sys, genie.asgi\n"
        "found = {'torch', 'transformers', 'safetensors'} & set(sys.modules)\n"
        "sys.exit(f'imported {found}' if found else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=BASE_DIR,
        env=system.env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_no_running_web_process_has_torch_in_memory(system: System) -> None:
    for name in ("web-1", "web-2", "web-3"):
        maps = Path(f"/proc/{system.pid(name)}/maps").read_text("utf-8")
        assert "python" in maps
        assert "libtorch" not in maps


def test_secrets_of_the_environment_are_in_no_log(system: System) -> None:
    secrets = [
        system.env[name]
        for name in (
            "GENIE_SECRET_KEY",
            "GENIE_KEY_PEPPER",
            "GENIE_FIELD_KEYS",
            "GENIE_WEBHOOK_SIGNING_KEYS",
        )
    ]
    for path in (system.directory / "logs").iterdir():
        text = path.read_text("utf-8", "replace")
        assert not [secret for secret in secrets if secret in text], path
        assert "sk-genie-org-" not in text, path
