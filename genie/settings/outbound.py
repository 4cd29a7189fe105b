"""Webhooks and outbound HTTP: which addresses are called, and how many at once."""

from genie.core import env

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
