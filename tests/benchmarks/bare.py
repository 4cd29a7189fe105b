"""The stack without Genie, for comparison: a DRF view that inserts a row and sends a Celery task.

What a team would write first, on the servers and with the connection pool that suit it best. Run as
``granian --interface wsgi tests.benchmarks.bare:application`` or under uvicorn as ``:asgi``.
"""

import os
import time
import uuid
from collections.abc import Iterator
from typing import Any, ClassVar

import django
import redis
from django.conf import settings
from psycopg.conninfo import conninfo_to_dict

_parts = conninfo_to_dict(os.environ["DATABASE_URL"])
settings.configure(
    SECRET_KEY="bench",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    INSTALLED_APPS=["rest_framework"],
    MIDDLEWARE=[],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "DEFAULT_PERMISSION_CLASSES": [],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
        "UNAUTHENTICATED_USER": None,
    },
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": _parts["dbname"],
            "USER": _parts["user"],
            "PASSWORD": _parts["password"],
            "HOST": _parts["host"],
            "PORT": _parts["port"],
            "OPTIONS": {"pool": {"min_size": 2, "max_size": 8}},
        }
    },
)
django.setup()

# What follows needs Django's settings as it is imported.
from celery import Celery  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connection, models  # noqa: E402
from django.http import HttpRequest, JsonResponse, StreamingHttpResponse  # noqa: E402
from django.urls import path  # noqa: E402
from rest_framework import serializers  # noqa: E402
from rest_framework.request import Request  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402

celery = Celery("bare", broker=os.environ["REDIS_URL"])
celery.conf.update(
    task_ignore_result=True,
    task_default_queue="bare",
    broker_transport_options={"global_keyprefix": "bare:"},
    worker_prefetch_multiplier=1,
)


WAITING_QUEUE = "bare-waiting"  # its workers have a thread for each client that waits
_replies = redis.Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)


@celery.task(name="bare.noop")
def noop(job_id: str) -> None:
    """Do nothing."""


@celery.task(name="bare.answer")
def answer(job_id: str, seconds: float) -> None:
    """Take as long as the model, then hand the one token and the end to who waits."""
    time.sleep(seconds)
    _replies.rpush(_reply_key(job_id), "echo", "")


def _reply_key(job_id: str) -> str:
    return f"bare:reply:{job_id}"


class BareJob(models.Model):
    """A job with nothing but a body."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    body = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager["BareJob"]] = models.Manager()

    class Meta:
        app_label = "bare"
        db_table = "bench_bare_job"

    def __str__(self) -> str:
        return str(self.id)


class MessageSerializer(serializers.Serializer[Any]):
    role = serializers.ChoiceField(["system", "user", "assistant"])
    content = serializers.CharField()


class ChatSerializer(serializers.Serializer[Any]):
    model = serializers.CharField()
    messages = MessageSerializer(many=True)
    max_tokens = serializers.IntegerField(required=False)


class Submit(APIView):
    """Validate, insert, publish, answer 202."""

    def post(self, request: Request) -> Response:
        serializer = ChatSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        job = BareJob.objects.create(body=serializer.validated_data)
        noop.apply_async(args=(str(job.id),))
        return Response({"id": str(job.id), "status": "queued"}, status=202)


class Wait(APIView):
    """Validate, insert, publish, wait for the worker, answer 200; with ``stream``, in events."""

    def post(self, request: Request) -> Response | StreamingHttpResponse:
        serializer = ChatSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        job = BareJob.objects.create(body=serializer.validated_data)
        # Back to the pool: a connection held while waiting would be one that nobody else can use.
        connection.close()
        seconds = float(request.query_params["seconds"])
        answer.apply_async(args=(str(job.id), seconds), queue=WAITING_QUEUE)
        tokens = _tokens(str(job.id))
        if "stream" in request.query_params:
            return StreamingHttpResponse(_events(tokens), content_type="text/event-stream")
        return Response({"id": str(job.id), "status": "completed", "text": " ".join(tokens)})


def _tokens(job_id: str) -> Iterator[str]:
    while True:
        came = _replies.blpop([_reply_key(job_id)], timeout=30)
        if came is None:
            raise TimeoutError(f"nothing came for job {job_id}")
        if not (token := str(came[1])):
            return
        yield token


def _events(tokens: Iterator[str]) -> Iterator[bytes]:
    for token in tokens:
        yield b'data: {"content":"%s"}\n\n' % token.encode()
    yield b"data: [DONE]\n\n"


def plain(request: HttpRequest) -> JsonResponse:
    """Answer a constant of about a poll's size."""
    return JsonResponse({"id": "x" * 36, "status": "completed", "result": {"text": "y" * 200}})


urlpatterns = [
    path("submit", Submit.as_view()),
    path("wait", Wait.as_view()),
    path("plain", plain),
]
application = get_wsgi_application()
asgi = get_asgi_application()
