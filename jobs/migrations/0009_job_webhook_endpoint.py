from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0008_worker_readiness"),
    ]

    operations = [
        migrations.AddField(
            model_name="job",
            name="webhook_endpoint_id",
            field=models.UUIDField(null=True),
        ),
    ]
