"""Signing keys: the vectors of RFC 8032 and RFC 8037, the ring, and what never shows."""

import base64

import pytest

from webhooks import signing_keys

# RFC 8037, appendix A, which uses the first key of RFC 8032, 7.1.
SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
RFC = signing_keys.PRIVATE_PREFIX + base64.b64encode(SEED).decode()
X = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
THUMBPRINT = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
SIGNATURE_OF_NOTHING = (
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555"
    "fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
)


class TestSigningKey:
    def test_signs_as_rfc_8032_does(self) -> None:
        assert signing_keys.parse(RFC).sign(b"").hex() == SIGNATURE_OF_NOTHING

    def test_is_published_as_rfc_8037_has_it(self) -> None:
        key = signing_keys.parse(RFC)

        assert key.jwk == {
            "kty": "OKP",
            "crv": "Ed25519",
            "x": X,
            "kid": THUMBPRINT,
            "alg": "EdDSA",
            "use": "sig",
            "whpk": "whpk_" + base64.b64encode(base64.urlsafe_b64decode(X + "=")).decode(),
        }

    def test_shows_nothing_private(self) -> None:
        key = signing_keys.parse(RFC)
        told = repr(key) + str(key) + str(key.jwk)

        assert "d" not in key.jwk
        for form in (SEED.hex(), base64.b64encode(SEED).decode(), str(SEED)):
            assert form not in told


class TestParse:
    def test_takes_what_was_minted(self) -> None:
        minted = {signing_keys.mint() for _ in range(20)}

        assert len({signing_keys.parse(text).kid for text in minted}) == 20

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "whsk_",
            "whsk_hunter2",
            "whsk_" + base64.b64encode(b"x" * 31).decode(),
            "whsk_" + base64.b64encode(b"x" * 64).decode(),
            "whpk_" + base64.b64encode(b"x" * 32).decode(),
            base64.b64encode(b"x" * 32).decode(),
            RFC + "\n",
            "whsk_é",
        ],
    )
    def test_refuses_anything_else_without_quoting_it(self, text: str) -> None:
        with pytest.raises(signing_keys.NoSigningKey, match="whsk_ and 32 bytes") as refused:
            signing_keys.parse(text)

        assert "hunter2" not in str(refused.value)


class TestRing:
    def test_keeps_the_order_of_the_setting(self) -> None:
        texts = (signing_keys.mint(), RFC)

        ring = signing_keys.ring(texts)

        assert [key.kid for key in ring] == [signing_keys.parse(text).kid for text in texts]
        assert [one["kid"] for one in signing_keys.key_set(ring)["keys"]] == [
            key.kid for key in ring
        ]

    def test_of_nothing_is_empty(self) -> None:
        assert signing_keys.ring(()) == ()
        assert signing_keys.key_set(()) == {"keys": []}

    def test_says_which_key_is_wrong(self) -> None:
        with pytest.raises(signing_keys.NoSigningKey, match=r"^Key 2 is no signing key"):
            signing_keys.ring((RFC, "nonsense"))
