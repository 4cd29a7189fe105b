"""Which host names this system answers to, judged on the raw header."""

from django.conf import settings
from django.http.request import split_domain_port, validate_host

from genie.core.errors import GenieError, InvalidRequest

_REMEMBERED = 256  # names that were found good; more than anybody uses


class Hosts:
    """Judges ``Host`` headers by the setting ``ALLOWED_HOSTS``, each spelling once.

    ``X-Forwarded-Host`` is not read: a proxy in front passes ``Host`` on.
    """

    def __init__(self) -> None:
        self._good: set[bytes] = set()

    def refusal(self, header: bytes) -> GenieError | None:
        """Return why a request is not for this system, or None. A missing header is an empty one."""
        if header in self._good:
            return None
        domain, _ = split_domain_port(header.decode("latin-1"))
        if not validate_host(domain, settings.ALLOWED_HOSTS):
            return InvalidRequest.of("Host", "is no name of this system; see GENIE_ALLOWED_HOSTS")
        if len(self._good) < _REMEMBERED:
            self._good.add(header)
        return None
