"""Networks of a key and the address of a caller. Pure.

An IPv4 address may arrive wrapped in IPv6 (``::ffff:10.0.0.1``) from a dual-stack socket: it is
judged by what it wraps, on both sides of the comparison.
"""

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")


def normalise(text: str) -> str:
    """Return the network in its one spelling; a bare address is a network of one.

    Raises:
        ValueError: It is no network, has bits set behind the prefix, or names a zone.

    >>> normalise("10.1.0.0/16"), normalise("::ffff:10.0.0.1")
    ('10.1.0.0/16', '10.0.0.1/32')
    """
    refusal = ValueError(f"{text[:64]!r} is no network")
    if "%" in text:
        raise refusal
    try:
        network = ipaddress.ip_network(text, strict=True)
    except ValueError:
        raise refusal from None
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        inner = ipaddress.IPv4Address(int(network.network_address) & 0xFFFFFFFF)
        return f"{inner}/{network.prefixlen - 96}"
    return str(network)


def contains(networks: Iterable[str], address: str | None) -> bool:
    """Tell whether ``address`` is in one of ``networks``; an unknown or unreadable one is in none."""
    parsed = _address(address)
    if parsed is None:
        return False
    return any(parsed in _network(text) for text in networks)


def client_address(remote: str | None, forwarded_for: str | None, *, proxies: int) -> str | None:
    """Return the caller's address as the outermost trusted proxy saw it, or None if unknown.

    Args:
        remote: The peer of the connection.
        forwarded_for: The ``X-Forwarded-For`` header, which anybody can write.
        proxies: How many proxies of ours append to that header; 0 ignores it. A chain with fewer
            hops than that did not come through them, so its address is unknown.

    >>> client_address("10.0.0.2", "6.6.6.6, 203.0.113.9", proxies=1)
    '203.0.113.9'
    >>> client_address("203.0.113.9", "6.6.6.6", proxies=0)
    '203.0.113.9'
    """
    if proxies == 0:
        return remote
    hops = [hop.strip() for hop in (forwarded_for or "").split(",") if hop.strip()]
    return hops[-proxies] if len(hops) >= proxies else None


def _address(text: str | None) -> Address | None:
    try:
        address = ipaddress.ip_address(text or "")
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


@lru_cache(maxsize=4096)
def _network(text: str) -> Network:
    return ipaddress.ip_network(text)
