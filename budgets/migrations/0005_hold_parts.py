"""Holds that are shared out: what of one became the holds of others is counted, and only grows."""

from django.db import migrations, models


_REFUSE = """
CREATE TRIGGER budgets_hold_closes_once BEFORE UPDATE ON budgets_hold
  FOR EACH ROW WHEN (
    OLD.closed_at IS NOT NULL OR NEW.reference <> OLD.reference
    OR NEW.amount <> OLD.amount OR NEW.window_ids <> OLD.window_ids
    OR NEW.opened_at <> OLD.opened_at{parts})
  EXECUTE FUNCTION budgets_refuse_hold_change();
"""
DROP = "DROP TRIGGER budgets_hold_closes_once ON budgets_hold;"
# A change either closes the hold or lets it give parts, which it cannot take back.
WITH_PARTS = _REFUSE.format(
    parts="""
    OR NEW.parted < OLD.parted OR (NEW.closed_at IS NOT NULL AND NEW.parted <> OLD.parted)"""
)
WITHOUT_PARTS = _REFUSE.format(parts=" OR NEW.closed_at IS NULL")


class Migration(migrations.Migration):
    dependencies = [
        ("budgets", "0004_guards"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="entry",
            name="budgets_entry_kind",
        ),
        migrations.RemoveConstraint(
            model_name="entry",
            name="budgets_entry_names_windows",
        ),
        migrations.RemoveConstraint(
            model_name="entry",
            name="budgets_entry_once",
        ),
        migrations.RemoveIndex(
            model_name="entry",
            name="budgets_entry_adjusted",
        ),
        migrations.AddField(
            model_name="hold",
            name="parted",
            field=models.BigIntegerField(db_default=0, default=0),
        ),
        migrations.AlterField(
            model_name="entry",
            name="kind",
            field=models.CharField(
                choices=[
                    ("hold", "Hold"),
                    ("settle", "Settle"),
                    ("release", "Release"),
                    ("part", "Part"),
                    ("adjust", "Adjust"),
                ],
                db_collation="C",
                max_length=16,
            ),
        ),
        migrations.AddIndex(
            model_name="entry",
            index=models.Index(
                condition=models.Q(("kind__in", ["adjust", "part"])),
                fields=["reference"],
                name="budgets_entry_adjusted",
            ),
        ),
        migrations.AddConstraint(
            model_name="entry",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["hold", "settle", "release", "part", "adjust"])),
                name="budgets_entry_kind",
            ),
        ),
        migrations.AddConstraint(
            model_name="entry",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind__in", ["hold", "adjust"]), ("window_ids__isnull", False)),
                    models.Q(
                        ("kind__in", ["settle", "release", "part"]), ("window_ids__isnull", True)
                    ),
                    _connector="OR",
                ),
                name="budgets_entry_names_windows",
            ),
        ),
        migrations.AddConstraint(
            model_name="entry",
            constraint=models.UniqueConstraint(
                condition=models.Q(("kind__in", ["hold", "settle", "release"])),
                fields=("reference", "kind"),
                name="budgets_entry_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="hold",
            constraint=models.CheckConstraint(
                condition=models.Q(("parted__gte", 0), ("parted__lte", models.F("amount"))),
                name="budgets_hold_parts_within_amount",
            ),
        ),
        migrations.RunSQL(DROP + WITH_PARTS, DROP + WITHOUT_PARTS),
    ]
