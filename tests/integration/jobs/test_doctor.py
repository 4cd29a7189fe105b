"""The doctor finds what is wrong, says what to do, and goes on whatever is down."""

import contextlib
import datetime as dt
import errno
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone
from django_celery_results.models import TaskResult
from redis.backoff import NoBackoff
from redis.retry import Retry

from jobs import canaries, pauses, registry
from jobs.diagnosis import examination, findings, housekeeping, servers, serving, surroundings
from jobs.diagnosis.examination import Check
from jobs.diagnosis.findings import Finding, Level
from jobs.presence import Presence, Report
from tests import builders

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]


@pytest.fixture
def files(tmp_path: Path, settings: Any) -> Path:
    """Return the directory that the storage of files keeps them in."""
    settings.GENIE_FILES_DIR = str(tmp_path)
    settings.STORAGES = settings.STORAGES | {
        "files": {
            "BACKEND": "jobs.storage.DurableFileSystemStorage",
            "OPTIONS": {"location": str(tmp_path), "base_url": None},
        }
    }
    return tmp_path


@pytest.fixture
def well(files: Path) -> None:
    """Make a system of which nothing is wrong."""
    queues = [*registry.models().queues(), *registry.SERVICE_QUEUES]
    Presence("all@host:1", queues, report=Report)._upsert(Report())
    for token in canaries.take_due(registry.models().queues(), every_s=15).values():
        canaries.answer(token, worker="all@host:1")
    TaskResult.objects.create(task_id="1", task_name="jobs.erase", status="SUCCESS", result="{}")
    prove(drift=0)


def prove(*, drift: int) -> None:
    TaskResult.objects.create(
        task_id=f"proof {drift}",
        task_name="jobs.verify_ledger",
        status="SUCCESS",
        result=json.dumps({"drift": drift}),
    )


def examine(*words: str) -> dict[str, Any]:
    out = io.StringIO()
    with contextlib.suppress(CommandError):
        call_command("doctor", "--json", *words, stdout=out)
    told: dict[str, Any] = json.loads(out.getvalue().splitlines()[-1])
    return told


def levels(found: Iterator[Finding]) -> list[Level]:
    return [one.level for one in found]


class TestExamination:
    @pytest.mark.usefixtures("well")
    def test_of_a_system_that_is_well_finds_nothing_wrong(self) -> None:
        told = examine()

        assert [one for one in told["findings"] if one["level"] in ("wrong", "skipped")] == []
        assert told["wrong"] == 0
        assert {one["check"] for one in told["findings"]} == {
            check.name for check in examination.all_checks(prove_ledger=False)
        }

    @pytest.mark.usefixtures("well")
    def test_says_so_to_people_and_exits_with_0(self) -> None:
        out = io.StringIO()

        call_command("doctor", "--only", "workers", "--only", "sweep", stdout=out)

        assert "chat is served by all@host:1." in out.getvalue()
        assert out.getvalue().rstrip().endswith("Nothing is wrong.")

    def test_what_is_wrong_comes_with_what_to_do_and_exit_status_1(self) -> None:
        out = io.StringIO()

        with pytest.raises(CommandError, match="findings are wrong"):
            call_command("doctor", "--only", "workers", stdout=out)

        assert "Nobody serves the queue chat" in out.getvalue()
        assert "Start one: `manage.py workers`" in out.getvalue()

    def test_goes_on_when_the_database_is_down(self) -> None:
        def down() -> Iterator[Finding]:
            raise OperationalError("connection refused")

        found = list(
            examination.examine(
                [
                    Check(name="database", look=down, needs_database=False),
                    Check(name="workers", look=serving.workers),
                    Check(name="broker", look=servers.broker, needs_database=False),
                ]
            )
        )

        assert [(one.check, one.level) for one in found] == [
            ("database", Level.WRONG),
            ("workers", Level.SKIPPED),
            ("broker", Level.OK),
        ]
        assert found[0].says == "PostgreSQL does not answer (connection refused)."

    @pytest.mark.usefixtures("well")
    def test_goes_on_when_redis_is_down(self, monkeypatch: pytest.MonkeyPatch) -> None:
        nobody = redis.Redis(port=1, retry=Retry(NoBackoff(), 0))
        monkeypatch.setattr("genie.core.redis.client", lambda: nobody)

        told = examine("--only", "redis", "--only", "workers")

        assert told["wrong"] == 1
        assert told["findings"][0]["says"].startswith("Redis does not answer (")
        assert told["findings"][1]["level"] == "ok"

    def test_a_check_that_breaks_is_a_finding(self) -> None:
        def broken() -> Iterator[Finding]:
            raise PermissionError("the directory is not ours\nmore")

        (found,) = examination.examine([Check(name="files", look=broken, needs_database=False)])

        assert found.level is Level.WRONG
        assert "PermissionError, the directory is not ours." in found.says


