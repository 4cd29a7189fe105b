"""A request for somebody else's host is refused, whatever its spelling."""

import pytest
from pytest_django import Settings

from genie.core.hosts import Hosts


@pytest.fixture
def hosts(settings: Settings) -> Hosts:
    settings.ALLOWED_HOSTS = ["genie.example.com", ".internal", "127.0.0.1", "[::1]"]
    return Hosts()


@pytest.mark.parametrize(
    "header",
    [
        b"genie.example.com",
        b"genie.example.com:8000",
        b"Genie.Example.Com.",
        b"a.internal",
        b"127.0.0.1:1",
        b"[::1]:8000",
    ],
)
def test_names_of_this_system_are_good(hosts: Hosts, header: bytes) -> None:
    assert hosts.refusal(header) is None
    assert hosts.refusal(header) is None  # from memory


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"evil.com",
        b"evil.com:80",
        b"genie.example.com.evil.com",
        b"genie.example.com@evil.com",
        b"genie.example.com,evil.com",
        b"genie.example.com evil.com",
        b"genie.example.com:80:80",
        b"\xff\xfe",
        b"127.0.0.1\x00",
    ],
)
def test_anything_else_is_refused_each_time(hosts: Hosts, header: bytes) -> None:
    for _ in range(2):
        refusal = hosts.refusal(header)
        assert refusal is not None
        assert refusal.http_status == 400
        assert refusal.body()["details"] == [
            {"field": "Host", "message": "is no name of this system; see GENIE_ALLOWED_HOSTS"}
        ]


def test_what_is_remembered_is_bounded(settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    hosts = Hosts()

    for number in range(1000):
        assert hosts.refusal(b"%d.example.com" % number) is None

    assert len(hosts._good) < 1000
