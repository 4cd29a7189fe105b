"""Let a job wait outside its queue for its budget, and order queues by the time of admission."""

import django.contrib.postgres.fields
from django.db import migrations, models
from django.db.models import F, Q

import genie.core.models

# Nobody loses a place: what waits or runs now was admitted when it was created.
KEEP_PLACES = "UPDATE jobs_job SET queued_at = created_at WHERE state IN ('queued', 'running')"

# Called only where the column changes, which no claim, heartbeat or ending does.
CREATE = """
CREATE FUNCTION jobs_guard_parked() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.parked_by IS NULL THEN
    RAISE EXCEPTION 'job % has been admitted and cannot be parked', OLD.id USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.state <> 'queued' THEN
    RAISE EXCEPTION 'job % is parked: it is admitted before it is %', OLD.id, NEW.state
      USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER jobs_guard_parked BEFORE UPDATE ON jobs_job FOR EACH ROW
  WHEN (OLD.parked_by IS DISTINCT FROM NEW.parked_by) EXECUTE FUNCTION jobs_guard_parked();
"""

DROP = """
DROP TRIGGER jobs_guard_parked ON jobs_job;
DROP FUNCTION jobs_guard_parked();
"""


class Migration(migrations.Migration):
    dependencies = [("jobs", "0004_job_reply_to")]
    operations = [
        migrations.AddField(
            model_name="job",
            name="parked_by",
            field=models.CharField(max_length=40, null=True),
        ),
        migrations.AddField(
            model_name="job",
            name="queued_at",
            field=models.DateTimeField(db_default=genie.core.models.DatabaseNow()),
        ),
        migrations.RunSQL(KEEP_PLACES, migrations.RunSQL.noop),
        migrations.RemoveIndex(model_name="job", name="job_claim_order"),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                name="job_claim_order",
                fields=["queue", "lane", "queued_at", "id"],
                condition=Q(parked_by__isnull=True, state="queued"),
            ),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                models.Func(
                    F("organization"),
                    F("application_id"),
                    F("member_id"),
                    F("user_id"),
                    output_field=django.contrib.postgres.fields.ArrayField(
                        base_field=models.UUIDField(), size=None
                    ),
                    template="(ARRAY[%(expressions)s])",
                ),
                F("created_at"),
                F("id"),
                name="job_parked_by_payer",
                condition=Q(parked_by__isnull=False, state="queued"),
            ),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.CheckConstraint(
                name="job_parked_has_not_run",
                condition=Q(parked_by__isnull=True)
                | (
                    ~Q(state__in=["running", "completed"])
                    & Q(mode="async", attempt=0, worker="", not_before__isnull=True)
                    & (Q(cost_microcredits__isnull=True) | Q(cost_microcredits=0))
                ),
            ),
        ),
        migrations.RunSQL(CREATE, DROP),
    ]
