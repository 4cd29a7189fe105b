"""The account desk: the rules of the API, on pages."""

import re
from typing import Any

import pytest
from django.urls import reverse

from budgets import services as budgets
from budgets.windows import Layer, WindowKind
from genie.console.urls import urlpatterns
from genie.tenants import services
from genie.tenants.models import ApiKey, Application, Member, User
from tests import builders
from webhooks import endpoints
from webhooks import selectors as webhooks

pytestmark = pytest.mark.django_db

FOR_MEMBERS = ("account", "keys", "usage", "caps", "webhooks", "jobs", "password")
FOR_MANAGERS = ("members", "applications")
KEY = re.compile(r"sk-genie-[a-z0-9-]+-[0-9A-Za-z]{24}")


@pytest.fixture(autouse=True)
def anywhere_may_be_called(settings: Any) -> None:
    settings.GENIE_OUTBOUND_DEVELOPMENT = True


def text(answer: Any) -> str:
    return str(answer.content.decode())


class TestWhoSeesWhat:
    @pytest.mark.parametrize("name", FOR_MEMBERS + FOR_MANAGERS)
    def test_nobody_is_sent_to_sign_in_and_back(self, browser_of: Any, name: str) -> None:
        answer = browser_of().get(reverse(f"console:{name}"))

        assert answer.headers["Location"] == f"/sign-in?next={reverse(f'console:{name}')}"

    @pytest.mark.parametrize("name", FOR_MEMBERS)
    def test_members_see_their_pages(self, acme: Any, browser_of: Any, name: str) -> None:
        assert browser_of(acme.member).get(reverse(f"console:{name}")).status_code == 200

    @pytest.mark.parametrize("name", FOR_MANAGERS)
    def test_members_do_not_see_those_of_managers(
        self, acme: Any, browser_of: Any, name: str
    ) -> None:
        assert browser_of(acme.member).get(reverse(f"console:{name}")).status_code == 403
        assert browser_of(acme.admin).get(reverse(f"console:{name}")).status_code == 200

    def test_a_user_of_no_organization_is_told_so(self, browser_of: Any) -> None:
        answer = browser_of(User.objects.create_user("nomad")).get("/account")

        assert answer.status_code == 403
        assert "You are in no organization yet" in text(answer)

    @pytest.mark.parametrize(
        "route",
        [
            one
            for one in urlpatterns
            if one.name and one.pattern.converters and "account" in str(one.pattern)
        ],
        ids=lambda one: one.name,
    )
    def test_what_does_not_exist_is_a_page_that_says_so(
        self, acme: Any, browser_of: Any, route: Any
    ) -> None:
        path = reverse(f"console:{route.name}", kwargs=dict.fromkeys(route.pattern.converters, "x"))
        browser = browser_of(acme.owner)

        answers = {browser.get(path).status_code, browser.post(path).status_code}

        assert answers <= {404, 405}
        assert 404 in answers

    def test_a_strangers_member_and_application_are_not_there(
        self, acme: Any, stranger: Any, browser_of: Any
    ) -> None:
        browser = browser_of(acme.owner)
        theirs = (
            f"/account/members/{stranger.member.id}",
            f"/account/applications/{stranger.application.id}",
        )
        changing = [f"{theirs[0]}/{one}" for one in ("role", "caps", "invite", "remove")]

        answers = [browser.get(path).status_code for path in theirs]
        answers += [browser.post(path).status_code for path in (*changing, f"{theirs[1]}/save")]

        assert set(answers) == {404}

    def test_the_lists_of_managers_have_nobody_elses(
        self, acme: Any, stranger: Any, browser_of: Any
    ) -> None:
        browser = browser_of(acme.owner)
        theirs = services.create_application(stranger.organization.id, name="theirs alone")

        pages = [text(browser.get(f"/account/{one}")) for one in (*FOR_MANAGERS, "keys", "jobs")]

        assert acme.member.username in pages[0]
        assert acme.application.name in pages[1]
        assert [one for one in pages if stranger.member.username in one] == []
        assert [one for one in pages if theirs.name in one] == []

    def test_every_form_needs_its_token(self, acme: Any, browser_of: Any) -> None:
        browser = browser_of(acme.owner, csrf=True)
        changing = ("new-key", "organization-caps", "new-webhook", "new-member", "new-application")

        answers = [browser.post(reverse(f"console:{name}")).status_code for name in changing]

        assert set(answers) == {403}


