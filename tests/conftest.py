"""Starts a PostgreSQL and a Redis for each test process, before Django reads its settings.

`make test` runs two processes: the acceptance tests in one, which mostly wait for processes, and
everything else beside them. Without `-n` all run in this one.
"""

import gc
import os
import secrets
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import django
import pytest
from cryptography.fernet import Fernet
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from genie.standalone import servers

# Draws are slow on a busy machine, which says nothing of the code.
settings.register_profile("shared", suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")

_stack = ExitStack()


def _set_environment(database_url: str, redis_url: str, directory: Path) -> None:
    os.environ |= {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "GENIE_SECRET_KEY": secrets.token_urlsafe(50),
        "GENIE_KEY_PEPPER": secrets.token_urlsafe(32),
        "GENIE_FIELD_KEYS": Fernet.generate_key().decode(),
        "GENIE_WEBHOOK_SIGNING_KEYS": "",
        "GENIE_ENVIRONMENT": "development",
        "GENIE_OUTBOUND_DEVELOPMENT": "0",
        "GENIE_STATE_DIR": str(directory / "state"),
        "DJANGO_SETTINGS_MODULE": "genie.settings",
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
    }


def _start() -> None:
    """Start the servers, unless this run brings its own by GENIE_TEST_DATABASE_URL and _REDIS_URL."""
    given = os.environ.get("GENIE_TEST_DATABASE_URL"), os.environ.get("GENIE_TEST_REDIS_URL")
    directory = Path(tempfile.mkdtemp(prefix="genie-test-"))
    _stack.callback(shutil.rmtree, directory, ignore_errors=True)
    if _only_distributes():  # it imports what it collects, but runs nothing
        _set_environment("postgresql://nowhere.invalid/genie", "redis://nowhere.invalid", directory)
        return
    if given[0] and given[1]:
        _set_environment(given[0], given[1], directory)
        return
    running = _stack.enter_context(servers.temporary(directory))
    _set_environment(running.database_url, running.redis_url, directory)


def _only_distributes() -> bool:
    """Tell whether this process hands tests to others and runs none itself."""
    return "GENIE_TEST_PROCESSES" in os.environ and "PYTEST_XDIST_WORKER" not in os.environ


_ZOO = "tests/acceptance/test_zoo.py"  # the one of them that has a system of its own
_MIDDLE = "tests/acceptance/test_m"  # about half of their time is before it


class _Together(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    """Keeps together what shares a running system or a loaded model: half the acceptance tests, a file.

    The acceptance tests wait much, so two systems in two processes take half as long as one.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        if not path.startswith("tests/acceptance/") or path == _ZOO:
            return path
        return "acceptance to m" if path < _MIDDLE else "acceptance from m"


# Not by marks for `--dist loadgroup`: pytest 9.2 does not let xdist 3.8 write them into the ids that
# its scheduler reads, and nothing says so.
@pytest.hookimpl(optionalhook=True)  # without xdist nobody asks
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _Together:
    """Distribute by what belongs together, in the order of the paths.

    Not by the number of tests, as is usual: what takes long has few. Whole systems come first, and last
    the hundreds of short files below tests/unit, so that all processes end at nearly the same time.
    """
    config.option.loadscopereorder = False
    return _Together(config, log)


def pytest_collection_finish() -> None:
    """Take what stays for good out of every later search for garbage: libraries, and all the tests.

    A search through these takes seconds, and a model that is loaded or closed asks for one.
    """
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """Stop what this run started."""
    _stack.close()


_given = dict(os.environ)
_start()
django.setup()  # test modules import models at their top
if _only_distributes():  # the processes that run tests inherit this one's environment
    os.environ.clear()
    os.environ.update(_given)
