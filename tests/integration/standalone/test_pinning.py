"""Workers of a topology as real processes: what each finds in its environment before torch loads."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.standalone.waiting import wait_for

REPOSITORY = Path(__file__).parents[3]
LIMIT_S = 60

# Stands where `python -m celery` looks first: notes what it was given, then waits for its end.
PROGRAM = """
import json, os, pathlib, signal, sys
note = pathlib.Path(os.environ["NOTES"]) / os.environ["GENIE_WORKER_NAME"]
part = note.with_suffix(".part")
part.write_text(json.dumps({"argv": sys.argv, "env": dict(os.environ), "torch": "torch" in sys.modules}))
part.rename(note)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
signal.pause()
"""
TOPOLOGY = """
[[worker]]
name = "gpu0-chat"
queues = ["chat", "big-alone"]
models = ["big", "lite"]
pinned = ["big"]
gpus = [0]
slots = 8
memory_budget = "20 GiB"

[[worker]]
name = "gpu12-media"
queues = ["image", "video", "audio"]
gpus = [1, 2]

[[worker]]
name = "cpu"
queues = ["embedding"]
gpus = []
torch_threads = 2
"""
MODELS = """
[[models]]
id = "big"
queue = "big-alone"
[[models]]
id = "small"
aliases = ["lite"]
"""
SERVE = """
import os, pathlib, sys
from genie.standalone import workers
from genie.standalone.console import Console
here = pathlib.Path(sys.argv[1])
workers.serve(
    base_dir=here, topology_file=here / "topology.toml" if sys.argv[2] else None,
    models_file=here / "models.toml", env=dict(os.environ), console=Console(),
)
"""


def _run(directory: Path, *, names: set[str], given: bool, devices: str) -> dict[str, Any]:
    """Run `workers` until every worker has noted what it was given; return that by name."""
    (directory / "celery").mkdir()
    (directory / "celery" / "__init__.py").touch()
    (directory / "celery" / "__main__.py").write_text(PROGRAM)
    (directory / "notes").mkdir()
    (directory / "topology.toml").write_text(TOPOLOGY)
    (directory / "models.toml").write_text(MODELS)
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(REPOSITORY),
        "NOTES": str(directory / "notes"),
        "CUDA_VISIBLE_DEVICES": devices,
    }
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(directory), "given" if given else ""], env=env
    )
    try:
        wait_for(lambda: all((directory / "notes" / name).exists() for name in names), LIMIT_S)
        found = {
            note.name: json.loads(note.read_text()) for note in (directory / "notes").iterdir()
        }
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(LIMIT_S)
    assert code == 0
    return found


def _queues(worker: dict[str, Any]) -> str:
    return str(worker["argv"][worker["argv"].index("-Q") + 1])


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    names = {"gpu0-chat", "gpu12-media", "cpu"}
    return _run(tmp_path_factory.mktemp("pinning"), names=names, given=True, devices="7")


def test_each_entry_is_one_process_with_its_devices_and_queues(workers: dict[str, Any]) -> None:
    seen = {
        name: (_queues(worker), worker["env"]["CUDA_VISIBLE_DEVICES"])
        for name, worker in workers.items()
    }

    assert seen == {
        "gpu0-chat": ("chat,big-alone", "0"),
        "gpu12-media": ("image,video,audio", "1,2"),
        "cpu": ("embedding", ""),
    }
    assert not any(worker["torch"] for worker in workers.values())


def test_what_an_entry_says_of_models_and_memory_reaches_its_process(
    workers: dict[str, Any],
) -> None:
    env = workers["gpu0-chat"]["env"]

    assert env["GENIE_WORKER_MODELS"] == "big,lite"
    assert env["GENIE_WORKER_PINNED"] == "big"
    assert env["GENIE_WORKER_SLOTS"] == "8"
    assert env["GENIE_WORKER_MEMORY_BYTES"] == str(20 * 2**30)
    assert env["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert workers["cpu"]["env"]["OMP_NUM_THREADS"] == "2"
    assert "GENIE_WORKER_MODELS" not in workers["cpu"]["env"]


def test_without_a_file_each_device_of_the_machine_has_a_process(tmp_path: Path) -> None:
    found = _run(tmp_path, names={"gpu0", "gpu1"}, given=False, devices="3,5")

    assert {name: worker["env"]["CUDA_VISIBLE_DEVICES"] for name, worker in found.items()} == {
        "gpu0": "3",
        "gpu1": "5",
    }
    assert {_queues(worker) for worker in found.values()} == {
        "chat,embedding,image,video,audio,rerank"
    }
