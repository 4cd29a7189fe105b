"""Logging: one JSON object a line, secrets redacted."""

from genie.core import env

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"redact": {"()": "genie.core.logs.Redact"}},
    "formatters": {"json": {"()": "genie.core.logs.JsonFormatter"}},
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "json", "filters": ["redact"]}
    },
    # The least that is logged: DEBUG, INFO, WARNING or ERROR.
    "root": {"handlers": ["stderr"], "level": env.text("GENIE_LOG_LEVEL", "INFO")},
    "loggers": {
        "django": {"handlers": [], "propagate": True},
        "django.server": {"handlers": [], "propagate": True},
        # A line for each ticket would drown the others; jobs log what matters of themselves.
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
        # A line for each job that is accepted and for each attempt that ends.
        "genie.jobs": {
            "level": "INFO" if env.boolean("GENIE_LOG_JOBS", default=True) else "WARNING"
        },
        "axes": {"level": "WARNING"},  # of locks, not of every sign-in
        # It would quote the URL, which may be a secret, whenever a receiver sends odd headers.
        "urllib3.connection": {"level": "ERROR"},
        "uvicorn": {"handlers": [], "propagate": True},
        "uvicorn.access": {"handlers": [], "propagate": False},  # the proxy in front keeps that log
    },
}
