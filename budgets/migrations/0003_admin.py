"""The history of caps, and the indexes of the admin's searches and filters by time."""

import django.contrib.postgres.indexes
import django.db.models.deletion
from django.db import migrations, models

# In a trigger, so that no way of writing a cap can forget it. It notes whatever columns say what a
# cap allows, so that a later one is noted too, and only a write that changes one of them.
CAPS_HAVE_A_HISTORY = """
CREATE FUNCTION budgets_note_cap_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  other CONSTANT text[] := ARRAY['id', 'layer', 'subject_id', 'window', 'updated_at', 'updated_by'];
  was CONSTANT jsonb := CASE TG_OP WHEN 'UPDATE' THEN to_jsonb(OLD) - other END;
  became CONSTANT jsonb := to_jsonb(NEW) - other;
BEGIN
  IF was IS DISTINCT FROM became THEN
    INSERT INTO budgets_capchange (cap_id, was, became, by, at)
    VALUES (NEW.id, was, became, NEW.updated_by, NEW.updated_at);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER budgets_cap_changed AFTER INSERT OR UPDATE ON budgets_cap
  FOR EACH ROW EXECUTE FUNCTION budgets_note_cap_change();

CREATE FUNCTION budgets_refuse_history_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the history of caps is append-only: % is refused', TG_OP
    USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER budgets_capchange_append_only BEFORE UPDATE OR DELETE ON budgets_capchange
  FOR EACH ROW EXECUTE FUNCTION budgets_refuse_history_change();
"""

CAPS_HAVE_NONE = """
DROP TRIGGER budgets_capchange_append_only ON budgets_capchange;
DROP FUNCTION budgets_refuse_history_change();
DROP TRIGGER budgets_cap_changed ON budgets_cap;
DROP FUNCTION budgets_note_cap_change();
"""


class Migration(migrations.Migration):
    dependencies = [("budgets", "0002_on_cap_hit_raises_alerts")]

    operations = [
        migrations.AlterModelOptions(name="window", options={"verbose_name": "counter"}),
        migrations.AddField(
            model_name="cap",
            name="updated_by",
            field=models.TextField(blank=True, db_default="", default=""),
        ),
        migrations.CreateModel(
            name="CapChange",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("was", models.JSONField(null=True)),
                ("became", models.JSONField()),
                ("by", models.TextField(blank=True)),
                ("at", models.DateTimeField()),
                (
                    "cap",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="changes",
                        to="budgets.cap",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["cap", "-id"], name="budgets_capchange_of_cap")],
            },
        ),
        migrations.AddIndex(
            model_name="entry",
            index=models.Index(
                condition=models.Q(("kind", "adjust")),
                fields=["reference"],
                name="budgets_entry_adjusted",
            ),
        ),
        migrations.AddIndex(
            model_name="entry",
            index=django.contrib.postgres.indexes.BrinIndex(
                autosummarize=True, fields=["at"], name="budgets_entry_time"
            ),
        ),
        migrations.AddIndex(
            model_name="budgetevent",
            index=django.contrib.postgres.indexes.BrinIndex(
                autosummarize=True, fields=["at"], name="budgets_event_time"
            ),
        ),
        migrations.RunSQL(CAPS_HAVE_A_HISTORY, CAPS_HAVE_NONE),
    ]
