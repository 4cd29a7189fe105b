"""Which GPUs are found, from what CUDA, the driver's program and the driver itself say."""

from pathlib import Path

import pytest

from genie.standalone import devices, topology

LISTING = """GPU 0: NVIDIA H200 (UUID: GPU-1)
GPU 1: NVIDIA H200 (UUID: GPU-2)
  MIG 1g.18gb     Device  0: (UUID: MIG-3)
"""


@pytest.fixture
def no_driver(tmp_path: Path) -> Path:
    return tmp_path / "absent"


def _program(directory: Path, body: str) -> dict[str, str]:
    program = directory / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    return {"PATH": f"{directory}:/usr/bin:/bin"}


class TestVisible:
    @pytest.mark.parametrize(
        ("chosen", "found"),
        [("", []), ("-1", []), ("1", ["1"]), ("0, 2", ["0", "2"]), ("GPU-ab", ["GPU-ab"])],
    )
    def test_what_the_environment_says_counts(
        self, chosen: str, found: list[str], no_driver: Path
    ) -> None:
        assert devices.visible({"CUDA_VISIBLE_DEVICES": chosen}, proc=no_driver) == found

    def test_the_drivers_program_lists_whole_devices(self, tmp_path: Path, no_driver: Path) -> None:
        env = _program(tmp_path, f"cat <<'END'\n{LISTING}END")

        assert devices.visible(env, proc=no_driver) == ["0", "1"]

    def test_a_program_without_a_driver_finds_nothing(
        self, tmp_path: Path, no_driver: Path
    ) -> None:
        env = _program(tmp_path, "echo 'NVIDIA-SMI has failed'; exit 9")

        assert devices.visible(env, proc=no_driver) == []

    def test_without_the_program_the_drivers_directories_count(self, tmp_path: Path) -> None:
        for address in ("0000:17:00.0", "0000:65:00.0"):
            (tmp_path / address).mkdir()

        assert devices.visible({"PATH": "/nowhere"}, proc=tmp_path) == ["0", "1"]


class TestDefaultTopology:
    def test_a_machine_without_gpus_has_one_process_for_every_modality(self) -> None:
        (entry,) = topology.default([])

        assert entry.queues == ("chat", "embedding", "image", "video", "audio", "rerank")
        assert entry.gpus is None

    def test_each_gpu_has_one_process_of_its_own(self) -> None:
        entries = topology.default(["0", "GPU-ab"])

        assert [(entry.name, entry.gpus) for entry in entries] == [
            ("gpu0", ("0",)),
            ("gpu1", ("GPU-ab",)),
        ]
