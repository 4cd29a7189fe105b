"""The pages in a real browser: run, fail, follow, cancel, manage; by axe, in light and dark, on a phone."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.acceptance import admin_pages, models_file
from tests.acceptance import browser as browsers
from tests.acceptance.browser import PHONE, Browser, overflow, violations
from tests.acceptance.callers import Caller, uuid_of
from tests.acceptance.receivers import Receiver
from tests.acceptance.system import System

PAGES = (
    *("/", "/?modality=image", "/?modality=transition", "/?modality=transcription"),
    *("/account", "/account/keys", "/account/usage", "/account/caps", "/account/webhooks"),
    *(
        "/account/jobs",
        "/account/members",
        "/account/applications",
        "/account/password",
        "/nowhere",
    ),
)


# Tables of which no row is opened: there is no group, nobody has met a cap or failed to sign in, who signs
# in is not logged there, and neither the changes of caps nor the lines of the log have a page each.
NOT_SEEN = {
    "admin_logentry",
    *("auth_group", "axes_accessattempt", "axes_accessfailurelog", "axes_accesslog"),
    *("budgets_alert", "budgets_capchange"),
}
ASKED = {"Cancel", "Requeue", "Resume", "Adjust the charge", "Send webhooks again"}


PYTHON = (sys.executable, "-W", "ignore", "-c")

# What the browser has made of a file. Not by polling: that evaluates text, which the policy refuses.
_WIDTH = "image => image.decode().then(() => image.naturalWidth)"
_DURATION = """audio => new Promise((resolve, reject) => {
  if (audio.readyState >= 1) resolve(audio.duration);
  audio.addEventListener("loadedmetadata", () => resolve(audio.duration));
  audio.addEventListener("error", () => reject(audio.error));
})"""


@pytest.fixture(scope="module")
def browser(system: System) -> Iterator[Browser]:
    with browsers.running(system.base_url) as running:
        yield running


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """An owner who has signed in with the browser, as it keeps that; and a key of the organisation."""

    caller: Caller
    state: Any


@pytest.fixture(scope="module")
def owner(system: System, browser: Browser) -> Iterator[Owner]:
    system.manage("create_org", "pages", "--owner", "olga-pages")
    password = system.make_staff("olga-pages")
    key = system.manage("create_key", "--org", "pages")
    caller = Caller(system=system, slug="pages", key=key["fullKey"], key_id=key["keyId"])
    with browser.tab() as page:
        page.goto("/sign-in")
        page.fill("#id_username", "olga-pages")
        page.fill("#id_password", password)
        page.click("main button")
        page.wait_for_url("**/")
        yield Owner(caller=caller, state=page.context.storage_state())
    caller.close()


@pytest.fixture(autouse=True)
def nothing_is_complained_about(browser: Browser) -> Iterator[None]:
    """Fail for a script's error, and for whatever the page's own policy has refused."""
    browser.complaints.clear()
    yield
    assert browser.complaints == []


def ended(page: Any, state: str = "completed") -> None:
    page.wait_for_selector(f"[data-stage][data-state={state}]")


def choose(page: Any, model: str, mode: str) -> None:
    page.wait_for_selector(f"#model option[value={model}]", state="attached")
    page.select_option("#model", model)
    page.check(f"[name=mode][value={mode}]", force=True)


def has_focus(page: Any, selector: str) -> bool:
    """Tell whether whoever goes by keyboard is there, and not back at the top."""
    return bool(page.evaluate("selector => document.activeElement.matches(selector)", selector))


def told_by(argv: list[str], owner: Owner) -> str:
    """Run a program with the owner's key, and return what it prints."""
    env = {**os.environ, "GENIE_API_KEY": owner.caller.key}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


