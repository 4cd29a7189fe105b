"""The environment that all processes of the system share. Pure."""

from collections.abc import Mapping
from pathlib import Path

LOCAL_HOSTS = "localhost,127.0.0.1,[::1]"
ADDRESSES = ("DATABASE_URL", "REDIS_URL")


def base(
    given: Mapping[str, str],
    *,
    secrets: Mapping[str, str],
    state_dir: Path,
    host: str,
    port: int,
) -> dict[str, str]:
    """Return the caller's environment over our defaults; the servers' addresses come later.

    The names of this machine stay admitted whatever others the caller lists: we call by them.
    """
    defaults = {
        "GENIE_SECRET_KEY": secrets["secret_key"],
        "GENIE_KEY_PEPPER": secrets["key_pepper"],
        "GENIE_FIELD_KEYS": secrets["field_keys"],
        "GENIE_WEBHOOK_SIGNING_KEYS": secrets["webhook_signing_keys"],
        "GENIE_METRICS_TOKEN": secrets["metrics_token"],
        "GENIE_ENVIRONMENT": "development",
        "GENIE_OUTBOUND_DEVELOPMENT": "1",  # the first job's webhook goes to a local receiver
        "GENIE_BASE_URL": f"http://{host}:{port}",
        "DJANGO_SETTINGS_MODULE": "genie.settings",
        "PYTHONUNBUFFERED": "1",
    }
    hosts = (given.get("GENIE_ALLOWED_HOSTS", ""), LOCAL_HOSTS, host)
    fixed = {
        "GENIE_ALLOWED_HOSTS": ",".join(filter(None, hosts)),
        "GENIE_STATE_DIR": str(state_dir),
    }
    return {**defaults, **given, **fixed}


def recorded(env: Mapping[str, str]) -> dict[str, str]:
    """Return the part of the environment by which other processes reach this system."""
    return {
        name: value for name, value in env.items() if name in ADDRESSES or name.startswith("GENIE_")
    }
