"""Django: the applications, what requests pass through, and what is the same everywhere."""

ROOT_URLCONF = "genie.urls"
ASGI_APPLICATION = "genie.asgi.application"
APPEND_SLASH = False  # a POST is never redirected
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-us"
FORMAT_MODULE_PATH = "genie.formats"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DEFAULT_EXCEPTION_REPORTER_FILTER = "genie.core.reports.Filter"

INSTALLED_APPS = [
    "genie.core",  # before the admin, whose template of all pages it extends
    "genie.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",  # the scripts and styles of the page that shows the API
    "django_celery_results",
    "axes",
    "django_otp",
    "genie.apps.GenieConfig",
    "django_htmx",  # its static files
    "genie.openapi",
    "genie.tenants",
    "webhooks",
    "budgets",
    "inference",
    "jobs",
    "genie.console",
]

# These serve pages, the admin and the management API. The job routes run on genie.asgi's own handler.
MIDDLEWARE = [
    "genie.core.middleware.TrafficMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "genie.core.middleware.RequestIdMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",  # last: it answers in the place of a view that was locked
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
