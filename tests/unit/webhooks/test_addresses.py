"""Every range of the tables, at its edges and by its bits."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.webhooks import corpus
from webhooks import addresses
from webhooks.addresses import Policy

PRODUCTION = Policy()
DEVELOPMENT = Policy(development=True)


def inside(network: addresses.Network) -> st.SearchStrategy[str]:
    return st.integers(0, network.num_addresses - 1).map(lambda offset: str(network[offset]))


class TestAddressAllowed:
    @pytest.mark.parametrize("address", [*corpus.REFUSED_V4, *corpus.REFUSED_V6])
    def test_refuses_what_is_not_public(self, address: str) -> None:
        assert not addresses.address_allowed(address, development=False)

    @pytest.mark.parametrize("address", corpus.ALLOWED)
    def test_allows_what_is_public_up_to_the_edges(self, address: str) -> None:
        assert addresses.address_allowed(address, development=False)

    @given(address=st.sampled_from(addresses.REFUSED).flatmap(inside))
    def test_refuses_every_address_of_every_listed_range(self, address: str) -> None:
        assert not addresses.address_allowed(address, development=False)

    @given(
        address=st.sampled_from([n for n in addresses.REFUSED if n.version == 4]).flatmap(inside)
    )
    def test_judges_a_mapped_address_by_what_it_wraps(self, address: str) -> None:
        assert not addresses.address_allowed(f"::ffff:{address}", development=False)

    @given(address=st.ip_addresses(v=6))
    def test_never_leaves_global_unicast(self, address: ipaddress.IPv6Address) -> None:
        allowed = addresses.address_allowed(str(address), development=False)

        assert not allowed or address in addresses.GLOBAL_UNICAST or address.ipv4_mapped is not None

    @pytest.mark.parametrize(
        "junk", ["", "x", "127.1", "0177.0.0.1", "1.2.3.4.5", "1.2.3.4/32", "[::1]"]
    )
    def test_refuses_what_is_no_address(self, junk: str) -> None:
        assert not addresses.address_allowed(junk, development=True)


class TestDevelopment:
    @given(address=st.sampled_from(addresses.NEVER).flatmap(inside))
    def test_never_opens_link_local_and_metadata(self, address: str) -> None:
        assert not addresses.address_allowed(address, development=True)

    @pytest.mark.parametrize(
        "address",
        ["127.0.0.1", "10.1.2.3", "172.17.0.1", "192.168.1.1", "100.64.0.1", "::1", "fd00::1"],
    )
    def test_opens_private_ranges(self, address: str) -> None:
        assert addresses.address_allowed(address, development=True)

    @pytest.mark.parametrize(
        "address", ["0.0.0.1", "224.0.0.1", "240.0.0.1", "2002:7f00:1::", "::7f00:1"]
    )
    def test_opens_nothing_else(self, address: str) -> None:
        assert not addresses.address_allowed(address, development=True)

    @given(address=st.ip_addresses().map(str))
    def test_closes_nothing_that_production_allows(self, address: str) -> None:
        assert addresses.address_allowed(
            address, development=True
        ) or not addresses.address_allowed(address, development=False)


class TestHostAllowed:
    @pytest.mark.parametrize(
        "host",
        [
            "example.com",
            "a.b.c.example.com",
            "xn--bcher-kva.example",
            "a_b.example.com",
            "1.example.com",
            "8.8.8.8",
        ],
    )
    def test_allows_public_names_and_addresses(self, host: str) -> None:
        assert addresses.host_allowed(host, policy=PRODUCTION)

    @pytest.mark.parametrize(
        "host", ["localhost", "hook", "host.docker.internal", "127.0.0.1", "::1"]
    )
    def test_opens_private_names_for_development(self, host: str) -> None:
        assert not addresses.host_allowed(host, policy=PRODUCTION)
        assert addresses.host_allowed(host, policy=DEVELOPMENT)

    @pytest.mark.parametrize(
        "host",
        [
            "metadata",
            "metadata.google.internal",
            "169.254.169.254",
            "fe80::1",
            "127.1",
            "0x7f000001",
            "a..b",
        ],
    )
    def test_refuses_metadata_and_odd_spellings_in_development_too(self, host: str) -> None:
        assert not addresses.host_allowed(host, policy=DEVELOPMENT)
