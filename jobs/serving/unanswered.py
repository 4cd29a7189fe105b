"""What becomes of a job whose caller cannot be given its answer: cancelled, or kept for later."""

import contextlib
import dataclasses
import uuid

from genie.core import errors
from genie.core.lean import LeanRequest
from genie.tenants.principal import Principal
from jobs import events, web
from jobs.states import JobKind
from jobs.submissions import Accepted, Submission

_GONE = "Cancelled: the caller disconnected."


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """A submission and the caller who waited for its job."""

    job_id: uuid.UUID
    kind: JobKind
    organization_id: uuid.UUID
    replayed: bool  # another request made the job, and may still wait for it
    continues: bool  # X-On-Disconnect: continue, or a response in the background
    comes_back: bool  # an Idempotency-Key: the same request finds the same job

    @classmethod
    def of(
        cls, request: LeanRequest, principal: Principal, submission: Submission, accepted: Accepted
    ) -> "Unanswered":
        """Return the submission as it matters here."""
        header = request.META.get("HTTP_X_ON_DISCONNECT", "")
        return cls(
            job_id=accepted.job_id,
            kind=submission.job.kind,
            organization_id=principal.organization_id,
            replayed=accepted.replayed,
            continues=header.strip().lower() == "continue" or _in_background(submission),
            comes_back=submission.idempotency_key is not None,
        )

    async def disconnected(self) -> None:
        """Cancel the job of a caller who has gone, unless it is to go on."""
        if not (self.replayed or self.continues):
            with contextlib.suppress(errors.JobTerminal, errors.Unavailable):
                await self._cancel(_GONE)

    async def dismissed(self, why: errors.GenieError, *, keep: bool = False) -> errors.GenieError:
        """Return what a caller who is sent away is told.

        Its job is cancelled, so that sending the request again does not pay twice; but not where the
        caller can come back to it, or with ``keep``.

        Raises:
            JobTerminal: The job has ended meanwhile.
        """
        public_id = events.public_id(self.job_id, self.kind)
        if keep or self.replayed or self.continues or self.comes_back:
            return goes_on(why, public_id)
        await self._cancel(f"Cancelled: {why.message}")
        return _with(why, "The job was cancelled; send the request again.", public_id)

    async def _cancel(self, reason: str) -> None:
        await web.cancel(self.job_id, organization_id=self.organization_id, reason=reason)


def _in_background(submission: Submission) -> bool:
    return bool(submission.job.request.get("response", {}).get("background"))


def goes_on(why: errors.GenieError, public_id: str) -> errors.GenieError:
    """Return what somebody is told who is sent away from a job that goes on."""
    path = f"/v1/jobs/{public_id}"
    return _with(
        why, f"The job goes on: GET {path} has its result, {path}/events the stream.", public_id
    )


def _with(why: errors.GenieError, more: str, public_id: str) -> errors.GenieError:
    told = type(why)(f"{why.message} {more}", id=public_id)
    told.headers |= why.headers
    return told