class TestServers:
    def test_a_clock_that_is_off(self, monkeypatch: pytest.MonkeyPatch) -> None:
        slow = timezone.now() - dt.timedelta(minutes=5)
        monkeypatch.setattr("jobs.diagnosis.servers.timezone.now", lambda: slow)

        assert levels(servers.clock()) == [Level.WRONG]

    def test_a_database_that_only_reads_is_wrong(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL transaction_read_only = on")

        _, wrong = servers.database()

        assert wrong.level is Level.WRONG
        assert "only reads" in wrong.says

    def test_a_migration_that_is_missing(self) -> None:
        loader = MigrationLoader(connection)
        ((app, name),) = loader.graph.leaf_nodes("jobs")
        MigrationRecorder(connection).record_unapplied(app, name)

        (found,) = servers.migrations()

        assert f"1 migrations are not applied (jobs.{name})" in found.says

    def test_a_redis_that_evicts_or_is_full(self, monkeypatch: pytest.MonkeyPatch) -> None:
        info = {
            "redis_version": "7.4", "maxmemory_policy": "allkeys-lru", "aof_enabled": 0,
            "used_memory": 95, "maxmemory": 100,
        }  # fmt: skip

        class Client:
            def info(self) -> dict[str, Any]:
                return info

            def set(self, *_: object, **__: object) -> None:
                """Take it: there is room for this one."""

        monkeypatch.setattr("genie.core.redis.client", Client)

        assert levels(servers.redis_server()) == [
            Level.OK, Level.WRONG, Level.NOTE, Level.WRONG,
        ]  # fmt: skip

    def test_a_redis_that_takes_nothing_more(self, redis_server: Any) -> None:
        redis_server.config_set("maxmemory", 1)
        try:
            found = [one for one in servers.redis_server() if one.level is Level.WRONG]
        finally:
            redis_server.config_set("maxmemory", 0)

        assert [one.says for one in found] == [
            "Redis is full (maxmemory): it takes no tickets and no streams."
        ]


class TestServing:
    def test_the_worker_that_was_replaced_last_says_why(self) -> None:
        for age, name, why in [
            ("0 seconds", "gpu@host:1", "The device failed."),
            ("10 seconds", "gpu@host:2", "A step stood still."),
        ]:
            one = Presence(name, ["chat"], report=Report)
            with builders.later(age):
                one._upsert(Report())
            one._trouble = why
            one._leave()

        chat = next(found for found in serving.workers() if "queue chat" in found.says)

        assert chat.level is Level.WRONG
        assert chat.says == "Nobody serves the queue chat: A step stood still."

    def test_one_that_is_lost_is_told_of(self) -> None:
        Presence("gpu@host:1", ["chat"], report=Report)._upsert(Report())

        with builders.later("40 seconds"):
            found = list(serving.workers())

        assert found[-1].says.startswith("gpu@host:1 is lost: heard of 40 s ago")
        assert "forgotten after 10 minutes" in found[-1].advice

    def test_tickets_that_do_not_arrive_and_queues_that_are_paused(self) -> None:
        pauses.pause("embedding")
        canaries.take_due(["chat"], every_s=15)

        with builders.later("60 seconds"):
            Presence("cpu@host:1", ["chat"], report=Report)._upsert(Report())
            found = {one.level: one for one in serving.queues()}

        assert "A ticket to chat is on its way for 60 s." in found[Level.WRONG].says
        assert found[Level.NOTE].advice.startswith("`manage.py queues resume embedding`")


class TestHousekeeping:
    def test_a_sweep_that_sleeps_and_leases_that_nobody_ends(self) -> None:
        canaries.take_due(["chat"], every_s=15)
        builders.make_running_job()

        with builders.later("100 seconds"):
            assert levels(housekeeping.sweep()) == [Level.WRONG, Level.WRONG]

    def test_beat_that_never_ticked_is_wrong_unless_it_has_begun_a_moment_ago(self) -> None:
        assert levels(housekeeping.beat()) == [Level.WRONG]

        Presence("maintenance@host:1", ["maintenance"], report=Report)._upsert(Report())

        assert levels(housekeeping.beat()) == [Level.NOTE]

    def test_webhooks_that_nobody_sends(self) -> None:
        builders.make_ended_job(webhook_url="https://h.example/")

        assert levels(housekeeping.outbox()) == [Level.OK]
        with builders.later("6 minutes"):
            assert levels(housekeeping.outbox()) == [Level.WRONG]

    def test_a_ledger_that_drifted_or_was_not_proved(self) -> None:
        assert levels(housekeeping.ledger(now=False)) == [Level.NOTE]

        prove(drift=2)

        (found,) = housekeeping.ledger(now=False)
        assert (found.level, "drifted in 2 places" in found.says) == (Level.WRONG, True)


class TestSurroundings:
    def test_a_storage_that_cannot_be_written(self, files: Path) -> None:
        (files / "doctor").write_text("a file where a directory should be")
        check = Check(name="files", look=surroundings.files, needs_database=False)

        (found,) = examination.examine([check])

        assert found.level is Level.WRONG
        assert found.says.startswith(f"The storage of files at {files} refuses a file: ")

    def test_a_storage_that_is_full(self, monkeypatch: pytest.MonkeyPatch, files: Path) -> None:
        def refuse(*_: object) -> str:
            raise OSError(errno.ENOSPC, "No space left on device", "doctor/name")

        monkeypatch.setattr("jobs.storage.DurableFileSystemStorage._save", refuse)

        (found,) = surroundings.files()

        assert found.level is Level.WRONG
        assert found.says == f"The storage of files is full: nothing can be written at {files}."
        assert found.advice.startswith("Make room")

    def test_leaves_nothing_in_the_storage(self, files: Path) -> None:
        assert levels(surroundings.files()) == [Level.OK]
        assert [path for path in files.rglob("*") if path.is_file()] == []

    def test_a_disk_that_is_full(self, monkeypatch: pytest.MonkeyPatch, files: Path) -> None:
        usage = shutil._ntuple_diskusage(total=100 << 30, used=99 << 30, free=1 << 20)
        monkeypatch.setattr("jobs.diagnosis.surroundings.shutil.disk_usage", lambda _: usage)

        assert set(levels(surroundings.disks())) == {Level.WRONG}

    def test_a_production_s_errors_are_wrong(self, settings: Any) -> None:
        settings.PRODUCTION = True
        settings.SECRET_KEY = "short"

        found = [one for one in surroundings.secrets() if one.level is Level.WRONG]

        assert any("GENIE_SECRET_KEY has 5 characters" in one.says for one in found)

    def test_a_finding_never_has_a_secret(self, settings: Any) -> None:
        settings.PRODUCTION = True
        settings.SECRET_KEY = "django-insecure-marked-0123456789"

        assert "marked" not in "".join(one.says + one.advice for one in surroundings.secrets())


def test_levels_are_made_by_their_functions() -> None:
    assert findings.ok("a", "b").level is Level.OK
    assert findings.outage("a", "b", "c").is_outage
