"""``X-Genie-Store: none``: what a job was asked and answers is not kept beyond its delivery."""

from django.conf import settings
from django.http import HttpRequest

from genie.core import errors
from jobs.states import Mode

HEADER = "X-Genie-Store"


def stores(request: HttpRequest) -> bool:
    """Tell whether what a request says and is answered may be kept.

    Raises:
        InvalidRequest: The header says something else than ``none``.
    """
    said = request.META.get("HTTP_X_GENIE_STORE")
    if said is None:
        return True
    if said.strip().lower() != "none":
        raise errors.InvalidRequest.of(HEADER, "must be none, or absent")
    return False


def lifetime_s(wanted_s: float | None, *, stores: bool, mode: Mode) -> float | None:
    """Return how long a job can be looked at once it has ended; None: for good.

    Whoever waits or streams has the answer as the job ends, and a minute to find it again should the
    connection break. Whoever polls or is told by a webhook has as long as the setting says.
    """
    if stores:
        return wanted_s
    most_s = settings.GENIE_UNSTORED_ASYNC_S if mode is Mode.ASYNC else settings.GENIE_UNSTORED_S
    return most_s if wanted_s is None else min(wanted_s, most_s)
