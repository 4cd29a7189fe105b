"""Fetching what a caller's URL names: bounds, types, and every hop judged again."""

import functools
import ipaddress
import socket
import time
from typing import Any

import psutil
import pytest

from tests.integration.webhooks import keepalive, receivers
from tests.integration.webhooks.keepalive import Turn
from tests.integration.webhooks.receivers import Receiver
from webhooks import fetching
from webhooks.addresses import Policy
from webhooks.errors import ErrorClass, FetchFailed, FetchReason
from webhooks.fetching import Fetched

OUTSIDE = "127.0.0.9"  # plays a public address: whatever else is private is closed
POLICY = Policy(
    development=True,
    refused_networks=(
        *ipaddress.ip_network("127.0.0.0/8").address_exclude(ipaddress.ip_network(OUTSIDE)),  # type: ignore[arg-type]
        ipaddress.ip_network("10.0.0.0/8"),
        ipaddress.ip_network("::1/128"),
    ),
)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
get = functools.partial(
    fetching.fetch,
    types=frozenset({"image/png", "image/jpeg"}),
    max_bytes=100_000,
    deadline_s=5,
    policy=POLICY,
)


def answer(body: bytes = PNG, *headers: str, status: int = 200, kind: str = "image/png") -> bytes:
    lines = [
        f"HTTP/1.1 {status} X",
        *([f"Content-Type: {kind}"] if kind else []),
        f"Content-Length: {len(body)}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def moved(to: str, status: int = 302) -> bytes:
    return answer(b"", f"Location: {to}", status=status, kind="")


def fails(url: str, **how: Any) -> FetchFailed:
    with pytest.raises(FetchFailed) as caught:
        get(url, **how)
    return caught.value


class TestWhatComes:
    def test_is_returned_with_its_type(self) -> None:
        with keepalive.serve(
            lambda turn: answer(kind="Image/PNG; charset=x"), host=OUTSIDE
        ) as server:
            url = server.url("/a.png?b=c", host=OUTSIDE)

            assert get(url) == Fetched(url=url, content_type="image/png", body=PNG)

            asked = server.turns[0].request
            assert (asked.method, asked.path, asked.body) == ("GET", "/a.png?b=c", b"")
            assert asked.headers == {
                "host": f"{OUTSIDE}:{server.port}",
                "accept": "image/jpeg, image/png",
                "accept-encoding": "identity",
                "user-agent": "Genie/1",
            }

    def test_may_be_as_large_as_the_bound(self) -> None:
        with keepalive.serve(lambda turn: answer(b"x" * 100_000), host=OUTSIDE) as server:
            assert len(get(server.url(host=OUTSIDE)).body) == 100_000

    @pytest.mark.parametrize("kind", ["", "text/html", "image/svg+xml", "image/png, text/html"])
    def test_is_refused_in_another_type(self, kind: str) -> None:
        with keepalive.serve(lambda turn: answer(kind=kind), host=OUTSIDE) as server:
            assert fails(server.url(host=OUTSIDE)).reason is FetchReason.TYPE

    @pytest.mark.parametrize("encoding", ["gzip", "br", "deflate, identity"])
    def test_is_refused_in_an_encoding(self, encoding: str) -> None:
        bomb = answer(PNG, f"Content-Encoding: {encoding}")
        with keepalive.serve(lambda turn: bomb, host=OUTSIDE) as server:
            assert fails(server.url(host=OUTSIDE)).reason is FetchReason.ENCODED

    @pytest.mark.parametrize("status", [201, 204, 206, 304, 401, 404, 410, 500])
    def test_is_refused_with_another_status(self, status: int) -> None:
        with keepalive.serve(lambda turn: answer(b"", status=status), host=OUTSIDE) as server:
            failed = fails(server.url(host=OUTSIDE))

        assert (failed.reason, failed.status) == (FetchReason.STATUS, status)


class TestSize:
    def test_that_is_announced_is_not_read(self) -> None:
        head = b"HTTP/1.1 200 X\r\nContent-Type: image/png\r\nContent-Length: 100001\r\n\r\n"
        with keepalive.serve(lambda turn: head, host=OUTSIDE) as server:
            began = time.monotonic()

            assert fails(server.url(host=OUTSIDE)).reason is FetchReason.TOO_LARGE
            assert time.monotonic() - began < 2

    def test_that_is_not_announced_is_counted(self) -> None:
        endless = b"HTTP/1.1 200 X\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n"
        chunks = b"".join(b"8000\r\n" + b"x" * 0x8000 + b"\r\n" for _ in range(200))
        before = psutil.Process().memory_info().rss
        with keepalive.serve(lambda turn: endless + chunks, host=OUTSIDE) as server:
            assert fails(server.url(host=OUTSIDE)).reason is FetchReason.TOO_LARGE

        assert psutil.Process().memory_info().rss - before < 20_000_000

    @pytest.mark.parametrize(("more", "is_taken"), [(0, True), (1, False)])
    def test_that_is_not_announced_is_bound_to_the_byte(self, more: int, *, is_taken: bool) -> None:
        chunked = b"HTTP/1.1 200 X\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n"
        body = f"{100_000 + more:x}\r\n".encode() + b"x" * (100_000 + more) + b"\r\n0\r\n\r\n"
        with keepalive.serve(lambda turn: chunked + body, host=OUTSIDE) as server:
            if is_taken:
                assert len(get(server.url(host=OUTSIDE)).body) == 100_000
            else:
                assert fails(server.url(host=OUTSIDE)).reason is FetchReason.TOO_LARGE

    def test_counts_framing_too(self) -> None:
        crumbs = b"HTTP/1.1 200 X\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n"
        crumbs += b"1;" + b"x" * 1000 + b"\r\nx\r\n"
        with keepalive.serve(
            lambda turn: crumbs + b"1;y\r\nx\r\n" * 60_000, host=OUTSIDE
        ) as server:
            assert fails(server.url(host=OUTSIDE)).reason is FetchReason.TOO_LARGE


class TestRedirects:
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_are_followed(self, status: int) -> None:
        def script(turn: Turn) -> bytes:
            return answer() if turn.request.path == "/there" else moved("/there", status)

        with keepalive.serve(script, host=OUTSIDE) as server:
            found = get(server.url("/here", host=OUTSIDE))

        assert found.url == server.url("/there", host=OUTSIDE)
        assert found.body == PNG

    def test_are_followed_three_times(self) -> None:
        def script(turn: Turn) -> bytes:
            hops = int(turn.request.path.strip("/"))
            return answer() if hops == 0 else moved(f"/{hops - 1}")

        with keepalive.serve(script, host=OUTSIDE) as server:
            assert get(server.url("/3", host=OUTSIDE)).body == PNG
            assert fails(server.url("/4", host=OUTSIDE)).reason is FetchReason.REDIRECTS

    @pytest.mark.parametrize(
        "to",
        [
            "http://127.0.0.1:{port}/", "http://127.1:{port}/", "//127.0.0.1:{port}/", "http://[::1]:{port}/",
            "http://inside.example:{port}/", "http://user@127.0.0.9:{port}/", "http://127.0.0.9\\@127.0.0.1:{port}/",
            "http://169.254.169.254/latest/meta-data/", "http://[::ffff:127.0.0.1]:{port}/", "http://2130706433:{port}/",
            "http://①②⑦.0.0.1:{port}/", "http://[", "file:///etc/passwd", "gopher://127.0.0.1:{port}/", "javascript:1", "",
        ],
    )  # fmt: skip
    def test_are_judged_like_the_first_url(self, to: str, canary: Receiver) -> None:
        target = to.format(port=canary.port)

        def script(turn: Turn) -> bytes:
            return moved(target.encode().decode("latin-1"))

        def resolver(host: str, port: int) -> list[str]:
            return ["127.0.0.1" if host.startswith("inside") else OUTSIDE]

        with keepalive.serve(script, host=OUTSIDE) as server:
            failed = fails(server.url(host="outside.example"), resolver=resolver)

        assert failed.reason in {FetchReason.UNREACHABLE, FetchReason.STATUS}
        assert canary.connections == 0

    def test_cannot_lead_from_https_to_http(self, canary: Receiver) -> None:
        with pytest.raises(FetchFailed) as caught:
            fetching._target(canary.url(), policy=Policy(ports=(range(1, 65536),)))

        assert caught.value.why is ErrorClass.URL_REFUSED

    def test_share_one_clock(self) -> None:
        with receivers.serve() as slow:
            policy = Policy(development=True)
            began = time.monotonic()

            failed = fails(slow.url("/trickle-header"), deadline_s=0.8, policy=policy)

            assert (failed.reason, failed.why) == (FetchReason.UNREACHABLE, ErrorClass.TIMEOUT)
            assert time.monotonic() - began < 1.5


class TestFailures:
    def test_are_one_sentence_to_callers_whatever_could_not_be_reached(self) -> None:
        with socket.create_server((OUTSIDE, 0)) as closed:
            port = closed.getsockname()[1]
        said = {
            str(fails(url, resolver=lambda host, port: []))
            for url in (
                f"http://{OUTSIDE}:{port}/",  # nobody listens
                f"http://127.0.0.1:{port}/",  # refused
                "http://nowhere.example/",  # no such name
                "ftp://x/",
            )
        }

        assert len(said) == 1

    @pytest.mark.parametrize("reason", list(FetchReason))
    def test_all_have_a_sentence(self, reason: FetchReason) -> None:
        assert str(FetchFailed(reason)).startswith("The URL ")