class TestKeys:
    def test_a_new_key_is_shown_once(self, acme: Any, browser_of: Any) -> None:
        browser = browser_of(acme.owner)

        made = browser.post("/account/keys/new", {"name": "ci", "scopes": ["inference"]})

        assert len(set(KEY.findall(text(made)))) == 1
        assert not KEY.findall(text(browser.get("/account/keys")))
        assert ApiKey.objects.get(name="ci").scopes == ["inference"]
        assert made.headers["Cache-Control"] == "no-store"

    def test_limits_are_taken_and_judged_by_the_apis_rules(
        self, acme: Any, browser_of: Any
    ) -> None:
        browser = browser_of(acme.owner)
        form = {
            "name": "narrow",
            "scopes": ["inference"],
            "rateLimitRpm": "60",
            "allowedModels": "lite\n\npro",
            "allowedCIDRs": "10.1.0.0/16",
            "expiresOn": "2099-12-31",
            "holderUserId": str(acme.member.id),
        }

        browser.post("/account/keys/new", form)
        refused = browser.post(
            "/account/keys/new",
            {**form, "name": "wrong", "rateLimitRpm": "many", "allowedCIDRs": "nonsense"},
        )

        key = ApiKey.objects.get(name="narrow")
        assert (key.rate_limit_rpm, key.allowed_models) == (60, ["lite", "pro"])
        assert key.expires_at is not None
        assert refused.status_code == 400
        assert "write an integer" in text(refused)
        assert 'value="wrong"' in text(refused)  # what was typed is still there

    def test_an_admin_gives_no_more_than_the_api_lets_one(self, acme: Any, browser_of: Any) -> None:
        answer = browser_of(acme.admin).post(
            "/account/keys/new", {"name": "x", "scopes": ["budgets:write"]}
        )

        assert answer.status_code == 403
        assert "Only an owner" in text(answer)

    def test_a_member_makes_and_revokes_none_and_sees_those_held(
        self, acme: Any, browser_of: Any
    ) -> None:
        mine = acme.key(holder_user_id=acme.member.id).row
        other = acme.key().row
        browser = browser_of(acme.member)

        page = text(browser.get("/account/keys"))

        assert mine.name in page
        assert other.name not in page
        assert browser.post("/account/keys/new", {"name": "x"}).status_code == 403
        assert browser.post(f"/account/keys/{mine.id}/revoke").status_code == 403

    def test_a_revoked_key_is_refused_and_reported(self, acme: Any, browser_of: Any) -> None:
        key = acme.key()

        page = browser_of(acme.owner).post(f"/account/keys/{key.row.id}/revoke", follow=True)

        assert "The key is revoked" in text(page)
        assert ApiKey.objects.get(id=key.row.id).revoked_at is not None

    def test_another_organizations_key_is_not_there(
        self, acme: Any, stranger: Any, browser_of: Any
    ) -> None:
        theirs = stranger.key().row

        answer = browser_of(acme.owner).post(f"/account/keys/{theirs.id}/revoke")

        assert answer.status_code == 404
        assert ApiKey.objects.get(id=theirs.id).revoked_at is None


