"""The audit tells "nobody knew" apart from "nothing is known", and the scan finds what is a secret."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

DEPLOY = Path(__file__).resolve().parents[3] / "deploy"
SKIPPED = {"name": "django", "skip_reason": "Dependency not found"}
SOUND = {"name": "redis", "version": "8", "vulns": []}
BROKEN = {"name": "x", "version": "1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2"]}]}


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, DEPLOY / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # processes of the scan's pool find it by its name
    spec.loader.exec_module(module)
    return module


class TestAudit:
    def test_of_packages_that_nobody_knows_is_none(self) -> None:
        report, problem = script("audit").judge([SKIPPED, SKIPPED])

        assert (report, problem) == (None, "knows none of the 2 packages")

    @pytest.mark.parametrize(
        ("packages", "status", "said"),
        [
            ([SOUND, SKIPPED], 0, "does not know django"),
            ([SOUND, BROKEN], 1, "x 1: PYSEC-1, fixed in 2"),
        ],
    )
    def test_tells_what_is_known(
        self, capsys: pytest.CaptureFixture[str], packages: list[Any], status: int, said: str
    ) -> None:
        assert script("audit").tell(packages, service="pypi") == status
        assert said in capsys.readouterr().out

    @pytest.mark.parametrize(("words", "status"), [([], 0), (["--strict"], 2)])
    def test_that_was_not_run_says_so(
        self,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        words: list[str],
        status: int,
    ) -> None:
        module = script("audit")
        monkeypatch.setattr(module, "ask", lambda service: (None, "could not be reached"))
        monkeypatch.setattr(sys, "argv", ["audit.py", *words])

        assert module.main() == status
        assert "NOT RUN" in capsys.readouterr().out


class TestScan:
    def test_finds_a_secret_and_leaves_words_alone(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        key = "AKIA" + "IOSFODNN7QWERTYU"  # in two, or the scan would find it here
        (tmp_path / "leak.py").write_text(f"# a comment\nkey = '{key}'\n", "utf-8")
        (tmp_path / "fine.py").write_text("password = input('password: ')\n", "utf-8")
        module = script("scan_secrets")
        monkeypatch.setattr(module, "ROOT", tmp_path)

        found = module._scan(["fine.py", "leak.py"])

        assert [(path, kind) for path, kind, _ in found] == [("leak.py", "AWS Access Key")]
        assert list(found.values()) == [2]

    def test_takes_whatever_looks_random_for_a_secret_where_settings_are(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        value = "kN5JmZ2u8Qe0xV7rT1yB" + "4cW6sD9fG3hLpAoIiUuYtRrEwQ"
        for name in ("deploy.yml", "example.py"):
            (tmp_path / name).write_text(f"pepper: '{value}'\n", "utf-8")
        module = script("scan_secrets")
        monkeypatch.setattr(module, "ROOT", tmp_path)

        assert [path for path, _, _ in module._scan(["deploy.yml", "example.py"])] == ["deploy.yml"]
