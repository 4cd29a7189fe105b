"""Try the proxies' examples of deploy/ before a system; the exit status is 1 if a promise was broken.

python -m tests.proxies [nginx] [caddy]

A proxy that is not on this machine is reported as not run, and fails nothing unless it is named.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console

from genie.standalone.topology import WorkerEntry
from tests.acceptance import system as systems
from tests.acceptance.system import System
from tests.proxies import checks, servers
from tests.proxies.servers import Proxy

# As behind one proxy; and the sync wait of production, which other tests shorten.
ENV = {"GENIE_TRUSTED_PROXIES": "1"}
WORKER = WorkerEntry(name="a", queues=("chat",))


def main() -> int:
    """Run, print, and say whether all was kept."""
    named = _options().proxies
    console = Console(soft_wrap=True)
    found = {name: servers.program(name) for name in named or servers.RUN}
    missing = [name for name, path in found.items() if path is None]
    for name in missing:
        console.print(f"{name}: [yellow]NOT RUN[/], it is not on this machine")
    broken = bool(named and missing)
    if len(missing) == len(found):
        return 1 if broken else 0
    with (
        tempfile.TemporaryDirectory(prefix="genie-proxies-") as directory,
        systems.running(
            Path(directory),
            workers=(WORKER,),
            models=("echo", checks.SLOW),
            strict=False,
            reached=lambda _servers, _url: ENV,
        ) as system,
    ):
        for name, path in found.items():
            if path is not None:
                broken |= not _tried(name, path, system, Path(directory), console)
    return 1 if broken else 0


def _tried(name: str, path: str, system: System, directory: Path, console: Console) -> bool:
    own = directory / name
    own.mkdir()
    with servers.RUN[name](path, own, urlsplit(system.base_url).netloc) as proxy:
        console.print(f"[bold]{name}[/] {proxy.version}")
        kept = [_kept(check, system, proxy, console) for check in checks.CHECKS]
    return all(kept)


def _kept(check: checks.Check, system: System, proxy: Proxy, console: Console) -> bool:
    title = (check.__doc__ or "").partition("\n")[0]
    try:
        said = check(checks.arriving(system, proxy))
    except (AssertionError, OSError) as error:  # of a promise, or of a connection
        console.print(f"  [red]broken[/] {title} {type(error).__name__}: {error}")
        return False
    console.print(f"  [green]kept[/]   {title} [dim]({said})[/]")
    return True


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.proxies", description=__doc__)
    parser.add_argument("proxies", nargs="*", choices=[*servers.RUN, []], metavar="nginx|caddy")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
