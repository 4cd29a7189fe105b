# ruff: noqa: RUF001, S104 - look-alike characters and 0.0.0.0 are what this list is for
"""Several hundred ways to write a host that must not be reached, and some that may be."""

import ipaddress
from collections.abc import Iterator

# Addresses that only an explicit table or a careful parser refuses, one or two of each range.
REFUSED_V4 = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "100.127.255.255",
    "127.0.0.1", "127.0.0.2", "127.1.2.3", "127.255.255.254", "168.63.129.16", "169.254.0.1",
    "169.254.169.254", "169.254.170.2", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.8",
    "192.0.0.9", "192.0.0.10", "192.0.0.170", "192.0.0.192", "192.0.2.1", "192.31.196.1", "192.52.193.1",
    "192.88.99.1", "192.168.0.1", "192.168.255.255", "192.175.48.1", "198.18.0.1", "198.19.255.255",
    "198.51.100.1", "203.0.113.1", "224.0.0.1", "232.1.1.1", "239.255.255.255", "240.0.0.1",
    "255.255.255.254", "255.255.255.255",
]  # fmt: skip
REFUSED_V6 = [
    "::", "::1", "::2", "::7f00:1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
    "::ffff:169.254.169.254", "::ffff:0:127.0.0.1", "::ffff:0:a00:1", "64:ff9b::7f00:1",
    "64:ff9b::169.254.169.254", "64:ff9b:1::1", "64:ff9b:1:ffff::1", "100::1", "100:0:0:1::1", "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:2::1", "2001:3::1", "2001:4:112::1", "2001:10::1",
    "2001:20::1", "2001:30::1", "2001:1ff::1", "2001:db8::1", "2002:7f00:1::", "2002:a9fe:a9fe::1",
    "2620:4f:8000::1", "3fff::1", "3fff:fff::1", "4000::1", "5f00::1", "fc00::1", "fd00::1",
    "fd00:ec2::254", "fd12:3456:789a::1", "fe80::1", "fe80::a9fe:a9fe", "febf::1", "fec0::1", "feff::1",
    "ff00::1", "ff02::1", "ff0e::1", "1::1", "8000::1", "e000::1",
]  # fmt: skip
ALLOWED = [
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.1", "93.184.216.34", "100.63.255.255", "100.128.0.1",
    "126.255.255.255", "128.0.0.1", "168.63.129.15", "168.63.129.17", "169.253.255.255", "169.255.0.1",
    "172.15.255.255", "172.32.0.1", "192.0.1.1", "192.167.255.255", "192.169.0.1", "198.17.255.255",
    "198.20.0.1", "223.255.255.255", "2001:200::1", "2001:4860:4860::8888", "2003::1", "2600::1",
    "2606:4700:4700::1111", "2a00:1450:4001::1", "::ffff:8.8.8.8",
]  # fmt: skip

NAMES = [
    "localhost", "LOCALHOST", "localhost.", "foo.localhost", "localhost.localdomain", "ip6-localhost", "metadata",
    "metadata.google.internal", "METADATA.google.internal", "metadata.google.internal.", "instance-data",
    "postgres", "redis", "web", "intranet", "printer.local", "router.lan", "db.corp", "nas.home",
    "server.internal", "x.intranet", "host.docker.internal", "a.home.arpa", "127.0.0.1.nip.io", "x.nip.io",
    "nip.io", "7f000001.nip.io", "10-0-0-1.sslip.io", "169.254.169.254.sslip.io", "127.0.0.1.xip.io",
    "localtest.me", "app.localtest.me", "lvh.me", "x.lvh.me", "vcap.me", "app.traefik.me",
    "7f000001.a9fea9fe.rbndr.us", "make-1-1-1-1-rebind-127-0-0-1-rr.1u.ms", "our.example.net",
    "OUR.example.net", "a.b.ours.example", "ours.example", "example..com", ".example.com", "-a.example.com",
    "a-.example.com", "a" * 64 + ".example.com", ("a" * 60 + ".") * 5 + "com", "example.com.", "x.example.com.",
    "example.123", "example.0x1", "0", "00", "0x", "0x0", "1", "127.1", "127.0.1", "127.0.0.1.", "0.0.0.0.",
]  # fmt: skip

