"""OpenAI's routes where they differ from the ones that the native contract shares with them."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponseBase

from genie.core import errors
from genie.core.lean import LeanRequest
from genie.tenants.principal import Principal
from jobs.facades.openai.bodies import OpenAIImageBody, image_fields
from jobs.intake import bodies, media, submit
from jobs.intake.submit import Prepared
from jobs.serving import views


async def images(request: LeanRequest) -> HttpResponseBase:
    """POST /openai/v1/images/generations: unknown fields are ignored, as OpenAI's clients expect."""
    return await views.submitted(request, _image)


async def _image(request: HttpRequest, principal: Principal, fields: Mapping[str, Any]) -> Prepared:
    if fields.get("stream"):  # a client that waits for events must not be answered without one
        raise errors.InvalidRequest.of("stream", "pictures are answered whole; leave it out")
    body = bodies.parse(OpenAIImageBody, image_fields(fields))
    mode = submit.mode_of(body, stream=None, streams=False)
    work = await media.image_work(principal, body)
    return await submit.prepared(
        principal, body, work=work, mode=mode, envelope=submit.envelope_of(request)
    )
