"""Look for secrets in the files that git tracks; what is known to be none is in a baseline.

    python deploy/scan_secrets.py            exit 1 and a line for each that is new
    python deploy/scan_secrets.py --accept   write the baseline anew, after having looked

Keys that documents and tests show are no secrets, and are in the baseline as hashes. A secret that has
been in a commit has leaked: exchange it, whatever happens to the commit.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from detect_secrets.core.scan import scan_file
from detect_secrets.settings import transient_settings

ROOT = Path(__file__).resolve().parent.parent
BASELINE = ROOT / "deploy" / "known-secrets.json"
# Guesses by name ("password = ...") find test data and nothing else here; the others go by form.
PLUGINS = [
    *("AWSKeyDetector", "AzureStorageKeyDetector", "BasicAuthDetector", "DiscordBotTokenDetector"),
    *("GitHubTokenDetector", "GitLabTokenDetector", "JwtTokenDetector", "MailchimpDetector"),
    *("NpmDetector", "OpenAIDetector", "PrivateKeyDetector", "PypiTokenDetector"),
    *("SendGridDetector", "SlackDetector", "StripeDetector", "TelegramBotTokenDetector"),
    "TwilioKeyDetector",
]
ENTROPY = [
    {"name": "Base64HighEntropyString", "limit": 4.5},
    {"name": "HexHighEntropyString", "limit": 3.0},
]
FILTERS = [
    {"path": "detect_secrets.filters.heuristic.is_sequential_string"},
    {"path": "detect_secrets.filters.heuristic.is_potential_uuid"},
    {"path": "detect_secrets.filters.heuristic.is_templated_secret"},
    {"path": "detect_secrets.filters.allowlist.is_line_allowlisted"},
]
# Where settings are written, whatever looks random is a secret; in code and documents it is an example.
SETTINGS_FILES = frozenset({".yml", ".yaml", ".toml", ".sh", ".env", ".ini", ".cfg", ".conf", ""})
SKIPPED = ("inference/checkpoints/", "deploy/known-secrets.json")
Found = tuple[str, str, str]  # file, kind, hash of the secret


def main() -> int:
    """Scan; return the exit status."""
    found = scan(sorted(_tracked()))
    if "--accept" in sys.argv[1:]:
        BASELINE.write_text(json.dumps(sorted(found), indent=1) + "\n", "utf-8")
        return 0
    known = {tuple(one) for one in json.loads(BASELINE.read_text("utf-8"))}
    new = {one: line for one, line in found.items() if one not in known}
    for (path, kind, _), line in sorted(new.items()):
        sys.stdout.write(f"{path}:{line}: this looks like a secret ({kind})\n")
    if new:
        sys.stdout.write(
            "Take it out. If it is none, run `python deploy/scan_secrets.py --accept`.\n"
        )
    return 1 if new else 0


def scan(paths: list[str]) -> dict[Found, int]:
    """Return what looks like a secret in these files, each with its line."""
    parts = [paths[start : start + 100] for start in range(0, len(paths), 100)]
    with ProcessPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        return {one: line for part in pool.map(_scan, parts) for one, line in part.items()}


def _scan(paths: list[str]) -> dict[Found, int]:
    found: dict[Found, int] = {}
    for of_settings in (False, True):
        plugins = [{"name": name} for name in PLUGINS] + (ENTROPY if of_settings else [])
        chosen = [one for one in paths if (Path(one).suffix in SETTINGS_FILES) is of_settings]
        with transient_settings({"plugins_used": plugins, "filters_used": FILTERS}):
            for path in chosen:
                for secret in scan_file(str(ROOT / path)):
                    found[path, secret.type, secret.secret_hash] = secret.line_number
    return found


def _tracked() -> Iterator[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for path in listed.stdout.split("\0"):
        if path and not path.startswith(SKIPPED) and (ROOT / path).is_file():
            yield path


if __name__ == "__main__":
    sys.exit(main())
