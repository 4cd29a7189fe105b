"""The shared environment: what the caller sets wins, and only what concerns us is recorded."""

from pathlib import Path

from genie.standalone import environment

SECRETS = {
    "secret_key": "s",
    "key_pepper": "p",
    "field_keys": "f",
    "webhook_signing_keys": "w",
    "metrics_token": "m",
}


def base(given: dict[str, str]) -> dict[str, str]:
    return environment.base(
        given, secrets=SECRETS, state_dir=Path("/state"), host="127.0.0.1", port=8000
    )


class TestBase:
    def test_supplies_secrets_and_addresses(self) -> None:
        env = base({})

        assert env["GENIE_SECRET_KEY"] == "s"
        assert env["GENIE_BASE_URL"] == "http://127.0.0.1:8000"
        assert env["GENIE_STATE_DIR"] == "/state"

    def test_lets_the_caller_win(self) -> None:
        env = base(
            {"GENIE_BASE_URL": "https://genie.example.com", "GENIE_OUTBOUND_DEVELOPMENT": "0"}
        )

        assert env["GENIE_BASE_URL"] == "https://genie.example.com"
        assert env["GENIE_OUTBOUND_DEVELOPMENT"] == "0"

    def test_keeps_the_names_by_which_we_call_ourselves(self) -> None:
        assert base({})["GENIE_ALLOWED_HOSTS"].startswith("localhost,127.0.0.1,")

        listed = base({"GENIE_ALLOWED_HOSTS": "genie.lan"})["GENIE_ALLOWED_HOSTS"].split(",")

        assert {"genie.lan", "localhost", "127.0.0.1"} <= set(listed)


class TestRecorded:
    def test_leaves_out_what_is_not_ours(self) -> None:
        env = {"DATABASE_URL": "d", "GENIE_X": "x", "PATH": "/bin", "AWS_SECRET_ACCESS_KEY": "no"}

        assert environment.recorded(env) == {"DATABASE_URL": "d", "GENIE_X": "x"}
