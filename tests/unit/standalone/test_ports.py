"""Ports: the preferred one if it is free, and a readable sentence for a taken one."""

import socket

import pytest

from genie.standalone import ports
from genie.standalone.errors import StandaloneError


class TestFreePort:
    def test_prefers_the_one_used_before(self) -> None:
        port = ports.free_port()

        assert ports.free_port(port) == port

    def test_takes_another_when_that_is_in_use(self) -> None:
        with socket.socket() as other:
            other.bind((ports.LOOPBACK, 0))
            other.listen()
            taken = other.getsockname()[1]

            assert ports.free_port(taken) != taken


class TestListen:
    def test_names_a_port_that_there_is_not(self) -> None:
        with pytest.raises(StandaloneError, match="no port 65536"):
            ports.listen(ports.LOOPBACK, 65536)

    def test_names_the_port_that_is_taken(self) -> None:
        with ports.listen(ports.LOOPBACK, 0) as first:
            taken = first.getsockname()[1]

            with pytest.raises(StandaloneError, match=f"Port {taken} on 127.0.0.1 is taken"):
                ports.listen(ports.LOOPBACK, taken)
