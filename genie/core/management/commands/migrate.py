"""Django's ``migrate``, as long as it takes but waiting for no lock: requests must not queue behind it."""

from typing import Any

from django.core.management.commands import migrate
from django.db import connections

# A statement that waits for a lock holds up every statement that comes after it for the same table.
LOCK_TIMEOUT_S = 2


class Command(migrate.Command):
    """``migrate`` with a short wait for locks and no limit on statements, such as an index takes."""

    def handle(self, *args: Any, **options: Any) -> None:
        with connections[options["database"]].cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', '0', false)")
            cursor.execute("SELECT set_config('lock_timeout', %s, false)", [f"{LOCK_TIMEOUT_S}s"])
        super().handle(*args, **options)
