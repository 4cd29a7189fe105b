"""The tables of jobs. Private to this app; ``lifecycle`` is the only writer of ``Job.state``."""

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Func, Q

from genie.core import ids
from genie.core.models import DatabaseNow
from jobs.scheduling import NORMAL_WEIGHT
from jobs.states import TERMINAL, Facade, FileRole, JobKind, JobState, Lane, Mode

_TERMINAL = sorted(TERMINAL)
_WAITING = Q(state=JobState.QUEUED, parked_by__isnull=True)
_PARKED = Q(state=JobState.QUEUED, parked_by__isnull=False)

# Who pays, as one value: an array compares where one of its elements is null, a row does not.
# `parking` says the same in SQL, so that its walk over the payers finds the index.
_PAYER = Func(
    F("organization"),
    F("application_id"),
    F("member_id"),
    F("user_id"),
    template="(ARRAY[%(expressions)s])",
    output_field=ArrayField(models.UUIDField()),
)


def _choices(
    values: type[JobState] | type[Mode] | type[JobKind] | type[Facade],
) -> list[tuple[str, str]]:
    return [(value.value, value.value) for value in values]


class Job(models.Model):
    """One unit of work, from the 2xx that accepted it to its terminal state."""

    id = models.UUIDField(primary_key=True, default=ids.new_id, editable=False)
    organization = models.ForeignKey(
        "tenants.Organization", models.PROTECT, db_index=False, related_name="+"
    )
    # Who pays and who asked. Plain ids: a deleted key or member must not take history with it.
    application_id = models.UUIDField(null=True)
    member_id = models.UUIDField(null=True)
    user_id = models.UUIDField(null=True)
    api_key_id = models.UUIDField(null=True)

    kind = models.CharField(max_length=16, choices=_choices(JobKind))
    mode = models.CharField(max_length=8, choices=_choices(Mode))
    queue = models.CharField(max_length=40)
    lane = models.SmallIntegerField(choices=[(lane.value, lane.name.lower()) for lane in Lane])
    # Its turn in its lane: virtual time, lowest first. See Note [Virtual time] in jobs.scheduling.
    start_tag = models.FloatField(db_default=0.0)
    work_s = models.FloatField(db_default=1.0)  # the seconds that its turn is for
    lanes_up = models.SmallIntegerField(db_default=0)  # how many lanes it has been moved up by age
    requested_model = models.CharField(max_length=200)
    model = models.CharField(max_length=200)  # the resolved id
    request = models.JSONField()  # validated and normalised; what the runner gives to the engine

    # The contract that it came through, and what its caller sent where that contract gives it back.
    facade = models.CharField(
        max_length=16, choices=_choices(Facade), default=Facade.GENIE, db_default=Facade.GENIE
    )
    asked = models.JSONField(null=True)
    group_id = models.UUIDField(null=True)  # jobs that were submitted together; see JobGroup

    state = models.CharField(max_length=12, choices=_choices(JobState), default=JobState.QUEUED)
    # The cap that keeps a queued job out of its queue, such as org_daily_cap; null once it has been
    # admitted. A job that ends with it was never admitted: it had no hold and costs nothing.
    parked_by = models.CharField(max_length=40, null=True)
    attempt = models.SmallIntegerField(default=0)  # counts claims; 0 until the first
    max_attempts = models.SmallIntegerField()
    worker = models.CharField(max_length=120, default="", blank=True)
    lease_expires_at = models.DateTimeField(null=True)
    not_before = models.DateTimeField(null=True)  # a re-queued job waits until then
    cancel_requested_at = models.DateTimeField(null=True)
    cancel_reason = models.CharField(max_length=200, default="", blank=True)

    created_at = models.DateTimeField(db_default=DatabaseNow())
    queued_at = models.DateTimeField(db_default=DatabaseNow())  # when it was admitted
    started_at = models.DateTimeField(null=True)  # of the newest attempt
    completed_at = models.DateTimeField(null=True)
    start_deadline_at = models.DateTimeField()
    run_limit_s = models.FloatField()
    run_deadline_at = models.DateTimeField(null=True)
    end_deadline_at = models.DateTimeField(null=True)  # by when it must have ended, even if it runs
    ticketed_at = models.DateTimeField(db_default=DatabaseNow())  # when a ticket was last asked for

    # What its work costs, from its submission on: micro-credits for one of each unit. Null in rows
    # that are older than this column.
    price_version = models.CharField(max_length=40)
    price_rates = models.JSONField(null=True)
    estimate_microcredits = models.BigIntegerField()
    cost_microcredits = models.BigIntegerField(null=True)
    prompt_tokens = models.IntegerField(default=0)
    completion_tokens = models.IntegerField(default=0)
    # What media work is counted in, in parts of its price's unit (inference.specs.Unit), and how far
    # it has come.
    parts = models.BigIntegerField(default=0, db_default=0)
    percent = models.SmallIntegerField(default=0, db_default=0)

    result = models.JSONField(null=True)  # the sync body
    error = models.JSONField(null=True)  # {code, message, ...}
    # How long it can be looked at once it has ended, in seconds; null: for good. From then on it does
    # not exist for callers, and what was asked and answered is removed.
    result_ttl_s = models.FloatField(null=True)
    expires_at = models.DateTimeField(null=True)
    # Where each delta of a streamed text ends, in characters: a resumed stream has the same seams
    # after Redis has forgotten the job.
    delta_ends = ArrayField(models.IntegerField(), null=True)
    first_seq = models.IntegerField(default=1)  # above 1 when a later attempt began the text again

    # The context of its request's span where that is traced, as W3C's header; see genie.core.tracing.
    traceparent = models.CharField(max_length=55, null=True)

    # The channel of the web process whose caller waits on an open connection; see jobs.replies.
    reply_to = models.CharField(max_length=64, default="", db_default="", blank=True)

    webhook_url = models.TextField(default="", blank=True)
    webhook_secret = models.TextField(null=True)  # sealed; moves to the delivery when the job ends
    webhook_endpoint_id = models.UUIDField(null=True)  # the registered endpoint that it names
    # The same, but told in inference.net's words; see jobs.generations.
    generation_endpoint_id = models.UUIDField(null=True)

    class Meta:
        # Apart from view_job: whoever watches the queues need not read what was asked.
        permissions = [("view_prompt", "Can read prompts and answers")]
        constraints = [
            models.CheckConstraint(
                name="job_state_known", condition=Q(state__in=[s.value for s in JobState])
            ),
            models.CheckConstraint(
                name="job_mode_known", condition=Q(mode__in=[m.value for m in Mode])
            ),
            models.CheckConstraint(
                name="job_attempt_within_max",
                condition=Q(attempt__gte=0, attempt__lte=models.F("max_attempts")),
            ),
            models.CheckConstraint(
                name="job_running_has_lease",
                condition=Q(state=JobState.RUNNING, lease_expires_at__isnull=False, attempt__gte=1)
                | (~Q(state=JobState.RUNNING) & Q(lease_expires_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="job_terminal_has_end_and_cost",
                condition=Q(
                    state__in=_TERMINAL, completed_at__isnull=False, cost_microcredits__isnull=False
                )
                | (
                    ~Q(state__in=_TERMINAL)
                    & Q(completed_at__isnull=True, cost_microcredits__isnull=True)
                ),
            ),
            models.CheckConstraint(
                name="job_result_only_when_completed",
                condition=Q(state=JobState.COMPLETED, result__isnull=False, error__isnull=True)
                | (~Q(state=JobState.COMPLETED) & Q(result__isnull=True)),
            ),
            models.CheckConstraint(
                name="job_error_when_ended_otherwise",
                condition=Q(
                    state__in=[s for s in _TERMINAL if s != JobState.COMPLETED], error__isnull=False
                )
                | (
                    ~Q(state__in=[s for s in _TERMINAL if s != JobState.COMPLETED])
                    & Q(error__isnull=True)
                ),
            ),
            models.CheckConstraint(
                name="job_cost_within_estimate",
                condition=Q(estimate_microcredits__gte=0)
                & (
                    Q(cost_microcredits__isnull=True)
                    | Q(
                        cost_microcredits__gte=0,
                        cost_microcredits__lte=models.F("estimate_microcredits"),
                    )
                ),
            ),
            # Admission comes first: what is parked has not run, cannot complete and owes nothing.
            models.CheckConstraint(
                name="job_parked_has_not_run",
                condition=Q(parked_by__isnull=True)
                | (
                    ~Q(state__in=[JobState.RUNNING, JobState.COMPLETED])
                    & Q(mode=Mode.ASYNC, attempt=0, worker="", not_before__isnull=True)
                    & (Q(cost_microcredits__isnull=True) | Q(cost_microcredits=0))
                ),
            ),
            models.CheckConstraint(
                name="job_tokens_not_negative",
                condition=Q(prompt_tokens__gte=0, completion_tokens__gte=0),
            ),
            models.CheckConstraint(
                name="job_media_work_in_range",
                condition=Q(parts__gte=0, percent__gte=0, percent__lte=100),
            ),
        ]
        indexes = [
            # The claim and queue_position: same columns, same order. Parked jobs are not in it. The
            # columns beside them are what the depths and the ETA count.
            models.Index(
                name="job_claim_order",
                fields=["queue", "lane", "start_tag", "id"],
                include=["organization", "model"],
                condition=_WAITING,
            ),
            # Booking a turn: the first job of a model. The claim: the models that a worker serves.
            models.Index(
                name="job_model_order",
                fields=["queue", "model", "lane", "start_tag", "id"],
                condition=_WAITING,
            ),
            # Aging: how many jobs that it has moved up are waiting still.
            models.Index(
                name="job_promoted",
                fields=["queue", "lane"],
                condition=_WAITING & Q(lanes_up__gt=0),
            ),
            # Un-parking: from payer to payer, each one's oldest jobs.
            models.Index(
                _PAYER, F("created_at"), F("id"), name="job_parked_by_payer", condition=_PARKED
            ),
            # The sweep: lapsed leases and passed deadlines.
            models.Index(
                name="job_leases", fields=["lease_expires_at"], condition=Q(state=JobState.RUNNING)
            ),
            models.Index(
                name="job_start_deadlines",
                fields=["start_deadline_at"],
                condition=Q(state=JobState.QUEUED),
            ),
            models.Index(
                name="job_end_deadlines",
                fields=["end_deadline_at"],
                condition=Q(state=JobState.RUNNING, end_deadline_at__isnull=False),
            ),
            # GET /v1/jobs: newest first within an organisation.
            models.Index(name="job_by_organization", fields=["organization", "-created_at", "-id"]),
            # Oxen's queue: its jobs alone, newest first.
            models.Index(
                name="job_of_media_queue",
                fields=["organization", "-created_at", "-id"],
                condition=Q(facade=Facade.OXEN),
            ),
            models.Index(
                name="job_by_group", fields=["group_id"], condition=Q(group_id__isnull=False)
            ),
            # Expiry: what has ended and has something left to remove.
            models.Index(
                name="job_by_expiry",
                fields=["expires_at"],
                condition=Q(expires_at__isnull=False) & ~Q(request={}),
            ),
            # Retention and erasure: what an organisation has that has ended and has its content still.
            models.Index(
                name="job_by_end_with_content",
                fields=["organization", "completed_at"],
                condition=Q(completed_at__isnull=False) & ~Q(request={}),
            ),
            # The admin: what did not end well, newest first. A job comes into it once, as it ends.
            models.Index(
                name="job_unsuccessful",
                fields=["state", "id"],
                condition=Q(state__in=[JobState.FAILED, JobState.CANCELLED, JobState.TIMEOUT]),
            ),
            # The quote: what the organisation's latest jobs of a model generated, without their rows.
            models.Index(
                name="job_usual_completion",
                fields=["organization", "model", "-completed_at"],
                include=["completion_tokens"],
                condition=Q(state=JobState.COMPLETED),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk} ({self.state})"


class JobGroup(models.Model):
    """Jobs that were submitted together and whose common end is told once."""

    id = models.UUIDField(primary_key=True, default=ids.new_id, editable=False)
    organization = models.ForeignKey(
        "tenants.Organization", models.PROTECT, db_index=False, related_name="+"
    )
    facade = models.CharField(max_length=16, choices=_choices(Facade))
    size = models.IntegerField()
    unended = models.IntegerField()  # members that have not ended; counted down by who ends them
    webhook_endpoint_id = models.UUIDField(null=True)  # is told when all have ended
    created_at = models.DateTimeField(db_default=DatabaseNow())

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="group_counts_down",
                condition=Q(size__gte=1, unended__gte=0, unended__lte=F("size")),
            )
        ]

    def __str__(self) -> str:
        return f"group {self.pk} ({self.size - self.unended} of {self.size} ended)"


class Batch(models.Model):
    """A file of requests that its caller wants answered within a day, as a file. See ``jobs.batches``.

    It is checked; then the money of all its lines is held, it begins, and has a group with its id.
    Its lines wait beside the queues, and become jobs of the group as these have room. One that is
    refused as a whole has errors and no group.
    """

    id = models.UUIDField(primary_key=True, default=ids.new_id, editable=False)
    organization = models.ForeignKey(
        "tenants.Organization", models.PROTECT, db_index=False, related_name="+"
    )
    requester = models.JSONField(default=dict)  # who asked, and which models it was allowed then
    endpoint = models.CharField(max_length=64)
    input_file_id = models.UUIDField()
    output_lifetime_s = models.FloatField(null=True)  # of the files; null: until they are deleted
    metadata = models.JSONField(null=True)
    size = models.IntegerField(default=0, db_default=0)  # lines; 0 while it is checked
    errors = models.JSONField(null=True)  # of the lines, or of all: why it was refused
    created_at = models.DateTimeField(db_default=DatabaseNow())
    expires_at = models.DateTimeField()  # what has not begun by then is not begun
    # Which check of it is under way, and until when that must have said that it goes on.
    check_id = models.UUIDField(null=True)
    checked_until = models.DateTimeField(null=True)
    begun_at = models.DateTimeField(null=True)
    held_microcredits = models.BigIntegerField(null=True)  # for all lines; null: each has its own
    fed = models.IntegerField(default=0, db_default=0)  # lines that have become jobs
    closed_at = models.DateTimeField(null=True)  # from then on no line becomes a job
    cancelling_at = models.DateTimeField(null=True)
    # When its files were written, or it was refused; from then on nothing of it changes.
    concluded_at = models.DateTimeField(null=True)
    counts = models.JSONField(null=True)  # of its jobs, as they were when it was concluded
    output_file_id = models.UUIDField(null=True)
    error_file_id = models.UUIDField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="batch_refused_is_concluded",
                condition=Q(errors__isnull=True)
                | Q(
                    concluded_at__isnull=False,
                    cancelling_at__isnull=True,
                    output_file_id__isnull=True,
                    error_file_id__isnull=True,
                ),
            ),
            models.CheckConstraint(
                name="batch_files_once_concluded",
                condition=Q(concluded_at__isnull=False)
                | Q(output_file_id__isnull=True, error_file_id__isnull=True),
            ),
            models.CheckConstraint(
                name="batch_feeds_once_begun",
                condition=Q(
                    begun_at__isnull=True,
                    held_microcredits__isnull=True,
                    closed_at__isnull=True,
                    fed=0,
                )
                | Q(begun_at__isnull=False, errors__isnull=True, fed__gte=0, fed__lte=F("size")),
            ),
        ]
        indexes = [
            models.Index(
                name="batch_by_organization", fields=["organization", "-created_at", "-id"]
            ),
            models.Index(
                name="batch_open", fields=["created_at"], condition=Q(concluded_at__isnull=True)
            ),
        ]
        verbose_name_plural = "batches"

    def __str__(self) -> str:
        return f"batch {self.pk} of {self.size} lines"


