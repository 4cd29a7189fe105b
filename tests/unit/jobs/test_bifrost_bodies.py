"""What Bifrost's clients send: keys in five headers, lifetimes, and bodies with a sentence for each flaw."""

import asyncio
import json
import uuid
from typing import Any

import pytest
from django.test import RequestFactory

from genie.core import errors as native
from genie.core.errors import GenieError
from genie.tenants.principal import Principal
from inference.specs import ModelSpec, Price
from inference.types import Modality
from jobs.dialects import bifrost
from jobs.dialects.bifrost import RequestType
from jobs.facades.bifrost import capabilities, errors, keys, reading, works
from jobs.facades.bifrost.bodies import Rerank, Transcription
from jobs.facades.bifrost.reading import Read
from tests import schemas
from tests.unit.inference.specs import echo_spec
from tests.unit.jobs.test_uploads import BOUNDARY, part

KEY = "sk-genie-acme-0123456789abcdefABCDEFGH"
MAX_S = 30 * 86_400.0
NOBODY = Principal(organization_id=uuid.UUID(int=1), organization_slug="acme")

# A whole body of each JSON type.
BODIES: dict[RequestType, dict[str, Any]] = {
    RequestType.TEXT_COMPLETION: {"model": "m", "prompt": "p"},
    RequestType.CHAT_COMPLETION: {"model": "m", "messages": [{"role": "user", "content": "hi"}]},
    RequestType.RESPONSES: {"model": "m", "input": "hi"},
    RequestType.EMBEDDING: {"model": "m", "input": "hi"},
    RequestType.SPEECH: {"model": "m", "input": "hi", "voice": "alloy"},
    RequestType.IMAGE_GENERATION: {"model": "m", "prompt": "p"},
    RequestType.RERANK: {"model": "m", "query": "q", "documents": [{"text": "d"}]},
    RequestType.OCR: {
        "model": "m",
        "document": {"type": "document_url", "document_url": "https://example.com/a.pdf"},
    },
}
FORMS = (RequestType.TRANSCRIPTION, RequestType.IMAGE_EDIT, RequestType.IMAGE_VARIATION)


async def read_body(request: Any, request_type: RequestType) -> Read:
    return reading.judged(await reading.sent(request, request_type), request_type)


def refused(request_type: RequestType, body: bytes, content_type: str) -> dict[str, Any]:
    """Return the envelope that refuses a body."""
    path = bifrost.PREFIX + bifrost.PATHS[request_type]
    request = RequestFactory().post(path, body, content_type=content_type)
    with pytest.raises(GenieError) as caught:
        asyncio.run(read_body(request, request_type))
    answer = errors.refusal(request, caught.value)
    envelope: dict[str, Any] = json.loads(answer.content)
    schemas.require("bifrost", "error", envelope)
    assert envelope["status_code"] == answer.status_code
    assert envelope["extra_fields"]["request_type"] == request_type
    return envelope


def json_refused(request_type: RequestType, **changes: Any) -> str:
    body = json.dumps(BODIES[request_type] | changes).encode()
    envelope = refused(request_type, body, "application/json")
    assert envelope["status_code"] == 400
    return str(envelope["error"]["message"])


def form_refused(request_type: RequestType, *parts: bytes) -> str:
    body = b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()
    envelope = refused(request_type, body, f"multipart/form-data; boundary={BOUNDARY}")
    assert envelope["status_code"] == 400
    return str(envelope["error"]["message"])


