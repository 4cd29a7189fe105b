#!/bin/sh
# Run Django's deployment checks as production would see them, with throw-away secrets and addresses
# where nothing listens: the checks of settings need no server. The first argument is the interpreter.
set -eu

python=$1
random() { "$python" -c 'import secrets; print(secrets.token_urlsafe(48))'; }

export GENIE_ENVIRONMENT=production
export DATABASE_URL=postgresql://genie@127.0.0.1:1/genie
export REDIS_URL=redis://127.0.0.1:1/0
export GENIE_ALLOWED_HOSTS=genie.example.com
export GENIE_BASE_URL=https://genie.example.com
GENIE_SECRET_KEY=$(random)
GENIE_KEY_PEPPER=$(random)
GENIE_FIELD_KEYS=$("$python" -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())')
export GENIE_SECRET_KEY GENIE_KEY_PEPPER GENIE_FIELD_KEYS

exec "$python" manage.py check --deploy --fail-level WARNING