class BatchLine(models.Model):
    """A line of a batch that has not become a job yet; its row goes in the transaction that makes it one."""

    id = models.UUIDField(primary_key=True, default=ids.new_id, editable=False)  # the job's
    batch = models.ForeignKey(Batch, models.CASCADE, db_index=False, related_name="+")
    number = models.IntegerField()  # of the lines that are not blank, from 1
    job = models.TextField()  # a ``lifecycle.NewJob`` as JSON, as it was checked and priced
    webhook_secret = models.TextField(null=True)  # the job's; sealed

    class Meta:
        constraints = [
            models.UniqueConstraint(name="batchline_by_batch", fields=["batch", "number"])
        ]

    def __str__(self) -> str:
        return f"line {self.number} of a batch"


class JobEvent(models.Model):
    """One transition of a job, appended in the transaction that made it."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="events", db_index=False)
    type = models.CharField(
        max_length=24
    )  # job.queued, job.running, job.requeued, job.completed, ...
    attempt = models.SmallIntegerField()
    data = models.JSONField(default=dict)  # worker, reason: never a prompt
    at = models.DateTimeField(db_default=DatabaseNow())

    class Meta:
        indexes = [models.Index(name="jobevent_by_job", fields=["job", "id"])]

    def __str__(self) -> str:
        return f"{self.type} #{self.attempt}"


class Attempt(models.Model):
    """One execution of a job by one worker."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="attempts", db_index=False)
    number = models.SmallIntegerField()  # from 1
    worker = models.CharField(max_length=120)
    started_at = models.DateTimeField(db_default=DatabaseNow())
    ended_at = models.DateTimeField(null=True)
    outcome = models.CharField(
        max_length=24, default="", blank=True
    )  # a terminal state, requeued, lost

    class Meta:
        constraints = [
            models.UniqueConstraint(name="attempt_once_per_number", fields=["job", "number"]),
            models.CheckConstraint(name="attempt_from_one", condition=Q(number__gte=1)),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} on {self.worker}"


