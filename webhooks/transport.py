"""The only door out: judge a URL at submission, and make one request within one clock.

Requests makes the request and reads the answer, over an adapter of ours: ``targets`` reads the URL,
``sockets`` decides where a connection may lead, ``connections`` keeps it for the next request. A
redirect is an answer like any other; nothing is taken from the environment, neither proxy nor
credentials; an answer is never decompressed. Knows no database; call it with no transaction open.
"""

import functools
import time
from collections.abc import Mapping

import requests
from django.conf import settings

from webhooks import addresses, answers, breakage, sockets
from webhooks.adapter import JudgedAdapter
from webhooks.addresses import Policy
from webhooks.answers import Answer
from webhooks.errors import ErrorClass, TransportError, UrlRefused
from webhooks.targets import MAX_URL_CHARS, Target, destination, parse

__all__ = [
    "ANSWER_BYTES",
    "ATTEMPT_S",
    "CHECK_S",
    "KEPT_BYTES",
    "MAX_URL_CHARS",
    "PROBE_S",
    "Answer",
    "Target",
    "check_url",
    "destination",
    "parse",
    "post",
    "probe",
    "settings_policy",
]

ATTEMPT_S = 10.0  # one attempt in all: look-up, connecting, sending and the answer
PROBE_S = 5.0  # the same of an OPTIONS request that comes before the POST
CHECK_S = 1.0  # what a submission may wait for a look-up
ANSWER_BYTES = 64 * 1024  # read at most; the connection is dropped after them
KEPT_BYTES = 1024  # of which the notification log keeps these


def settings_policy() -> Policy:
    """Return the policy that the settings state."""
    return _policy(
        settings.GENIE_OUTBOUND_DEVELOPMENT,
        settings.GENIE_OUTBOUND_PORTS,
        tuple(settings.ALLOWED_HOSTS),
        tuple(settings.GENIE_OUTBOUND_REFUSED),
        settings.GENIE_OUTBOUND_CA_FILE,
    )


def check_url(
    url: str,
    *,
    field: str = "webhook.url",
    policy: Policy | None = None,
    resolver: sockets.Resolver = sockets.system_resolver,
) -> None:
    """Refuse a URL that could never be called. May block for ``CHECK_S`` on a look-up.

    A name that does not resolve in time passes: the delivery judges it again, and nobody shall
    learn from us which names exist.

    Raises:
        UrlRefused: With the same message for every reason.
    """
    policy = policy or settings_policy()
    try:
        target = parse(url, policy=policy)
        found = (
            sockets.resolve(target.host, target.port, resolver=resolver, timeout_s=CHECK_S)
            if addresses.host_allowed(target.host, policy=policy)
            else [""]  # no address at all is allowed
        )
    except TransportError as error:
        if error.error_class is ErrorClass.DNS:
            return
        raise UrlRefused(field) from None
    if not all(policy.allows(address) for address in found):
        raise UrlRefused(field)


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    deadline_s: float = ATTEMPT_S,
    policy: Policy | None = None,
    resolver: sockets.Resolver = sockets.system_resolver,
) -> Answer:
    """POST ``body`` and return the answer, within ``deadline_s`` in all.

    The receiver may get the request twice: where a kept connection turns out to be closed, it is sent
    again on a new one.

    Raises:
        TransportError: There is no complete answer; ``error_class`` says why.
    """
    deadline = time.monotonic() + deadline_s
    policy = policy or settings_policy()
    return _ask("POST", url, body, headers, deadline=deadline, policy=policy, resolver=resolver)


def probe(
    url: str,
    headers: Mapping[str, str],
    *,
    deadline_s: float = PROBE_S,
    policy: Policy | None = None,
    resolver: sockets.Resolver = sockets.system_resolver,
) -> Answer:
    """Ask ``OPTIONS`` of the URL, without a body, by all the rules of ``post``.

    What the answer means is the caller's to say; the connection is kept for the POST that follows.

    Raises:
        TransportError: There is no complete answer; ``error_class`` says why.
    """
    deadline = time.monotonic() + deadline_s
    policy = policy or settings_policy()
    return _ask("OPTIONS", url, None, headers, deadline=deadline, policy=policy, resolver=resolver)


def _ask(  # noqa: PLR0913 - what a request is made of
    method: str,
    url: str,
    body: bytes | None,
    headers: Mapping[str, str],
    *,
    deadline: float,
    policy: Policy,
    resolver: sockets.Resolver,
) -> Answer:
    target = parse(url, policy=policy)
    with breakage.translated(deadline):  # Requests' own errors are OSErrors
        request = requests.Request(method, target.url, headers=headers, data=body).prepare()
        adapter = JudgedAdapter(policy=policy, resolver=resolver, max_bytes=ANSWER_BYTES)
        response = adapter.send(request, timeout=deadline - time.monotonic())
    return Answer(
        status=response.status_code,
        head=response.content[:KEPT_BYTES],
        retry_after=answers.retry_after(response.headers.get("Retry-After")),
    )


@functools.lru_cache(maxsize=16)
def _policy(
    development: bool,  # noqa: FBT001 - a setting's value
    ports: tuple[range, ...],
    allowed_hosts: tuple[str, ...],
    refused: tuple[str, ...],
    ca_file: str,
) -> Policy:
    hosts, networks = addresses.hosts_and_networks(refused)
    return Policy(
        development=development,
        ports=ports,
        own_hosts=tuple(host.lower() for host in allowed_hosts if host != "*"),
        refused_hosts=hosts,
        refused_networks=networks,
        ca_file=ca_file or None,
    )
