"""The topology: what is accepted, and that a refusal names the entry and the field."""

from pathlib import Path
from typing import Any

import pytest

from genie.standalone import stack, topology
from genie.standalone.errors import StandaloneError
from genie.standalone.topology import WorkerEntry

DEFAULT_FILE = Path(__file__).parents[3] / "deploy" / "topology.toml"


class TestLoad:
    def test_the_shipped_file_is_what_a_machine_without_gpus_gets(self) -> None:
        assert topology.load(DEFAULT_FILE) == topology.default([])

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
            "pinned": ["a"],
            "gpus": [0, "GPU-ab"],
            "slots": 32,
            "memory_budget": "1.5 GiB",
            "torch_threads": 2,
        }

        (entry,) = topology.parse({"worker": [table]})

        assert entry == WorkerEntry(
            name="gpu0",
            queues=("chat",),
            models=("a", "b"),
            pinned=("a",),
            gpus=("0", "GPU-ab"),
            slots=32,
            memory_budget_bytes=3 * 2**29,
            torch_threads=2,
        )

    @pytest.mark.parametrize(
        ("devices", "gpus"), [({"gpus": []}, ()), ({"cuda_visible_devices": "0,1"}, ("0", "1"))]
    )
    def test_devices_may_be_none_or_spelt_as_cuda_does(
        self, devices: dict[str, object], gpus: tuple[str, ...]
    ) -> None:
        (entry,) = topology.parse({"worker": [{"name": "a", "queues": ["chat"], **devices}]})

        assert entry.gpus == gpus

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            ({}, "no \\[\\[worker\\]\\] entry"),
            ({"worker": {"name": "a"}}, "written as \\[\\[worker\\]\\]"),
            ({"workers": []}, "unknown table 'workers'"),
            ({"worker": [{"queues": ["chat"]}]}, "worker 1 needs a name"),
            ({"worker": [{"name": "A b", "queues": ["chat"]}]}, "worker 'A b' needs a name"),
            ({"worker": [{"name": "a"}]}, "worker 'a' needs queues"),
            ({"worker": [{"name": "a", "queues": ["My Chats"]}]}, "'My Chats', which is no queue"),
            ({"worker": [{"name": "a", "queues": ["webhooks"]}]}, "'webhooks', which is no queue"),
            ({"worker": [{"name": "a", "queues": ["chat"], "gpus": "0"}]}, "gpus must be a list"),
            ({"worker": [{"name": "a", "queues": ["chat"], "gpus": [True]}]}, "must be a list"),
            ({"worker": [{"name": "a", "queues": ["chat"], "gpus": ["x"]}]}, "'x' is no GPU"),
            ({"worker": [{"name": "a", "queues": ["chat"], "gpus": [0, 0]}]}, "something twice"),
            (
                {
                    "worker": [
                        {"name": "a", "queues": ["chat"], "gpus": [], "cuda_visible_devices": ""}
                    ]
                },
                "write one of them",
            ),
            (
                {"worker": [{"name": "a", "queues": ["chat"], "memory_budget": "20 GB"}]},
                'such as "20 GiB"',
            ),
            ({"worker": [{"name": "a", "queues": ["chat"], "memory_budget": 0}]}, "must be a size"),
            (
                {"worker": [{"name": "a", "queues": ["chat"], "models": ["b"], "pinned": ["c"]}]},
                "pins 'c', which is not among its models",
            ),
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


MODELS: list[dict[str, object]] = [
    {"id": "a", "aliases": ["lite"]},
    {"id": "b", "queue": "b-alone"},
]


class TestCheck:
    def test_takes_queues_models_and_aliases_that_the_models_file_has(self) -> None:
        entry = WorkerEntry(
            name="x", queues=("chat", "b-alone"), models=("lite", "b"), pinned=("b",)
        )

        topology.check([entry], MODELS)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"queues": ("c-alone",)}, "worker 'x' names an unknown queue 'c-alone'"),
            ({"models": ("c",)}, "worker 'x' names an unknown model 'c'"),
            ({"pinned": ("c",)}, "worker 'x' names an unknown pinned model 'c'"),
        ],
    )
    def test_refuses_what_it_does_not_have(self, changes: dict[str, Any], message: str) -> None:
        entry = WorkerEntry(**{"name": "x", "queues": ("chat",), **changes})

        with pytest.raises(StandaloneError, match=message):
            topology.check([entry], MODELS)


class TestWorkerEnvironment:
    def test_sets_devices_and_threads_before_the_interpreter_starts(self) -> None:
        entry = WorkerEntry(
            name="gpu0",
            queues=("chat",),
            models=("a",),
            pinned=("a",),
            gpus=("0", "2"),
            memory_budget_bytes=100,
            torch_threads=3,
        )

        env = stack.worker_environment(entry)

        assert env["CUDA_VISIBLE_DEVICES"] == "0,2"
        assert env["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
        assert env["OMP_NUM_THREADS"] == env["GENIE_TORCH_THREADS"] == "3"
        assert env["GENIE_WORKER_NAME"] == "gpu0"
        assert env["GENIE_WORKER_MODELS"] == env["GENIE_WORKER_PINNED"] == "a"
        assert env["GENIE_WORKER_MEMORY_BYTES"] == "100"

    def test_leaves_devices_alone_unless_told(self) -> None:
        env = stack.worker_environment(WorkerEntry(name="cpu", queues=("chat",)))

        assert "CUDA_VISIBLE_DEVICES" not in env

    def test_hides_every_device_for_an_empty_list(self) -> None:
        entry = WorkerEntry(name="cpu", queues=("chat",), gpus=())

        assert stack.worker_environment(entry)["CUDA_VISIBLE_DEVICES"] == ""