class TestCaps:
    def cap_of(self, layer: Layer, subject: Any) -> int | None:
        return budgets.balances([(layer, subject)])[0].base_cap

    def test_an_owner_sets_the_organizations(self, acme: Any, browser_of: Any) -> None:
        form = {"dailyBudget": "12.5", "monthlyBudget": ""}

        page = browser_of(acme.owner).post("/account/caps/organization", form, follow=True)

        assert "The caps are saved" in text(page)
        assert self.cap_of(Layer.ORG, acme.organization.id) == 12_500_000
        assert "12.5 left" in text(page)

    def test_an_admin_does_not(self, acme: Any, browser_of: Any) -> None:
        answer = browser_of(acme.admin).post("/account/caps/organization", {"dailyBudget": "1"})

        assert answer.status_code == 403
        assert self.cap_of(Layer.ORG, acme.organization.id) is None

    @pytest.mark.parametrize("wrong", ["much", "-1", "0.0000001", "NaN", "1e3000"])
    def test_what_is_no_amount_is_refused_and_kept_to_be_mended(
        self, acme: Any, browser_of: Any, wrong: str
    ) -> None:
        answer = browser_of(acme.owner).post("/account/caps/organization", {"dailyBudget": wrong})

        assert answer.status_code == 400
        assert f'value="{wrong}"' in text(answer)
        assert "dailyBudget-problem" in text(answer)

    def test_an_admin_sets_a_members_but_not_their_own(self, acme: Any, browser_of: Any) -> None:
        browser = browser_of(acme.admin)

        done = browser.post(f"/account/members/{acme.member.id}/caps", {"dailySpendCap": "3"})
        own = browser.post(f"/account/members/{acme.admin.id}/caps", {"dailySpendCap": "3"})

        assert done.status_code == 302
        assert self.cap_of(Layer.MEMBER, acme.membership(acme.member).id) == 3_000_000
        assert "Nobody changes their own cap" in text(own)

    def test_an_applications_caps_and_what_they_do(self, acme: Any, browser_of: Any) -> None:
        path = f"/account/applications/{acme.application.id}/save"
        form = {
            "dailySpendCap": "0",
            "onCapHit": "soft-warn",
            "alertWebhookUrl": "https://127.0.0.1:9443/caps",
            "alertWebhookSecret": "hush",
        }

        page = browser_of(acme.admin).post(path, form, follow=True)

        (daily, *_) = budgets.balances([(Layer.APPLICATION, acme.application.id)])
        assert (daily.base_cap, daily.on_cap_hit) == (0, "soft-warn")
        assert "https://127.0.0.1:9443/caps" in text(page)
        assert "hush" not in text(page)


class TestRaises:
    UNTIL = "2099-01-01T00:00"

    def now(self, layer: Layer, subject: Any) -> tuple[int | None, int | None, bool]:
        """Return the daily cap that counts, the one behind it, and whether it is raised."""
        one = budgets.balances([(layer, subject)])[0]
        return one.cap, one.base_cap, one.raised_until is not None

    def form(self, **fields: str) -> dict[str, str]:
        usual = {"raise-window": "daily", "raise-to": "20", "raise-until": self.UNTIL}
        return usual | fields

    @pytest.fixture
    def capped(self, acme: Any) -> Any:
        for layer, subject in (
            (Layer.ORG, acme.organization.id),
            (Layer.APPLICATION, acme.application.id),
            (Layer.MEMBER, acme.membership(acme.member).id),
        ):
            builders.cap(layer, subject, WindowKind.DAILY, 5_000_000)
        return acme

    def test_an_owner_raises_and_ends_the_organizations(self, capped: Any, browser_of: Any) -> None:
        browser, subject = browser_of(capped.owner), (Layer.ORG, capped.organization.id)

        raised = browser.post("/account/caps/organization", self.form(), follow=True)
        then = self.now(*subject)
        browser.post("/account/caps/organization", {"end-raise": "daily"})

        assert "End it now" in text(raised)
        assert then == (20_000_000, 5_000_000, True)
        assert self.now(*subject) == (5_000_000, 5_000_000, False)

    def test_an_admin_raises_those_of_members_and_applications(
        self, capped: Any, browser_of: Any
    ) -> None:
        browser = browser_of(capped.admin)

        browser.post(f"/account/members/{capped.member.id}/caps", self.form())
        browser.post(f"/account/applications/{capped.application.id}/save", self.form())

        raised = (20_000_000, 5_000_000, True)
        assert self.now(Layer.MEMBER, capped.membership(capped.member).id) == raised
        assert self.now(Layer.APPLICATION, capped.application.id) == raised

    def test_an_admin_does_not_raise_the_organizations(self, capped: Any, browser_of: Any) -> None:
        answer = browser_of(capped.admin).post("/account/caps/organization", self.form())

        assert answer.status_code == 403

    @pytest.mark.parametrize(
        "wrong",
        [
            {"raise-to": "1"}, {"raise-to": ""}, {"raise-to": "much"}, {"raise-until": ""},
            {"raise-until": "2020-01-01T00:00"}, {"raise-window": "total"}, {"raise-window": "monthly"},
        ],
    )  # fmt: skip
    def test_what_is_no_raise_is_refused_by_the_apis_rules(
        self, capped: Any, browser_of: Any, wrong: dict[str, str]
    ) -> None:
        answer = browser_of(capped.owner).post("/account/caps/organization", self.form(**wrong))

        assert answer.status_code == 400
        assert "raise-window-problem" in text(answer)
        assert self.now(Layer.ORG, capped.organization.id) == (5_000_000, 5_000_000, False)

    def test_saving_other_caps_leaves_a_raise_alone(self, capped: Any, browser_of: Any) -> None:
        browser = browser_of(capped.owner)
        browser.post("/account/caps/organization", self.form())
        shown = {
            "dailyBudget": "5",
            "was-dailyBudget": "5",
            "monthlyBudget": "9",
            "was-monthlyBudget": "",
        }

        browser.post("/account/caps/organization", shown)

        assert self.now(Layer.ORG, capped.organization.id) == (20_000_000, 5_000_000, True)
        assert budgets.balances([(Layer.ORG, capped.organization.id)])[1].base_cap == 9_000_000


