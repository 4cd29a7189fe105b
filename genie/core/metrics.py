"""What processes count and time, for Prometheus. What tables and machines say is read at each scrape.

Names end in their unit, labels have few values: a model, a queue, a lane, a route; never an
organization, a key or a job. docs/reference/metrics.md is made from here.

Note [Metrics of several processes]
    One address answers for all processes of a machine: each counts into files of its own in
    ``GENIE_METRICS_DIR`` (memory that is mapped, so that nothing is written while a job runs), and
    whoever is asked adds them up (``genie.core.metric_files``). Only what can be added up is counted
    here, so there is no gauge. Without the directory a process counts in its own memory, which
    is right where it is alone: tests, commands, a container with one process.
"""

import dataclasses

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, values
from prometheus_client.values import MultiProcessValue

from genie.core import metric_files

disable_created_metrics()  # a second series for each counter, which nobody reads
counts_in_files = metric_files.prepare() is not None
if counts_in_files:
    # Metrics that are made from here on are files; those of a library that made its own stay memory.
    values.ValueClass = MultiProcessValue()

registry = CollectorRegistry()

_SHORT_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_LONG_S = (*_SHORT_S, 300, 600, 1800, 3600)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A metric's name, what it says, and its labels. Gauges are read at each scrape."""

    name: str
    says: str
    labels: tuple[str, ...] = ()
    kind: str = "gauge"


counted: list[Reading] = []  # the counters and histograms below


def _counter(name: str, says: str, *labels: str) -> Counter:
    counted.append(Reading(name=name, says=says, labels=labels, kind="counter"))
    return Counter(name, says, labels, registry=registry)


def _histogram(name: str, says: str, *labels: str, buckets: tuple[float, ...]) -> Histogram:
    counted.append(Reading(name=name, says=says, labels=labels, kind="histogram"))
    return Histogram(name, says, labels, registry=registry, buckets=buckets)


# --- Requests ---------------------------------------------------------------------------------------
http_requests = _counter(
    "genie_http_requests_total",
    "HTTP requests that were answered, by route and status",
    *("method", "route", "status"),
)
http_seconds = _histogram(
    "genie_http_request_duration_seconds",
    "From a request's first byte here to the last byte of its answer, streams and waits included",
    "route",
    buckets=_SHORT_S,
)
rate_limit_failed_open = _counter(
    "genie_rate_limit_failed_open_total", "Requests admitted unlimited because Redis did not answer"
)

# --- Admission --------------------------------------------------------------------------------------
admissions = _counter(
    "genie_admissions_total",
    "Submissions by what was decided: accepted, parked, repeated, or the code of the refusal",
    *("queue", "decision"),
)
queue_full = _counter(
    "genie_queue_full_total",
    "Submissions that a full queue refused, by whose limit was met",
    *("queue", "of"),
)
unparked = _counter("genie_jobs_unparked_total", "Parked jobs that a sweep has admitted")
promoted = _counter(
    "genie_jobs_promoted_total", "Jobs moved up a lane because they had waited", "queue"
)

# --- Running ----------------------------------------------------------------------------------------
claim_latency = _histogram(
    "genie_claim_latency_seconds",
    "From a job's place in its queue to its first claim by a worker",
    *("queue", "lane"),
    buckets=_LONG_S,
)
time_to_first_token = _histogram(
    "genie_time_to_first_token_seconds",
    "From a job's place in its queue to the first token of its first attempt",
    "model",
    buckets=_SHORT_S,
)
run_seconds = _histogram(
    "genie_run_duration_seconds",
    "From the claim to the recorded end of an attempt, however it ended",
    "model",
    buckets=_LONG_S,
)
attempts = _counter(
    "genie_attempts_total",
    "Attempts that workers have ended: a state of the job, or why it went back to its queue",
    *("queue", "model", "outcome"),
)
jobs_ended = _counter(
    "genie_jobs_ended_total",
    "Jobs that have ended, by state and by the code of the error (empty without one)",
    *("model", "state", "error"),
)
tokens = _counter(
    "genie_tokens_total",
    "Tokens of jobs that have ended: read in prompts, and generated",
    *("model", "kind"),
)
busy_seconds = _counter(
    "genie_worker_busy_seconds_total",
    "Time in which a worker's engine had at least one job, by its topology entry",
    "worker",
)
overrun = _counter(
    "genie_run_overrun_total", "Jobs that used more than their hold: each is a defect"
)
budget_overrun = _counter(
    "genie_budget_overrun_total",
    "Settlements that asked for more than their hold and were charged the hold: each is a defect",
)
leases_lost = _counter(
    "genie_leases_lost_total",
    "Lapsed leases that the sweep found, by what became of the job: requeued, worker-lost, cancelled",
    "outcome",
)
fenced = _counter("genie_fenced_total", "Writes of a ghost attempt that were refused", "what")
worker_replaced = _counter(
    "genie_worker_replaced_total",
    "Worker processes that asked to be replaced: stalled, or their device was lost",
    "reason",
)
ticket_send_failed = _counter(
    "genie_ticket_send_failed_total",
    "Tickets that the broker did not take; the sweep sends them again",
    "queue",
)
stream_write_failed = _counter(
    "genie_stream_write_failed_total",
    "Stream writes that Redis did not take; readers fall back to the row",
)

# --- Webhooks ---------------------------------------------------------------------------------------
webhook_attempts = _counter(
    "genie_webhook_attempts_total",
    "Attempts to deliver, by the delivery's format and what came of it: delivered, retried, failed",
    *("format", "outcome"),
)
webhook_seconds = _histogram(
    "genie_webhook_attempt_duration_seconds",
    "What an attempt to deliver took, the receiver's answer included",
    buckets=_SHORT_S,
)

# An alert sees a counter rise from nought only where the nought was there.
for _outcome in ("requeued", "worker-lost", "cancelled"):
    leases_lost.labels(_outcome)
for _reason in ("stalled", "device-lost"):
    worker_replaced.labels(_reason)
