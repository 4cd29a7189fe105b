"""Prepare the database: migrate it, and make the administrator, the demo organization and its key.

Run as a module in a process of its own, with the environment of the system: the process of `make
up` read its settings before there was a database. Prints one JSON object on the last line.
"""

import io
import json
import os
import socket
import sys
from typing import Any

import django
import psutil
from django.apps import apps
from django.core.management import call_command

ADMIN_USER = "admin"
DEMO_SLUG = "demo"
AS_MADE = "as made"
PASSWORD_VARIABLE = "GENIE_PROVISION_ADMIN_PASSWORD"  # noqa: S105 - a name
KEY_ID_VARIABLE = "GENIE_PROVISION_KEY_ID"


def main() -> None:
    """Bring the database up to date and report what was made."""
    django.setup()
    call_command("migrate", interactive=False, verbosity=0, stdout=io.StringIO())
    # A database that may forget what it committed cannot keep what a 2xx promises.
    call_command("check", databases=["default"], stdout=io.StringIO(), stderr=io.StringIO())
    result = {"admin": ensure_admin(os.environ[PASSWORD_VARIABLE])}
    ensure_organization()
    forget_dead_workers()
    if not key_works(os.environ.get(KEY_ID_VARIABLE, "")):
        result["key"] = _json_of("create_key", "--org", DEMO_SLUG, "--name", "made by make up")
    sys.stdout.write(json.dumps(result) + "\n")


def ensure_admin(password: str) -> str:
    """Make the administrator, and say whether the password is the one that was made for it."""
    users = _rows("tenants", "User")
    user = users.filter(username=ADMIN_USER).first()
    if user is None:
        user = users.create_superuser(ADMIN_USER, "", password)
    return AS_MADE if user.check_password(password) else "changed by its owner"


def ensure_organization() -> None:
    """Make the demo organization, owned by the administrator, unless it is there."""
    if not _rows("tenants", "Organization").filter(slug=DEMO_SLUG).exists():
        _json_of("create_org", DEMO_SLUG, "--name", "Demo", "--owner", ADMIN_USER)


def forget_dead_workers() -> None:
    """Remove this machine's workers that a crash left behind: /ready must not count on them."""
    workers = _rows("jobs", "Worker")
    for name in workers.filter(name__contains=f"@{socket.gethostname()}:").values_list(
        "name", flat=True
    ):
        if not psutil.pid_exists(int(name.rpartition(":")[2])):
            workers.filter(name=name).delete()


def key_works(key_id: str) -> bool:
    """Tell whether the key that the state remembers is still in the database and not revoked."""
    return (
        bool(key_id)
        and _rows("tenants", "ApiKey").filter(id=key_id, revoked_at__isnull=True).exists()
    )


def _rows(app: str, table: str) -> Any:
    """Return the rows of a table, by name: this package imports no app."""
    return apps.get_model(app, table)._default_manager  # noqa: SLF001 - Django's convention


def _json_of(name: str, *args: str) -> Any:
    out = io.StringIO()
    call_command(name, *args, "--json", stdout=out)
    return json.loads(out.getvalue().splitlines()[-1])


if __name__ == "__main__":
    main()
