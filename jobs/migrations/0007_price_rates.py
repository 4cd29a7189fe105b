"""Keep on each job the rates that it was submitted at, and let nobody change its price."""

from django.db import migrations, models

# Called only by statements that name one of the columns, which none of ours does.
CREATE = """
CREATE FUNCTION jobs_guard_price() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'job % was priced when it was submitted', OLD.id USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER jobs_guard_price
  BEFORE UPDATE OF price_version, price_rates, estimate_microcredits ON jobs_job FOR EACH ROW
  WHEN ((OLD.price_version, OLD.price_rates, OLD.estimate_microcredits)
    IS DISTINCT FROM (NEW.price_version, NEW.price_rates, NEW.estimate_microcredits))
  EXECUTE FUNCTION jobs_guard_price();
"""

DROP = """
DROP TRIGGER jobs_guard_price ON jobs_job;
DROP FUNCTION jobs_guard_price();
"""


class Migration(migrations.Migration):
    dependencies = [("jobs", "0006_usual_completion")]
    operations = [
        migrations.AddField(
            model_name="job", name="price_rates", field=models.JSONField(null=True)
        ),
        migrations.RunSQL(CREATE, DROP),
    ]