class TestKeys:
    @pytest.mark.parametrize("prefix", ["", "sk-bf-", "SK-BF-", "Sk-Bf-"])
    @pytest.mark.parametrize(
        ("header", "form"),
        [
            ("HTTP_X_BF_VK", "{}"),
            ("HTTP_AUTHORIZATION", "Bearer {}"),
            ("HTTP_AUTHORIZATION", "bearer   {} "),
            ("HTTP_X_API_KEY", " {} "),
            ("HTTP_X_GOOG_API_KEY", "{}"),
            ("HTTP_API_KEY", "{}"),
        ],
    )
    def test_are_found_in_each_header(self, header: str, form: str, prefix: str) -> None:
        assert keys.presented({header: form.format(prefix + KEY)}) == KEY

    def test_lose_the_prefix_once(self) -> None:
        assert keys.presented({"HTTP_API_KEY": f"sk-bf-sk-bf-{KEY}"}) == f"sk-bf-{KEY}"

    def test_the_first_header_decides_even_if_its_key_is_bad(self) -> None:
        order = ["HTTP_X_BF_VK", "HTTP_AUTHORIZATION", "HTTP_X_API_KEY"]
        order += ["HTTP_X_GOOG_API_KEY", "HTTP_API_KEY"]
        sent = {name: f"key-{name}" for name in order}
        sent["HTTP_AUTHORIZATION"] = "Bearer key-HTTP_AUTHORIZATION"

        for name in order:
            assert keys.presented(sent) == f"key-{name}"
            del sent[name]

    @pytest.mark.parametrize("value", ["Basic dXNlcjpwYXNz", "Bearer ", "Bearer", "Digest a=b"])
    def test_no_other_scheme_is_a_key(self, value: str) -> None:
        assert keys.presented({"HTTP_AUTHORIZATION": value}) is None
        assert keys.presented({"HTTP_AUTHORIZATION": value, "HTTP_X_API_KEY": KEY}) == KEY

    def test_a_cookie_is_none(self) -> None:
        assert keys.presented({"HTTP_COOKIE": f"sessionid={KEY}", "HTTP_X_BF_VK": ""}) is None


class TestLifetime:
    @pytest.mark.parametrize(
        ("header", "seconds"),
        [
            (None, 60),
            ("", 60),
            ("not-a-number", 60),
            ("1.5", 60),
            ("1e3", 60),
            ("٣", 60),
            ("--1", 60),
            ("+", 60),
            ("-1", 60),
            ("-99999999999999999999", 60),
            ("120,10", 60),
            ("0", 3600),
            ("00", 3600),
            ("-0", 3600),
            ("120", 120),
            ("+120", 120),
            ("0000000000000120", 120),
            (" 120 ", 120),
            ("1", 1),
            ("2592000", MAX_S),
            ("2592001", MAX_S),
            ("9" * 5000, MAX_S),
        ],
    )
    def test_is_read_as_the_contract_says(self, header: str | None, seconds: float) -> None:
        assert keys.result_ttl_s(header, default_s=60, most_s=MAX_S) == seconds


class TestRequestIds:
    @pytest.mark.parametrize(
        ("sent", "taken"),
        [("abc-1", "abc-1"), ("a b", None), ("", None), ("é", None), ("x" * 129, None)],
    )
    def test_are_taken_over_where_they_can_be_given_back(
        self, sent: str, taken: str | None
    ) -> None:
        request = RequestFactory().get("/v1/async/rerank/x", headers={"x-request-id": sent})

        assert keys.request_id(request) == taken


