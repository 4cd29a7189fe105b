"""Ask for known vulnerabilities of what constraints.txt pins; say so plainly where nobody answered.

Exit status 0: none is known, or nobody could be asked, which is said and is no pass (with --strict it
is status 2). 1: there are some, each with its fix.

pip-audit itself ends with 0 when its service knows none of the packages, as behind a mirror that has
no vulnerability data: that is told apart here.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SERVICES = ("pypi", "osv")
LIMIT_S = 240


def main() -> int:
    """Audit; return the exit status."""
    problems = []
    for service in SERVICES:
        report, problem = ask(service)
        if report is not None:
            return tell(report, service=service)
        problems.append(f"{service} {problem}")
    sys.stdout.write(f"audit: NOT RUN, which is no pass: {'; '.join(problems)}.\n")
    return 2 if "--strict" in sys.argv[1:] else 0


def ask(service: str) -> tuple[list[dict[str, Any]] | None, str]:
    """Return what a service knows of each package, or why it said nothing."""
    command = [
        *(sys.executable, "-m", "pip_audit", "--requirement", str(ROOT / "constraints.txt")),
        *("--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json"),
        *("--vulnerability-service", service, "--timeout", "10"),
    ]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=LIMIT_S, check=False, cwd=ROOT
        )
        packages = json.loads(done.stdout)["dependencies"]
    except subprocess.TimeoutExpired:
        return None, f"did not answer within {LIMIT_S} s"
    except (ValueError, KeyError):
        return None, "could not be reached"
    return judge(packages)


def judge(packages: list[dict[str, Any]]) -> tuple[list[dict[str, Any]] | None, str]:
    """Return the packages if any of them was known at all."""
    if all("skip_reason" in one for one in packages):
        return None, f"knows none of the {len(packages)} packages"
    return packages, ""


def tell(packages: list[dict[str, Any]], *, service: str) -> int:
    """Print what is known; return the exit status."""
    unknown = [one["name"] for one in packages if "skip_reason" in one]
    broken = [(one, flaw) for one in packages for flaw in one.get("vulns", [])]
    for one, flaw in broken:
        fix = ", ".join(flaw["fix_versions"]) or "no version yet"
        sys.stdout.write(f"{one['name']} {one['version']}: {flaw['id']}, fixed in {fix}\n")
    if unknown:
        sys.stdout.write(f"audit: {service} does not know {', '.join(unknown)}.\n")
    asked = len(packages) - len(unknown)
    sys.stdout.write(f"audit: {len(broken)} known in {asked} packages, by {service}.\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
