"""Abstract table bases. Owns no table."""

from django.db import models
from django.db.models.functions import Now

from genie.core import ids


class DatabaseNow(models.Func):
    """``genie_now()``: the one clock that leases, deadlines and windows are compared with."""

    function = "genie_now"
    template = "%(function)s()"
    output_field = models.DateTimeField()


class Row(models.Model):
    """A row with a time-ordered UUID and the database's time of its insertion."""

    id = models.UUIDField(primary_key=True, default=ids.new_id, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        abstract = True
