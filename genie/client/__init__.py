"""A client of Genie: blocking and asynchronous, and ``genie``, the command.

Needs a running Genie somewhere and nothing of its code: no Django, no settings, no torch.

    from genie.client import Client

    with Client() as client:  # GENIE_API_KEY, GENIE_BASE_URL
        print(client.chat("What is 7 plus 5?").text)
"""

from genie.client.aio import AsyncChatStream, AsyncClient, AsyncJob, AsyncJobStream
from genie.client.client import ChatStream, Client, Job, JobStream
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
from genie.client.types import (
    Budgets,
    ChatCompletion,
    Delta,
    Embeddings,
    Images,
    JobEvent,
    JobInfo,
    JobPage,
    Message,
    ModelInfo,
    Speech,
    Transcription,
    Usage,
    UsageReport,
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
