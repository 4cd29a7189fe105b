from django.db import migrations, models


class Migration(migrations.Migration):
    """One more kind of job: the database has no list of kinds, so nothing runs there."""

    dependencies = [
        ("jobs", "0025_pause_by"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name="job",
                    name="kind",
                    field=models.CharField(
                        choices=[
                            ("chat", "chat"),
                            ("completion", "completion"),
                            ("response", "response"),
                            ("embedding", "embedding"),
                            ("image", "image"),
                            ("video", "video"),
                            ("transition", "transition"),
                            ("speech", "speech"),
                            ("transcription", "transcription"),
                            ("rerank", "rerank"),
                        ],
                        max_length=16,
                    ),
                ),
            ],
        ),
    ]
