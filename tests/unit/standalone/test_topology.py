"""The topology: what is accepted, and that a refusal names the entry and the field."""

from pathlib import Path

import pytest

from genie.standalone import stack, topology
from genie.standalone.errors import StandaloneError
from genie.standalone.topology import WorkerEntry

DEFAULT_FILE = Path(__file__).parents[3] / "deploy" / "topology.toml"


class TestLoad:
    def test_reads_the_shipped_default(self) -> None:
        (entry,) = topology.load(DEFAULT_FILE)

        assert entry == WorkerEntry(
            name="cpu", queues=("chat", "embedding", "image", "video", "audio")
        )

    def test_says_which_file_is_missing(self, tmp_path: Path) -> None:
        with pytest.raises(StandaloneError, match=r"Cannot read the topology .*absent\.toml"):
            topology.load(tmp_path / "absent.toml")

    def test_says_what_is_wrong_with_the_toml(self, tmp_path: Path) -> None:
        path = tmp_path / "topology.toml"
        path.write_text("[[worker]\n")

        with pytest.raises(StandaloneError, match="not valid TOML"):
            topology.load(path)


class TestParse:
    def test_reads_every_field(self) -> None:
        table = {
            "name": "gpu0",
            "queues": ["chat"],
            "models": ["a", "b"],
            "cuda_visible_devices": "0",
            "slots": 32,
            "torch_threads": 2,
        }

        (entry,) = topology.parse({"worker": [table]})

        assert entry == WorkerEntry(
            name="gpu0",
            queues=("chat",),
            models=("a", "b"),
            cuda_visible_devices="0",
            slots=32,
            torch_threads=2,
        )

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            ({}, "no \\[\\[worker\\]\\] entry"),
            ({"worker": {"name": "a"}}, "written as \\[\\[worker\\]\\]"),
            ({"workers": []}, "unknown table 'workers'"),
            ({"worker": [{"queues": ["chat"]}]}, "worker 1 needs a name"),
            ({"worker": [{"name": "A b", "queues": ["chat"]}]}, "worker 'A b' needs a name"),
            ({"worker": [{"name": "a"}]}, "worker 'a' needs queues"),
            ({"worker": [{"name": "a", "queues": ["chats"]}]}, "unknown queue 'chats'"),
            ({"worker": [{"name": "a", "queues": ["chat", "chat"]}]}, "names something twice"),
            ({"worker": [{"name": "a", "queues": "chat"}]}, "queues must be a list"),
            ({"worker": [{"name": "a", "queues": ["chat"], "gpu": 0}]}, "unknown field 'gpu'"),
            (
                {"worker": [{"name": "a", "queues": ["chat"], "cuda_visible_devices": 0}]},
                "must be a string",
            ),
            ({"worker": [{"name": "a", "queues": ["chat"], "slots": 0}]}, "from 1 to 256"),
            ({"worker": [{"name": "a", "queues": ["chat"], "slots": True}]}, "whole number"),
            ({"worker": [{"name": "a", "queues": ["chat"]}] * 2}, "two workers are named 'a'"),
        ],
    )
    def test_refuses_and_names_the_fault(self, data: dict[str, object], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            topology.parse(data)


class TestWorkerEnvironment:
    def test_sets_devices_and_threads_before_the_interpreter_starts(self) -> None:
        entry = WorkerEntry(
            name="gpu0", queues=("chat",), models=("a",), cuda_visible_devices="0", torch_threads=3
        )

        env = stack.worker_environment(entry)

        assert env["CUDA_VISIBLE_DEVICES"] == "0"
        assert env["OMP_NUM_THREADS"] == env["GENIE_TORCH_THREADS"] == "3"
        assert env["GENIE_WORKER_NAME"] == "gpu0"
        assert env["GENIE_WORKER_MODELS"] == "a"

    def test_leaves_devices_alone_unless_told(self) -> None:
        env = stack.worker_environment(WorkerEntry(name="cpu", queues=("chat",)))

        assert "CUDA_VISIBLE_DEVICES" not in env

    def test_hides_every_device_for_an_empty_string(self) -> None:
        entry = WorkerEntry(name="cpu", queues=("chat",), cuda_visible_devices="")

        assert stack.worker_environment(entry)["CUDA_VISIBLE_DEVICES"] == ""
