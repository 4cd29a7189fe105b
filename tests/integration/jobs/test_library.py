"""Kept files: rows before content, seen once they are whole, within a quota, of one organisation."""

import io
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from genie.core import errors
from jobs import files, library, storage
from jobs.library import NewUpload, UploadFilter
from jobs.models import File
from tests import builders

pytestmark = pytest.mark.django_db


@pytest.fixture
def kept(account: Any) -> Any:
    return library.keep(new(account))


def new(account: Any, content: bytes = b"some text", **fields: Any) -> NewUpload:
    return NewUpload(
        organization_id=account.organization_id,
        content=io.BytesIO(content),
        filename="a.txt",
        purpose=fields.pop("purpose", "user_data"),
        media_type="text/plain",
        **fields,
    )


def found(account: Any, upload: Any) -> Any:
    (one,) = library.uploads([(upload.id, account.organization_id)])
    return one


@pytest.mark.django_db(transaction=True)
class TestKept:
    def test_is_what_was_sent(self, account: Any, kept: Any) -> None:
        assert library.read(kept) == b"some text"
        assert (kept.filename, kept.purpose, kept.size) == ("a.txt", "user_data", 9)
        assert found(account, kept) == kept

    def test_no_stranger_finds_lists_or_removes_it(self, kept: Any, stranger: Any) -> None:
        assert found(stranger, kept) is None
        assert library.list_uploads(UploadFilter(organization_id=stranger.organization_id)) == []
        assert not library.remove(kept.id, organization_id=stranger.organization_id)

    def test_is_gone_at_once_when_removed_and_its_content_with_the_housekeeping(
        self, account: Any, kept: Any
    ) -> None:
        assert library.remove(kept.id, organization_id=account.organization_id)

        assert found(account, kept) is None
        files.remove_unneeded()
        assert not File.objects.exists()
        assert not storage.files().exists(kept.name)

    def test_outlives_the_housekeeping_until_its_lifetime_ends(self, account: Any) -> None:
        upload = library.keep(new(account, lifetime_s=7200))

        with builders.later("90 minutes"):
            files.remove_unneeded()
            assert found(account, upload) == upload
        with builders.later("3 hours"):
            assert found(account, upload) is None
            assert files.remove_unneeded() == 1

    def test_the_quota_is_of_all_files_of_an_organization(
        self, account: Any, kept: Any, stranger: Any, settings: Any
    ) -> None:
        settings.GENIE_FILE_QUOTA_BYTES = 20

        library.keep(new(account, b"x" * 11))
        with pytest.raises(errors.PayloadTooLarge):
            library.keep(new(account, b"x"))
        library.keep(new(stranger, b"x" * 20))

    def test_pages_go_either_way(self, account: Any) -> None:
        made = [library.keep(new(account, purpose=one)) for one in ("batch", "vision", "batch")]

        def names(**fields: Any) -> list[Any]:
            wanted = UploadFilter(organization_id=account.organization_id, **fields)
            return [one.id for one in library.list_uploads(wanted)]

        first, second, third = [one.id for one in made]
        assert names() == [third, second, first]
        assert names(oldest_first=True, limit=2) == [first, second]
        assert names(after=made[1]) == [first]
        assert names(after=made[1], oldest_first=True) == [third]
        assert names(purpose="batch") == [third, first]


def test_what_is_stored_but_not_kept_is_unseen_and_swept(account: Any) -> None:
    file_id = library.store(new(account), within_quota=False)

    assert library.uploads([(file_id, account.organization_id)]) == [None]
    with builders.later("2 hours"):
        assert files.remove_unneeded() == 1


@pytest.mark.parametrize("change", [{"token": "t"}, {"attempt": 1}, {"role": "input"}])
def test_an_upload_has_no_address_and_no_job(account: Any, change: dict[str, Any]) -> None:
    file_id = library.store(new(account), within_quota=False)
    File.objects.filter(id=file_id).update(kept=True)

    with pytest.raises(IntegrityError), transaction.atomic():
        File.objects.filter(id=file_id).update(**change)
