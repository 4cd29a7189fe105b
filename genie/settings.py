"""The one settings module: every value comes from the environment through ``genie.core.env``.

Where `make up` runs the embedded system, its state directory supplies whatever the environment
does not, so that a command in a second terminal needs nothing exported. In production
(``GENIE_ENVIRONMENT=production``, the default) no secret has a default.
"""

import datetime as dt
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import django_stubs_ext
from csp.constants import NONE, SELF
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from genie.core import env
from genie.standalone import state

django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent

for _name, _value in state.load_environment(BASE_DIR).items():
    os.environ.setdefault(_name, _value)

# --- Core -----------------------------------------------------------------------------------------
# `production` refuses to start with a secret left out or a setting that is unsafe; `development`
# opens what one machine needs to try things out.
ENVIRONMENT = env.text("GENIE_ENVIRONMENT", "production")
PRODUCTION = ENVIRONMENT == "production"
DEBUG = False  # errors are JSON in every environment; a trace belongs in the log
SECRET_KEY = env.text("GENIE_SECRET_KEY")  # signs sessions and forms of the pages
# Host names that requests may come by.
ALLOWED_HOSTS = env.words("GENIE_ALLOWED_HOSTS", "" if PRODUCTION else "*")
ROOT_URLCONF = "genie.urls"
ASGI_APPLICATION = "genie.asgi.application"
APPEND_SLASH = False  # a POST is never redirected
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-us"
FORMAT_MODULE_PATH = "genie.formats"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "tenants.User"

INSTALLED_APPS = [
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
    "genie.core",
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

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",  # refuses before a password is looked at
    "django.contrib.auth.backends.ModelBackend",
]
# Five wrong passwords for one name from one address: refused there for a quarter of an hour.
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = dt.timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_VERBOSE = False
AXES_DISABLE_ACCESS_LOG = True  # Django's own log of what is done in the admin is enough
AXES_CLIENT_IP_CALLABLE = "genie.tenants.lockout.address"
AXES_LOCKOUT_CALLABLE = "genie.tenants.lockout.response"
# The admin asks for a code of an authenticator app too; `manage.py second_factor` enrolls people.
GENIE_ADMIN_SECOND_FACTOR = env.boolean("GENIE_ADMIN_SECOND_FACTOR", default=False)
OTP_TOTP_ISSUER = "Genie"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]


# --- PostgreSQL -----------------------------------------------------------------------------------
def _database() -> dict[str, Any]:
    """Return Django's DATABASES entry for ``DATABASE_URL`` (any libpq URL, a socket too)."""
    try:
        # Where PostgreSQL is: any URL of libpq, a socket too.
        parts = conninfo_to_dict(env.text("DATABASE_URL"))
    except ProgrammingError:  # its message has the value, which has the password
        raise env.SettingError(
            "DATABASE_URL is not understood; write postgresql://user:password@host:5432/name."
        ) from None
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.pop("dbname", ""),
        "USER": parts.pop("user", ""),
        "PASSWORD": parts.pop("password", ""),
        "HOST": parts.pop("host", ""),
        "PORT": parts.pop("port", ""),
        # Threads of ours keep their connection; request threads give theirs back to the pool.
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "pool": {
                "min_size": 0,
                # Connections of one process to PostgreSQL, at most.
                "max_size": env.integer("GENIE_DB_POOL", 12),
                # What a caller waits in an outage, and perhaps once more behind another's question:
                # 503 within 2 s. Who waits behind a batch that got no connection is told with it.
                "timeout": 1,
                # The pool's own back-off doubles, so that after an outage it would stay away for as
                # long again. Given up at once, the next request tries anew.
                "reconnect_timeout": 0,
            },
            # Values travel apart from the statement, so none shows in pg_stat_activity or its log.
            "server_side_binding": True,
            "prepare_threshold": 5,
            "connect_timeout": 2,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 20000,
            # A dead client's locks end, and a hot row is an error rather than a queue.
            "options": (
                "-c statement_timeout=10s -c lock_timeout=2s -c idle_in_transaction_session_timeout=30s"
                " -c timezone=UTC"
            ),
            **{
                name: value
                for name, value in parts.items()
                if name not in ("options", "connect_timeout")
            },
        },
    }