class TestMembers:
    def test_a_newcomer_is_added_invited_and_signs_in(self, acme: Any, browser_of: Any) -> None:
        browser = browser_of(acme.owner)
        name = f"new-{acme.organization.slug}"

        browser.post("/account/members/new", {"username": name, "role": "member"})
        user = User.objects.get(username=name)
        page = text(browser.post(f"/account/members/{user.id}/invite"))
        (link,) = set(re.findall(r"http://testserver(/welcome/[^<\s]+)", page))
        newcomer = browser_of()
        form = newcomer.get(link, follow=True).redirect_chain[-1][0]
        newcomer.post(
            form, {"new_password1": "a fine long one", "new_password2": "a fine long one"}
        )

        welcome = newcomer.post("/sign-in", {"username": name, "password": "a fine long one"})

        assert welcome.headers["Location"] == "/"
        assert "too old" in text(browser_of().get(link, follow=True))

    def test_a_role_above_ones_own_is_not_given(self, acme: Any, browser_of: Any) -> None:
        answer = browser_of(acme.admin).post(
            "/account/members/new", {"username": "eve", "role": "owner"}
        )

        assert answer.status_code == 400
        assert not User.objects.filter(username="eve").exists()

    def test_a_member_is_removed(self, acme: Any, browser_of: Any) -> None:
        page = browser_of(acme.admin).post(f"/account/members/{acme.member.id}/remove", follow=True)

        assert "no member any more" in text(page)
        assert not Member.objects.filter(user=acme.member).exists()

    def test_the_only_owner_stays(self, acme: Any, browser_of: Any) -> None:
        page = browser_of(acme.owner).post(
            f"/account/members/{acme.owner.id}/role", {"role": "member"}, follow=True
        )

        assert "This is the only owner" in text(page)


class TestApplications:
    def test_one_is_made_and_its_name_is_taken_then(self, acme: Any, browser_of: Any) -> None:
        browser = browser_of(acme.admin)

        browser.post("/account/applications/new", {"name": "bot"})
        again = browser.post("/account/applications/new", {"name": "bot"})

        assert Application.objects.filter(organization=acme.organization, name="bot").count() == 1
        assert "already has an application" in text(again)


