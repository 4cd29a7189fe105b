"""Create genie_now(), the clock of leases, deadlines and windows."""

from django.db import migrations

# The offset is a session setting that only tests use: they move one session's clock without waiting.
# statement_timestamp() keeps all reads of one statement equal.
CREATE = """
CREATE FUNCTION genie_now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT statement_timestamp()
         + coalesce(nullif(current_setting('genie.clock_offset', true), ''), '0 seconds')::interval
$$;
"""


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [migrations.RunSQL(CREATE, "DROP FUNCTION genie_now();")]
