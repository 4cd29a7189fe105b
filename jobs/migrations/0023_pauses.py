"""Pauses of queues, and the question that every claim asks about them."""

from django.db import migrations, models

import genie.core.models

# VOLATILE, so that the second statement has a snapshot of its own, from after the lock. See
# Note [No claim misses a pause] in jobs.pauses, which takes the same lock.
CREATE = """
CREATE OR REPLACE FUNCTION jobs_queue_is_open(name text) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(hashtextextended('jobs.pauses ' || name, 0));
  RETURN NOT EXISTS (SELECT FROM jobs_queuepause WHERE queue = name);
END $$;
"""
DROP = "DROP FUNCTION IF EXISTS jobs_queue_is_open(text);"


class Migration(migrations.Migration):
    dependencies = [("jobs", "0022_unsuccessful")]
    operations = [
        migrations.CreateModel(
            name="QueuePause",
            fields=[
                ("queue", models.CharField(max_length=40, primary_key=True, serialize=False)),
                (
                    "reason",
                    models.CharField(blank=True, db_default="", default="", max_length=200),
                ),
                (
                    "paused_at",
                    models.DateTimeField(db_default=genie.core.models.DatabaseNow()),
                ),
            ],
        ),
        migrations.RunSQL(CREATE, DROP),
    ]
