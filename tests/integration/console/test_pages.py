"""The pages around the playground: who sees what, and what an error looks like to whom."""

import copy
import re
import uuid
from typing import Any

import pytest
from django.test import Client

from genie.console.modalities import SHAPES
from genie.console.shapes import Shape
from genie.tenants.models import User
from tests import builders


class TestPlayground:
    @pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.key)
    def test_shows_the_fields_of_each_modality_to_anybody(
        self, db: None, browser_of: Any, with_a_reranker: str, shape: Shape
    ) -> None:
        page = browser_of().get(f"/?modality={shape.key}").content.decode()

        assert all(f'name="{field.name}"' in page for field in shape.fields)
        assert re.findall(r'name="mode" value="(\w+)"', page) == list(shape.modes)
        assert "To run it, <a" in page

    def test_offers_what_a_configured_model_makes(self, db: None, browser_of: Any) -> None:
        page = browser_of().get("/?modality=rerank").content.decode()

        assert "/?modality=embedding" in page
        assert "modality=rerank" not in page
        assert "<title>Chat " in page

    def test_chooses_a_model_that_there_is(
        self, db: None, browser_of: Any, with_a_reranker: str
    ) -> None:
        page = browser_of().get("/?modality=rerank").content.decode()

        assert f"<option>{with_a_reranker}</option>" in page

    def test_has_no_inline_script_or_style(self, acme: Any, browser_of: Any) -> None:
        answer = browser_of(acme.owner).get("/")
        page = answer.content.decode()

        scripts = re.findall(r"<script([^>]*)>", page)
        assert all("src=" in one or 'type="application/json"' in one for one in scripts)
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=", page)
        policy = answer.headers["Content-Security-Policy"].split("; ")
        assert "default-src 'self'" in policy
        assert "unsafe" not in answer.headers["Content-Security-Policy"]

    @pytest.mark.parametrize("path", ["/", "/sign-in", "/nowhere"])
    def test_may_show_what_lies_in_a_bucket(
        self, db: None, browser_of: Any, settings: Any, path: str
    ) -> None:
        policy = copy.deepcopy(settings.CONTENT_SECURITY_POLICY)
        policy["DIRECTIVES"]["img-src"].append("https://bucket.example")
        settings.CONTENT_SECURITY_POLICY = policy

        answer = browser_of().get(path)

        assert "https://bucket.example" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Cache-Control"] == "no-store"

    def test_says_as_whom_one_calls(self, acme: Any, browser_of: Any) -> None:
        page = browser_of(acme.member).get("/").content.decode()

        assert f"{acme.organization.slug}, member" in page
        assert 'data-signed-in="true"' in page


class TestSignIn:
    def test_goes_on_to_where_the_person_wanted_to_be(self, acme: Any, browser_of: Any) -> None:
        acme.member.set_password("a long enough password")
        acme.member.save()
        browser = browser_of()

        answer = browser.post(
            "/sign-in",
            {
                "username": acme.member.username,
                "password": "a long enough password",
                "next": "/account/password",
            },
        )

        assert answer.headers["Location"] == "/account/password"

    def test_leads_to_no_other_site(self, acme: Any, browser_of: Any) -> None:
        acme.member.set_password("a long enough password")
        acme.member.save()

        answer = browser_of().post(
            "/sign-in",
            {
                "username": acme.member.username,
                "password": "a long enough password",
                "next": "https://elsewhere.example/",
            },
        )

        assert answer.headers["Location"] == "/"

    def test_says_that_something_was_wrong_and_not_what(self, db: None, browser_of: Any) -> None:
        page = browser_of().post("/sign-in", {"username": "nobody", "password": "x"})

        assert "User name or password are wrong" in page.content.decode()

    def test_sign_out_needs_a_post_with_its_token(self, acme: Any, browser_of: Any) -> None:
        browser = browser_of(acme.member, csrf=True)

        assert browser.get("/sign-out").status_code == 405
        refused = browser.post("/sign-out")
        assert refused.status_code == 403
        assert "no longer valid" in refused.content.decode()

    def test_sign_out_ends_the_session(self, acme: Any, browser_of: Any) -> None:
        browser = browser_of(acme.member)

        page = browser.post("/sign-out", follow=True).content.decode()

        assert "You are signed out." in page
        assert 'data-signed-in="false"' in page

    def test_a_new_password_is_reported(self, acme: Any, browser_of: Any) -> None:
        acme.member.set_password("the one before it")
        acme.member.save()
        form = {
            "old_password": "the one before it",
            "new_password1": "quite another one",
            "new_password2": "quite another one",
        }

        browser_of(acme.member).post("/account/password", form)

        assert User.objects.get(id=acme.member.id).check_password("quite another one")


