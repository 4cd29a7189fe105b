"""Signing in: who may, after how many wrong passwords no more, and for how long."""

import datetime as dt

from genie.core import env

AUTH_USER_MODEL = "tenants.User"
LOGIN_URL = "/sign-in"
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
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 28_800
