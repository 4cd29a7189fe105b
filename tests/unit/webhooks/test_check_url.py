"""What a submission refuses: the whole corpus, with one message, and quickly."""

import socket
import threading
import time
from collections.abc import Sequence

import pytest

from tests.unit.webhooks import corpus
from webhooks import sockets, transport
from webhooks.addresses import Policy
from webhooks.errors import REFUSED, ErrorClass, TransportError, UrlRefused

POLICY = Policy(own_hosts=("our.example.net", ".ours.example"))


def to(*answers: str) -> sockets.Resolver:
    return lambda host, port: answers


def check(url: str, resolver: sockets.Resolver, policy: Policy = POLICY) -> None:
    transport.check_url(url, policy=policy, resolver=resolver)


class TestRefusal:
    def test_has_a_corpus_of_several_hundred(self) -> None:
        assert len(corpus.refused_urls()) > 600

    @pytest.mark.parametrize("url", corpus.refused_urls())
    def test_is_the_same_for_every_reason(self, url: str) -> None:
        # The name would resolve to a public address: the text alone condemns it.
        with pytest.raises(UrlRefused) as caught:
            check(url, to("93.184.216.34"))

        assert caught.value.body() == {
            "error": f"webhook.url: {REFUSED}",
            "code": "invalid-request",
            "details": [{"field": "webhook.url", "message": REFUSED}],
        }

    @pytest.mark.parametrize("address", [*corpus.REFUSED_V4, *corpus.REFUSED_V6])
    def test_meets_a_name_with_a_refused_address_among_public_ones(self, address: str) -> None:
        with pytest.raises(UrlRefused):
            check("https://example.com/", to("93.184.216.34", address, "1.1.1.1"))

    def test_names_the_field_it_is_told(self) -> None:
        with pytest.raises(UrlRefused, match="start_image"):
            transport.check_url("ftp://x", field="start_image", policy=POLICY)


class TestAcceptance:
    @pytest.mark.parametrize(
        "url",
        [
            "https://example.com", "https://example.com/", "HTTPS://EXAMPLE.COM/Hook", "https://example.com:8443/x?a=b&c=d",
            "https://example.com:443/#top", "https://example.com:80/", "https://xn--bcher-kva.example/", "https://8.8.8.8/",
            "https://[2606:4700:4700::1111]/", "https://a.example.com/@user/x", "https://example.com/?u=http://127.0.0.1/",
            "https://example.com/%20%0d", "https://nip.io.example.com/", "https://notours.example/",
        ],
    )  # fmt: skip
    def test_admits_public_https(self, url: str) -> None:
        check(url, to("93.184.216.34", "2606:2800:220:1::1"))

    def test_admits_a_name_that_does_not_resolve(self) -> None:
        def fails(host: str, port: int) -> Sequence[str]:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")

        check("https://example.com/", fails)

    def test_waits_at_most_a_second_for_a_look_up(self) -> None:
        answered = threading.Event()

        def hangs(host: str, port: int) -> Sequence[str]:
            answered.wait(20)
            return ["127.0.0.1"]

        began = time.monotonic()
        check("https://example.com/", hangs)
        took = time.monotonic() - began
        answered.set()

        assert 0.9 < took < 2

    @pytest.mark.parametrize(
        "url",
        ["http://localhost:9/x", "http://web:5000/", "http://10.0.0.1:22/", "http://[::1]:1/"],
    )
    def test_admits_private_plain_http_for_development(self, url: str) -> None:
        check(url, to("10.1.2.3"), Policy(development=True))

    @pytest.mark.parametrize(
        "url",
        [
            "http://169.254.169.254/latest",
            "http://metadata/",
            "http://u:p@localhost/",
            "http://0/",
            "ftp://localhost/",
        ],
    )
    def test_refuses_metadata_and_credentials_for_development_too(self, url: str) -> None:
        with pytest.raises(UrlRefused):
            check(url, to("10.1.2.3"), Policy(development=True))

    def test_refuses_a_name_of_the_metadata_address_for_development_too(self) -> None:
        with pytest.raises(UrlRefused):
            check("http://innocent.test/", to("169.254.169.254"), Policy(development=True))


class TestParse:
    def test_reads_a_url_once_for_judging_and_dialling(self) -> None:
        target = transport.parse("HTTPS://Example.COM/a?b=c#d", policy=POLICY)

        assert (target.url, target.authority) == ("https://example.com/a?b=c", "example.com:443")

    def test_says_only_that_the_url_is_refused(self) -> None:
        with pytest.raises(TransportError) as caught:
            transport.parse("https://example.com:22/", policy=POLICY)

        assert caught.value.error_class is ErrorClass.URL_REFUSED

    @pytest.mark.parametrize(
        ("url", "authority"),
        [
            ("http://10.0.0.1/", "10.0.0.1:80"),
            ("https://[::1]:9/", "::1:9"),
            ("nonsense", ""),
            ("https://a@b/", ""),
        ],
    )
    def test_destination_never_fails(self, url: str, authority: str) -> None:
        assert transport.destination(url) == authority
