"""The state directory: secrets that last, a lock that one process holds, an environment to share."""

import json
import os
import stat
from pathlib import Path

import pytest

from genie.standalone import state
from genie.standalone.errors import StandaloneError


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


class TestSecrets:
    def test_are_made_once_and_kept(self, tmp_path: Path) -> None:
        first = state.open_state(tmp_path / "state").read_secrets()

        again = state.open_state(tmp_path / "state").read_secrets()

        assert again == first
        assert len(first["secret_key"]) >= 50

    def test_can_be_read_by_their_owner_only(self, tmp_path: Path) -> None:
        where = state.open_state(tmp_path / "state")

        where.read_secrets()

        assert mode_of(where.path / state.SECRETS_FILE) == 0o600

    def test_of_a_newer_version_are_added_to_the_old_ones(self, tmp_path: Path) -> None:
        where = state.open_state(tmp_path / "state")
        where.write_secrets({"key_pepper": "kept"})

        values = where.read_secrets()

        assert values["key_pepper"] == "kept"
        assert values["secret_key"]

    def test_that_are_damaged_are_reported_not_replaced(self, tmp_path: Path) -> None:
        where = state.open_state(tmp_path / "state")
        (where.path / state.SECRETS_FILE).write_text("{")

        with pytest.raises(StandaloneError, match="is damaged"):
            where.read_secrets()


class TestLock:
    def test_refuses_a_second_holder_and_names_the_first(self, tmp_path: Path) -> None:
        where = state.open_state(tmp_path / "state")

        with (
            where.locked(),
            pytest.raises(StandaloneError, match=rf"already running .*\(process {os.getpid()}\)"),
            where.locked(),
        ):
            pytest.fail("two holders")

    def test_can_be_taken_again_after_it_was_let_go(self, tmp_path: Path) -> None:
        where = state.open_state(tmp_path / "state")
        with where.locked():
            pass

        with where.locked():
            owner = state.read_owner(where.path)

        assert owner is not None
        assert owner.pid == os.getpid()
        assert state.read_owner(where.path) is None

    def test_does_not_take_a_later_process_with_the_same_pid_for_the_owner(
        self, tmp_path: Path
    ) -> None:
        where = state.open_state(tmp_path / "state")
        stale = {"pid": os.getpid(), "started": "1"}
        (where.path / state.LOCK_FILE).write_text(json.dumps(stale))

        assert state.read_owner(where.path) is None


class TestLoadEnvironment:
    def test_gives_what_the_running_system_recorded(self, tmp_path: Path) -> None:
        where = state.open_state(tmp_path / ".genie")
        where.write_environment({"DATABASE_URL": "postgresql:///x", "GENIE_SECRET_KEY": "s"})

        values = state.load_environment(tmp_path, {}, ["manage.py"])

        assert values["DATABASE_URL"] == "postgresql:///x"
        assert values["GENIE_SECRET_KEY"] == "s"

    def test_follows_the_state_directory_that_is_named(self, tmp_path: Path) -> None:
        where = state.open_state(tmp_path / "elsewhere")
        where.write_environment({"DATABASE_URL": "postgresql:///x"})

        values = state.load_environment(tmp_path, {"STATE_DIR": "elsewhere"})

        assert values["DATABASE_URL"] == "postgresql:///x"

    @pytest.mark.parametrize(
        "environ", [{"DATABASE_URL": "postgresql:///y"}, {"GENIE_ENVIRONMENT": "production"}]
    )
    def test_gives_nothing_to_a_process_that_is_configured(
        self, tmp_path: Path, environ: dict[str, str]
    ) -> None:
        state.open_state(tmp_path / ".genie").write_environment({"DATABASE_URL": "postgresql:///x"})

        assert state.load_environment(tmp_path, environ) == {}

    def test_gives_addresses_where_nothing_listens_when_there_is_no_state(
        self, tmp_path: Path
    ) -> None:
        one, two = (state.load_environment(tmp_path, {}, ["manage.py"]) for _ in range(2))

        assert ":1/" in one["DATABASE_URL"]
        assert one["GENIE_SECRET_KEY"] != two["GENIE_SECRET_KEY"]

    def test_completes_a_process_that_names_the_same_database(self, tmp_path: Path) -> None:
        recorded = {"DATABASE_URL": "postgresql:///x", "GENIE_SECRET_KEY": "s"}
        state.open_state(tmp_path / ".genie").write_environment(recorded)

        values = state.load_environment(
            tmp_path, {"DATABASE_URL": "postgresql:///x"}, ["manage.py"]
        )

        assert values["GENIE_SECRET_KEY"] == "s"

    @pytest.mark.parametrize(
        "environ",
        [{}, {"DATABASE_URL": "postgresql:///mine"}, {"GENIE_ENVIRONMENT": "production"}],
    )
    def test_lets_up_start_whatever_is_set(self, tmp_path: Path, environ: dict[str, str]) -> None:
        values = state.load_environment(tmp_path, environ, ["manage.py", "up"])

        assert values["GENIE_SECRET_KEY"]
        assert state.without_state({**values, **environ}) == environ

    def test_can_be_taken_away_again(self, tmp_path: Path) -> None:
        before = {"PATH": "/bin", "REDIS_URL": "redis://mine"}
        supplied = state.load_environment(tmp_path, before)

        assert state.without_state({**supplied, **before}) == before


class TestWritePrivate:
    def test_replaces_in_one_step_and_leaves_no_scratch_file(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_text("old")

        state.write_private(path, "new")

        assert path.read_text() == "new"
        assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
        assert mode_of(path) == 0o600


class TestCheckSpace:
    def test_says_how_much_is_free_and_how_much_is_needed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(state, "MINIMUM_FREE_BYTES", 1 << 60)

        with pytest.raises(StandaloneError, match=r"has \d+ MiB free, and Genie needs at least"):
            state.check_space(tmp_path)
