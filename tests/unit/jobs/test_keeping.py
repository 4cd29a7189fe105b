"""For how long what is kept, as an operator's policy says."""

import doctest

import pytest

from jobs import keeping
from jobs.keeping import Kind

POLICY = {"*": 365, "*.webhooks": 14, "acme": 30, "acme.files": 90}


def test_examples_hold() -> None:
    assert doctest.testmod(keeping) == (0, 1)


@pytest.mark.parametrize(
    ("slug", "kind", "days"),
    [
        ("acme", Kind.FILES, 90),  # of the organisation and kind
        ("acme", Kind.WEBHOOKS, 30),  # of the organisation, before the kind
        ("globex", Kind.WEBHOOKS, 14),
        ("globex", Kind.JOBS, 365),
    ],
)
def test_the_closest_counts(slug: str, kind: Kind, days: int) -> None:
    assert keeping.days_of(slug, POLICY)[kind] == days


def test_what_is_not_named_is_kept() -> None:
    assert keeping.days_of("acme", {"globex": 1, "acme.files": 2}) == {Kind.FILES: 2}
    assert keeping.slugs({"globex": 1, "acme.files": 2, "*.jobs": 3}) == {"globex", "acme"}
    assert not keeping.is_of_all({"acme": 1})
    assert keeping.is_of_all({"*.files": 1})
