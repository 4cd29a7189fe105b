"""Let the database refuse illegal state moves and rewritten history, whoever writes."""

from django.db import migrations

# The same table as jobs.states.TRANSITIONS; a test compares the two over all pairs.
CREATE = """
CREATE FUNCTION jobs_guard_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW.state <> 'queued' THEN
      RAISE EXCEPTION 'a job begins as queued, not as %', NEW.state USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
  END IF;
  IF OLD.state IN ('completed', 'failed', 'cancelled', 'timeout') AND NEW IS DISTINCT FROM OLD THEN
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
CREATE TRIGGER jobs_guard_job BEFORE INSERT OR UPDATE ON jobs_job
  FOR EACH ROW EXECUTE FUNCTION jobs_guard_job();

CREATE FUNCTION jobs_keep_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'job events are append-only' USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER jobs_keep_history BEFORE UPDATE ON jobs_jobevent
  FOR EACH ROW EXECUTE FUNCTION jobs_keep_history();
"""

DROP = """
DROP TRIGGER jobs_keep_history ON jobs_jobevent;
DROP FUNCTION jobs_keep_history();
DROP TRIGGER jobs_guard_job ON jobs_job;
DROP FUNCTION jobs_guard_job();
"""


class Migration(migrations.Migration):
    dependencies = [("jobs", "0001_initial")]
    operations = [migrations.RunSQL(CREATE, DROP)]
