"""Several processes count into one directory: whoever reads adds them up, also after they have ended."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from genie.core import metric_files

ROOT = Path(__file__).resolve().parents[3]
COUNT = """
import sys
from genie.core import metrics
for _ in range(int(sys.argv[1])):
    metrics.admissions.labels("chat", "accepted").inc()
    metrics.claim_latency.labels("chat", "normal").observe(0.02)
print(metrics.counts_in_files, flush=True)
sys.stdin.read()
"""


def count(times: int, where: Path) -> "subprocess.Popen[str]":
    """Start a process that counts, and return it once it has and stays."""
    process = subprocess.Popen(
        [sys.executable, "-c", COUNT, str(times)],
        cwd=ROOT,
        env={**os.environ, "GENIE_METRICS_DIR": str(where), "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.said = process.stdout.readline().strip()  # type: ignore[attr-defined]
    return process


def value(where: Path, name: str, **labels: str) -> float:
    found = [
        sample.value
        for family in metric_files.read(where)
        for sample in family.samples
        if sample.name == name and sample.labels == labels
    ]
    assert len(found) == 1, f"{name} has {len(found)} values"
    return found[0]


def accepted(where: Path) -> float:
    return value(where, "genie_admissions_total", queue="chat", decision="accepted")


class TestRead:
    def test_adds_up_processes_that_live_and_that_have_ended(self, tmp_path: Path) -> None:
        first, second = count(2, tmp_path), count(3, tmp_path)
        living = accepted(tmp_path)
        first.communicate()
        second.kill()
        second.communicate()
        ended = accepted(tmp_path)
        third = count(4, tmp_path)
        together = accepted(tmp_path)
        third.communicate()

        assert (living, ended, together, accepted(tmp_path)) == (5, 5, 9, 9)
        assert sorted(one.name for one in tmp_path.glob("*.db")) == [
            "counter_0.db",
            "histogram_0.db",
        ]
        labels = {"queue": "chat", "lane": "normal"}
        assert value(tmp_path, "genie_claim_latency_seconds_count", **labels) == 9
        assert value(tmp_path, "genie_claim_latency_seconds_bucket", le="0.025", **labels) == 9
        assert value(tmp_path, "genie_claim_latency_seconds_sum", **labels) == pytest.approx(0.18)

    def test_passes_over_a_file_that_is_just_being_made(self, tmp_path: Path) -> None:
        (tmp_path / f"counter_{os.getpid()}.db").touch()

        assert list(metric_files.read(tmp_path)) == []


class TestPrepare:
    def test_a_directory_that_cannot_be_used_costs_no_start(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()

        process = count(1, tmp_path / "file" / "metrics")

        assert process.said == "False"  # type: ignore[attr-defined]
        process.communicate()
