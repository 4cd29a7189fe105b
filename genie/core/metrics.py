"""Counters that several parts report to; scraping them arrives with the monitoring pages."""

from prometheus_client import Counter, Gauge

rate_limit_failed_open = Counter(
    "genie_rate_limit_failed_open_total", "Requests admitted unlimited because Redis did not answer"
)
ticket_send_failed = Counter(
    "genie_ticket_send_failed_total",
    "Tickets that the broker did not take; the sweep sends them again",
    ["queue"],
)
stream_write_failed = Counter(
    "genie_stream_write_failed_total",
    "Stream writes that Redis did not take; readers fall back to the row",
)
fenced = Counter("genie_fenced_total", "Writes of a ghost attempt that were refused", ["what"])
parked = Gauge("genie_jobs_parked", "Jobs that wait for their budget, as the last sweep left them")
unparked = Counter("genie_jobs_unparked_total", "Parked jobs that a sweep has admitted")
queue_full = Counter(
    "genie_queue_full_total", "Submissions that a full queue refused", ["queue", "of"]
)
promoted = Counter(
    "genie_jobs_promoted_total", "Jobs moved up a lane because they had waited", ["queue"]
)
overrun = Counter(
    "genie_run_overrun_total", "Jobs that used more than their hold: each is a defect"
)
worker_replaced = Counter(
    "genie_worker_replaced_total",
    "Worker processes that asked to be replaced: stalled, or their device was lost",
    ["reason"],
)
canary_latency = Gauge(
    "genie_canary_latency_seconds",
    "What the last canary ticket took from its send to a claim loop of the queue",
    ["queue"],
)
canary_waiting = Gauge(
    "genie_canary_waiting_seconds",
    "Since when a canary ticket of the queue is on its way; 0 if the last one has been answered",
    ["queue"],
)
