"""Run a management command against the system that DATABASE_URL or the state directory names."""

import os
import sys


def main() -> None:
    """Run the command line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "genie.settings")
    try:
        from django.core.management import execute_from_command_line  # noqa: PLC0415 - a readable hint first
    except ImportError:
        sys.exit(
            "Django is not installed here: run 'make setup' and use .venv/bin/python manage.py."
        )
    from genie.core.env import SettingError  # noqa: PLC0415 - as above
    from genie.standalone.errors import StandaloneError  # noqa: PLC0415 - as above

    try:
        execute_from_command_line(sys.argv)
    except (SettingError, StandaloneError) as error:  # of the settings, before any command
        sys.exit(str(error))


if __name__ == "__main__":
    main()
