"""One of everything that a path can name, made over HTTP: else every made-up id is a 404 and no more."""

import contextlib
import io
import json
import wave
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tests.acceptance.callers import Caller, uuid_of
from tests.acceptance.system import System, until

# Operations that end, or do away with, what they name.
ENDS = frozenset(
    {
        *("cancelJob", "deleteJob", "openaiCancelResponse", "openaiDeleteResponse"),
        *("openaiCancelBatch", "openaiDeleteVideo", "openaiDeleteFile", "oxenCancel"),
        *("oxenCancelRow", "deleteWebhook", "revokeKey"),
    }
)
SCOPES = "inference,jobs:read,webhooks:write,budgets:write,admin"
LONG = " ".join(["word"] * 200)  # twenty seconds of the slow echo


def recording(seconds: float = 0.5) -> bytes:
    """Return silence as a WAV file."""
    out = io.BytesIO()
    with wave.open(out, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(b"\0\0" * int(8000 * seconds))
    return out.getvalue()


def batch_file(model: str = "echo", text: str = "hi") -> bytes:
    """Return a batch's file of one line."""
    body = {"model": model, "messages": [{"role": "user", "content": text}]}
    line = {"custom_id": "one", "method": "POST", "url": "/v1/chat/completions", "body": body}
    return json.dumps(line).encode() + b"\n"


class Things:
    """Makes things when they are asked for, and keeps them."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self._kept: dict[str, str] = {}
        self._makers: dict[str, Callable[[], str]] = {
            "job_id": self.job,
            "response_id": self.response,
            "video_id": self.video,
            "file_id": self.file,
            "batch_id": self.batch,
            "generation_id": self.picture,
            "group_id": self.group,
            "webhook_id": self.webhook,
            "delivery_id": self.delivery,
            "token": lambda: self._result_file()[0],
            "name": lambda: self._result_file()[1],
            "namespace": lambda: self.caller.slug,
            "model": lambda: "echo",
            "model_name": lambda: "flux-schnell",
            "org": lambda: self.caller.slug,
            "application_id": self._application,
            "user_id": self._user,
            "key_id": self._key,
        }

    @classmethod
    @contextlib.contextmanager
    def of_new_caller(cls, system: System, slug: str, *, base_url: str = "") -> "Iterator[Things]":
        """Give those of a fresh organization, whose key may do everything."""
        system.manage("create_org", slug)
        key = system.manage("create_key", "--org", slug, "--scopes", SCOPES)
        caller = Caller(
            system=system, slug=slug, key=key["fullKey"], key_id=key["keyId"], base_url=base_url
        )
        try:
            yield cls(caller)
        finally:
            caller.close()

    def of(self, path: str, name: str) -> str:
        """Return what may stand in a path for a parameter."""
        if name == "job_id" and path.startswith("/v1/async/"):
            route = path.removesuffix("/{job_id}")
            return self._once(route, lambda: self.submitted(route))
        return self._once(name, self._makers[name])

    def make(self, operations: Iterable[Any]) -> None:
        """Make what the paths of these operations name, while no queue is long yet."""
        for operation in operations:
            for one in operation.path_parameters:
                self.of(operation.path, one.name)

    def filled(self, example: dict[str, Any]) -> dict[str, Any]:
        """Return an example that names what there is."""
        if "input_file_id" not in example:
            return example
        return example | {"input_file_id": self.of("", "file_id")}

    def fresh(self, path: str, name: str) -> str:
        """Return something of this name that nothing else uses; what runs goes on for seconds."""
        makers: dict[str, Callable[[], str]] = {
            "job_id": lambda: self.job(model="echo-slow", text=LONG),
            "response_id": lambda: self.response(model="echo-slow", text=LONG),
            "batch_id": lambda: self.batch(model="echo-slow", text=LONG),
            "generation_id": lambda: self.picture(model="echo-image-slow"),
            "video_id": lambda: self.video(ready=False),
        }
        return makers.get(name, self._makers[name])()

    def job(self, *, model: str = "echo", text: str = "hello there") -> str:
        """Return a chat's id."""
        return self.caller.submit(text, model=model)

    def response(self, *, model: str = "echo", text: str = "hello there") -> str:
        """Return the id of a response in the background."""
        body = {"model": model, "input": text, "background": True}
        return str(self._made("/openai/v1/responses", body)["id"])

    def video(self, *, ready: bool = True) -> str:
        """Return the id of a video, by default once it can be had."""
        body = {"model": "wan-2.1", "prompt": "waves", "seconds": "1", "size": "64x64"}
        made = str(self._made("/openai/v1/videos", body)["id"])
        if ready:
            until(
                lambda: self._got(f"/openai/v1/videos/{made}")["status"] == "completed",
                what="a video",
                limit_s=90,
            )
        return made

    def file(self, content: bytes = batch_file()) -> str:
        """Return a file's id."""
        answer = self.caller.request(
            "POST",
            "/openai/v1/files",
            data={"purpose": "batch"},
            files={"file": ("requests.jsonl", content)},
        )
        return str(answer.json()["id"])

    def batch(self, *, model: str = "echo", text: str = "hi") -> str:
        """Return a batch's id."""
        body = {
            "input_file_id": self.file(batch_file(model, text)),
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
        }
        return str(self._made("/openai/v1/batches", body)["id"])

    def picture(self, *, model: str = "flux-schnell") -> str:
        """Return the id of a picture in Oxen's queue."""
        body = {"model": model, "prompt": "a lighthouse", "image_size": "square"}
        made = self._made("/api/ai/queue", body)
        return str(made["generations"][0]["generation_id"])

    def group(self) -> str:
        """Return a group's id."""
        one = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}
        return str(self._made("/v1/slow/group/chat/completions", {"requests": [one]})["groupId"])

    def webhook(self) -> str:
        """Return the id of an endpoint that nobody serves."""
        number = len(self._got("/v1/webhooks")["data"])
        body = {"name": f"made-{number}", "url": "http://127.0.0.1:9/", "events": []}
        return str(self._made("/v1/webhooks", body)["id"])

    def delivery(self) -> str:
        """Return the id of a delivery that has been tried."""
        made = self.caller.post(f"/v1/webhooks/{self.webhook()}/test")
        assert made.status_code == 200, made.text
        return str(made.json()["delivery_id"])

    def submitted(self, route: str) -> str:
        """Return the id of a job of one of Bifrost's types; any, for a type that no model here serves."""
        bodies: dict[str, dict[str, Any]] = {
            "chat/completions": {"messages": [{"role": "user", "content": "hi"}]},
            "completions": {"prompt": "hi"},
            "responses": {"input": "hi"},
            "embeddings": {"model": "echo-embedding", "input": "hi"},
            "rerank": {"model": "echo-rerank", "query": "hi", "documents": [{"text": "hi"}]},
            "audio/speech": {"model": "echo-speech", "input": "hi", "voice": "alloy"},
            "images/generations": {"model": "flux-schnell", "prompt": "a", "size": "256x256"},
        }
        kind = route.removeprefix("/v1/async/")
        if kind == "audio/transcriptions":
            answer = self.caller.request(
                "POST", route, data={"model": "whisper-1"}, files={"file": ("a.wav", recording())}
            )
            return str(answer.json()["id"])
        if kind not in bodies:
            return uuid_of(self.of("", "job_id"))
        return str(self._made(route, {"model": "echo"} | bodies[kind])["id"])

    def _once(self, name: str, make: Callable[[], str]) -> str:
        if name not in self._kept:
            self._kept[name] = make()
        return self._kept[name]

    def _made(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self.caller.post(path, body)
        assert answer.ok, f"{path}: {answer.status_code} {answer.text}"
        return dict(answer.json())

    def _got(self, path: str) -> dict[str, Any]:
        answer = self.caller.get(path)
        assert answer.ok, f"{path}: {answer.status_code} {answer.text}"
        return dict(answer.json())

    def _result_file(self) -> tuple[str, str]:
        body = {"model": "flux-schnell", "prompt": "a lighthouse", "size": "256x256"}
        if "file" not in self._kept:
            self._kept["file"] = self._made("/v1/images/generations", body)["data"][0]["url"]
        _, token, name = self._kept["file"].rsplit("/", 2)
        return token, name

    def _application(self) -> str:
        made = self.caller.system.manage(
            "create_application", "--org", self.caller.slug, "--name", "made"
        )
        return str(made["applicationId"])

    def _user(self) -> str:
        made = self.caller.system.manage(
            "create_member",
            *("--org", self.caller.slug, "--user", f"{self.caller.slug}-member"),
            *("--role", "member"),
        )
        return str(made["userId"])

    def _key(self) -> str:
        made = self._made(f"/api/orgs/{self.caller.slug}/api-keys", {"name": "made"})
        return str(made["keyId"])