# Whole URLs: scheme, port, userinfo, parser disagreement, control characters, other alphabets.
URLS = [
    "", " ", "https:", "https://", "https:///", "https:///hook", "https://?x", "https://:443/", "https:example.com",
    "https:/example.com", "//example.com/", "example.com", "example.com/hook", "/hook", "javascript:alert(1)",
    "JaVaScRiPt:alert(1)", "file:///etc/passwd", "file://example.com/x", "ftp://example.com/", "gopher://example.com/",
    "data:text/plain,hi", "ws://example.com/", "wss://example.com/", "unix:///run/x.sock", "http+unix://x/",
    "dict://example.com:2628/", "ldap://example.com/", "http://example.com/", "HTTP://example.com/",
    "http://example.com:443/", "https://example.com:22/", "https://example.com:25/", "https://example.com:6379/",
    "https://example.com:5432/", "https://example.com:7999/", "https://example.com:9000/", "https://example.com:0/",
    "https://example.com:65536/", "https://example.com:99999999/", "https://example.com:-1/",
    "https://example.com:4a3/", "https://example.com:443:443/", "https://example.com:٤٤٣/",
    "https://user@example.com/", "https://user:pass@example.com/", "https://:pass@example.com/", "https://@example.com/",
    "https://example.com@127.0.0.1/", "https://example.com:443@127.0.0.1/", "https://127.0.0.1@example.com/",
    "https://a@b@example.com/", "https://8.8.8.8\\@127.0.0.1/", "https://127.0.0.1\\@8.8.8.8/", "https:\\\\example.com/",
    "https://example.com\\.evil.test/", "https://example.com/\\x", "https://example.com/a b", "https://exa mple.com/",
    "https://example.com/\r\nX: y", "https://example.com/\n", "https://example.com\r\n.test/", "https://exam\tple.com/",
    "\thttps://example.com/", " https://example.com/", "https://example.com/ ", "https://example.com/\x00",
    "https://example.com\x00.test/", "https://example.com/\x7f", "https://ex%61mple.com/", "https://%31%32%37.0.0.1/",
    "https://127%2e0%2e0%2e1/", "https://example.com%00.test/", "https://example.com%2f@x/", "https://[::1/", "https://::1/",
    "https://[::1]x/", "https://[127.0.0.1]/", "https://[example.com]/", "https://[fe80::1%25eth0]/", "https://[fe80::1%eth0]/",
    "https://[v1.x]/", "https://[]/", "https://１２７.０.０.１/", "https://①②⑦.⓪.⓪.①/", "https://ⓔⓧⓐⓜⓟⓛⓔ.ⓒⓞⓜ/",
    "https://ｌｏｃａｌｈｏｓｔ/", "https://localhoſt/", "https://127。0。0。1/", "https://example。com/", "https://bücher.example.com/",
    "https://example.com/ü", "https://exa\u200bmple.com/", "https://exa\u00admple.com/", "https://example.com\u2044x/",
    "https://\ud800.com/", "https://example.com/" + "a" * 2048, "https://example.com/<x>", 'https://example.com/"x"',
    "https://example.com/`x`", "https://example.com/{x}", "https://example.com/|", "https://example.com/^",
]  # fmt: skip


def spellings(address: str) -> Iterator[str]:
    """Yield the ways in which some parser or other reads ``address``, as URL hosts."""
    parsed = ipaddress.ip_address(address)
    if parsed.version == 6:
        yield from (f"[{address}]", f"[{parsed.exploded}]", f"[{address.upper()}]")
        return
    a, b, c, d = parsed.packed
    number = int(parsed)
    yield from (
        address,
        f"{address}.",
        str(number),
        hex(number),
        f"0X{number:x}",
        oct(number).replace("o", ""),
    )
    yield f"0{a:o}.0{b:o}.0{c:o}.0{d:o}"
    yield f"0x{a:x}.0x{b:x}.0x{c:x}.0x{d:x}"
    yield f"{a:03}.{b:03}.{c:03}.{d:03}"
    yield f"{a}.{b}.{c << 8 | d}"
    yield f"{a}.{b << 16 | c << 8 | d}"
    yield f"0x{a:x}.{number & 0xFFFFFF}"
    yield from (
        f"[::ffff:{address}]",
        f"[::{address}]",
        f"[64:ff9b::{address}]",
        f"[::ffff:0:{address}]",
    )
    yield f"[2002:{a:02x}{b:02x}:{c:02x}{d:02x}::]"
    yield address.translate({ord("0") + digit: 0xFF10 + digit for digit in range(10)})


def refused_urls() -> list[str]:
    """Return every URL of the corpus."""
    hosts = [spelling for address in (*REFUSED_V4, *REFUSED_V6) for spelling in spellings(address)]
    return sorted({f"https://{host}/hook" for host in (*hosts, *NAMES)} | set(URLS))