class TestPlayground:
    @pytest.mark.parametrize("mode", ["stream", "sync", "async"])
    def test_an_answer_fills_in_with_what_it_cost(
        self, browser: Browser, owner: Owner, mode: str
    ) -> None:
        with browser.tab(state=owner.state) as page:
            page.goto("/")
            choose(page, "echo", mode)
            page.fill("[name=user]", "seven words are enough to be told")
            page.keyboard.press("Control+Enter")
            ended(page)
            page.wait_for_selector("dt:text('Cost')")

            assert "seven words" in page.inner_text("[data-output]")
            assert "credits" in page.inner_text("[data-facts]")
            assert violations(page) == []

    def test_the_code_that_it_shows_runs(self, browser: Browser, owner: Owner) -> None:
        with browser.tab(state=owner.state) as page:
            page.goto("/")
            choose(page, "echo", "async")
            page.fill("[name=user]", 'it\'s "quoted"')
            curl = page.inner_text("[data-snippet]")
            page.check("[name=language][value=python]", force=True)
            program = page.inner_text("[data-snippet]")

        assert '"status":"queued"' in told_by(["sh", "-c", curl], owner)
        assert "quoted" in told_by([*PYTHON, program], owner)

    def test_an_error_stands_where_the_answer_would(self, browser: Browser, owner: Owner) -> None:
        with browser.tab(state=owner.state) as page:
            page.goto("/")
            choose(page, "echo", "sync")
            page.fill("[name=user]", "hello")
            page.click("summary:text('Parameters')")
            page.fill("[name=temperature]", "7")
            page.press("[data-run]", "Enter")
            ended(page, "failed")
            alert = page.inner_text("[data-error]")

            assert "temperature" in alert
            assert "invalid-request" in alert
            assert "req_" in alert
            assert page.get_attribute("[name=temperature]", "aria-invalid") == "true"
            assert has_focus(page, "[data-run]")
            assert violations(page) == []

    def test_a_picture_shows(self, browser: Browser, owner: Owner) -> None:
        with browser.tab(state=owner.state) as page:
            page.goto("/?modality=image")
            choose(page, "echo-image", "async")
            page.fill("[name=prompt]", "a lighthouse")
            page.click("[data-run]")
            ended(page)
            page.wait_for_selector(".gallery img")

            assert page.eval_on_selector(".gallery img", _WIDTH) == 512

    def test_documents_are_ranked_and_the_code_for_it_runs(
        self, browser: Browser, owner: Owner
    ) -> None:
        with browser.tab(viewport=PHONE, state=owner.state) as page:
            page.goto("/?modality=rerank")
            choose(page, "echo-rerank", "sync")
            page.check("[name=language][value=python]", force=True)
            page.fill("[name=query]", "ships see a light")
            page.fill(
                "[name=documents]", "Bread with nuts.\nA lighthouse shows ships a light at sea."
            )
            page.click("[data-run]")
            ended(page)
            ranked = page.locator("[data-output] tbody tr").all_inner_texts()
            program = page.inner_text("[data-snippet]")

            assert [one.split("\t") for one in ranked] == [
                ["1", "0.7500", "1", "A lighthouse shows ships a light at sea."],
                ["2", "0.0000", "0", "Bread with nuts."],
            ]
            assert told_by([*PYTHON, program], owner).splitlines() == ["0.75 1", "0.0 0"]
            assert violations(page) == []
            assert overflow(page) <= 0

    def test_a_query_that_is_too_long_is_marked(self, browser: Browser, owner: Owner) -> None:
        with browser.tab(state=owner.state) as page:
            page.goto("/?modality=rerank")
            choose(page, "echo-rerank", "async")
            page.fill("[name=query]", "the " * 5000)
            page.fill("[name=documents]", "Bread with nuts.")
            page.click("[data-run]")
            ended(page, "failed")

            assert "invalid-request" in page.inner_text("[data-error]")
            assert page.get_attribute("[name=query]", "aria-invalid") == "true"

    def test_sound_plays(self, browser: Browser, owner: Owner) -> None:
        with browser.tab(state=owner.state) as page:
            page.goto("/?modality=speech")
            choose(page, "echo-speech", "sync")
            page.click("summary:text('Parameters')")
            page.select_option("[name=response_format]", "wav")
            page.fill("[name=input]", "hello there")
            page.click("[data-run]")
            ended(page)

            assert page.eval_on_selector("audio", _DURATION) > 0

    def test_nobody_sees_the_shape_and_runs_with_a_key(
        self, browser: Browser, owner: Owner
    ) -> None:
        with browser.tab() as page:
            page.goto("/")
            assert page.is_disabled("[data-run]")
            assert "/v1/chat/completions" in page.inner_text("[data-snippet]")
            assert violations(page) == []
            page.fill("#pasted-key", owner.caller.key)
            page.press("#pasted-key", "Enter")
            assert has_focus(page, "[data-key-forget]")
            choose(page, "echo", "stream")
            page.fill("[name=user]", "with a key")
            page.click("[data-run]")
            ended(page)

            assert "with a key" in page.inner_text("[data-output]")
            page.press("[data-key-forget]", "Enter")
            assert has_focus(page, "#pasted-key")