class IdempotencyKey(models.Model):
    """The caller's own key for one submission; the same key and body name the same job."""

    organization = models.ForeignKey(
        "tenants.Organization", models.CASCADE, related_name="+", db_index=False
    )
    key = models.CharField(max_length=255)
    body_digest = models.BinaryField(max_length=32)
    job_id = models.UUIDField()
    created_at = models.DateTimeField(db_default=DatabaseNow())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="idempotency_once_per_organization", fields=["organization", "key"]
            )
        ]
        indexes = [models.Index(name="idempotency_by_age", fields=["created_at"])]

    def __str__(self) -> str:
        return f"idempotency key of job {self.job_id}"


class File(models.Model):
    """Bytes in the storage: what a caller sent for a job, what a job made, or what is kept beside jobs.

    The row comes before the content and goes after it, so that no content is without a row.
    """

    id = models.UUIDField(primary_key=True, default=ids.new_id, editable=False)
    organization = models.ForeignKey(
        "tenants.Organization", models.PROTECT, db_index=False, related_name="+"
    )
    job_id = models.UUIDField(null=True)  # null until a job that names it has been committed
    attempt = models.SmallIntegerField(null=True)  # which one made it; null for an input
    # The job has completed with it; or, of an upload, its content is there.
    kept = models.BooleanField(default=False, db_default=False)
    role = models.CharField(max_length=8, choices=[(role.value, role.value) for role in FileRole])
    # What a public address ends in: 256 bits that nobody can guess. An input has no address.
    token = models.CharField(max_length=43, null=True)
    name = models.CharField(max_length=200)  # in the storage
    media_type = models.CharField(max_length=100)
    size = models.BigIntegerField()  # bytes
    created_at = models.DateTimeField(db_default=DatabaseNow())
    expires_at = models.DateTimeField(null=True)  # null: kept for good
    # Of an upload: what its sender calls it, and what for.
    filename = models.CharField(max_length=255, default="", db_default="", blank=True)
    purpose = models.CharField(max_length=24, default="", db_default="", blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="file_role_and_address",
                condition=Q(role=FileRole.INPUT, token__isnull=True, attempt__isnull=True)
                | Q(
                    role=FileRole.UPLOAD,
                    token__isnull=True,
                    attempt__isnull=True,
                    job_id__isnull=True,
                )
                | Q(
                    role=FileRole.OUTPUT,
                    token__isnull=False,
                    attempt__isnull=False,
                    job_id__isnull=False,
                ),
            ),
            models.CheckConstraint(
                name="file_kept_is_no_input", condition=Q(kept=False) | ~Q(role=FileRole.INPUT)
            ),
            models.CheckConstraint(name="file_size_not_negative", condition=Q(size__gte=0)),
            models.UniqueConstraint(name="file_token_once", fields=["token"]),
            models.UniqueConstraint(name="file_name_once", fields=["name"]),
        ]
        indexes = [
            models.Index(name="file_by_job", fields=["job_id"]),
            # The sweep looks at what no completed job has, which is little, and at what expires.
            models.Index(name="file_not_kept", fields=["created_at"], condition=Q(kept=False)),
            models.Index(
                name="file_uploads",
                fields=["organization", "-created_at", "-id"],
                include=["size"],
                condition=Q(role=FileRole.UPLOAD),
            ),
            models.Index(
                name="file_by_expiry", fields=["expires_at"], condition=Q(expires_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.role} {self.pk} ({self.media_type}, {self.size} bytes)"


class Worker(models.Model):
    """A worker process that has been seen, and what it serves: /ready, no-worker, /v1/models."""

    name = models.CharField(primary_key=True, max_length=120)
    queues = ArrayField(models.CharField(max_length=40))
    slots = models.IntegerField(default=0)
    running = models.IntegerField(default=0)
    loaded_models = ArrayField(models.CharField(max_length=200), default=list)
    # Of its queues, those whose models it has tried to load: what it serves without delay.
    ready_queues = ArrayField(models.CharField(max_length=40), default=list, db_default=[])
    jobs_per_s = models.JSONField(
        default=dict
    )  # queue to how many jobs it can end a second, lately
    # Model to the run times of its latest jobs, as jobs.service_times writes them.
    service_times = models.JSONField(default=dict, db_default={})
    started_at = models.DateTimeField(db_default=DatabaseNow())
    heartbeat_at = models.DateTimeField(db_default=DatabaseNow())
    left_at = models.DateTimeField(null=True, blank=True)  # it was stopped in order
    # Why it is being replaced, in words for operators; empty while nothing is wrong.
    trouble = models.CharField(max_length=200, blank=True, default="", db_default="")
    # Bytes of device memory of each loaded model; and the most that all together may have.
    model_bytes = models.JSONField(default=dict, db_default={})
    memory_budget_bytes = models.BigIntegerField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(name="worker_by_heartbeat", fields=["heartbeat_at"])]

    def __str__(self) -> str:
        return self.name


class Canary(models.Model):
    """The latest ticket without a job that was sent to a queue, to time the way to its workers."""

    queue = models.CharField(primary_key=True, max_length=40)
    token = models.UUIDField()  # of the ticket; it is sent again, as it is, until it is answered
    sent_at = models.DateTimeField()
    tried_at = models.DateTimeField()  # when it was sent last
    answered_at = models.DateTimeField(null=True)
    worker = models.CharField(max_length=120, default="")  # that answered last
    latency_s = models.FloatField(null=True)  # of the last answer

    def __str__(self) -> str:
        return self.queue


class QueuePause(models.Model):
    """While a queue has one, no claim takes a job from it. Written by ``jobs.pauses`` alone."""

    queue = models.CharField(primary_key=True, max_length=40)
    reason = models.CharField(max_length=200, default="", db_default="", blank=True)
    paused_by = models.CharField(max_length=200, default="", db_default="", blank=True)
    paused_at = models.DateTimeField(db_default=DatabaseNow())

    class Meta:
        verbose_name = "paused queue"

    def __str__(self) -> str:
        return f"{self.queue}, since {self.paused_at:%Y-%m-%d %H:%M:%S}"


class QueueClock(models.Model):
    """The virtual time of a queue's lane: the largest start tag that was claimed."""

    queue = models.CharField(max_length=40)
    lane = models.SmallIntegerField()
    virtual_time = models.FloatField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="queueclock_once_per_lane", fields=["queue", "lane"])
        ]

    def __str__(self) -> str:
        return f"{self.queue}, lane {self.lane}: {self.virtual_time:g}"


