"""The table of jobs. ``lifecycle`` is the only writer of ``Job.state``."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Func, Q

from genie.core import ids
from genie.core.models import DatabaseNow
from jobs.models import choices
from jobs.states import TERMINAL, Facade, JobKind, JobState, Lane, Mode

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

    kind = models.CharField(max_length=16, choices=choices.of(JobKind))
    mode = models.CharField(max_length=8, choices=choices.of(Mode))
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
        max_length=16, choices=choices.of(Facade), default=Facade.GENIE, db_default=Facade.GENIE
    )
    asked = models.JSONField(null=True)
    group_id = models.UUIDField(null=True)  # jobs that were submitted together; see JobGroup

    state = models.CharField(max_length=12, choices=choices.of(JobState), default=JobState.QUEUED)
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
    # Where each delta of a text ended, in characters: a reader who comes again finds the same seams
    # when Redis has forgotten the job, or has not been told its end.
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
