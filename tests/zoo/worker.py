"""The webhook worker, with names below ``example`` answered by the zoo's own DNS server.

    ZOO_DNS_PORT=5353 python -m tests.zoo.worker celery -A genie worker ...

Nothing else of it is changed: whatever the system's resolver would say, this one says in its place.
"""

import os
import runpy
import socket
import sys
from typing import Any

from tests.zoo import names

_system = socket.getaddrinfo


def getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
    """Ask the zoo's server about its names, and the system about all others."""
    if not (isinstance(host, str) and host.endswith(".example")):
        return _system(host, port, *args, **kwargs)
    found = names.resolver(int(os.environ["ZOO_DNS_PORT"]))(host, port)
    if not found:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")
    return [entry for address in found for entry in _system(address, port, *args, **kwargs)]


if __name__ == "__main__":
    socket.getaddrinfo = getaddrinfo
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