DATABASES = {"default": _database()}


# --- Files ----------------------------------------------------------------------------------------
# The state of `make up`, and where files are kept unless GENIE_FILES_DIR says otherwise.
_STATE_DIR = Path(env.text("GENIE_STATE_DIR", str(BASE_DIR / ".genie")))


def _files_storage() -> dict[str, Any]:
    """Return the storage of files; credentials of a bucket come as boto3 looks for them."""
    if not GENIE_FILES_BUCKET:
        return {
            "BACKEND": "jobs.storage.DurableFileSystemStorage",
            "OPTIONS": {"location": GENIE_FILES_DIR, "base_url": None},
        }
    return {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": GENIE_FILES_BUCKET,
            # The address of an S3 server other than Amazon's.
            "endpoint_url": env.text("GENIE_FILES_ENDPOINT", "") or None,
            "region_name": env.text("GENIE_FILES_REGION", "") or None,  # where the bucket is
            "location": env.text("GENIE_FILES_PREFIX", ""),  # put before every name in the bucket
            "default_acl": None,
            "file_overwrite": True,  # a name is an id, so asking whether it is taken is a round trip
            "querystring_expire": 3600,  # of the address that a reader is sent to
            "signature_version": "s3v4",
        },
    }


# --- Redis and Celery -----------------------------------------------------------------------------
REDIS_URL = env.text("REDIS_URL")  # where Redis is: streams, wake-ups, rate limits
GENIE_BROKER_URL = env.text("GENIE_BROKER_URL", REDIS_URL)  # where tickets travel
DJANGO_CELERY_RESULTS_TASK_ID_MAX_LENGTH = 191

# --- REST framework: the management API -----------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "genie.core.api.JSONAlways",
    "DEFAULT_PARSER_CLASSES": ["genie.core.api.StrictJSONParser"],
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "genie.tenants.authentication.KeyAuthentication",
        "genie.tenants.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "EXCEPTION_HANDLER": "genie.core.api.exception_handler",
    "DEFAULT_SCHEMA_CLASS": "genie.openapi.introspection.RequestSchema",
    "STRICT_JSON": True,
}

# --- The description of the API -------------------------------------------------------------------
SPECTACULAR_SETTINGS = {
    "OAS_VERSION": "3.1.0",
    "TITLE": "Genie",
    "VERSION": "1",
    "DESCRIPTION": (
        "Inference on your own GPUs, within budgets. One job may be submitted and looked at through "
        "any of the contracts below; each answers in its own words."
    ),
    "LICENSE": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    "SERVERS": [{"url": "/", "description": "This system"}],
    "SCHEMA_PATH_PREFIX": "",
    "ENFORCE_NON_BLANK_FIELDS": True,
    "POSTPROCESSING_HOOKS": ["genie.openapi.document.complete"],
}


# --- HTTP safety ----------------------------------------------------------------------------------
def _bucket_origins() -> list[str]:
    """Return from where a page loads results: a reader is led to the bucket, where there is one."""
    bucket, endpoint = env.text("GENIE_FILES_BUCKET", ""), env.text("GENIE_FILES_ENDPOINT", "")
    if not bucket:
        return []
    if endpoint:
        parts = urlsplit(endpoint)
        return [f"{parts.scheme}://{parts.netloc}", f"{parts.scheme}://{bucket}.{parts.netloc}"]
    region = env.text("GENIE_FILES_REGION", "")
    hosts = ["s3.amazonaws.com", *([f"s3.{region}.amazonaws.com"] if region else [])]
    return [f"https://{bucket}.{host}" for host in hosts]


