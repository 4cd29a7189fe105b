"""Add the permission to read prompts and answers in the admin."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("jobs", "0002_guards")]
    operations = [
        migrations.AlterModelOptions(
            name="job",
            options={"permissions": [("view_prompt", "Can read prompts and answers")]},
        )
    ]
