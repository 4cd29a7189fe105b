"""Metrics: off until one of the first two says who may read them (docs/monitoring.md)."""

from genie.core import env

# What a reader sends as its bearer token; empty: none is asked for.
GENIE_METRICS_TOKEN = env.text("GENIE_METRICS_TOKEN", "")
# The networks from which metrics may be read; none: any.
GENIE_METRICS_NETWORKS = env.words("GENIE_METRICS_NETWORKS")
# Where workers serve metrics, on machines that have no web process.
GENIE_METRICS_LISTEN = env.address("GENIE_METRICS_LISTEN")