# The address by which callers come; answers and webhooks name files by it.
GENIE_BASE_URL = env.text("GENIE_BASE_URL", "http://127.0.0.1:8000")
CSRF_FAILURE_VIEW = "genie.console.failures.csrf_failure"
LOGIN_URL = "/sign-in"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 28_800
# Cookies for https alone, and a promise to browsers that it stays so for a year.
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = env.boolean("GENIE_HTTPS", default=PRODUCTION)
# A proxy that ends TLS makes a browser's origin another one than we see: it is the base URL's.
_base = urlsplit(GENIE_BASE_URL)
# Origins that forms of the pages may be sent from.
CSRF_TRUSTED_ORIGINS = env.words("GENIE_TRUSTED_ORIGINS", f"{_base.scheme}://{_base.netloc}")
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 31_536_000 if env.boolean("GENIE_HTTPS", default=PRODUCTION) else 0
# The proxy in front redirects pages to https and refuses plain-http posts; here nothing redirects.
SECURE_SSL_REDIRECT = False
SILENCED_SYSTEM_CHECKS = [
    "security.W008",  # the redirect: see above
    "security.W005",  # HSTS for subdomains and
    "security.W021",  # preloading: for the owner of the domain to decide, at the proxy
]
X_FRAME_OPTIONS = "DENY"
# Pages bring their own scripts and styles, and a caller's text is on many of them. Nothing is inline;
# where it must be, the template has `request.csp_nonce`.
_FILES_FROM = [f"{_base.scheme}://{_base.netloc}", *_bucket_origins()]
CONTENT_SECURITY_POLICY = {
    # Not pages: their answers have a policy of their own, by genie.core.middleware.
    "EXCLUDE_URL_PREFIXES": ["/api/", "/v1/"],
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:", "blob:", *_FILES_FROM],
        "media-src": [SELF, "data:", "blob:", *_FILES_FROM],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    },
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 1 << 20
DATA_UPLOAD_MAX_NUMBER_FIELDS = 512  # a group of the admin may have every permission
STATIC_URL = "/static/"
# Collected in an image; a checkout serves them from the packages.
STATIC_ROOT = BASE_DIR / "staticfiles" if PRODUCTION else None
WHITENOISE_USE_FINDERS = not PRODUCTION
WHITENOISE_AUTOREFRESH = False

