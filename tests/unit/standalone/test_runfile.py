"""run.json: written whole, private, and gone when the system is."""

import dataclasses
import json
import stat
from pathlib import Path

from genie.standalone import runfile
from genie.standalone.runfile import RunFile

CONTENT = RunFile(
    base_url="http://127.0.0.1:8000",
    api_key="sk-genie-demo-x",
    admin_url="http://127.0.0.1:8000/admin/",
    admin_user="admin",
    admin_password="p",
    database_url="postgresql:///genie",
    redis_url="redis://127.0.0.1:1/0",
    flower_url="http://127.0.0.1:2/",
    supervisor_pid=1,
    processes={"web-1": 2},
    metrics_url="http://127.0.0.1:8000/metrics",
    metrics_token="t",
)


class TestRunFile:
    def test_reads_back_what_was_written(self, tmp_path: Path) -> None:
        runfile.write(tmp_path, CONTENT)

        assert runfile.read(tmp_path) == CONTENT

    def test_holds_what_tools_look_for(self, tmp_path: Path) -> None:
        runfile.write(tmp_path, CONTENT)

        data = json.loads((tmp_path / "run.json").read_text())

        assert data["processes"] == {"web-1": 2}
        assert set(data) == {field.name for field in dataclasses.fields(RunFile)}

    def test_is_private(self, tmp_path: Path) -> None:
        runfile.write(tmp_path, CONTENT)

        assert stat.S_IMODE((tmp_path / "run.json").stat().st_mode) == 0o600

    def test_is_gone_after_remove(self, tmp_path: Path) -> None:
        runfile.write(tmp_path, CONTENT)

        runfile.remove(tmp_path)
        runfile.remove(tmp_path)

        assert runfile.read(tmp_path) is None
