"""What the tables refuse to whoever writes around the ledger: losing rows, and rows of no meaning."""

from django.db import migrations, models
from django.db.models import Q

# As for the entries: an empty table may be truncated, which destroys nothing. TRUNCATE ... CASCADE
# runs the triggers of every table that it reaches, so a cap cannot take its history with it.
KEPT = ("budgets_cap", "budgets_capchange", "budgets_hold", "budgets_budgetevent")

REFUSE_TRUNCATE = """
CREATE FUNCTION budgets_refuse_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  filled boolean;
BEGIN
  EXECUTE format('SELECT EXISTS (SELECT FROM %I.%I)', TG_TABLE_SCHEMA, TG_TABLE_NAME) INTO filled;
  IF filled THEN
    RAISE EXCEPTION '% is never emptied: TRUNCATE is refused', TG_TABLE_NAME
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NULL;
END $$;
""" + "".join(
    f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
    "FOR EACH STATEMENT EXECUTE FUNCTION budgets_refuse_truncate();\n"
    for table in KEPT
)

ALLOW_TRUNCATE = (
    "".join(f"DROP TRIGGER {table}_no_truncate ON {table};\n" for table in KEPT)
    + "DROP FUNCTION budgets_refuse_truncate();"
)

# A row of a decision is kept as it was written and expires by its age. An open hold is money that a
# counter holds: without the row nothing could release it. A cap that became another subject's would
# take its history there.
REFUSE_CHANGES = """
CREATE FUNCTION budgets_refuse_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '%: %', TG_TABLE_NAME, TG_ARGV[0] USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER budgets_budgetevent_no_update BEFORE UPDATE ON budgets_budgetevent
  FOR EACH ROW EXECUTE FUNCTION budgets_refuse_row('a recorded decision never changes');
CREATE TRIGGER budgets_hold_no_delete BEFORE DELETE ON budgets_hold
  FOR EACH ROW WHEN (OLD.closed_at IS NULL)
  EXECUTE FUNCTION budgets_refuse_row('an open hold is not deleted; it is settled');
CREATE TRIGGER budgets_cap_stays BEFORE UPDATE ON budgets_cap
  FOR EACH ROW WHEN (
    OLD.layer <> NEW.layer OR OLD.subject_id <> NEW.subject_id OR OLD."window" <> NEW."window")
  EXECUTE FUNCTION budgets_refuse_row('a cap stays the cap of its subject and window');
"""

ALLOW_CHANGES = """
DROP TRIGGER budgets_cap_stays ON budgets_cap;
DROP TRIGGER budgets_hold_no_delete ON budgets_hold;
DROP TRIGGER budgets_budgetevent_no_update ON budgets_budgetevent;
DROP FUNCTION budgets_refuse_row();
"""


class Migration(migrations.Migration):
    dependencies = [("budgets", "0003_admin")]

    operations = [
        migrations.AddConstraint(
            model_name="entry",
            constraint=models.CheckConstraint(
                condition=Q(reason__isnull=True) | Q(reason__regex=r"\S"),
                name="budgets_entry_reason_says_something",
            ),
        ),
        migrations.AddConstraint(
            model_name="entry",
            constraint=models.CheckConstraint(
                condition=Q(window_ids__isnull=True) | ~Q(window_ids=[]),
                name="budgets_entry_names_a_window",
            ),
        ),
        migrations.AddConstraint(
            model_name="hold",
            constraint=models.CheckConstraint(
                condition=~Q(window_ids=[]), name="budgets_hold_names_a_window"
            ),
        ),
        migrations.AddConstraint(
            model_name="window",
            constraint=models.CheckConstraint(
                condition=Q(window="daily", period__regex=r"^\d{4}-(0[1-9]|1[0-2])-[0-3]\d$")
                | Q(window="weekly", period__regex=r"^\d{4}-W[0-5]\d$")
                | Q(window="monthly", period__regex=r"^\d{4}-(0[1-9]|1[0-2])$")
                | Q(window="total", period="total"),
                name="budgets_window_period_of_its_kind",
            ),
        ),
        migrations.AddConstraint(
            model_name="window",
            constraint=models.CheckConstraint(
                condition=Q(spent__lte=4 * 10**18, held__lte=4 * 10**18),
                name="budgets_window_in_range",
            ),
        ),
        migrations.RunSQL(REFUSE_TRUNCATE, ALLOW_TRUNCATE),
        migrations.RunSQL(REFUSE_CHANGES, ALLOW_CHANGES),
    ]
