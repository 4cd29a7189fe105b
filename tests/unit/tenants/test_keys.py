"""Keys as text: what is minted is recognised, and junk never reaches the hash."""

import hashlib
import hmac
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genie.core import errors
from genie.tenants import authentication, keys

SLUGS = st.text(string.ascii_lowercase + string.digits + "-", min_size=1, max_size=48)
GOOD = "sk-genie-acme-labs-0123456789abcdefABCDEFGH"


class TestMint:
    @given(SLUGS)
    def test_makes_a_key_that_is_recognised_and_gives_its_slug_back(self, slug: str) -> None:
        key = keys.mint(slug)

        assert keys.looks_like_key(key)
        assert keys.slug_of(key) == slug
        assert key.startswith(f"{keys.shown_prefix(slug)}-")

    @given(SLUGS)
    def test_ends_in_24_base_62_characters(self, slug: str) -> None:
        random = keys.mint(slug)[-24:]

        assert set(random) <= set(string.digits + string.ascii_letters)

    def test_never_repeats(self) -> None:
        assert len({keys.mint("acme") for _ in range(1000)}) == 1000


class TestLooksLikeKey:
    @pytest.mark.parametrize(
        "text",
        [
            "",
            "sk-genie-",
            "sk-other-acme-0123456789abcdefABCDEFGH",
            "SK-GENIE-acme-0123456789abcdefABCDEFGH",
            "sk-genie-0123456789abcdefABCDEFGH",  # no slug
            "sk-genie-acme-0123456789abcdefABCDEFG",  # 23 characters
            "sk-genie-Acme-0123456789abcdefABCDEFGH",
            "sk-genie-acme-0123456789abcdefABCDEF_H",
            "sk-genie-acme-0123456789abcdefABCDEFGH\n",
            " sk-genie-acme-0123456789abcdefABCDEFGH",
            "sk-genie-acme-0123456789abcdefABCDEFG\u0661",  # a digit, but not one of ours
            f"sk-genie-{'a' * 49}-0123456789abcdefABCDEFGH",
            "sk-genie-" + "a" * 8000,
        ],
    )
    def test_refuses_whatever_is_not_exactly_a_key(self, text: str) -> None:
        assert not keys.looks_like_key(text)

    @given(st.text())
    def test_survives_any_text(self, text: str) -> None:
        assert not keys.looks_like_key(text) or text.startswith(keys.PREFIX)


class TestDigest:
    def test_is_hmac_sha256_of_the_whole_key(self) -> None:
        expected = hmac.new(b"pepper", GOOD.encode(), hashlib.sha256).digest()

        assert keys.digest(GOOD, pepper=b"pepper") == expected
        assert len(expected) == keys.DIGEST_BYTES

    def test_changes_with_the_pepper(self) -> None:
        assert keys.digest(GOOD, pepper=b"one") != keys.digest(GOOD, pepper=b"two")


class TestIsSlug:
    @given(SLUGS)
    def test_takes_every_slug_of_the_contract(self, slug: str) -> None:
        assert keys.is_slug(slug) or len(slug) == 36

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "Acme",
            "a b",
            "a_b",
            "\u00e4",
            "a" * 49,
            "a\n",
            "01234567-89ab-7cde-8f01-23456789abcd",
        ],
    )
    def test_refuses_other_text_and_what_reads_as_a_uuid(self, text: str) -> None:
        assert not keys.is_slug(text)


class TestParseBearer:
    @pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER   "])
    def test_returns_the_key_whatever_the_case_of_the_scheme(self, scheme: str) -> None:
        assert authentication.parse_bearer(scheme + GOOD) == GOOD

    @pytest.mark.parametrize(
        "header",
        [
            None,
            "",
            "Bearer",
            "Bearer ",
            GOOD,
            f"Basic {GOOD}",
            f"Bearer '{GOOD}'",
            f'Bearer "{GOOD}"',
            f"Bearer {GOOD} x",
            f"Bearer {GOOD}, Bearer {GOOD}",
            f"Bearer {GOOD}' OR '1'='1",
            f"Bearer {GOOD}\0",
            "Bearer " + "a" * 8000,
            "Bearer " + " " * 8000,
        ],
    )
    def test_refuses_everything_else_alike(self, header: str | None) -> None:
        with pytest.raises(errors.Unauthorized) as caught:
            authentication.parse_bearer(header)

        assert caught.value.body() == errors.Unauthorized().body()
        assert caught.value.headers == {"WWW-Authenticate": "Bearer"}

    @given(st.text())
    def test_hashes_no_junk(self, text: str) -> None:
        hashed: list[str] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(keys, "digest", lambda key, **_: hashed.append(key))
            with pytest.raises(errors.Unauthorized):
                authentication.digests(f"Bearer {text}")

        assert hashed == []