class TestJsonBodies:
    @pytest.mark.parametrize("request_type", BODIES)
    def test_are_read(self, request_type: RequestType) -> None:
        asked = BODIES[request_type] | {"x-unknown": [1], "fallbacks": ["a/b"]}
        request = RequestFactory().post("/", json.dumps(asked), content_type="application/json")

        read = asyncio.run(read_body(request, request_type))

        assert (read.body.model, read.asked) == ("m", asked)

    @pytest.mark.parametrize("request_type", BODIES)
    @pytest.mark.parametrize("model", [None, ""])
    def test_need_a_model(self, request_type: RequestType, model: str | None) -> None:
        assert json_refused(request_type, model=model) == "model is required"

    @pytest.mark.parametrize("request_type", BODIES)
    @pytest.mark.parametrize("raw", [b"{", b"[]", b'{"model": NaN}', b"\xff"])
    def test_must_be_json(self, request_type: RequestType, raw: bytes) -> None:
        envelope = refused(request_type, raw, "application/json")

        assert envelope["error"]["message"].startswith("invalid request format: ")
        assert (envelope["status_code"], envelope["is_bifrost_error"]) == (400, False)

    @pytest.mark.parametrize("request_type", BODIES)
    def test_must_be_declared_as_json(self, request_type: RequestType) -> None:
        envelope = refused(request_type, b"{}", "text/plain")

        assert envelope["status_code"] == 415

    @pytest.mark.parametrize(
        ("request_type", "changes", "message"),
        [
            (RequestType.TEXT_COMPLETION, {"prompt": None}, "prompt is required for text completion"),
            (RequestType.TEXT_COMPLETION, {"prompt": ""}, "prompt is required for text completion"),
            (RequestType.TEXT_COMPLETION, {"prompt": []}, "prompt is required for text completion"),
            (RequestType.CHAT_COMPLETION, {"messages": None}, "messages is required for chat completion"),
            (RequestType.CHAT_COMPLETION, {"messages": []}, "messages is required for chat completion"),
            (RequestType.RESPONSES, {"input": None}, "input is required for responses"),
            (RequestType.EMBEDDING, {"input": None}, "input is required for embeddings"),
            (RequestType.EMBEDDING, {"input": []}, "input is required for embeddings"),
            (RequestType.SPEECH, {"input": ""}, "input is required for speech completion"),
            (RequestType.SPEECH, {"voice": None}, "voice is required for speech completion"),
            (RequestType.IMAGE_GENERATION, {"prompt": ""}, "prompt cannot be empty"),
            (RequestType.IMAGE_GENERATION, {"prompt": None}, "prompt cannot be empty"),
            (RequestType.RERANK, {"query": ""}, "query is required for rerank"),
            (RequestType.RERANK, {"documents": []}, "documents are required for rerank"),
            (RequestType.RERANK, {"documents": [{"text": "a"}, {"id": "b"}]},
             "document text is required for rerank at index 1"),
            (RequestType.RERANK, {"top_n": 0}, "top_n must be at least 1"),
            (RequestType.OCR, {"document": None}, "document type is required for ocr"),
            (RequestType.OCR, {"document": {"document_url": "x"}}, "document type is required for ocr"),
            (RequestType.OCR, {"document": {"type": "document_url"}},
             "document_url is required when document type is document_url"),
            (RequestType.OCR, {"document": {"type": "image_url", "document_url": "x"}},
             "image_url is required when document type is image_url"),
            (RequestType.TEXT_COMPLETION, {"stream": True},
             "stream is not supported for async text completions"),
            (RequestType.CHAT_COMPLETION, {"stream": True},
             "stream is not supported for async chat completions"),
            (RequestType.RESPONSES, {"stream": True}, "stream is not supported for async responses"),
            (RequestType.IMAGE_GENERATION, {"stream": True},
             "stream is not supported for async image generations"),
            (RequestType.SPEECH, {"stream_format": "sse"}, "stream is not supported for async speech"),
        ],
    )  # fmt: skip
    def test_lack_something_in_the_contracts_words(
        self, request_type: RequestType, changes: dict[str, Any], message: str
    ) -> None:
        assert json_refused(request_type, **changes) == message

    @pytest.mark.parametrize(
        ("request_type", "changes"),
        [
            (RequestType.CHAT_COMPLETION, {"model": 5}),
            (RequestType.CHAT_COMPLETION, {"temperature": 2.1}),
            (RequestType.CHAT_COMPLETION, {"temperature": "1"}),
            (RequestType.CHAT_COMPLETION, {"top_p": -0.1}),
            (RequestType.CHAT_COMPLETION, {"presence_penalty": 3}),
            (RequestType.CHAT_COMPLETION, {"max_tokens": 0}),
            (RequestType.CHAT_COMPLETION, {"top_logprobs": 21}),
            (RequestType.CHAT_COMPLETION, {"stream": "true"}),
            (RequestType.CHAT_COMPLETION, {"verbosity": "loud"}),
            (RequestType.CHAT_COMPLETION, {"prompt_cache_retention": "1h"}),
            (RequestType.CHAT_COMPLETION, {"fallbacks": [{}]}),
            (RequestType.TEXT_COMPLETION, {"prompt": [1]}),
            (RequestType.TEXT_COMPLETION, {"stop": "x"}),
            (RequestType.RESPONSES, {"include": "x"}),
            (RequestType.RESPONSES, {"max_output_tokens": 1.5}),
            (RequestType.EMBEDDING, {"encoding_format": "hex"}),
            (RequestType.SPEECH, {"speed": 4.1}),
            (RequestType.SPEECH, {"response_format": "ogg"}),
            (RequestType.SPEECH, {"voice": [{"speaker": "a"}]}),
            (RequestType.IMAGE_GENERATION, {"n": 11}),
            (RequestType.IMAGE_GENERATION, {"size": "300x300"}),
            (RequestType.IMAGE_GENERATION, {"output_compression": 101}),
            (RequestType.IMAGE_GENERATION, {"partial_images": 4}),
            (RequestType.IMAGE_GENERATION, {"quality": "best"}),
            (RequestType.RERANK, {"documents": ["d"]}),
            (RequestType.RERANK, {"max_tokens_per_doc": 0}),
            (RequestType.OCR, {"document": {"type": "file"}}),
            (RequestType.OCR, {"pages": [-1]}),
            (RequestType.OCR, {"image_limit": 0}),
            (RequestType.OCR, {"document_annotation_format": {"type": "xml"}}),
        ],
    )  # fmt: skip
    def test_of_wrong_types_or_out_of_range_name_the_field(
        self, request_type: RequestType, changes: dict[str, Any]
    ) -> None:
        (field,) = changes

        assert json_refused(request_type, **changes).startswith(f"invalid request format: {field}")

    @pytest.mark.parametrize(
        ("n", "able", "answers"),
        [(3, ("n",), 3), (3, (), 1), (9, ("n",), 1), (True, ("n",), 1), ("3", ("n",), 1)],
    )
    def test_of_chats_ask_for_several_answers_where_the_model_can(
        self, n: Any, able: tuple[str, ...], answers: int
    ) -> None:
        asked = BODIES[RequestType.CHAT_COMPLETION] | {"n": n}
        read = Read(body=reading._parsed(RequestType.CHAT_COMPLETION, asked), asked=asked)

        wanted = asyncio.run(works._chat(NOBODY, read, echo_spec(capabilities=able)))

        assert wanted.work.request.get("answers", 1) == answers

    def test_of_responses_may_name_what_no_model_here_remembers(self) -> None:
        """Accepted by the contract: kept, and used only by who can."""
        remembered = {"previous_response_id": "resp_1", "conversation": "conv_1", "store": False}
        asked = BODIES[RequestType.RESPONSES] | remembered
        body = reading._parsed(RequestType.RESPONSES, asked)

        wanted = asyncio.run(works._responses(NOBODY, Read(body=body, asked=asked), echo_spec()))

        assert wanted.work.request["response"]["previous_response_id"] is None

    def test_of_speech_name_the_field_that_asks_for_a_stream(self) -> None:
        asked = BODIES[RequestType.SPEECH] | {"stream_format": "sse"}
        envelope = refused(RequestType.SPEECH, json.dumps(asked).encode(), "application/json")

        assert envelope["error"]["param"] == "stream_format"

    def test_of_pictures_take_objects_as_fallbacks(self) -> None:
        body = BODIES[RequestType.IMAGE_GENERATION] | {
            "fallbacks": [{"model": "x"}],
            "size": "auto",
        }
        request = RequestFactory().post("/", json.dumps(body), content_type="application/json")

        assert asyncio.run(read_body(request, RequestType.IMAGE_GENERATION)).asked == body


