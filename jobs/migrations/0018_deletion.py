"""Let a caller delete a job that has ended: its lifetime may end now, and never be longer than it was."""

from django.db import migrations

# As in 0012, but for the end of the lifetime.
GUARD = """
CREATE OR REPLACE FUNCTION jobs_guard_job() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE emptied jobs_job; deleted jobs_job;
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW.state <> 'queued' THEN
      RAISE EXCEPTION 'a job begins as queued, not as %', NEW.state USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
  END IF;
  IF OLD.state IN ('completed', 'failed', 'cancelled', 'timeout') AND NEW IS DISTINCT FROM OLD THEN
    emptied := OLD;
    emptied.request := '{}';
    emptied.asked := NULL;
    emptied.delta_ends := NULL;
    emptied.result := CASE WHEN OLD.result IS NULL THEN NULL ELSE '{}'::jsonb END;
    IF NEW IS NOT DISTINCT FROM emptied AND OLD.expires_at <= genie_now() THEN
      RETURN NEW;
    END IF;
    deleted := OLD;
    deleted.expires_at := NEW.expires_at;
    IF NEW IS NOT DISTINCT FROM deleted AND NEW.expires_at <= genie_now()
       AND (OLD.expires_at IS NULL OR OLD.expires_at > NEW.expires_at) THEN
      RETURN NEW;
    END IF;
    RAISE EXCEPTION 'job % has ended as % and never changes', OLD.id, OLD.state
      USING ERRCODE = 'check_violation';
  END IF;
  IF OLD.state = 'queued' AND NEW.state NOT IN ('queued', 'running', 'cancelled', 'timeout', 'failed') THEN
    RAISE EXCEPTION 'job %: queued to % is not a move', OLD.id, NEW.state USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.attempt < OLD.attempt THEN
    RAISE EXCEPTION 'job %: attempts only count up', OLD.id USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("jobs", "0017_media_queue")]
    operations = [migrations.RunSQL(GUARD, migrations.RunSQL.noop)]
