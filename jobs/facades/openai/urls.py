"""Routes of OpenAI's contract, for its SDKs: their base URL is ``.../openai/v1``."""

from django.urls import path

from genie.core.lean import routes
from jobs.facades.openai import batches, files, responses, videos, views
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
    "videos/<str:video_id>/remix": routes(POST=videos.remix),
    "files": routes(GET=files.listed, POST=files.create),
    "files/<str:file_id>": routes(GET=files.retrieve, DELETE=files.delete),
    "files/<str:file_id>/content": routes(GET=files.content),
    "batches": routes(GET=batches.listed, POST=batches.create),
    "batches/<str:batch_id>": routes(GET=batches.retrieve),
    "batches/<str:batch_id>/cancel": routes(POST=batches.cancel),
    "models": routes(GET=shared.models),
    "models/<path:model>": routes(GET=shared.model),
}

urlpatterns = [path(f"openai/v1/{route}", view) for route, view in _ROUTES.items()]
