"""The way through the admin: every page that a superuser is led to, each looked at in a browser.

Nothing is listed by hand: the tables are those of the site, a row's page is that of the list's first
row, and what can be done to it is what its page offers. That is some sixty pages, so the suite goes to
those of a few tables, and `make pages` to all.
"""

import os
from dataclasses import dataclass, field
from typing import Any

from django.contrib import admin
from django.urls import reverse

from tests.acceptance import browser as browsers
from tests.acceptance.callers import Caller
from tests.acceptance.receivers import Receiver

EVERY = "GENIE_TEST_EVERY_PAGE"  # set by `make pages`
FEW = ["jobs_job", "jobs_queuepause", "tenants_member"]
NARROW = {"width": 400, "height": 850}
# What axe finds in Django's own markup and no style sheet mends: how the line begins, and why it may stay.
EXCUSED = {
    'aria-prohibited-attr: <span class="help-tooltip': "SelectFilter2.js labels an icon beside a field "
    "that has the same label",
    'label-title-only: <input type="text" size="40" name="q"': "its label is a picture, whose text axe leaves out",
}
_ALONE = ("admin:index", "admin:password_change")
_ROW = "#result_list tbody tr:first-child th a"
_BUTTON = ".object-tools form button"
_UNASKED = "Send once more"  # does what it says with one click


@dataclass(kw_only=True)
class Look:
    """What was seen on the way."""

    pages: list[str] = field(default_factory=list)
    opened: set[str] = field(default_factory=set)  # the tables of which a row was opened
    asked: set[str] = field(default_factory=set)  # the buttons that ask before they do anything
    faults: list[str] = field(default_factory=list)


def seed(caller: Caller, receiver: Receiver) -> str:
    """Give every table a row; return the id of a job that has ended and told its receiver."""
    manage, path = caller.system.manage, f"/admin-{caller.slug}/"
    manage("create_application", "--org", caller.slug, "--name", "shop")
    manage("set_cap", "--org", caller.slug, "--layer", "org", "--window", "daily", "--credits", "5")
    manage("weights", "set", caller.slug, "300")
    hook = {"name": "orders", "url": receiver.url(path), "events": ["job.completed"]}
    assert caller.post("/v1/webhooks", hook).status_code == 201
    job_id = caller.submit("what the page shows")
    receiver.wait(path)
    caller.ended(job_id)
    return job_id


def walk(page: Any, look: Look) -> None:
    """Go to every page, and note what is wrong with each; nothing is changed on the way."""
    for name in _ALONE:
        _see(page, reverse(name), look)
    for place in tables():
        _list(page, reverse(f"admin:{place}_changelist"), place, look)


def tables() -> list[str]:
    """Return the tables whose pages are looked at: all that have any, where that is asked for."""
    if not os.environ.get(EVERY):
        return FEW
    return [f"{one._meta.app_label}_{one._meta.model_name}" for one in admin.site._registry]


def at(page: Any, title: str, look: Look) -> None:
    """Look at the page that is open."""
    look.pages.append(title)
    found = browsers.serious(page)
    look.faults += [f"{title}: {one}" for one in found if not one.startswith(tuple(EXCUSED))]
    page.set_viewport_size(NARROW)
    if (wide := browsers.overflow(page)) > 0:
        look.faults.append(f"{title}: is {wide} pixels wider than a phone")
    page.set_viewport_size(browsers.WIDE)


def _see(page: Any, address: str, look: Look) -> None:
    page.goto(address)
    at(page, address, look)


def _list(page: Any, address: str, place: str, look: Look) -> None:
    _see(page, address, look)
    rows, adds = page.locator(_ROW), page.locator(".object-tools .addlink")
    row = rows.first.get_attribute("href") if rows.count() else None
    if adds.count():
        _see(page, adds.first.get_attribute("href"), look)
    if row is not None:
        look.opened.add(place)
        row_page(page, row, look)


def row_page(page: Any, address: str, look: Look) -> None:
    """Look at a row, and at what each of its buttons asks."""
    _see(page, address, look)
    for label in page.locator(_BUTTON).all_text_contents():
        if label in _UNASKED or label in look.asked:
            continue
        page.goto(address)
        page.locator(_BUTTON, has_text=label).click()
        page.wait_for_selector("#operate")
        look.asked.add(label)
        at(page, f"{address} {label}", look)


def watch(page: Any, look: Look) -> None:
    """Note every answer that is an error, and every request that got none."""

    def answered(response: Any) -> None:
        if response.status >= 400:
            look.faults.append(f"{response.status} for {response.url}")

    page.on("response", answered)
    page.on("requestfailed", lambda request: look.faults.append(f"no answer for {request.url}"))
