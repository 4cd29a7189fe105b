"""The transport against real receivers: clock, size, redirects, TLS and the address dialled."""

import socket
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from tests.integration.webhooks import receivers
from tests.integration.webhooks.receivers import Receiver
from webhooks import sockets, transport
from webhooks.addresses import Policy
from webhooks.errors import ErrorClass, TransportError

DEVELOPMENT = Policy(development=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> receivers.Authority:
    return receivers.authority(tmp_path_factory.mktemp("tls"))


def post(
    url: str,
    *,
    deadline_s: float = 5,
    policy: Policy = DEVELOPMENT,
    resolver: sockets.Resolver | None = None,
) -> transport.Answer:
    return transport.post(
        url, b'{"a":1}', {"User-Agent": "test"}, deadline_s=deadline_s, policy=policy,
        resolver=resolver or sockets.system_resolver,
    )  # fmt: skip


def failure(url: str, **how: object) -> TransportError:
    with pytest.raises(TransportError) as caught:
        post(url, **how)  # type: ignore[arg-type]
    return caught.value


class TestAnswer:
    @pytest.mark.parametrize("status", [200, 204, 301, 410, 429, 500, 503])
    def test_is_whatever_the_receiver_says(self, receiver: Receiver, status: int) -> None:
        assert post(receiver.url(f"/{status}")).status == status

    def test_carries_the_head_of_the_body(self, receiver: Receiver) -> None:
        assert post(receiver.url("/500")).head == b"answer 500"

    def test_sends_the_bytes_with_identity_encoding_and_nothing_of_ours(
        self, receiver: Receiver
    ) -> None:
        post(receiver.url("/200?q=1", host="localhost"))

        (request,) = receiver.requests
        assert request.body == b'{"a":1}'
        assert request.headers == {
            "host": f"localhost:{receiver.port}",
            "user-agent": "test",
            "accept-encoding": "identity",
            "content-length": "7",
        }

    @pytest.mark.parametrize("path", ["/huge-200", "/huge-302"])
    def test_is_read_up_to_64_kib_and_costs_no_memory(self, receiver: Receiver, path: str) -> None:
        before = psutil.Process().memory_info().rss

        answer = post(receiver.url(path))

        assert len(answer.head) == transport.KEPT_BYTES
        assert psutil.Process().memory_info().rss - before < 20_000_000

    def test_with_a_head_of_megabytes_is_none(self, receiver: Receiver) -> None:
        assert failure(receiver.url("/huge-head")).error_class is ErrorClass.PROTOCOL

    def test_is_not_decompressed(self, receiver: Receiver) -> None:
        assert post(receiver.url("/gzip-bomb")).head == b"\x1f\x8b\x08\x00"


class TestRedirects:
    def test_are_not_followed(self, receiver: Receiver, canary: Receiver) -> None:
        answer = post(receiver.url(f"/302?{canary.url()}"))

        assert answer.status == 302
        assert canary.connections == 0


class TestEnvironment:
    def test_lends_no_proxy_and_no_credentials(
        self, receiver: Receiver, canary: Receiver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b\n")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        monkeypatch.setenv("HTTP_PROXY", canary.url(""))
        monkeypatch.setenv("http_proxy", canary.url(""))
        monkeypatch.setenv("ALL_PROXY", canary.url(""))

        post(receiver.url())

        assert canary.connections == 0
        assert "authorization" not in receiver.requests[0].headers


class TestClock:
    def test_gives_an_attempt_ten_seconds(self) -> None:
        assert (transport.ATTEMPT_S, sockets.CONNECT_S) == (10, 3)

    @pytest.mark.parametrize(
        "path", ["/hang", "/trickle-status", "/trickle-header", "/trickle-body"]
    )
    def test_ends_an_attempt_however_it_is_drawn_out(self, receiver: Receiver, path: str) -> None:
        began = time.monotonic()

        error = failure(receiver.url(path), deadline_s=0.8)

        assert error.error_class is ErrorClass.TIMEOUT
        assert 0.7 < time.monotonic() - began < 1.5

    def test_ends_a_handshake_that_never_comes(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            began = time.monotonic()
            error = failure(f"https://127.0.0.1:{silent.getsockname()[1]}/", deadline_s=0.8)

        assert error.error_class is ErrorClass.TIMEOUT
        assert time.monotonic() - began < 1.5

    def test_ends_a_look_up_that_never_comes(self, canary: Receiver) -> None:
        answered = threading.Event()

        def hangs(host: str, port: int) -> Sequence[str]:
            answered.wait(20)
            return ["127.0.0.1"]

        began = time.monotonic()
        error = failure(canary.url(host="slow.example"), deadline_s=0.8, resolver=hangs)
        took = time.monotonic() - began
        answered.set()

        assert error.error_class is ErrorClass.DNS
        assert took < 1.5
        assert canary.connections == 0

    def test_keeps_the_status_that_had_arrived(self, receiver: Receiver) -> None:
        assert failure(receiver.url("/trickle-body"), deadline_s=0.5).status == 200


class TestFailures:
    @pytest.mark.parametrize(
        ("path", "kind"),
        [
            ("/reset", ErrorClass.RESET),
            ("/garbage", ErrorClass.PROTOCOL),
            ("/cut", ErrorClass.PROTOCOL),
        ],
    )
    def test_are_told_apart(self, receiver: Receiver, path: str, kind: ErrorClass) -> None:
        assert failure(receiver.url(path)).error_class is kind

    def test_name_a_host_that_nobody_answers_on(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]

        assert failure(f"http://127.0.0.1:{port}/").error_class is ErrorClass.CONNECT

    def test_name_a_name_that_does_not_exist(self) -> None:
        def fails(host: str, port: int) -> Sequence[str]:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")

        assert failure("http://nowhere.example/", resolver=fails).error_class is ErrorClass.DNS


class TestAddress:
    def test_tries_the_next_address_when_one_refuses(self, receiver: Receiver) -> None:
        answer = post(
            receiver.url(host="two.example"),
            resolver=lambda host, port: ["127.0.0.77", "127.0.0.1"],
        )

        assert answer.status == 200
        assert receiver.requests[0].headers["host"] == f"two.example:{receiver.port}"

    @pytest.mark.parametrize(
        "found", [["127.0.0.1"], ["93.184.216.34", "127.0.0.1"], ["::1"], ["::ffff:127.0.0.1"]]
    )
    def test_is_refused_when_any_of_a_name_is_private(
        self, canary: Receiver, found: list[str]
    ) -> None:
        policy = Policy(ports=(range(1, 65536),))

        error = failure(
            f"https://public.example:{canary.port}/",
            policy=policy,
            resolver=lambda host, port: found,
        )

        assert error.error_class is ErrorClass.BLOCKED_ADDRESS
        assert canary.connections == 0

    def test_is_judged_again_when_a_name_changes_its_mind(self, canary: Receiver) -> None:
        policy = Policy(ports=(range(1, 65536),))
        url = f"https://rebinds.example:{canary.port}/"
        answers = iter([["93.184.216.34"], ["127.0.0.1"]])

        def rebinds(host: str, port: int) -> Sequence[str]:
            return next(answers)

        transport.check_url(url, policy=policy, resolver=rebinds)
        error = failure(url, policy=policy, resolver=rebinds)

        assert error.error_class is ErrorClass.BLOCKED_ADDRESS
        assert canary.connections == 0

    def test_is_asked_for_once_per_attempt(self, receiver: Receiver) -> None:
        asked = list[str]()

        def counts(host: str, port: int) -> Sequence[str]:
            asked.append(host)
            return ["127.0.0.1"]

        post(receiver.url(host="once.example"), resolver=counts)

        assert asked == ["once.example"]

    def test_of_metadata_is_refused_in_development_too(self) -> None:
        error = failure("http://innocent.example/", resolver=lambda host, port: ["169.254.169.254"])

        assert error.error_class is ErrorClass.BLOCKED_ADDRESS

    def test_of_the_socket_is_compared_with_the_one_judged(
        self, monkeypatch: pytest.MonkeyPatch, receiver: Receiver
    ) -> None:
        monkeypatch.setattr(sockets.ClockedSocket, "getpeername", lambda self: ("10.9.8.7", 80))

        assert failure(receiver.url()).error_class is ErrorClass.BLOCKED_ADDRESS
        assert receiver.requests == []


class TestTls:
    def attempt(self, served: Receiver, authority: receivers.Authority | None) -> transport.Answer:
        policy = Policy(development=True, ca_file=authority.ca_file if authority else None)
        return post(
            served.url(host=receivers.TLS_NAME),
            policy=policy,
            resolver=lambda host, port: ["127.0.0.1"],
        )

    def test_checks_the_certificate_against_the_name_not_the_address(
        self, authority: receivers.Authority
    ) -> None:
        with receivers.serve(authority.context()) as served:
            assert self.attempt(served, authority).status == 200
            assert served.requests[0].headers["host"] == f"{receivers.TLS_NAME}:{served.port}"

    @pytest.mark.parametrize(
        ("name", "expired"), [("other.example", False), (receivers.TLS_NAME, True)]
    )
    def test_refuses_a_wrong_or_expired_certificate(
        self, authority: receivers.Authority, name: str, *, expired: bool
    ) -> None:
        with receivers.serve(authority.context(name, expired=expired)) as served:
            with pytest.raises(TransportError) as caught:
                self.attempt(served, authority)

            assert caught.value.error_class is ErrorClass.TLS
            assert served.requests == []

    def test_refuses_an_unknown_authority(self, authority: receivers.Authority) -> None:
        with (
            receivers.serve(authority.context()) as served,
            pytest.raises(TransportError) as caught,
        ):
            self.attempt(served, None)

        assert caught.value.error_class is ErrorClass.TLS

    def test_keeps_the_clock(self, authority: receivers.Authority) -> None:
        with (
            receivers.serve(authority.context()) as served,
            pytest.raises(TransportError) as caught,
        ):
            transport.post(
                served.url("/trickle-header", host=receivers.TLS_NAME), b"", {}, deadline_s=0.8,
                policy=Policy(development=True, ca_file=authority.ca_file), resolver=lambda host, port: ["127.0.0.1"],
            )  # fmt: skip

        assert caught.value.error_class is ErrorClass.TIMEOUT
