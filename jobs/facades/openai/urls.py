"""Routes of OpenAI's contract, for its SDKs: their base URL is ``.../openai/v1``."""

from django.urls import path

from genie.core.lean import routes
from jobs.facades.openai import responses, videos, views
from jobs.serving import views as shared

_ROUTES = {
    "chat/completions": routes(POST=shared.chat_completions),
    "completions": routes(POST=shared.completions),
    "responses": routes(POST=responses.create),
    "responses/<str:response_id>": routes(GET=responses.retrieve, DELETE=responses.delete),
    "responses/<str:response_id>/cancel": routes(POST=responses.cancel),
    "responses/<str:response_id>/input_items": routes(GET=responses.input_items),
    "embeddings": routes(POST=shared.embeddings),
    "images/generations": routes(POST=views.images),
    "audio/speech": routes(POST=shared.speech),
    "audio/transcriptions": routes(POST=shared.transcriptions),
    "videos": routes(GET=videos.listed, POST=videos.create),
    "videos/<str:video_id>": routes(GET=videos.retrieve, DELETE=videos.delete),
    "videos/<str:video_id>/content": routes(GET=videos.content),
    "models": routes(GET=shared.models),
    "models/<path:model>": routes(GET=shared.model),
}

urlpatterns = [path(f"openai/v1/{route}", view) for route, view in _ROUTES.items()]
