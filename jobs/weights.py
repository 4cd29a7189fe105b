"""Reads and writes what organisations and their applications count for in queues."""

import dataclasses

from genie.core.errors import InvalidRequest
from genie.tenants import selectors as tenants
from jobs.models import Weight
from jobs.scheduling import NORMAL_WEIGHT

HEAVIEST = 10_000


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """An organisation or one of its applications, and its weight."""

    organization: str
    application: str | None
    weight: int


def given() -> list[Weighed]:
    """Return the weights that have been given; whoever is not among them has the normal one."""
    rows = Weight.objects.select_related("organization", "application")
    return [
        Weighed(
            organization=row.organization.slug,
            application=row.application.name if row.application else None,
            weight=row.weight,
        )
        for row in rows.order_by("organization__slug", "application__name")
    ]


def give(
    organization: str, application: str | None, weight: int, *, dry_run: bool = False
) -> Weighed:
    """Let an organisation, or an application of it, count for so much from the next submit on.

    Jobs that wait keep their turns. The normal weight takes back what was given. A dry run judges
    and writes nothing.

    Raises:
        InvalidRequest: There is none of that name, or the weight is out of bounds.
    """
    if not 1 <= weight <= HEAVIEST:
        raise InvalidRequest.of("weight", f"is from 1 to {HEAVIEST:,}; {NORMAL_WEIGHT} is normal")
    owner = tenants.organization(organization)
    if owner is None:
        raise InvalidRequest.of("organization", f"there is none of the name {organization!r}")
    part = tenants.application(owner.id, application) if application is not None else None
    if application is not None and part is None:
        raise InvalidRequest.of("application", f"{owner.slug} has none of the name {application!r}")
    if weight == NORMAL_WEIGHT and not dry_run:
        Weight.objects.filter(organization=owner, application=part).delete()
    elif not dry_run:
        Weight.objects.update_or_create(
            organization=owner, application=part, defaults={"weight": weight}
        )
    return Weighed(organization=owner.slug, application=part.name if part else None, weight=weight)
