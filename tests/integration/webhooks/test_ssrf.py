"""Several hundred ways inside, against every door out: no connection is even begun.

The three doors are the check at submission, a delivery from the database, and the fetch of a URL that
a caller hands in, also by a redirect. A canary listens on every address of this machine, at the port
that all URLs name, and an audit hook sees each attempt to connect, whoever makes it.
"""

import contextlib
import functools
import ipaddress
import socket
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from pytest_django import Settings

from genie.core import ids, transactions
from tests.integration.webhooks import keepalive
from tests.integration.webhooks.keepalive import Turn
from tests.unit.webhooks import corpus
from tests.zoo import names
from webhooks import addresses, delivery, fetching, services, sockets, transport
from webhooks.addresses import Policy
from webhooks.errors import ErrorClass, FetchFailed, FetchReason, TransportError, UrlRefused
from webhooks.models import Delivery, State
from webhooks.services import NewEvent

PUBLIC = "93.184.216.34"
OUTSIDE = "127.0.0.9"  # plays the one public address in the tests that need an answer from outside


@dataclass(slots=True)
class Watch:
    """Every address that somebody tried to connect to while it is on."""

    on: bool = False
    seen: list[str] = field(default_factory=list)

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if self.on and event == "socket.connect" and isinstance(args[0], sockets.ClockedSocket):
            self.seen.append(str(args[1]))


WATCH = Watch()
sys.addaudithook(WATCH)  # for good: Python has no way to take one off, so it is switched


@dataclass(slots=True, kw_only=True)
class Canary:
    """A listener inside that nothing may reach."""

    port: int
    connections: int = 0


@pytest.fixture
def canary() -> Iterator[Canary]:
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as listener:
        canary = Canary(port=listener.getsockname()[1])

        def count() -> None:
            with contextlib.suppress(OSError):
                while True:
                    listener.accept()[0].close()
                    canary.connections += 1

        thread = threading.Thread(target=count, daemon=True)
        thread.start()
        WATCH.seen.clear()
        WATCH.on = True
        yield canary
        WATCH.on = False
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


@pytest.fixture
def zone() -> names.Zone:
    """Every name of the corpus leads to loopback, so that a name let through would be dialled."""
    hosts = {host.strip("[]").lower().rstrip(".") for host in [*corpus.NAMES, "example.com"]}
    return names.Zone(names={host: [["127.0.0.1", "::1"]] for host in hosts})


@pytest.fixture
def resolver(zone: names.Zone) -> Iterator[sockets.Resolver]:
    with names.serve(zone) as port:
        yield names.resolver(port)


def urls(port: int) -> list[str]:
    """Return the corpus at the canary's port, and addresses behind names that only DNS knows."""
    hosts = [
        *(one for address in (*corpus.REFUSED_V4, *corpus.REFUSED_V6) for one in corpus.spellings(address)),
        *corpus.NAMES,
        *(address.replace(".", "-") + names.WILD for address in corpus.REFUSED_V4),
    ]  # fmt: skip
    return sorted({f"https://{host}:{port}/hook" for host in hosts} | set(corpus.URLS))


def closed(port: int) -> Policy:
    """Return production's policy with the canary's port open, so that no port saves the day."""
    return Policy(ports=(range(443, 444), range(port, port + 1)), own_hosts=corpus_own_hosts())


def corpus_own_hosts() -> tuple[str, ...]:
    return ("our.example.net", ".ours.example")


def outside(port: int) -> Policy:
    """Return a policy by which ``OUTSIDE`` may be called, and nothing else of what is private."""
    spared = ipaddress.ip_network(OUTSIDE)
    networks = [
        part
        for network in addresses.REFUSED
        for part in (
            network.address_exclude(spared)  # type: ignore[arg-type]
            if network.version == 4 and spared.subnet_of(network)  # type: ignore[arg-type]
            else [network]
        )
    ]
    return Policy(development=True, refused_networks=tuple(networks))