# --- Genie ----------------------------------------------------------------------------------------
GENIE_KEY_PEPPER = env.text("GENIE_KEY_PEPPER").encode()  # the secret that API keys are hashed with
# Raised with each new pepper; every key remembers the one that it was hashed with.
GENIE_KEY_PEPPER_VERSION = env.integer("GENIE_KEY_PEPPER_VERSION", 1, minimum=1)
# Peppers before this one, until no live key needs them.
GENIE_KEY_OLD_PEPPERS = tuple(old.encode() for old in env.words("GENIE_KEY_OLD_PEPPERS"))
# Fernet keys that seal secrets at rest, newest first: the first seals, any of them opens.
GENIE_FIELD_KEYS = env.words("GENIE_FIELD_KEYS")
# Ed25519 keys that sign webhooks beside the secrets: the first signs, all are published; none: off.
GENIE_WEBHOOK_SIGNING_KEYS = tuple(env.words("GENIE_WEBHOOK_SIGNING_KEYS"))
# The file that says which models there are; web processes and workers read the same.
GENIE_MODELS_FILE = Path(env.text("GENIE_MODELS_FILE", str(BASE_DIR / "inference" / "models.toml")))
# Where tests kill processes: `POINT:kill`. A production does not start with any.
GENIE_FAILPOINTS = env.text("GENIE_FAILPOINTS", "")
# `on` refuses what passes a cap, `shadow` only records that it would, `off` reads no cap.
GENIE_BUDGET_MODE = env.text("GENIE_BUDGET_MODE", "on")
# From this part of a cap on, an allowed request is recorded and told as near it.
GENIE_BUDGET_NEAR_CAP_PERCENT = env.integer("GENIE_BUDGET_NEAR_CAP_PERCENT", 80)
# For how long the gate's decisions are kept.
GENIE_BUDGET_EVENT_DAYS = env.integer("GENIE_BUDGET_EVENT_DAYS", 90, minimum=1)
# Opens private ranges, plain http and every port to outbound HTTP. For development only.
GENIE_OUTBOUND_DEVELOPMENT = env.boolean("GENIE_OUTBOUND_DEVELOPMENT", default=False)
# Ports that webhooks and fetched inputs may use.
GENIE_OUTBOUND_PORTS = env.port_ranges("GENIE_OUTBOUND_PORTS", "443,80,8000-8999")
# Our own hosts (".example.com" with all below) and networks beside ALLOWED_HOSTS: never called.
GENIE_OUTBOUND_REFUSED = env.words("GENIE_OUTBOUND_REFUSED")
# A file of certificate authorities that are trusted beside the public ones.
GENIE_OUTBOUND_CA_FILE = env.text("GENIE_OUTBOUND_CA_FILE", "")
# Attempts at once within one ticket of a webhook worker.
GENIE_WEBHOOK_CONCURRENCY = env.integer("GENIE_WEBHOOK_CONCURRENCY", 32, minimum=1)
# Attempts under way in all workers together to one endpoint, or to one host that requests name.
GENIE_WEBHOOK_PER_RECEIVER = env.integer("GENIE_WEBHOOK_PER_RECEIVER", 4, minimum=1)
# The same, to one host in all.
GENIE_WEBHOOK_PER_HOST = env.integer("GENIE_WEBHOOK_PER_HOST", 8, minimum=1)
# The longest that any request of an attempt may take; a format's own limit is never exceeded.
GENIE_WEBHOOK_ATTEMPT_S = env.seconds("GENIE_WEBHOOK_ATTEMPT_S", 30)
# How long a lease outlasts its attempt, to record it through a restart of the database.
GENIE_WEBHOOK_LEASE_MARGIN_S = env.seconds("GENIE_WEBHOOK_LEASE_MARGIN_S", 20)
# Proxies in front that append to X-Forwarded-For; 0 ignores that header, which anybody can write.
GENIE_TRUSTED_PROXIES = env.integer("GENIE_TRUSTED_PROXIES", 0)

# What callers send and jobs make, in a directory of this machine.
GENIE_FILES_DIR = env.text("GENIE_FILES_DIR", str(_STATE_DIR / "files"))
# How long results are kept; 0: for good.
GENIE_FILES_KEPT_S = env.seconds("GENIE_FILES_KEPT_S", 0)
# A bucket that every process reaches, instead of the directory.
GENIE_FILES_BUCKET = env.text("GENIE_FILES_BUCKET", "")
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "files": _files_storage(),
}
# The largest recording.
GENIE_UPLOAD_LIMIT_BYTES = env.integer("GENIE_UPLOAD_LIMIT_BYTES", 25 << 20)
# The largest start or end image.
GENIE_IMAGE_LIMIT_BYTES = env.integer("GENIE_IMAGE_LIMIT_BYTES", 20 << 20)
# The largest file that a caller keeps here; it is on a web process's disk while it comes.
GENIE_FILE_LIMIT_BYTES = env.integer("GENIE_FILE_LIMIT_BYTES", 200 << 20)
# All files that an organization keeps here.
GENIE_FILE_QUOTA_BYTES = env.integer("GENIE_FILE_QUOTA_BYTES", 10 << 30)
# Lines of a batch. All are checked and their money is held before one is run; they wait beside the
# queues, which take them as they have room.
GENIE_BATCH_LINES = env.integer("GENIE_BATCH_LINES", 50_000, minimum=1)
# Asked before an image or a video is admitted: a dotted name that, given the prompt, returns why it
# is refused, or None.
GENIE_MODERATION = env.text("GENIE_MODERATION", "jobs.moderation.refuse_listed_words")
# A file of refused words, in place of the list that is shipped.
GENIE_MODERATION_WORDS = env.text("GENIE_MODERATION_WORDS", "")

# Of these two see Note [Queues are full about] in jobs.depth.

