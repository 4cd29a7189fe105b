"""Which wire contract answers under which path, each with its own routes and its own words for errors.

One table, so that no two contracts can claim the same path unseen: the longest prefix decides.
"""

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """The routes of one contract."""

    prefixes: tuple[str, ...]  # of the paths that it answers
    urlconf: str  # dotted name of its routes, which have the whole paths
    described: str  # dotted name of the contract that describes them, each of them
    render: str | None = None  # dotted name of what turns an error into its answer; None: natively
    finish: str | None = None  # dotted name of what adds the contract's own to each answer


MOUNTS = (
    Mount(
        prefixes=("/v1/", "/api/v1/", "/files/", "/health", "/ready"),
        urlconf="jobs.urls",
        described="jobs.facades.genie.described.CONTRACT",
    ),
    Mount(
        prefixes=("/openai/v1/",),
        urlconf="jobs.facades.openai.urls",
        described="jobs.facades.openai.described.CONTRACT",
        render="jobs.facades.openai.errors.render",
        finish="jobs.facades.openai.rates.add",
    ),
    Mount(  # beside the management below /api/, which has none of these
        prefixes=("/api/ai/", "/api/media/", "/api/images/", "/api/videos/"),
        urlconf="jobs.facades.oxen.urls",
        described="jobs.facades.oxen.described.CONTRACT",
        render="jobs.facades.oxen.errors.render",
    ),
    Mount(
        prefixes=("/v1/async/",),
        urlconf="jobs.facades.bifrost.urls",
        described="jobs.facades.bifrost.described.CONTRACT",
        render="jobs.facades.bifrost.errors.render",
    ),
    Mount(
        prefixes=("/v1/slow/", "/v1/async/group/", "/v1/generation/"),
        urlconf="jobs.facades.inference_net.urls",
        described="jobs.facades.inference_net.described.CONTRACT",
        render="jobs.facades.inference_net.errors.render",
    ),
)
