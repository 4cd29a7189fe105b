"""The gauges of the whole system: names, meanings, labels. ``jobs.gauges`` reads their values. Pure."""

from genie.core.metrics import Reading

_BY_QUEUE = ("queue",)
_BY_LANE = ("queue", "lane")
_BY_WORKER = ("worker",)

DATABASE_UP = Reading(
    name="genie_database_up",
    says="Whether the database answered this scrape within 2 s; what is read from it is absent where not",
)
DATABASE_ONLY_READS = Reading(
    name="genie_database_only_reads",
    says="Whether the database takes no writes: a standby, or told so",
)
REDIS_UP = Reading(name="genie_redis_up", says="Whether Redis answered this scrape within 2 s")
REDIS_REFUSES = Reading(
    name="genie_redis_refuses_writes",
    says="Whether Redis answers and takes nothing: it is full, a replica, or cannot save",
)
QUEUED = Reading(
    name="genie_queue_jobs", says="Jobs that wait in a queue, parked ones left out", labels=_BY_LANE
)
OLDEST = Reading(
    name="genie_queue_oldest_seconds",
    says="Since when the oldest job of a queue has its place there; 0 without any",
    labels=_BY_LANE,
)
RUNNING = Reading(name="genie_jobs_running", says="Jobs that run", labels=_BY_QUEUE)
LAPSED = Reading(
    name="genie_leases_lapsed",
    says="Running jobs whose lease has lapsed and that no sweep has found yet",
)
PARKED = Reading(name="genie_jobs_parked", says="Jobs that wait for their budget")
WORKERS = Reading(
    name="genie_workers_ready",
    says="Workers that serve a queue without delay",
    labels=_BY_QUEUE,
)
PAUSED = Reading(
    name="genie_queue_paused",
    says="Whether a queue is paused, so that nothing is claimed from it",
    labels=_BY_QUEUE,
)
SLOTS = Reading(
    name="genie_worker_slots",
    says="Jobs that a topology entry's workers can run at once",
    labels=_BY_WORKER,
)
WORKER_RUNNING = Reading(
    name="genie_worker_running_jobs",
    says="Jobs that a topology entry's workers ran at their latest heartbeat",
    labels=_BY_WORKER,
)
MODEL_BYTES = Reading(
    name="genie_worker_model_bytes",
    says="Device memory that a loaded model takes in a topology entry's workers",
    labels=("worker", "model"),
)
BUDGET_BYTES = Reading(
    name="genie_worker_model_budget_bytes",
    says="The most that all models of a topology entry's workers may take; absent while unknown",
    labels=_BY_WORKER,
)
CANARY_LATENCY = Reading(
    name="genie_canary_latency_seconds",
    says="What the last canary ticket took from its send to a claim loop of the queue",
    labels=_BY_QUEUE,
)
CANARY_WAITING = Reading(
    name="genie_canary_waiting_seconds",
    says="Since when a canary ticket of the queue is on its way; 0 if the last one was answered",
    labels=_BY_QUEUE,
)
HOLDS = Reading(name="genie_holds_open", says="Holds that are neither settled nor released")
HELD = Reading(name="genie_holds_open_credits", says="Credits that open holds set aside")
OLDEST_HOLD = Reading(
    name="genie_holds_oldest_seconds", says="Since when the oldest open hold is open; 0 without any"
)
DRIFT = Reading(
    name="genie_ledger_drift",
    says="What the latest hourly verification of the ledger found wrong; absent before the first",
)
VERIFIED = Reading(
    name="genie_ledger_verified_timestamp_seconds",
    says="When the latest verification of the ledger ended",
)
DUE = Reading(
    name="genie_webhook_deliveries_due",
    says="Deliveries whose next attempt is due, counted up to 100,000",
)
PENDING = Reading(
    name="genie_webhook_deliveries_pending",
    says="Deliveries that have not ended, due or to be tried again later, counted up to 100,000",
)
OLDEST_DUE = Reading(
    name="genie_webhook_oldest_due_seconds",
    says="Since when the oldest due delivery is due; 0 without any",
)
FAILING = Reading(
    name="genie_webhook_endpoints_failing",
    says="Enabled endpoints whose latest attempts have all failed",
)
READINGS = (
    *(DATABASE_UP, DATABASE_ONLY_READS, REDIS_UP, REDIS_REFUSES),
    *(QUEUED, OLDEST, RUNNING, LAPSED, PARKED, PAUSED, WORKERS),
    *(SLOTS, WORKER_RUNNING, MODEL_BYTES, BUDGET_BYTES, CANARY_LATENCY, CANARY_WAITING),
    *(HOLDS, HELD, OLDEST_HOLD, DRIFT, VERIFIED, DUE, PENDING, OLDEST_DUE, FAILING),
)