class TestJobPage:
    def test_follows_a_job_and_cancels_it(self, browser: Browser, owner: Owner) -> None:
        job_id = owner.caller.submit("many words " * 200, model="echo-slow")

        with browser.tab(state=owner.state) as page:
            page.goto(f"/jobs/{job_id}")
            page.wait_for_selector("[data-log] tr:nth-child(3)")
            page.press("[data-cancel]", "Enter")
            ended(page, "cancelled")
            assert has_focus(page, "[data-output]")
            page.wait_for_selector("#transitions-title ~ ol li:has-text('cancelled')")

            assert "many words" in page.inner_text("[data-output]") or page.is_visible(
                "[data-error]"
            )
            assert violations(page) == []

    def test_a_job_that_has_ended_is_read_again(self, browser: Browser, owner: Owner) -> None:
        job_id = owner.caller.submit("it is over")
        owner.caller.ended(job_id)

        with browser.tab(viewport=PHONE, theme="dark", state=owner.state) as page:
            page.goto(f"/jobs/{job_id}")
            ended(page)

            assert "it is over" in page.inner_text("[data-output]")
            assert overflow(page) <= 0
            assert violations(page) == []


class TestDesk:
    @pytest.mark.parametrize("path", PAGES)
    def test_each_page_is_fit_for_everybody_on_every_screen(
        self, browser: Browser, owner: Owner, path: str
    ) -> None:
        for viewport, theme in ((browsers.WIDE, "light"), (PHONE, "dark")):
            with browser.tab(viewport=viewport, theme=theme, state=owner.state) as page:
                page.goto(path)

                assert violations(page) == []
                assert overflow(page) <= 0

    def test_the_description_of_the_api_can_be_read_by_everybody(self, browser: Browser) -> None:
        with browser.tab(viewport=PHONE) as page:
            page.goto("/docs/api")
            page.wait_for_selector("select[aria-label]")

            assert violations(page) == []
            assert overflow(page) <= 0

    def test_a_key_is_made_used_and_revoked(self, browser: Browser, owner: Owner) -> None:
        with browser.tab(state=owner.state) as page:
            page.goto("/account/keys")
            page.fill("#name", "made in a browser")
            page.click("text='Make the key'")
            key = page.inner_text("#secret")
            owner.caller.key, before = key, owner.caller.key
            works = owner.caller.get("/v1/models").status_code
            row = page.locator("tr", has_text="made in a browser")
            row.locator("summary").click()
            row.locator("text='Revoke it'").click()
            page.wait_for_selector("[role=status]:has-text('The key is revoked')")
            refused = owner.caller.get("/v1/models").status_code
            owner.caller.key = before

        assert (works, refused) == (200, 401)

    def test_older_jobs_come_without_a_reload(self, browser: Browser, owner: Owner) -> None:
        for number in range(4):
            owner.caller.submit(f"job {number}")

        with browser.tab(state=owner.state) as page:
            page.goto("/account/jobs?limit=3")
            page.evaluate("window.notReloaded = true")
            page.press("text='Show older jobs'", "Enter")
            page.wait_for_selector("#found tbody tr:nth-child(5)")
            assert has_focus(page, "tr:nth-child(4) a")

            assert page.evaluate("window.notReloaded") is True


class TestAdmin:
    @pytest.mark.timeout(900)  # `make pages` looks at some sixty
    def test_every_page_is_whole_and_fit_for_everybody(
        self,
        system: System,
        browser: Browser,
        receiver: Receiver,
        new_caller: Callable[..., Caller],
    ) -> None:
        system.manage("create_org", "admin-pages", "--owner", "ada-admin")
        password = system.make_staff("ada-admin")
        system.sql("UPDATE tenants_user SET is_superuser = true WHERE username = 'ada-admin'")
        caller = new_caller(slug="admin-pages")
        told = admin_pages.seed(caller, receiver)
        look = admin_pages.Look()

        with browser.tab() as page:
            admin_pages.watch(page, look)
            page.goto("/admin/")
            admin_pages.at(page, "sign in", look)
            page.fill("#id_username", "ada-admin")
            page.fill("#id_password", password)
            page.press("#id_password", "Enter")
            page.wait_for_selector("#logout-form")
            page.goto("/admin/jobs/queuepause/add/")
            admin_pages.at(page, "pause a queue", look)
            page.select_option("#id_queue", models_file.ALONE)
            page.fill("#id_reason", "a new card")
            page.press("#id_reason", "Enter")
            page.wait_for_selector(".messagelist:has-text('is paused')")
            try:
                caller.submit("it waits", model="echo-alone")
                admin_pages.walk(page, look)
                admin_pages.row_page(page, f"/admin/jobs/job/{uuid_of(told)}/change/", look)
            finally:
                system.manage("queues", "resume", models_file.ALONE)

        assert look.faults == []
        assert set(admin_pages.tables()) - look.opened <= NOT_SEEN
        assert look.asked >= ASKED
