"""Connections are kept, bounded, given up, and never lead anywhere else than where they were judged."""

import datetime as dt
import threading
from collections.abc import Iterator, Sequence

import pytest
from urllib3.util import wait_for_read

from tests.integration.webhooks import keepalive
from tests.integration.webhooks.keepalive import OK, Turn
from webhooks import connections, transport
from webhooks.addresses import Policy
from webhooks.answers import Answer
from webhooks.errors import ErrorClass, TransportError

DEVELOPMENT = Policy(development=True)


@pytest.fixture(autouse=True)
def kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[connections.Connections]:
    """Give each test a pool of its own."""
    own = connections.Connections()
    monkeypatch.setattr(connections, "connections", own)
    yield own
    own.close()


def post(url: str, policy: Policy = DEVELOPMENT, headers: dict[str, str] | None = None) -> Answer:
    return transport.post(url, b"{}", headers or {}, deadline_s=5, policy=policy)


def failure(url: str, policy: Policy = DEVELOPMENT) -> TransportError:
    with pytest.raises(TransportError) as caught:
        post(url, policy)
    return caught.value


class TestReuse:
    def test_serves_one_request_after_another(self, kept: connections.Connections) -> None:
        with keepalive.serve() as server:
            for _ in range(5):
                assert post(server.url()).status == 200

            assert server.connections == 1
            assert [turn.number for turn in server.turns] == [1, 2, 3, 4, 5]
            assert kept.count() == 1

    def test_gives_each_of_several_threads_a_connection_of_its_own(
        self, kept: connections.Connections
    ) -> None:
        together = threading.Barrier(4)

        def meet(turn: Turn) -> bytes:
            together.wait(10)
            return OK

        with keepalive.serve(meet) as server:
            threads = [threading.Thread(target=post, args=[server.url()]) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(10)

            assert server.connections == 4
            assert kept.count() == 4

    def test_needs_the_policy_that_judged_it(self) -> None:
        with keepalive.serve() as server:
            post(server.url())
            post(server.url(), Policy(development=True, own_hosts=("another.example",)))

            assert server.connections == 2

    def test_is_offered_to_the_probe_and_the_post_alike(self) -> None:
        with keepalive.serve() as server:
            answer = transport.probe(server.url("/hook"), {"User-Agent": "x"}, policy=DEVELOPMENT)
            post(server.url("/hook"))

            asked = server.turns[0].request
            assert (answer.status, asked.method, asked.path, asked.body) == (
                200,
                "OPTIONS",
                "/hook",
                b"",
            )
            assert "content-length" not in asked.headers
            assert server.connections == 1


class TestAReceiverThatCloses:
    def test_after_an_answer_is_connected_to_anew(self) -> None:
        def closes(turn: Turn) -> bytes | None:
            return OK if turn.number == 1 else None

        with keepalive.serve(closes) as server:
            # The second request comes on the kept connection, which ends without an answer.
            assert [post(server.url()).status for _ in range(2)] == [200, 200]

            assert [(turn.connection, turn.number) for turn in server.turns] == [
                (1, 1),
                (1, 2),
                (2, 1),
            ]
            assert len({turn.request.body for turn in server.turns}) == 1

    def test_on_a_new_connection_is_not_asked_again(self) -> None:
        with keepalive.serve(lambda turn: None) as server:
            assert failure(server.url()).error_class is ErrorClass.RESET

            assert server.connections == 1

    def test_within_an_answer_is_not_asked_again(self) -> None:
        def breaks(turn: Turn) -> bytes:
            return OK if turn.number == 1 else b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"

        with keepalive.serve(breaks) as server:
            post(server.url())
            thread = threading.Thread(target=server.wait_ended, args=[1])
            thread.start()
            with pytest.raises(TransportError) as caught:
                transport.post(server.url(), b"{}", {}, deadline_s=0.5, policy=DEVELOPMENT)
            thread.join(10)

            assert caught.value.status == 200
            assert len(server.turns) == 2

    @pytest.mark.parametrize(
        "answer",
        [
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
            b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
            b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200_000,
        ],
    )
    def test_or_answers_at_too_great_length_is_not_kept(
        self, answer: bytes, kept: connections.Connections
    ) -> None:
        with keepalive.serve(lambda turn: answer) as server:
            assert post(server.url()).status == 200

            assert kept.count() == 0
            assert server.wait_ended(1)

    def test_or_speaks_out_of_turn_is_not_used_again(self, kept: connections.Connections) -> None:
        # Whatever follows an answer could be taken for the next one.
        with keepalive.serve() as server:
            post(server.url())
            (connection,) = kept._all()
            server.turns[0].talking.sendall(b"HTTP/1.1 500 X\r\n\r\n")
            assert wait_for_read(connection.sock, timeout=5)

            assert post(server.url()).status == 200
            assert server.connections == 2


class TestAddress:
    def test_is_not_asked_for_again_while_a_connection_to_a_judged_one_lasts(self) -> None:
        # The name now leads to the metadata address; what was judged is still what is talked to.
        answers = iter([["127.0.0.1"], ["169.254.169.254"]])

        def rebinds(host: str, port: int) -> Sequence[str]:
            return next(answers)

        def send() -> Answer:
            url = server.url(host="rebinds.example")
            return transport.post(url, b"", {}, deadline_s=5, policy=DEVELOPMENT, resolver=rebinds)

        def closes(turn: Turn) -> bytes | None:
            return OK if turn.number < 3 else None

        with keepalive.serve(closes) as server:
            assert [send().status, send().status] == [200, 200]
            with pytest.raises(TransportError) as caught:
                send()  # the connection is gone, so the name is judged anew

            assert caught.value.error_class is ErrorClass.BLOCKED_ADDRESS
            assert server.connections == 1

    def test_of_a_kept_connection_is_compared_again(self, kept: connections.Connections) -> None:
        with keepalive.serve() as server:
            post(server.url())
            (connection,) = kept._all()
            connection.address = "93.184.216.34"

            post(server.url())

            assert server.connections == 2


class TestBounds:
    def test_idle_connections_are_closed_though_nobody_asks(
        self, kept: connections.Connections, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(connections, "IDLE_S", 0.1)
        with keepalive.serve() as server:
            post(server.url())

            assert server.wait_ended(1)
            assert kept.count() == 0

    def test_an_old_connection_is_not_used_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(connections, "AGE_S", 0.0)
        with keepalive.serve() as server:
            post(server.url())
            post(server.url())

            assert server.connections == 2

    def test_each_place_keeps_so_many_and_all_together_so_many(
        self, kept: connections.Connections, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(connections, "PER_PLACE", 2)
        monkeypatch.setattr(connections, "IN_ALL", 3)
        together = threading.Barrier(3)

        def meet(turn: Turn) -> bytes:
            together.wait(10)
            return OK

        with keepalive.serve(meet) as busy, keepalive.serve() as one, keepalive.serve() as two:
            threads = [threading.Thread(target=post, args=[busy.url()]) for _ in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(10)
            assert kept.count() == 2
            assert busy.wait_ended(1)

            post(one.url())
            post(two.url())

            assert kept.count() == 3
            assert busy.wait_ended(2)  # the one that lay idle for longest

    def test_a_head_without_end_is_cut_off(self) -> None:
        flood = b"HTTP/1.1 200 OK\r\n" + b"".join(
            b"X-%d: %s\r\n" % (n, b"x" * 60_000) for n in range(90)
        )
        with keepalive.serve(lambda turn: flood) as server:
            assert failure(server.url()).error_class is ErrorClass.PROTOCOL

    def test_a_forked_child_has_none(self, kept: connections.Connections) -> None:
        with keepalive.serve() as server:
            post(server.url())
            kept.forget()

            assert kept.count() == 0
            assert post(server.url()).status == 200


class TestHeaders:
    def test_of_the_connection_cannot_be_chosen(self) -> None:
        chosen = {
            "Host": "evil.example", "connection": "close", "Content-Length": "0", "TRANSFER-ENCODING": "chunked",
            "Accept-Encoding": "gzip", "X-Mine": "kept",
        }  # fmt: skip
        with keepalive.serve() as server:
            post(server.url(), headers=chosen)

            assert {
                name: value
                for name, value in server.turns[0].request.headers.items()
                if name != "user-agent"
            } == {
                "host": f"127.0.0.1:{server.port}",
                "accept-encoding": "identity",
                "content-length": "2",
                "x-mine": "kept",
            }

    @pytest.mark.parametrize(
        ("header", "seconds"),
        [(b"Retry-After: 120\r\n", 120), (b"Retry-After: soon\r\n", None), (b"", None)],
    )
    def test_say_when_to_come_again(self, header: bytes, seconds: int | None) -> None:
        answer = b"HTTP/1.1 429 X\r\n" + header + b"Content-Length: 0\r\n\r\n"
        with keepalive.serve(lambda turn: answer) as server:
            said = post(server.url()).retry_after

        assert said == (None if seconds is None else dt.timedelta(seconds=seconds))
