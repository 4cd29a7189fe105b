"""Reads how long answers usually get, for quotes. Writes nothing."""

import dataclasses
import uuid

from django.db import connection


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class UsualCompletion:
    """How many tokens an organisation's jobs of one model generate."""

    p95: int | None  # 95 of 100 generated at most so many; None without any
    sample: int


_USUAL_OF = 1000  # the latest completed jobs: bounds the read
_USUAL_COMPLETION = """
SELECT percentile_disc(0.95) WITHIN GROUP (ORDER BY completion_tokens), count(*)
  FROM (SELECT completion_tokens FROM jobs_job
         WHERE organization_id = %s AND model = %s AND state = 'completed'
         ORDER BY completed_at DESC LIMIT %s) AS latest
"""


def usual_completion(*, organization_id: uuid.UUID, model: str) -> UsualCompletion:
    """Return what the organisation's latest completed jobs of this model generated.

    Its own jobs only: another organisation's answers are its secret, even their length.
    """
    with connection.cursor() as cursor:
        cursor.execute(_USUAL_COMPLETION, [organization_id, model, _USUAL_OF])
        p95, sample = cursor.fetchone()
    return UsualCompletion(p95=p95, sample=sample)