class Booking(models.Model):
    """Until when, by virtual time, a caller's jobs have taken its turns in one line."""

    queue = models.CharField(max_length=40)
    lane = models.SmallIntegerField()
    model = models.CharField(max_length=200)
    # The caller. Plain ids, and a nil id for none: they are a key, and no row is written by hand.
    organization_id = models.UUIDField()
    application_id = models.UUIDField()
    member_id = models.UUIDField()
    booked_until = models.FloatField()  # in no index, so that moving it on is cheap
    booked_at = models.DateTimeField(db_default=DatabaseNow())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="booking_once_per_caller",
                fields=[
                    "queue", "lane", "model", "organization_id", "application_id", "member_id",
                ],
            )
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.queue}, {self.model}: until {self.booked_until:g}"


class Weight(models.Model):
    """What an organisation counts for in every queue, or one of its applications within it."""

    organization = models.ForeignKey(
        "tenants.Organization", models.CASCADE, db_index=False, related_name="+"
    )
    application = models.ForeignKey(  # null: the weight of the organisation itself
        "tenants.Application",
        models.CASCADE,
        null=True,
        blank=True,
        db_index=False,
        related_name="+",
    )
    weight = models.PositiveIntegerField(default=NORMAL_WEIGHT)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="weight_once_per_application",
                fields=["organization", "application"],
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                name="weight_within_bounds", condition=Q(weight__gte=1, weight__lte=10_000)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.application or self.organization}: {self.weight}"

    def clean(self) -> None:
        """Refuse an application of another organisation: it would never be looked up."""
        application = self.application
        if application is not None and application.organization_id != self.organization_id:
            raise ValidationError({"application": "It belongs to another organization."})