class TestCorpus:
    def test_has_more_than_three_hundred_urls(self) -> None:
        assert len(urls(8443)) > 1000


class TestSubmission:
    def test_refuses_all_of_it(self, canary: Canary, resolver: sockets.Resolver) -> None:
        passed = [
            url
            for url in urls(canary.port)
            if not refused(url, policy=closed(canary.port), resolver=resolver)
        ]

        assert passed == []
        assert (WATCH.seen, canary.connections) == ([], 0)


def refused(url: str, *, policy: Policy, resolver: sockets.Resolver) -> bool:
    try:
        transport.check_url(url, policy=policy, resolver=resolver)
    except UrlRefused:
        return True
    return False


@pytest.mark.django_db(transaction=True)
class TestDelivery:
    def test_fails_for_a_ninth_of_it(
        self, canary: Canary, resolver: sockets.Resolver, settings: Settings
    ) -> None:
        settings.GENIE_WEBHOOK_PER_HOST = 64
        # A ninth of it, spread over all kinds: each is a row, a claim and a record.
        storable = [url for url in urls(canary.port) if url and url.isprintable()][::9]
        publish(storable)

        post = functools.partial(
            transport.post, policy=closed(canary.port), resolver=resolver, deadline_s=5
        )
        delivery.deliver_due(limit=2 * len(storable), post=post)

        assert {(one.state, one.reason) for one in Delivery.objects.all()} == {
            (State.FAILED, ErrorClass.BLOCKED_ADDRESS.value),
            (State.FAILED, ErrorClass.URL_REFUSED.value),
        }
        assert Delivery.objects.count() == len(storable) > 100
        assert (WATCH.seen, canary.connections) == ([], 0)


def publish(published: list[str]) -> None:
    with transactions.transaction():
        services.publish_many(
            [
                NewEvent(
                    event_type="job.completed", organization_id=uuid.UUID(int=1), reference=ids.new_id(), body=b"{}",
                    url=url, sealed_secret=None,
                )
                for url in published
            ]
        )  # fmt: skip


class TestFetch:
    def test_fails_for_all_of_it(self, canary: Canary, resolver: sockets.Resolver) -> None:
        policy = closed(canary.port)
        reasons = {
            fetch_failure(url, policy=policy, resolver=resolver) for url in urls(canary.port)
        }

        assert reasons == {FetchReason.UNREACHABLE}
        assert (WATCH.seen, canary.connections) == ([], 0)

    def test_fails_where_a_redirect_leads_to_any_of_it(
        self, canary: Canary, zone: names.Zone, resolver: sockets.Resolver
    ) -> None:
        # Over http too, which this policy admits, and in the bytes that a server would write.
        written = [url for url in urls(canary.port) if not set(url) & set("\r\n\0") and url.strip()]
        hops = [*written, *(url.replace("https:", "http:", 1) for url in written)]
        policy = outside(canary.port)

        def redirect(turn: Turn) -> bytes:
            number = turn.request.path.removeprefix("/hop-")
            if not number.isdecimal():  # "example.com/hook" is a path of this very server
                return b"HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n"
            location = hops[int(number)].encode("utf-8", "surrogatepass")
            return b"HTTP/1.1 302 X\r\nContent-Length: 0\r\nLocation: " + location + b"\r\n\r\n"

        with keepalive.serve(redirect, host=OUTSIDE) as server:
            zone.names["outside.example"] = [[OUTSIDE]]
            first = f"http://outside.example:{server.port}"
            ends = Counter(
                fetch_failure(f"{first}/hop-{number}", policy=policy, resolver=resolver)
                for number in range(len(hops))
            )
            there = {f"('{OUTSIDE}', {server.port})"}

        assert ends.total() == len(hops) > 2000
        # What reads as a path leads back to our server: to no such page, or round in a circle.
        assert set(ends) == {FetchReason.UNREACHABLE, FetchReason.STATUS, FetchReason.REDIRECTS}
        assert ends.total() - ends[FetchReason.UNREACHABLE] < 60
        assert set(WATCH.seen) == there
        assert canary.connections == 0


