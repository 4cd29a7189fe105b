"""Networks of a key and the caller's address behind proxies."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genie.tenants import networks


class TestNormalise:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("10.0.0.0/255.0.0.0", "10.0.0.0/8"),
            ("192.0.2.7", "192.0.2.7/32"),
            ("2001:DB8::/32", "2001:db8::/32"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:192.0.2.7", "192.0.2.7/32"),
            ("0.0.0.0/0", "0.0.0.0/0"),
        ],
    )
    def test_gives_each_network_one_spelling(self, text: str, expected: str) -> None:
        assert networks.normalise(text) == expected

    @pytest.mark.parametrize(
        "text",
        ["", "x", "10.0.0.1/8", "10.0.0.0/33", "1.2.3", "fe80::1%eth0", "10.0.0.0/8 ", "1" * 5000],
    )
    def test_refuses_what_is_no_network(self, text: str) -> None:
        with pytest.raises(ValueError, match="is no network"):
            networks.normalise(text)

    @given(st.ip_addresses())
    def test_contains_the_address_that_it_was_made_of(self, address: networks.Address) -> None:
        assert networks.contains([networks.normalise(str(address))], str(address))


class TestContains:
    def test_judges_a_mapped_address_by_what_it_wraps(self) -> None:
        assert networks.contains(["10.0.0.0/8"], "::ffff:10.1.2.3")
        assert not networks.contains(["10.0.0.0/8"], "::ffff:11.1.2.3")

    def test_keeps_the_families_apart(self) -> None:
        assert not networks.contains(["0.0.0.0/0"], "2001:db8::1")
        assert not networks.contains(["::/0"], "192.0.2.7")

    @pytest.mark.parametrize(
        "address", [None, "", "testclient", "10.0.0.1:8080", "10.0.0.1, 10.0.0.2"]
    )
    def test_finds_an_unreadable_address_in_no_network(self, address: str | None) -> None:
        assert not networks.contains(["0.0.0.0/0", "::/0"], address)

    @given(st.ip_addresses(v=4), st.integers(0, 32))
    def test_agrees_with_the_standard_library(
        self, address: ipaddress.IPv4Address, length: int
    ) -> None:
        network = ipaddress.ip_network((address, length), strict=False)

        assert networks.contains([str(network)], str(address))


class TestClientAddress:
    def test_ignores_the_header_without_a_proxy(self) -> None:
        assert networks.client_address("192.0.2.7", "10.0.0.1", proxies=0) == "192.0.2.7"

    @pytest.mark.parametrize(
        ("header", "proxies", "expected"),
        [
            ("198.51.100.1", 1, "198.51.100.1"),
            ("10.0.0.1, 198.51.100.1", 1, "198.51.100.1"),  # the first is the caller's own claim
            ("10.0.0.1, 198.51.100.1, 192.0.2.1", 2, "198.51.100.1"),
        ],
    )
    def test_takes_what_the_outermost_proxy_saw(
        self, header: str, proxies: int, expected: str
    ) -> None:
        assert networks.client_address("192.0.2.9", header, proxies=proxies) == expected

    @pytest.mark.parametrize("header", [None, "", " , "])
    def test_knows_no_address_of_a_request_that_went_around_the_proxy(
        self, header: str | None
    ) -> None:
        assert networks.client_address("192.0.2.9", header, proxies=1) is None
