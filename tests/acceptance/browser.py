"""A headless Chromium of this machine, and what every page is held to.

Nothing is downloaded: Debian's package ``chromium``, or one that GENIE_TEST_CHROMIUM names.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
LIMIT_MS = 30_000


def chromium() -> str:
    """Return the browser's path; skips the test, with the reason, where there is none."""
    named = os.environ.get("GENIE_TEST_CHROMIUM", "")
    found = named or next(filter(None, map(shutil.which, NAMES)), None)
    if not found or not Path(found).exists():
        pytest.skip(
            "There is no Chromium here: install Debian's package chromium, or name one as GENIE_TEST_CHROMIUM."
        )
    return found


@dataclass(kw_only=True)  # no slots: the driver leaves a mark on who listens
class Browser:
    """A running Chromium. Every tab records what its console and its policy complain about."""

    base_url: str
    _chromium: Any
    complaints: list[str] = field(default_factory=list)

    @contextlib.contextmanager
    def tab(
        self, *, viewport: dict[str, int] | None = None, theme: str = "light", state: Any = None
    ) -> Iterator[Any]:
        """Give a page of a fresh profile, or of one that was kept."""
        context = self._chromium.new_context(
            base_url=self.base_url,
            viewport=viewport or WIDE,
            color_scheme=theme,
            storage_state=state,
        )
        context.set_default_timeout(LIMIT_MS)
        page = context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._heard)
        try:
            yield page
        finally:
            context.close()

    def _heard(self, message: Any) -> None:
        # A refused request is logged by the browser too; what it said is what tests look at.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)


@contextlib.contextmanager
def running(base_url: str) -> Iterator[Browser]:
    """Run a browser for the length of the block.

    Its driver has an event loop in this thread meanwhile, so no other test may run within.
    """
    path = chromium()
    driver = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: run `make setup`."
    )
    with driver.sync_playwright() as playwright:
        chrome = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield Browser(base_url=base_url, _chromium=chrome)
        finally:
            chrome.close()


def violations(page: Any) -> list[str]:
    """Return what axe finds wrong for people who cannot see, hear or point."""
    return [_told(one, one["nodes"][0]) for one in _found(page)]


def serious(page: Any) -> list[str]:
    """Return what of that keeps somebody from using the page, or nearly does; a line for each element."""
    found = [one for one in _found(page) if one["impact"] in ("serious", "critical")]
    return [_told(one, node) for one in found for node in one["nodes"]]


def _found(page: Any) -> list[dict[str, Any]]:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    # It tells of what is wrong alone, which is quicker, and loads no style sheets a second time: it
    # takes their @import for one of the page.
    options = {"resultTypes": ["violations"], "preload": False}
    return list(axe.run(page, options=options).response["violations"])


def _told(one: dict[str, Any], node: dict[str, Any]) -> str:
    return f"{one['id']}: {node['html'][:120]}"


def overflow(page: Any) -> int:
    """Return by how many pixels the page is wider than the window."""
    return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))