def fetch_failure(url: str, *, policy: Policy, resolver: sockets.Resolver) -> FetchReason:
    with pytest.raises(FetchFailed) as caught:
        fetching.fetch(
            url, types={"image/png"}, max_bytes=1000, deadline_s=5, policy=policy, resolver=resolver
        )
    return caught.value.reason


class TestNameServer:
    """F48: names that flip, hang and fail, over real packets."""

    def post(
        self, url: str, *, port: int, resolver: sockets.Resolver, deadline_s: float = 5
    ) -> ErrorClass:
        with pytest.raises(TransportError) as caught:
            transport.post(
                url, b"{}", {}, policy=closed(port), resolver=resolver, deadline_s=deadline_s
            )
        return caught.value.error_class

    @pytest.mark.parametrize(
        "then",
        [["127.0.0.1"], ["::1"], ["169.254.169.254"], [PUBLIC, "127.0.0.1"], ["::ffff:127.0.0.1"]],
    )
    def test_a_name_that_flips_after_the_check(
        self, then: list[str], canary: Canary, zone: names.Zone, resolver: sockets.Resolver
    ) -> None:
        zone.names["flips.example"] = [[PUBLIC], then]
        url = f"https://flips.example:{canary.port}/"

        transport.check_url(url, policy=closed(canary.port), resolver=resolver)

        assert self.post(url, port=canary.port, resolver=resolver) is ErrorClass.BLOCKED_ADDRESS
        assert (
            zone.asked == ["flips.example"] * 2
        )  # once for each: what was judged is what is dialled
        assert (WATCH.seen, canary.connections) == ([], 0)

    @pytest.mark.parametrize("address", ["127-0-0-1", "10-0-0-1", "169-254-169-254", "0-0-0-0"])
    def test_a_name_that_spells_an_address(
        self, address: str, canary: Canary, resolver: sockets.Resolver
    ) -> None:
        url = f"https://{address}{names.WILD}:{canary.port}/"

        assert refused(url, policy=closed(canary.port), resolver=resolver)
        assert self.post(url, port=canary.port, resolver=resolver) is ErrorClass.BLOCKED_ADDRESS
        assert canary.connections == 0

    @pytest.mark.parametrize("suffix", [names.FAILS, ".nowhere.example"])
    def test_a_name_that_fails_is_no_verdict_on_the_url(
        self, suffix: str, canary: Canary, resolver: sockets.Resolver
    ) -> None:
        url = f"https://a{suffix}:{canary.port}/"

        transport.check_url(url, policy=closed(canary.port), resolver=resolver)
        assert self.post(url, port=canary.port, resolver=resolver) is ErrorClass.DNS
        assert (WATCH.seen, canary.connections) == ([], 0)

    def test_a_name_that_hangs_ends_with_the_clock(
        self, canary: Canary, resolver: sockets.Resolver
    ) -> None:
        url = f"https://a{names.HANGS}:{canary.port}/"
        began = time.monotonic()

        failure = self.post(url, port=canary.port, resolver=resolver, deadline_s=0.5)

        assert failure is ErrorClass.DNS
        assert time.monotonic() - began < 1.5
        assert (WATCH.seen, canary.connections) == ([], 0)

    def test_an_address_of_ours_that_an_operator_closed(
        self, canary: Canary, zone: names.Zone, resolver: sockets.Resolver
    ) -> None:
        # Public by every table, and still ours.
        zone.names["front.example"] = [[PUBLIC]]
        policy = Policy(
            ports=(range(canary.port, canary.port + 1),),
            refused_networks=(ipaddress.ip_network("93.184.216.0/24"),),
        )

        assert refused(f"https://front.example:{canary.port}/", policy=policy, resolver=resolver)
        assert refused(
            f"https://[::ffff:{PUBLIC}]:{canary.port}/", policy=policy, resolver=resolver
        )
        assert WATCH.seen == []
