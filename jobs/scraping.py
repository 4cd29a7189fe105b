"""What Prometheus reads, and who may. Off until a setting says who.

A web process tells of the processes of its machine, of the machine, and of the whole system's state;
an exporter (``jobs.exporter``) tells of the first two, for machines that have no web process.
"""

import hmac
from collections.abc import Iterable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import View
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from genie.core import errors, machine, metric_files, metrics
from genie.core.in_time import InTime
from genie.tenants import authentication, networks
from jobs import gauges

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_NOWHERE = "There is no route GET /metrics."
_ASKED_FOR = "Send 'Authorization: Bearer ...' with the token of GENIE_METRICS_TOKEN."


class Processes(Collector):
    """What the processes of this machine have counted; of this one alone where it counts for itself."""

    def collect(self) -> Iterable[Metric]:
        """Return the sums."""
        where = metric_files.directory() if metrics.counts_in_files else None
        return metrics.registry.collect() if where is None else metric_files.read(where)


_machine = CollectorRegistry()
_machine.register(Processes())
_machine.register(machine.Machine())
_state = CollectorRegistry()
_state.register(
    InTime(
        (gauges.SystemState(), gauges.without_database),
        (gauges.RedisState(), gauges.without_redis),
        limit_s=gauges.LIMIT_S,
    )
)


def of_machine() -> bytes:
    """Return what the processes of this machine count, and what it says of itself."""
    return generate_latest(_machine)


def of_system() -> bytes:
    """Return the same, and the state of the whole system: asks the database, for a bounded time."""
    return of_machine() + generate_latest(_state)


def refusal(*, address: str | None, authorization: str | None) -> errors.GenieError | None:
    """Return why these may not be read from there; None if they may.

    Each of ``GENIE_METRICS_NETWORKS`` and ``GENIE_METRICS_TOKEN`` that is set has to be met.
    """
    token, allowed = settings.GENIE_METRICS_TOKEN, settings.GENIE_METRICS_NETWORKS
    if not token and not allowed:
        return errors.NotFound(_NOWHERE)
    if allowed and not networks.contains(allowed, address):
        return errors.NotFound(_NOWHERE)  # as if they were off: nobody outside learns of them
    given = (authorization or "").encode("latin-1", "replace")
    if token and not hmac.compare_digest(given, f"Bearer {token}".encode()):
        return errors.Unauthorized(_ASKED_FOR)
    return None


class MetricsView(View):
    """``GET /metrics``."""

    http_method_names = ("get", "head")

    def get(self, request: HttpRequest) -> HttpResponse:
        """Answer in Prometheus's text format."""
        refused = refusal(
            address=authentication.client_address(request),
            authorization=request.META.get("HTTP_AUTHORIZATION"),
        )
        if refused is not None:
            return JsonResponse(refused.body(), status=refused.http_status, headers=refused.headers)
        return HttpResponse(of_system(), content_type=CONTENT_TYPE)
