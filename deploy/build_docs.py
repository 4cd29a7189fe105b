"""Builds the documentation into build/site, or shows it: ``python deploy/build_docs.py build|serve``.

MkDocs judges links, anchors and the navigation, strictly. What it has built is judged once more here:
no page may fetch anything from elsewhere, and the program that draws the diagrams is beside them.
"""

import os
import shutil
import socket
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "build" / "site"
# Installed by `make setup`; the pages look for it in a place that git ignores.
MERMAID = ROOT / "deploy/docs/node_modules/@mermaid-js/tiny/dist/mermaid.tiny.js"
PLACE = ROOT / "docs" / "assets" / "mermaid.js"
# Of what a browser fetches unasked, the attribute that says from where.
FETCHED = {
    **dict.fromkeys(("script", "img", "iframe", "source", "video", "audio", "embed"), "src"),
    "link": "href",
    "object": "data",
}


class Fetches(HTMLParser):
    """Collects what a page has a browser fetch from other hosts."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the address of one element, if it leads elsewhere."""
        given = dict(attrs)
        address = given.get(FETCHED.get(tag, "")) or ""
        is_name = tag == "link" and given.get("rel") in ("canonical", "prev", "next")
        if not is_name and address.startswith(("http:", "https:", "//")):
            self.found.append(address)


def main() -> int:
    """Do what the command line says; return the exit status."""
    match sys.argv[1:]:
        case ["build"]:
            return build()
        case ["serve"]:
            return serve()
    sys.stderr.write("python deploy/build_docs.py build|serve\n")
    return 2


def build() -> int:
    """Build the site and judge it."""
    # Not --quiet: MkDocs counts only the warnings that it may print.
    if (status := _place_mermaid() or _mkdocs("build", "--strict")) != 0:
        return status
    problems = elsewhere()
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    pages = sum(1 for _ in SITE.rglob("*.html"))
    if not problems:
        sys.stdout.write(f"{pages} pages are in {SITE.relative_to(ROOT)}.\n")
    return 1 if problems else 0


def serve() -> int:
    """Show the site on a free port until Ctrl-C."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return _place_mermaid() or _mkdocs("serve", "--dev-addr", f"127.0.0.1:{port}")


def elsewhere() -> list[str]:
    """Return what the pages of the site would fetch from other hosts."""
    problems = []
    for page in sorted(SITE.rglob("*.html")):
        fetches = Fetches()
        fetches.feed(page.read_text("utf-8"))
        problems += [f"{page.relative_to(SITE)} fetches {one}" for one in fetches.found]
    return problems


def _place_mermaid() -> int:
    if not MERMAID.exists():
        sys.stderr.write("The diagrams need Mermaid: run 'make setup'.\n")
        return 1
    PLACE.parent.mkdir(exist_ok=True)
    shutil.copyfile(MERMAID, PLACE)
    return 0


def _mkdocs(*words: str) -> int:
    # Its theme prints who maintains what, which docs/dependencies.md says.
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", *words], cwd=ROOT, env=env, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
