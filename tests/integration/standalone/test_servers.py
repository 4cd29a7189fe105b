"""The embedded servers: durable settings, data that lasts, and no root."""

import os
import signal
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from genie.standalone import embedded_redis, placement, ports, servers
from genie.standalone.embedded_postgres import Postgres
from genie.standalone.errors import StandaloneError
from genie.standalone.servers import Servers
from genie.standalone.supervisor import Supervisor

MARKER = "servers-test"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has a user to drop to")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with servers.temporary(tmp_path_factory.mktemp("servers")) as both:
        yield both


def start_postgres(supervisor: Supervisor, home: Path) -> Postgres:
    return servers.start_postgres(
        supervisor,
        home,
        port=ports.free_port(),
        password="app",
        admin_password="admin",
        log_path=home.parent / "postgres.log",
    )


def setting(connection: "psycopg.Connection[tuple[object, ...]]", name: str) -> object:
    row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
    assert row is not None
    return row[0]


class TestPostgres:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("fsync", "on"),
            ("synchronous_commit", "on"),
            ("full_page_writes", "on"),
            ("log_parameter_max_length", "0"),
            ("log_min_error_statement", "panic"),
            ("server_encoding", "UTF8"),
            ("TimeZone", "UTC"),
        ],
    )
    def test_runs_with_the_settings_that_we_promise(
        self, running: Servers, name: str, value: str
    ) -> None:
        with psycopg.connect(running.database_url) as connection:
            assert setting(connection, name) == value

    def test_serves_a_role_that_is_no_superuser(self, running: Servers) -> None:
        with psycopg.connect(running.database_url) as connection:
            assert setting(connection, "is_superuser") == "off"

    def test_refuses_a_wrong_password(self, running: Servers) -> None:
        url = running.database_url.replace(running.postgres.password, "guess")

        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(url)

    def test_shows_no_secret_among_its_arguments(self, running: Servers) -> None:
        process = psutil.Process(running.supervisor.pids()["postgres"])

        assert running.postgres.password not in " ".join(process.cmdline())

    @needs_root
    def test_drops_root(self, running: Servers) -> None:
        process = psutil.Process(running.supervisor.pids()["postgres"])

        assert process.uids().effective == placement.unprivileged_user().uid  # type: ignore[union-attr]
        assert stat.S_IMODE((running.postgres.place.directory / "data").stat().st_mode) == 0o700

    def test_keeps_its_data_over_a_restart_and_over_a_kill(self, tmp_path: Path) -> None:
        home = tmp_path / "postgres"
        first = Supervisor(marker=MARKER)
        try:
            postgres = start_postgres(first, home)
            with psycopg.connect(postgres.url) as connection:
                connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
            first.signal("postgres", signal.SIGKILL)
        finally:
            first.stop_all()
        second = Supervisor(marker=MARKER)

        try:
            postgres = start_postgres(second, home)
            with psycopg.connect(postgres.url) as connection:
                row = connection.execute("SELECT answer FROM kept").fetchone()
        finally:
            second.stop_all()
            placement.discard(home)

        assert row == (42,)


@needs_root
class TestPlacement:
    def test_leaves_open_directories_where_they_are(self) -> None:
        assert placement.reaches(Path("/usr/bin/test"), placement.unprivileged_user())

    def test_puts_data_outside_a_directory_that_only_root_can_enter(self, tmp_path: Path) -> None:
        home = tmp_path / "closed" / "postgres"
        home.parent.mkdir(mode=0o700)

        place = placement.decide(home)

        try:
            assert place.directory.parent in placement.OUTSIDE_ROOTS
            assert placement.decide(home) == place
            assert placement.reaches(place.programs / "postgres", place.run_as)
        finally:
            placement.discard(home)
        assert not place.directory.exists()

    def test_copies_programs_that_the_user_cannot_reach(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        root = Path("/var/tmp") / f"genie-test-{tmp_path.name}"  # noqa: S108 - must be passable
        monkeypatch.setattr(placement, "OUTSIDE_ROOTS", (root,))
        reaches = placement.reaches
        monkeypatch.setattr(
            placement,
            "reaches",
            lambda path, user: root in path.parents and reaches(path, user),
        )
        supervisor = Supervisor(marker=MARKER)

        try:
            postgres = start_postgres(supervisor, tmp_path / "postgres")
            inside = postgres.place.programs
        finally:
            supervisor.stop_all()
            placement.discard(root)

        assert root in inside.parents


class TestRedis:
    def test_runs_with_the_settings_that_we_promise(self, running: Servers) -> None:
        with redis.Redis.from_url(running.redis_url, decode_responses=True) as client:
            config = client.config_get()

        assert config["appendonly"] == "yes"
        assert config["appendfsync"] == "everysec"
        assert config["maxmemory-policy"] == "noeviction"
        assert int(config["maxmemory"]) > 0
        assert config["bind"] == ports.LOOPBACK

    def test_refuses_a_client_without_the_password(self, running: Servers) -> None:
        with redis.Redis(port=running.redis.port) as client, pytest.raises(redis.RedisError):
            client.ping()

    def test_keeps_its_data_over_a_restart(self, tmp_path: Path) -> None:
        server = embedded_redis.prepare(
            tmp_path / "redis",
            port=ports.free_port(),
            password="p",
            log_path=tmp_path / "redis.log",
        )
        supervisor = Supervisor(marker=MARKER)
        try:
            supervisor.start(server.spec).wait_ready()
            with redis.Redis.from_url(server.url) as client:
                client.set("kept", "yes")
            supervisor.stop_all()
            supervisor.start(server.spec).wait_ready()

            with redis.Redis.from_url(server.url) as client:
                assert client.get("kept") == b"yes"
        finally:
            supervisor.stop_all()


class TestNamedServers:
    """`DATABASE_URL` and `REDIS_URL` of the caller are tried before anything is started on them."""

    def test_that_answer_are_good(self, running: Servers) -> None:
        servers.require_postgres(running.database_url)
        servers.require_redis(running.redis_url)

    @pytest.mark.parametrize(
        ("require", "url", "said"),
        [
            (servers.require_postgres, "postgresql://x:geheim@127.0.0.1:1/x", "refused"),
            (servers.require_postgres, "nonsense", "DATABASE_URL"),
            (servers.require_redis, "redis://:geheim@127.0.0.1:1/0", "refused"),
            (servers.require_redis, "http://127.0.0.1:1/0", "schemes"),
        ],
    )
    def test_that_do_not_are_named_in_one_sentence(
        self, require: Callable[[str], None], url: str, said: str
    ) -> None:
        with pytest.raises(StandaloneError, match=said) as caught:
            require(url)

        sentence = str(caught.value)
        assert "\n" not in sentence
        assert "geheim" not in sentence

    def test_that_let_nobody_in_are_named(self, running: Servers) -> None:
        wrong = running.redis_url.replace(running.redis.password, "wrong")

        with pytest.raises(StandaloneError, match="REDIS_URL"):
            servers.require_redis(wrong)