MODEL = part("model", b"m")
FILE = {
    RequestType.TRANSCRIPTION: part("file", b"sound", filename="a.wav"),
    RequestType.IMAGE_EDIT: part("image[]", b"picture", filename="a.png"),
    RequestType.IMAGE_VARIATION: part("image", b"picture", filename="a.png"),
}


class TestForms:
    @pytest.mark.parametrize("request_type", FORMS)
    def test_are_read(self, request_type: RequestType) -> None:
        body = MODEL + FILE[request_type] + part("whatever", b"1") + part("whatever", b"2")
        body += part("several[]", b"1") + part("several[]", b"2")
        request = RequestFactory().post(
            "/",
            body + f"--{BOUNDARY}--\r\n".encode(),
            content_type=f"multipart/form-data; boundary={BOUNDARY}",
        )

        read = asyncio.run(read_body(request, request_type))

        assert read.asked == {"model": "m", "whatever": "1", "several": ["1", "2"]}
        assert [one.content for sent in read.files.values() for one in sent] in (
            [b"sound"],
            [b"picture"],
        )

    @pytest.mark.parametrize("request_type", FORMS)
    def test_need_a_model(self, request_type: RequestType) -> None:
        assert form_refused(request_type, FILE[request_type]) == "model is required"

    @pytest.mark.parametrize(
        ("request_type", "message"),
        [
            (RequestType.TRANSCRIPTION, "file is required"),
            (RequestType.IMAGE_EDIT, "at least one image is required"),
            (RequestType.IMAGE_VARIATION, "at least one image is required"),
        ],
    )
    def test_need_their_file(self, request_type: RequestType, message: str) -> None:
        other = part("attachment", b"x", filename="x")

        assert form_refused(request_type, MODEL, other) == message

    @pytest.mark.parametrize("request_type", FORMS)
    @pytest.mark.parametrize("parameters", ["", "; boundary=b"])
    def test_must_be_forms(self, request_type: RequestType, parameters: str) -> None:
        envelope = refused(request_type, b"x", f"multipart/form-data{parameters}")

        assert envelope["error"]["message"].startswith("failed to parse multipart form: ")
        assert refused(request_type, b"{}", "application/json")["status_code"] == 415

    @pytest.mark.parametrize(
        ("request_type", "name", "value", "message"),
        [
            (RequestType.TRANSCRIPTION, "stream", b"true",
             "stream is not supported for async transcriptions"),
            (RequestType.IMAGE_EDIT, "stream", b"True",
             "stream is not supported for async image edits"),
            (RequestType.IMAGE_EDIT, "n", b"two", 'invalid n value: "two" is not an integer'),
            (RequestType.IMAGE_VARIATION, "n", b"1.5", 'invalid n value: "1.5" is not an integer'),
        ],
    )  # fmt: skip
    def test_are_refused_in_the_contracts_words(
        self, request_type: RequestType, name: str, value: bytes, message: str
    ) -> None:
        assert form_refused(request_type, MODEL, FILE[request_type], part(name, value)) == message

    @pytest.mark.parametrize(
        ("request_type", "name", "value"),
        [
            (RequestType.TRANSCRIPTION, "response_format", b"xml"),
            (RequestType.IMAGE_EDIT, "size", b"1792x1024"),
            (RequestType.IMAGE_EDIT, "quality", b"hd"),
            (RequestType.IMAGE_EDIT, "seed", b"x"),
            (RequestType.IMAGE_EDIT, "type", b"upscaling"),
            (RequestType.IMAGE_VARIATION, "n", b"11"),
        ],
    )
    def test_of_wrong_types_or_out_of_range_name_the_field(
        self, request_type: RequestType, name: str, value: bytes
    ) -> None:
        message = form_refused(request_type, MODEL, FILE[request_type], part(name, value))

        assert message.startswith(f"invalid request format: {name}")