class TestWebhooks:
    def register(self, browser: Any, **more: Any) -> Any:
        form = {
            "name": "hook",
            "url": "https://127.0.0.1:9443/x",
            "events": ["job.completed"],
            **more,
        }
        return browser.post("/account/webhooks/new", form)

    def endpoint(self, acme: Any) -> Any:
        (found,) = webhooks.endpoints(acme.organization.id)
        return found

    def test_a_member_registers_one_and_sees_its_secret_once(
        self, acme: Any, browser_of: Any
    ) -> None:
        browser = browser_of(acme.member)

        made = self.register(browser)
        again = browser.get(f"/account/webhooks/wh_{self.endpoint(acme).id.hex}")

        assert "whsec_" in text(made)
        assert "whsec_" not in text(again)

    def test_what_the_api_refuses_is_marked(self, acme: Any, browser_of: Any) -> None:
        answer = self.register(browser_of(acme.member), url="ftp://192.0.2.1/x", events=[])

        assert answer.status_code == 400
        assert "url-problem" in text(answer)
        assert webhooks.endpoints(acme.organization.id) == []

    def test_it_is_disabled_changed_and_deleted(self, acme: Any, browser_of: Any) -> None:
        browser = browser_of(acme.member)
        path = re.search(r"/account/webhooks/wh_\w+", text(self.register(browser)))
        assert path is not None

        disabled = browser.post(f"{path[0]}/toggle", follow=True)
        changed = browser.post(
            f"{path[0]}/save", {"name": "other", "url": "https://127.0.0.1:9443/y", "events": []}
        )
        renamed = self.endpoint(acme)
        deleted = browser.post(f"{path[0]}/delete", follow=True)

        assert "is disabled" in text(disabled)
        assert changed.status_code == 302
        assert (renamed.name, renamed.events, renamed.enabled) == ("other", [], False)
        assert "is deleted" in text(deleted)

    def test_a_strangers_endpoint_is_not_there(
        self, acme: Any, stranger: Any, browser_of: Any
    ) -> None:
        path = re.search(
            r"/account/webhooks/wh_\w+", text(self.register(browser_of(stranger.member)))
        )
        assert path is not None

        assert browser_of(acme.owner).get(path[0]).status_code == 404
        assert browser_of(acme.owner).post(f"{path[0]}/delete").status_code == 404

    def test_a_disabled_one_is_not_replayed_and_says_why(self, acme: Any, browser_of: Any) -> None:
        browser = browser_of(acme.member)
        path = re.search(r"/account/webhooks/wh_\w+", text(self.register(browser)))
        assert path is not None
        endpoints.set_enabled(self.endpoint(acme).id, enabled=False, organization_id=None)

        page = browser.post(f"{path[0]}/replay", {"hours": "24"}, follow=True)

        assert "is disabled; enable it first" in text(page)


class TestJobsAndUsage:
    def test_jobs_are_filtered_as_the_api_filters_them(self, browser_of: Any) -> None:
        account = builders.make_account()
        done, waiting = builders.make_ended_job(account), builders.make_job(account)
        builders.make_job()
        browser = browser_of(User.objects.get(id=account.user_id))

        every = text(browser.get("/account/jobs"))
        queued = text(browser.get("/account/jobs?status=queued&model=&application="))
        wrong = browser.get("/account/jobs?created_after=yesterday")

        assert every.count('<th scope="row">') == 2
        assert queued.count('<th scope="row">') == 1
        assert "badge-completed" not in queued
        assert (wrong.status_code, "must be Unix seconds" in text(wrong)) == (400, True)
        assert done.id != waiting.id

    def test_pages_follow_each_other_without_a_gap(self, browser_of: Any) -> None:
        account = builders.make_account()
        for _ in range(5):
            builders.make_job(account)
        browser = browser_of(User.objects.get(id=account.user_id))
        ids = re.compile(r'href="/jobs/([^"]+)"')

        first = text(browser.get("/account/jobs?limit=3"))
        more = re.search(r'hx-get="([^"]+cursor[^"]+)"', first)
        assert more is not None
        rest = browser.get(more[1].replace("&amp;", "&"), headers={"HX-Request": "true"})

        assert len({*ids.findall(first), *ids.findall(text(rest))}) == 5
        assert "<html" not in text(rest)

    def test_what_each_member_used_is_for_managers(self, acme: Any, browser_of: Any) -> None:
        assert browser_of(acme.member).get("/account/usage?by=member").status_code == 403
        assert browser_of(acme.admin).get("/account/usage?by=member").status_code == 200

    def test_the_chart_and_the_table_say_the_same(self, browser_of: Any) -> None:
        account = builders.make_account()
        builders.make_ended_job(account)

        page = text(browser_of(User.objects.get(id=account.user_id)).get("/account/usage"))

        assert "<title>echo-chat" in page
        assert page.count("0.000007") >= 3  # the sum, the chart and the table
