"""What it means that an exchange broke: the errors of urllib3, http.client and sockets, as ours."""

import contextlib
import http.client
import ssl
import time
from collections.abc import Iterator

from urllib3.exceptions import HTTPError, SSLError

from webhooks.errors import ErrorClass, TransportError


@contextlib.contextmanager
def translated(deadline: float) -> Iterator[None]:
    """Turn what urllib3, http.client and sockets raise into a TransportError."""
    try:
        yield
    except (HTTPError, http.client.HTTPException, OSError) as error:
        # Whatever broke, broke because the clock ran out.
        late = time.monotonic() >= deadline
        raise TransportError(ErrorClass.TIMEOUT if late else _classify(error)) from error


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what lies behind it: urllib3 wraps what a socket raises."""
    while error is not None:
        yield error
        yield from (part for part in error.args if isinstance(part, BaseException))
        error = error.__cause__ or error.__context__


def _classify(error: BaseException) -> ErrorClass:
    chain = list(causes(error))
    if any(isinstance(one, SSLError | ssl.SSLError) for one in chain):
        return ErrorClass.TLS
    if any(isinstance(one, ConnectionError) for one in chain):
        return ErrorClass.RESET
    return ErrorClass.PROTOCOL
