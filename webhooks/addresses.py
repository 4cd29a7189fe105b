"""Say which hosts and addresses outbound HTTP may reach; pure, no look-ups.

Python's ``is_global`` alone is not enough: it calls several of the ranges below global, and its
answer changes between patch releases. So the tables are explicit and ``is_global`` is one more wall.

Sources: IANA special-purpose address registries; RFC 6052 (NAT64), RFC 3056 (6to4), RFC 4380
(Teredo), RFC 3879 (site-local), RFC 2765 (SIIT); the metadata addresses of AWS, Azure, Oracle and Alibaba.
"""

import functools
import ipaddress
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


# What a developer's own machine and network use; GENIE_OUTBOUND_DEVELOPMENT opens exactly these.
DEVELOPMENT = _networks(
    "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7"
)  # fmt: skip

# Cloud metadata and link-local: they hand out credentials, so nothing ever opens them.
NEVER = _networks(
    "169.254.0.0/16",  # link-local; AWS, GCP, Azure metadata at 169.254.169.254
    "168.63.129.16/32",  # Azure host
    "192.0.0.192/32",  # Oracle metadata
    "100.100.100.200/32",  # Alibaba metadata
    "fd00:ec2::254/128",  # AWS metadata
    "fe80::/10",  # link-local
)

REFUSED = (
    *DEVELOPMENT,
    *NEVER,
    *_networks(
        "0.0.0.0/8",  # this network; Linux connects 0.0.0.0 to itself
        "192.0.0.0/24",  # IETF protocol assignments
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # 6to4 relays
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarking
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
        "::/96",  # unspecified, loopback, IPv4-compatible
        "::ffff:0:0:0/96",  # SIIT: wraps an IPv4 address
        "64:ff9b::/96",  # NAT64: wraps an IPv4 address
        "64:ff9b:1::/48",  # local NAT64
        "100::/64",  # discard
        "100:0:0:1::/64",  # dummy prefix
        "2001::/23",  # Teredo, ORCHID and other protocol assignments
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: wraps an IPv4 address
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
        "5f00::/16",  # segment routing
        "fec0::/10",  # site-local, deprecated and still routed by some
        "ff00::/8",  # multicast
    ),
)
GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")

# Names of metadata services: refused in development too.
NEVER_NAMES = frozenset(
    {"metadata", "metadata.google.internal", "instance-data", "instance-data.ec2.internal"}
)
# Suffixes that name our own network...
PRIVATE_SUFFIXES = (
    "internal",
    "local",
    "localhost",
    "localdomain",
    "lan",
    "home",
    "corp",
    "intranet",
    "home.arpa",
)
# ...and public names whose whole purpose is to resolve to an address written in them, or to loopback.
ADDRESS_SUFFIXES = (
    "nip.io", "sslip.io", "xip.io", "localtest.me", "lvh.me", "vcap.me", "lacolhost.com", "traefik.me",
    "1u.ms", "rbndr.us",
)  # fmt: skip

_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
# WHATWG's URL standard: a host whose last label looks like a number is an IPv4 address.
_NUMERIC = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What may be called; ``development`` opens private ranges, plain http and every port."""

    development: bool = False
    ports: tuple[range, ...] = (range(443, 444), range(80, 81), range(8000, 9000))
    own_hosts: tuple[str, ...] = ()  # names that lead back to us; a leading dot takes in all below
    refused_hosts: tuple[str, ...] = ()  # the same, refused in development too
    refused_networks: tuple[Network, ...] = ()  # our own public addresses; always refused
    ca_file: str | None = None  # authorities trusted beside the public ones

    def allows(self, address: str) -> bool:
        """Tell whether this literal address may be connected to."""
        return address_allowed(address, development=self.development, refused=self.refused_networks)


def hosts_and_networks(words: Collection[str]) -> tuple[tuple[str, ...], tuple[Network, ...]]:
    """Sort what an operator refuses into names and networks; a plain address is a network of one.

    >>> hosts_and_networks(["genie.example.com", "198.18.7.0/24"])
    (('genie.example.com',), (IPv4Network('198.18.7.0/24'),))
    """
    hosts, networks = list[str](), list[Network]()
    for word in words:
        try:
            networks.append(ipaddress.ip_network(word, strict=False))
        except ValueError:
            hosts.append(word.lower().rstrip("."))
    return tuple(hosts), tuple(networks)


@functools.lru_cache(maxsize=4096)  # pure, and asked about the same receivers again and again
def address_allowed(text: str, *, development: bool, refused: tuple[Network, ...] = ()) -> bool:
    """Tell whether this literal address may be connected to; what does not parse may not.

    ``refused`` lists networks that an operator closes on top of the tables.

    >>> address_allowed("93.184.216.34", development=False)
    True
    >>> address_allowed("::ffff:10.0.0.1", development=False)
    False
    """
    try:
        address: Address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped  # judged by what it wraps
    if _within(address, refused):
        return False
    if development and _within(address, DEVELOPMENT):
        return not _within(address, NEVER)
    if isinstance(address, ipaddress.IPv6Address) and address not in GLOBAL_UNICAST:
        return False
    public = address.is_global and not address.is_multicast and not address.is_reserved
    return public and not _within(address, REFUSED)


def host_allowed(host: str, *, policy: Policy) -> bool:
    """Tell whether this host, a name or a literal address without brackets, may be named in a URL.

    Only the text is judged: the addresses of a name are judged when it is resolved. ``host`` is in
    lower case, as the URL parser gives it.
    """
    if ":" in host:
        return "%" not in host and policy.allows(host)
    labels = host.split(".")
    if _NUMERIC.fullmatch(
        labels[-1]
    ):  # so 127.1, 0177.0.0.1, 0x7f000001 and 2130706433 are no names
        return policy.allows(host)
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        return False
    if host in NEVER_NAMES or _is_one_of(host, policy.refused_hosts):
        return False
    return policy.development or (
        len(labels) > 1
        and not _below(host, (*PRIVATE_SUFFIXES, *ADDRESS_SUFFIXES))
        and not _is_one_of(host, policy.own_hosts)
    )


def _is_one_of(host: str, listed: Collection[str]) -> bool:
    """Tell whether a host is listed; an entry with a leading dot lists its name and all below."""
    return host in listed or _below(host, [one[1:] for one in listed if one.startswith(".")])


def _below(host: str, suffixes: Collection[str]) -> bool:
    return any(host == suffix or host.endswith(f".{suffix}") for suffix in suffixes)


def _within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)
