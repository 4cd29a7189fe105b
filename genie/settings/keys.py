"""Secrets and keys: what signs, hashes and seals."""

from genie.core import env

SECRET_KEY = env.text("GENIE_SECRET_KEY")  # signs sessions and forms of the pages
GENIE_KEY_PEPPER = env.text("GENIE_KEY_PEPPER").encode()  # the secret that API keys are hashed with
# Raised with each new pepper; every key remembers the one that it was hashed with.
GENIE_KEY_PEPPER_VERSION = env.integer("GENIE_KEY_PEPPER_VERSION", 1, minimum=1)
# Peppers before this one, until no live key needs them.
GENIE_KEY_OLD_PEPPERS = tuple(old.encode() for old in env.words("GENIE_KEY_OLD_PEPPERS"))
# Fernet keys that seal secrets at rest, newest first: the first seals, any of them opens.
GENIE_FIELD_KEYS = env.words("GENIE_FIELD_KEYS")
# Ed25519 keys that sign webhooks beside the secrets: the first signs, all are published; none: off.
GENIE_WEBHOOK_SIGNING_KEYS = tuple(env.words("GENIE_WEBHOOK_SIGNING_KEYS"))