def told(error: GenieError, *, method: str = "POST", path: str = "rerank") -> tuple[Any, Any]:
    """Return the answer to an error, and its envelope."""
    request = RequestFactory().generic(method, bifrost.PREFIX + path)
    answer = errors.render(request, error)
    envelope = json.loads(answer.content)
    schemas.require("bifrost", "error", envelope)
    return answer, envelope


class TestErrors:
    @pytest.mark.parametrize(
        ("error", "status", "error_type", "code"),
        [
            (native.ModelNotAllowed("x"), 403, "model_blocked", "model-not-allowed"),
            (native.IpNotAllowed("x"), 403, "virtual_key_blocked", "ip-not-allowed"),
            (native.Forbidden("x"), 403, "virtual_key_blocked", "forbidden"),
            (native.RateLimited("x"), 429, "rate_limited", "rate-limited"),
            (native.QueueFull("x"), 429, "rate_limited", "queue-full"),
            (native.BudgetCapHit("x"), 402, "budget_exceeded", "budget-cap-hit"),
            (native.ContentPolicyViolation("x"), 400, None, "content-policy-violation"),
            (native.PayloadTooLarge("x"), 413, None, "payload-too-large"),
            (native.IdempotencyKeyReused("x"), 422, None, "idempotency-key-reused"),
            (native.InternalError("x"), 500, None, None),
            (native.MethodNotAllowed("PUT", ["POST"]), 405, None, None),
            (native.NotFound("x"), 404, None, None),
        ],
    )
    def test_of_the_tree_have_the_contracts_words(
        self, error: GenieError, status: int, error_type: str | None, code: str | None
    ) -> None:
        answer, envelope = told(error)

        assert answer.status_code == envelope["status_code"] == status
        assert envelope.get("type") == envelope["error"].get("type") == error_type
        assert envelope["error"].get("code") == code
        assert envelope["error"]["message"] == error.message
        assert envelope["is_bifrost_error"] == (status == 500)
        assert {name: answer[name] for name in error.headers} == error.headers

    @pytest.mark.parametrize(
        ("method", "done"), [("POST", "failed to create"), ("GET", "failed to retrieve")]
    )
    def test_of_a_store_that_is_down_are_500(self, method: str, done: str) -> None:
        answer, envelope = told(native.Unavailable("x"), method=method)

        assert (answer.status_code, envelope["is_bifrost_error"]) == (500, True)
        assert envelope["error"]["message"] == f"{done} async job: storage unavailable"
        assert answer["Retry-After"] == "1"

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    @pytest.mark.parametrize("path", ["rerank/x", "nothing", "chat/completions/x/y"])
    def test_of_what_is_not_there_are_one_on_polls(self, method: str, path: str) -> None:
        first, _ = told(native.NotFound("There is no route."), method=method, path=path)

        assert first.content == errors.not_found().content

    def test_of_a_key_bring_a_challenge_with_401_alone(self) -> None:
        missing, _ = told(errors.KeyMissing())
        unknown, _ = told(native.Unauthorized())

        assert (missing.status_code, "WWW-Authenticate" in missing) == (401, True)
        assert (unknown.status_code, "WWW-Authenticate" in unknown) == (400, False)


