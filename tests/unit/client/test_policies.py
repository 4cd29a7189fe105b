"""The pure parts: when a call is repeated, and what a configuration is."""

import pytest

from genie.client import NoAnswer, NotConfigured, Retrying, config, exchanges
from genie.client.errors import ApiError, refusal
from genie.client.exchanges import Answer, Call
from genie.client.operations import asking
from genie.client.retrying import Repeat

KEY = "sk-genie-acme-abcdefghijklmnopqrstuvwx"
LOST, UNSENT = NoAnswer("lost"), NoAnswer("no route", sent=False)


def _refused(status: int, code: str = "some-code", **headers: str) -> ApiError:
    return refusal(
        status=status,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        body={"error": "No.", "code": code},
    )


@pytest.mark.parametrize(
    ("error", "repeated"),
    [
        (LOST, {Repeat.SAFE, Repeat.KEYED}),
        (UNSENT, set(Repeat)),
        (_refused(429), set(Repeat)),
        (_refused(503), set(Repeat)),
        (_refused(502, code=""), {Repeat.SAFE, Repeat.KEYED}),
        (_refused(504, code=""), {Repeat.SAFE, Repeat.KEYED}),
        (_refused(504, code="timeout"), set()),  # its job was cancelled
        (_refused(500), set()),
        (_refused(400), set()),
        (_refused(402), set()),
        (_refused(409), set()),
        (_refused(429, retry_after="3600"), set()),
    ],
)
def test_a_call_is_repeated_only_where_that_is_safe_and_helps(
    error: NoAnswer | ApiError, repeated: set[Repeat]
) -> None:
    found = {one for one in Repeat if Retrying().pause_s(error, attempt=1, repeat=one) is not None}

    assert found == repeated


def test_pauses_double_up_to_a_bound_and_end() -> None:
    policy = Retrying(attempts=6, first_s=1, most_s=4)

    pauses = [
        policy.pause_s(LOST, attempt=n, repeat=Repeat.SAFE, chance=lambda: 1.0) for n in range(1, 7)
    ]

    assert pauses == [1, 2, 4, 4, 4, None]


def test_a_pause_is_at_least_what_the_server_asks() -> None:
    asked = _refused(503, retry_after="7")

    least, most = (
        Retrying().pause_s(asked, attempt=1, repeat=Repeat.SAFE, chance=chance)
        for chance in (lambda: 0.0, lambda: 1.0)
    )

    assert (least, most) == (7.0, 7.5)


@pytest.mark.parametrize("interruption", exchanges.INTERRUPTIONS)
def test_a_job_that_its_caller_stops_waiting_for_is_cancelled_once(
    interruption: type[BaseException],
) -> None:
    settings = config.resolve(api_key=KEY, base_url="http://h", environ={})
    chat = asking.chat(settings, "hi")
    accepted = b'{"id": "chatcmpl-c1", "status": "queued"}'

    asked = next(chat)
    polled = chat.send(Answer(status=202, headers={}, content=accepted))
    last = chat.throw(interruption())

    assert [one.path for one in (asked, polled, last) if isinstance(one, Call)] == [
        "/v1/chat/completions",
        "/v1/jobs/chatcmpl-c1",
        "/v1/jobs/chatcmpl-c1/cancel",
    ]
    with pytest.raises(interruption):
        chat.throw(NoAnswer("lost"))


class TestConfig:
    def test_comes_from_arguments_before_the_environment(self) -> None:
        environ = {"GENIE_API_KEY": KEY, "GENIE_BASE_URL": "https://genie.example/"}

        inherited = config.resolve(api_key=None, base_url=None, environ=environ)
        given = config.resolve(api_key="sk-genie-b-1", base_url="http://h:1", environ=environ)

        assert (inherited.api_key, inherited.base_url) == (KEY, "https://genie.example")
        assert (given.api_key, given.base_url) == ("sk-genie-b-1", "http://h:1")

    @pytest.mark.parametrize(
        "address",
        ["http://h:8000/v1", "http://h:8000/api/v1/", "http://h:8000/openai/v1", "http://h:8000/"],
    )
    def test_takes_addresses_as_other_clients_have_them(self, address: str) -> None:
        assert config.resolve(api_key=KEY, base_url=address).base_url == "http://h:8000"

    @pytest.mark.parametrize(
        ("key", "address"),
        [("", "http://h"), ("sk-genie-\nx", "http://h"), ("schlüssel", "http://h"), (KEY, "h:8000"),
         (KEY, "ftp://h"), (KEY, "http://"), ("pass", "http://user:pass@h")],
    )  # fmt: skip
    def test_refuses_what_cannot_be_without_quoting_the_key(self, key: str, address: str) -> None:
        with pytest.raises(NotConfigured) as caught:
            config.resolve(api_key=key, base_url=address, environ={})

        assert not key or key not in str(caught.value)

    def test_its_repr_has_no_key(self) -> None:
        assert KEY not in repr(config.resolve(api_key=KEY, base_url="http://h"))