class TestJobPage:
    def test_is_there_for_the_members_of_the_jobs_organization(
        self, db: None, browser_of: Any
    ) -> None:
        account = builders.make_account()
        job = builders.make_job(account)
        owner = User.objects.get(id=account.user_id)

        assert browser_of(owner).get(f"/jobs/{job.id}").status_code == 200

    def test_another_organizations_job_and_none_look_the_same(
        self, db: None, browser_of: Any
    ) -> None:
        theirs = builders.make_job()
        owner = User.objects.get(id=builders.make_account().user_id)
        browser = browser_of(owner)

        answers = [
            browser.get(f"/jobs/{job_id}") for job_id in (theirs.id, uuid.uuid4(), "nonsense")
        ]

        assert [one.status_code for one in answers] == [404, 404, 404]
        assert all("no such job" in one.content.decode() for one in answers)

    def test_the_timeline_tells_attempts_and_no_host(self, db: None, browser_of: Any) -> None:
        account = builders.make_account()
        job = builders.make_job(account)
        builders.claim(worker="gpu-0@host-7:4711")
        owner = User.objects.get(id=account.user_id)

        page = browser_of(owner).get(f"/jobs/{job.id}/timeline").content.decode()

        assert "gpu-0" in page
        assert "host-7" not in page
        assert "a secret prompt" not in page

    def test_a_key_may_read_the_timeline_and_a_stranger_may_not(
        self, db: None, acme: Any, stranger: Any, browser_of: Any
    ) -> None:
        job = builders.make_job(
            builders.Account(
                organization_id=acme.organization.id,
                slug=acme.organization.slug,
                application_id=acme.application.id,
                member_id=acme.membership(acme.member).id,
                user_id=acme.member.id,
            )
        )
        path = f"/jobs/{job.id}/timeline"
        browser = browser_of()

        def status(key: str) -> int:
            return int(browser.get(path, headers={"authorization": f"Bearer {key}"}).status_code)

        assert status(acme.key().full_key) == 200
        assert status(stranger.key().full_key) == 404
        assert status(acme.key(scopes=("inference",)).full_key) == 403
        assert browser.get(path).json()["code"] == "unauthorized"


class TestErrors:
    def test_a_browser_gets_a_page_with_the_request_id(self, db: None, browser_of: Any) -> None:
        answer = browser_of().get("/nowhere")

        assert answer.status_code == 404
        assert answer.headers["X-Request-Id"] in answer.content.decode()

    @pytest.mark.parametrize(
        "path", ["/api/nowhere", "/v1/webhooks/none/nowhere", "/.well-known/nowhere"]
    )
    def test_the_api_answers_in_its_envelope_whoever_asks(
        self, db: None, browser_of: Any, path: str
    ) -> None:
        answer = browser_of().get(path)

        assert answer.status_code == 404
        assert answer.json()["code"] == "not-found"

    def test_a_program_gets_json_everywhere(self, db: None) -> None:
        answer = Client(headers={"accept": "*/*"}).get("/nowhere")

        assert answer.json()["code"] == "not-found"
