"""Keep the log of the admin as it was written: who could change it could hide what they did."""

from django.db import migrations

REFUSE = """
CREATE OR REPLACE FUNCTION core_admin_log_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the log of the admin is only appended to: % is refused', TG_OP
    USING ERRCODE = 'restrict_violation';
END $$;
"""

# What an entry says stays. Its content type may be forgotten, when Django removes that of a table
# that is gone.
NO_UPDATE = """
CREATE OR REPLACE TRIGGER core_admin_log_no_update BEFORE UPDATE ON django_admin_log
  FOR EACH ROW WHEN (
    (OLD.id, OLD.action_time, OLD.user_id, OLD.object_id, OLD.object_repr, OLD.action_flag,
     OLD.change_message)
    IS DISTINCT FROM
    (NEW.id, NEW.action_time, NEW.user_id, NEW.object_id, NEW.object_repr, NEW.action_flag,
     NEW.change_message))
  EXECUTE FUNCTION core_admin_log_stays();
"""
NO_DELETE = """
CREATE OR REPLACE TRIGGER core_admin_log_no_delete BEFORE DELETE ON django_admin_log
  FOR EACH ROW EXECUTE FUNCTION core_admin_log_stays();
"""
ALLOW = [
    "DROP TRIGGER IF EXISTS core_admin_log_no_delete ON django_admin_log;",
    "DROP TRIGGER IF EXISTS core_admin_log_no_update ON django_admin_log;",
    "DROP FUNCTION IF EXISTS core_admin_log_stays();",
]


class Migration(migrations.Migration):
    dependencies = [
        ("core", "0001_initial"),
        ("admin", "0003_logentry_add_action_flag_choices"),
    ]
    operations = [migrations.RunSQL([REFUSE, NO_UPDATE, NO_DELETE], ALLOW)]
