"""Erasure by command and retention by policy: the content goes, the account of it stays."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from pytest_django import Settings

from genie.core import env, ids
from genie.tenants.models import ApiKey, Member, Organization, User
from jobs import ledger_check, maintenance
from jobs.models import File, Job
from jobs.states import JobState
from tests import builders, in_process
from tests.in_process import Form
from tests.integration.jobs.test_unstored import found_anywhere
from tests.integration.tenancy.world import CANARY, Who, World
from webhooks.models import Event

SECRET_CHAT = {
    **builders.CHAT_REQUEST,
    "messages": [{"role": "user", "content": CANARY}],
}


@pytest.fixture
def world(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr("jobs.queue.sender.send", lambda jobs: None)
    monkeypatch.setattr("jobs.control.announce_cancel", lambda *_, **__: None)
    with in_process.site() as site:
        yield World(site)


def erase(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    call_command("erase", *words, "--json")
    return dict(json.loads(capsys.readouterr().out.strip().splitlines()[-1]))


def strangers_file(world: World) -> uuid.UUID:
    form = Form({"purpose": "user_data"}, {"file": ("a.txt", b"theirs")})
    answer = world.ask(Who.STRANGER, "POST", "/openai/v1/files", form)
    parsed = ids.parse(answer.json["id"])
    assert parsed is not None
    return parsed


class TestOrganization:
    def test_is_counted_first_and_nothing_happens(
        self, world: World, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for thing in ("ended job", "job", "file"):
            world.make(thing)
        before = world.state()

        counted = erase(capsys, "--org", world.ours.slug, "--dry-run")

        assert (counted["endedJobs"], counted["openJobs"], counted["files"]) == (1, 1, 1)
        assert world.state() == before

    def test_leaves_no_word_of_what_was_asked_and_answered(
        self, world: World, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for thing in ("ended job", "job", "response", "ended video", "file", "batch", "event"):
            world.make(thing)
        world.make("endpoint")
        kept, waiting = builders.make_ended_job(), builders.make_job()
        kept_file = strangers_file(world)

        erase(capsys, "--org", world.ours.slug)

        assert found_anywhere(CANARY) == []
        mine = Job.objects.filter(organization_id=world.ours.id)
        assert {one.state for one in mine} <= {JobState.COMPLETED, JobState.CANCELLED}
        assert not Event.objects.filter(organization_id=world.ours.id).exists()
        assert not File.objects.filter(organization_id=world.ours.id).exists()
        assert not ApiKey.objects.filter(organization_id=world.ours.id, revoked_at=None).exists()
        assert Organization.objects.get(id=world.ours.id).name == "erased"
        assert world.ask(Who.OWNER, "GET", "/v1/jobs").status == 401
        assert world.ask(Who.STRANGER, "GET", "/v1/jobs").status == 200
        kept.refresh_from_db()
        waiting.refresh_from_db()
        assert (kept.request, waiting.state) == (builders.CHAT_REQUEST, JobState.QUEUED)
        assert File.objects.filter(id=kept_file, expires_at=None).exists()
        assert not ledger_check.verify().drift

    def test_of_a_certain_age_keeps_the_rest_and_the_keys(
        self, world: World, capsys: pytest.CaptureFixture[str]
    ) -> None:
        world.make("ended job")
        with builders.later("40 days"):
            world.make("job")

            done = erase(capsys, "--org", world.ours.slug, "--older-than", "30")

        assert (done["endedJobs"], done["openJobs"], done["keys"]) == (1, 0, 0)
        assert Job.objects.filter(request={}).count() == 1
        assert world.ask(Who.OWNER, "GET", "/v1/jobs").status == 200


@pytest.mark.django_db
class TestMember:
    def test_loses_content_keys_and_name_and_nobody_else_does(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        account = builders.make_account()
        theirs = builders.make_ended_job(account, request=SECRET_CHAT)
        others = builders.make_ended_job(account, member_id=None, user_id=None)
        username = User.objects.get(id=account.user_id).username

        done = erase(capsys, "--org", account.slug, "--member", username)

        theirs.refresh_from_db()
        others.refresh_from_db()
        assert (done["endedJobs"], theirs.request) == (1, {})
        assert others.request == builders.CHAT_REQUEST
        user = User.objects.get(id=account.user_id)
        assert (user.is_active, user.username) == (False, f"erased-{account.user_id.hex}")
        assert Member.objects.filter(id=account.member_id).exists()  # whom the ledger names


@pytest.mark.django_db
class TestPolicy:
    def test_removes_what_is_older_than_an_organization_wants(self, settings: Settings) -> None:
        strict, other = builders.make_account(), builders.make_account()
        mine, theirs = builders.make_ended_job(strict), builders.make_ended_job(other)
        settings.GENIE_RETENTION_DAYS = {strict.slug: 7, "nobody": 1}

        with builders.later("6 days"):
            assert maintenance.expire()["expired_jobs"] == 0
        with builders.later("8 days"):
            assert maintenance.expire()["expired_jobs"] == 1

        mine.refresh_from_db()
        theirs.refresh_from_db()
        assert (mine.request, theirs.request) == ({}, builders.CHAT_REQUEST)

    def test_is_of_each_kind(self, world: World, settings: Settings) -> None:
        for thing in ("endpoint", "ended job", "file", "event"):
            world.make(thing)
        mine = world.ours.slug
        kept_by_others = strangers_file(world)
        settings.GENIE_RETENTION_DAYS = {f"{mine}.jobs": 40, f"{mine}.files": 7, "*.webhooks": 3}

        with builders.later("6 days"):
            maintenance.expire()
        assert File.objects.filter(organization_id=world.ours.id, role="upload").exists()
        with builders.later("8 days"):
            maintenance.expire()

        assert Job.objects.filter(organization_id=world.ours.id).exclude(request={}).exists()
        assert not File.objects.filter(organization_id=world.ours.id, role="upload").exists()
        assert Event.objects.filter(organization_id=world.ours.id).exists()
        assert File.objects.filter(id=kept_by_others, expires_at=None).exists()

    def test_is_written_as_days_by_slug(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GENIE_X", "acme=30, globex=7")
        assert env.days_by_name("GENIE_X") == {"acme": 30, "globex": 7}
        monkeypatch.setenv("GENIE_X", "acme=0")
        with pytest.raises(env.SettingError, match="'acme=0'"):
            env.days_by_name("GENIE_X")
        monkeypatch.setenv("GENIE_X", "acme.prompts=1")
        with pytest.raises(env.SettingError, match="one of files alone"):
            env.days_by_name("GENIE_X", parts=("files",))