class TestModels:
    @pytest.mark.parametrize(
        ("model", "name"),
        [
            ("lite", "lite"),
            ("genie/lite", "lite"),
            ("genie/qwen/lite", "qwen/lite"),
            ("qwen/lite", "qwen/lite"),
            ("genie/", "genie/"),
            ("/lite", "/lite"),
        ],
    )
    def test_lose_the_name_of_a_configured_provider(self, model: str, name: str) -> None:
        assert capabilities.local_name(model) == name


class TestCapabilities:
    @pytest.mark.parametrize("request_type", [RequestType.RERANK, RequestType.OCR])
    def test_are_refused_where_no_model_has_them_as_is_so_from_the_start(
        self, request_type: RequestType
    ) -> None:
        with pytest.raises(errors.Refused) as caught:
            capabilities.require(request_type, "genie-tiny-rerank")

        envelope = json.loads(errors.refusal(RequestFactory().post("/"), caught.value).content)
        assert envelope["error"] == {
            "message": f"no model with capability {request_type} is configured",
            "code": "capability-not-configured",
            "param": "model",
        }


class TestRerank:
    def test_becomes_the_native_work_with_what_came_beside_a_text(self) -> None:
        documents = [{"text": "a", "id": "one", "meta": {"n": [1]}}, {"text": "b", "more": 1}]
        body = BODIES[RequestType.RERANK] | {
            "documents": documents,
            "top_n": 1,
            "priority": 5,
            "return_documents": True,
            "max_tokens_per_doc": 7,
        }
        read = Read(body=Rerank.model_validate(body), asked=body)
        spec = echo_spec(modality=Modality.RERANK)

        work = asyncio.run(works._rerank(NOBODY, read, spec)).work

        assert work.request == {
            "query": "q",
            "documents": [{"text": "a", "id": "one", "meta": {"n": [1]}}, {"text": "b"}],
            "document_tokens": 7,
            "top_n": 1,
            "return_documents": True,
        }
        assert (work.prompt_tokens, work.completion_tokens) == (2 * 2, 0)


class TestTimeMarks:
    @pytest.mark.parametrize(
        ("written_as", "asked", "able", "used"),
        [
            ("verbose_json", ["word"], ("word-timestamps",), ["word"]),
            ("verbose_json", ["segment"], (), ["segment"]),
            ("verbose_json", ["word"], (), None),
            ("verbose_json", ["syllable"], ("word-timestamps",), None),
            ("verbose_json", "word", ("word-timestamps",), None),
            ("json", ["word"], ("word-timestamps",), None),
        ],
    )
    def test_are_used_where_they_can_be_and_never_refused(
        self, written_as: str, asked: Any, able: tuple[str, ...], used: list[str] | None
    ) -> None:
        fields = {"response_format": written_as, "timestamp_granularities": asked}
        spec = ModelSpec(
            id="m",
            modality=Modality.AUDIO,
            backend="echo",
            capabilities=able,
            price=Price(version="1", rates={}),
        )

        assert works._time_marks(Read(body=Transcription(), asked=fields), spec) == used
