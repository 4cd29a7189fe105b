"""A client of Genie: blocking and asynchronous, and ``genie``, the command.

Needs a running Genie somewhere and nothing of its code: no Django, no settings, no torch.

    from genie.client import Client

    with Client() as client:  # GENIE_API_KEY, GENIE_BASE_URL
        print(client.chat("What is 7 plus 5?").text)
"""

from genie.client.accounts import Budgets, ModelInfo, UsageReport
from genie.client.aio import AsyncClient, AsyncJob
from genie.client.client import Client, Job
from genie.client.errors import (
    ApiError,
    BudgetCapHit,
    Conflict,
    Forbidden,
    GenieError,
    IdempotencyKeyReused,
    InvalidRequest,
    JobFailed,
    NoAnswer,
    NotConfigured,
    NotFound,
    RateLimited,
    StillRunning,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
)
from genie.client.retrying import Retrying
from genie.client.streams import AsyncChatStream, AsyncJobStream, ChatStream, JobStream
from genie.client.types import (
    ChatCompletion,
    Delta,
    Embeddings,
    Images,
    JobEvent,
    JobInfo,
    JobPage,
    Message,
    Ranking,
    Speech,
    Transcription,
    Usage,
)

__all__ = [
    "ApiError",
    "AsyncChatStream",
    "AsyncClient",
    "AsyncJob",
    "AsyncJobStream",
    "BudgetCapHit",
    "Budgets",
    "ChatCompletion",
    "ChatStream",
    "Client",
    "Conflict",
    "Delta",
    "Embeddings",
    "Forbidden",
    "GenieError",
    "IdempotencyKeyReused",
    "Images",
    "InvalidRequest",
    "Job",
    "JobEvent",
    "JobFailed",
    "JobInfo",
    "JobPage",
    "JobStream",
    "Message",
    "ModelInfo",
    "NoAnswer",
    "NotConfigured",
    "NotFound",
    "Ranking",
    "RateLimited",
    "Retrying",
    "Speech",
    "StillRunning",
    "Transcription",
    "Unauthorized",
    "Unavailable",
    "UnexpectedAnswer",
    "Usage",
    "UsageReport",
]
