"""The adapter by itself: what Requests may ask of it, and what nobody can talk it out of."""

from pathlib import Path

import pytest
import requests

from tests.integration.webhooks import receivers
from tests.integration.webhooks.receivers import Receiver
from webhooks import sockets
from webhooks.adapter import JudgedAdapter
from webhooks.addresses import Policy
from webhooks.errors import ErrorClass, TransportError

DEVELOPMENT = Policy(development=True)


def adapter(policy: Policy = DEVELOPMENT) -> JudgedAdapter:
    return JudgedAdapter(policy=policy, resolver=sockets.system_resolver, max_bytes=1000)


def prepared(url: str, body: object = b"{}") -> requests.PreparedRequest:
    return requests.Request("POST", url, data=body).prepare()


def test_a_response_is_one_of_requests(receiver: Receiver) -> None:
    request = prepared(receiver.url("/500"))

    response = adapter().send(request, timeout=5)

    assert (response.status_code, response.text) == (500, "answer 500")
    assert (response.request, response.url) == (request, receiver.url("/500"))
    assert not response.ok


def test_no_more_of_an_answer_is_kept_than_the_adapter_may_read(receiver: Receiver) -> None:
    assert len(adapter().send(prepared(receiver.url("/huge-200")), timeout=5).content) == 1000


def test_no_proxy_is_asked_though_one_is_passed(receiver: Receiver) -> None:
    nowhere = {"http": "http://127.0.0.1:1", "https": "http://127.0.0.1:1"}

    assert adapter().send(prepared(receiver.url()), timeout=5, proxies=nowhere).status_code == 200


def test_a_certificate_is_verified_though_told_not_to(tmp_path: Path) -> None:
    authority = receivers.authority(tmp_path)
    with receivers.serve(authority.context()) as strange:
        url = strange.url(host=receivers.TLS_NAME).replace("http://", "https://")
        judged = JudgedAdapter(
            policy=DEVELOPMENT,
            resolver=lambda host, port: ["127.0.0.1"],
            max_bytes=1000,
        )
        with pytest.raises(TransportError) as caught:
            judged.send(prepared(url), timeout=5, verify=False)

    assert caught.value.error_class is ErrorClass.TLS
    assert not strange.requests


def test_an_address_is_judged_though_requests_never_asks(receiver: Receiver) -> None:
    closed = Policy(development=False, ports=(range(receiver.port, receiver.port + 1),))

    with pytest.raises(TransportError):
        adapter(closed).send(
            prepared(receiver.url().replace("http://", "https://")), timeout=5, verify=False
        )

    assert not receiver.requests


def test_a_status_that_came_before_the_break_is_told(receiver: Receiver) -> None:
    with pytest.raises(TransportError) as caught:
        adapter().send(prepared(receiver.url("/cut")), timeout=5)

    assert caught.value.status == 200


@pytest.mark.parametrize("timeout", [None, (1.0, 1.0)])
def test_an_exchange_has_one_clock(receiver: Receiver, timeout: tuple[float, float] | None) -> None:
    with pytest.raises(TypeError, match="seconds for the whole exchange"):
        adapter().send(prepared(receiver.url()), timeout=timeout)


def test_a_body_of_unknown_size_is_refused(receiver: Receiver) -> None:
    with pytest.raises(TypeError, match="bytes"):
        adapter().send(prepared(receiver.url(), iter([b"a", b"b"])), timeout=5)