# How many jobs of one organization one queue takes.
GENIE_QUEUE_LIMIT_PER_ORGANIZATION = env.integer(
    "GENIE_QUEUE_LIMIT_PER_ORGANIZATION", 20_000, minimum=1
)
# How many jobs of all together one queue takes.
GENIE_QUEUE_LIMIT = env.integer("GENIE_QUEUE_LIMIT", 100_000, minimum=1)
# A job that has waited for so long moves up a lane.
GENIE_LANE_AGING_S = env.seconds("GENIE_LANE_AGING_S", 60)
# How long a job may be overtaken by those of models that are in memory; 0: never.
GENIE_AFFINITY_S = env.seconds("GENIE_AFFINITY_S", 10)

# For how long a worker owns a job without a sign of life. Three heartbeats: one that is lost must
# not cost an attempt.
GENIE_LEASE_S = env.seconds("GENIE_LEASE_S", 30)
GENIE_HEARTBEAT_S = env.seconds("GENIE_HEARTBEAT_S", 10)  # how often a worker renews its leases
GENIE_SWEEP_INTERVAL_S = env.seconds(
    "GENIE_SWEEP_INTERVAL_S", 2
)  # how often what was lost is mended
GENIE_TICKET_AGE_S = env.seconds("GENIE_TICKET_AGE_S", 5)  # a job queued longer gets another ticket
# How often a worker that nobody wakes looks for jobs by itself.
GENIE_CLAIM_LOOK_S = env.seconds("GENIE_CLAIM_LOOK_S", 5)
# Attempts at a job whose worker is lost again and again, the first one included.
GENIE_MAX_ATTEMPTS = env.integer("GENIE_MAX_ATTEMPTS", 5, minimum=1)
GENIE_SYNC_LIMIT_S = env.seconds("GENIE_SYNC_LIMIT_S", 120)  # what a sync caller waits at most
# No worker of the queue seen for so long: a caller who waits is told `no-worker`.
GENIE_NO_WORKER_S = env.seconds("GENIE_NO_WORKER_S", 30)
GENIE_DRAIN_S = env.seconds("GENIE_DRAIN_S", 45)  # a worker that stops lets its jobs finish so long
GENIE_WEB_DRAIN_S = env.seconds("GENIE_WEB_DRAIN_S", 8)  # a web process that stops ends its answers
# A job that is queued for longer ends as `queue-timeout`.
GENIE_START_LIMIT_S = env.seconds("GENIE_START_LIMIT_S", 3600)
# The same for a job that is parked when it is submitted: long enough for a daily cap to begin anew.
GENIE_PARK_LIMIT_S = env.seconds("GENIE_PARK_LIMIT_S", 86_400)
# What jobs of the slow lane cost of the usual price.
GENIE_SLOW_PRICE_PERCENT = env.integer("GENIE_SLOW_PRICE_PERCENT", 50, minimum=1)
# When jobs of the slow lane must have ended.
GENIE_SLOW_LIMIT_S = env.seconds("GENIE_SLOW_LIMIT_S", 72 * 3600)
# How long what jobs of the slow lane were asked and answered is kept once they have ended.
GENIE_SLOW_RESULT_TTL_S = env.seconds("GENIE_SLOW_RESULT_TTL_S", 14 * 86_400)
# How long a job that is not to be kept (X-Genie-Store: none) can be looked at once it has ended,
# where somebody waited for it.
GENIE_UNSTORED_S = env.seconds("GENIE_UNSTORED_S", 60)
# The same where it is polled, or told of by a webhook.
GENIE_UNSTORED_ASYNC_S = env.seconds("GENIE_UNSTORED_ASYNC_S", 900)
# A job that runs for longer ends as `execution-timeout`.
GENIE_RUN_LIMIT_S = env.seconds("GENIE_RUN_LIMIT_S", 600)
# The directory of files that workers touch, for probes of a cluster; empty: none.
GENIE_PULSE_DIR = env.text("GENIE_PULSE_DIR", "")
GENIE_CANARY_S = env.seconds("GENIE_CANARY_S", 15)  # each queue gets a canary ticket this often
# The longest that a step may take; a worker whose model stands still for longer is replaced.
GENIE_STALL_S = {
    "chat": env.seconds("GENIE_STALL_CHAT_S", 60),  # the longest step: a token, a part of a prompt
    "embedding": env.seconds("GENIE_STALL_EMBEDDING_S", 60),  # the longest step: a batch
    "image": env.seconds("GENIE_STALL_IMAGE_S", 120),  # the longest step of a picture
    "video": env.seconds("GENIE_STALL_VIDEO_S", 600),  # the longest step of all frames of a video
    "audio": env.seconds("GENIE_STALL_AUDIO_S", 120),  # the longest step: a token, a sentence
}
# The longest load of a model, its download included; a worker that takes longer is replaced.
GENIE_LOAD_LIMIT_S = env.seconds("GENIE_LOAD_LIMIT_S", 1800)
# How long Redis keeps the stream of an ended job.
GENIE_STREAM_TTL_S = env.seconds("GENIE_STREAM_TTL_S", 3600)
GENIE_PING_S = env.seconds("GENIE_PING_S", 15)  # a silent stream gets a comment this often
# How long results of /v1/async are kept, unless their caller asks for longer.
GENIE_BIFROST_TTL_S = env.seconds("GENIE_BIFROST_TTL_S", 3600)
# The longest that a caller of /v1/async may ask for.
GENIE_BIFROST_MAX_TTL_S = env.seconds("GENIE_BIFROST_MAX_TTL_S", 30 * 86_400)
# What may stand before the slash of `provider/model` at /v1/async.
GENIE_BIFROST_PROVIDERS = env.words("GENIE_BIFROST_PROVIDERS", "genie")
# How long a caller of Oxen's routes waits for a picture.
GENIE_OXEN_IMAGE_WAIT_S = env.seconds("GENIE_OXEN_IMAGE_WAIT_S", 120)
# How long a caller of Oxen's routes waits for a video.
GENIE_OXEN_VIDEO_WAIT_S = env.seconds("GENIE_OXEN_VIDEO_WAIT_S", 900)
# When a generation of Oxen's routes that has not ended is given up.
GENIE_OXEN_EXPIRY_S = env.seconds("GENIE_OXEN_EXPIRY_S", 86_400)
# Whether the answer to a POST of Oxen's calls it queued, as v2 does, or processing.
GENIE_OXEN_SAYS_QUEUED = env.boolean("GENIE_OXEN_SAYS_QUEUED", default=False)
# How long idempotency keys are kept.
GENIE_IDEMPOTENCY_TTL_S = env.seconds("GENIE_IDEMPOTENCY_TTL_S", 86_400)
GENIE_JSON_LIMIT_BYTES = env.integer("GENIE_JSON_LIMIT_BYTES", 1 << 20)  # the largest JSON body
# How long outcomes of maintenance are kept in the admin.
GENIE_RESULT_TTL_S = env.seconds("GENIE_RESULT_TTL_S", 86_400)
# For how many days what is old is kept: of an organization, of all by `*`, of a kind alone by a dot.
GENIE_RETENTION_DAYS = env.days_by_name(
    "GENIE_RETENTION_DAYS", parts=("jobs", "files", "events", "webhooks")
)
# For how long ended webhook deliveries are kept.
GENIE_NOTIFICATION_DAYS = env.integer("GENIE_NOTIFICATION_DAYS", 30)

DEFAULT_EXCEPTION_REPORTER_FILTER = "genie.core.reports.Filter"

# --- Metrics: off until one of the first two says who may read them (docs/monitoring.md) -----------
# What a reader sends as its bearer token; empty: none is asked for.
GENIE_METRICS_TOKEN = env.text("GENIE_METRICS_TOKEN", "")
# The networks from which metrics may be read; none: any.
GENIE_METRICS_NETWORKS = env.words("GENIE_METRICS_NETWORKS")
# Where workers serve metrics, on machines that have no web process.
GENIE_METRICS_LISTEN = env.address("GENIE_METRICS_LISTEN")

# --- Logging: one JSON object a line, secrets redacted --------------------------------------------
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
