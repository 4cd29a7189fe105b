"""HTTP: by which addresses callers come, and what browsers are told to allow."""

from urllib.parse import urlsplit

from csp.constants import NONE, SELF

from genie.core import env
from genie.settings.base import BASE_DIR, PRODUCTION
from genie.settings.files import bucket_origins

# Host names that requests may come by.
ALLOWED_HOSTS = env.words("GENIE_ALLOWED_HOSTS", "" if PRODUCTION else "*")
# The address by which callers come; answers and webhooks name files by it.
GENIE_BASE_URL = env.text("GENIE_BASE_URL", "http://127.0.0.1:8000")
# Proxies in front that append to X-Forwarded-For; 0 ignores that header, which anybody can write.
GENIE_TRUSTED_PROXIES = env.integer("GENIE_TRUSTED_PROXIES", 0)
CSRF_FAILURE_VIEW = "genie.console.failures.csrf_failure"
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
_FILES_FROM = [f"{_base.scheme}://{_base.netloc}", *bucket_origins()]
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
GENIE_JSON_LIMIT_BYTES = env.integer("GENIE_JSON_LIMIT_BYTES", 1 << 20)  # the largest JSON body
STATIC_URL = "/static/"
# Collected in an image; a checkout serves them from the packages.
STATIC_ROOT = BASE_DIR / "staticfiles" if PRODUCTION else None
WHITENOISE_USE_FINDERS = not PRODUCTION
WHITENOISE_AUTOREFRESH = False
