"""Asks who knows vulnerabilities of what is pinned: deployed packages, development's, npm's. Run by `make audit`.

    make audit                         PyPI's service, by pip-audit, and the npm registry's
    make audit ARGS="--service osv"    osv.dev instead of PyPI's

Exit code 0: every package was looked up, and none has one. 1: some have. 2: not everything could be looked up; a
service that does not answer, or does not know a package, says nothing about it.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import setup
from packaging.utils import canonicalize_name
from pins.lockfile import Pinned, read
from pins.programs import ROOT, NotInstalled, Program

SETS = {"deployed": "requirements.txt", "development": "constraints.txt"}
SERVICES = ("pypi", "osv")
SECONDS = 600
ADVICE = {
    "pypi": "Run it where https://pypi.org/pypi/NAME/VERSION/json is reached (a mirror may not have that), or with "
    'ARGS="--service osv"',
    "osv": "Run it where https://api.osv.dev is reached",
    "npm": "Run it where the npm registry takes POST /-/npm/v1/security/advisories/bulk; some mirrors do not",
}


@dataclass(frozen=True)
class Answer:
    """What is known of a set: how many packages were looked up, the vulnerabilities, and what could not be asked."""

    looked_up: int = 0
    vulnerable: tuple[str, ...] = ()
    unanswered: tuple[str, ...] = ()


def rounds(packages: Iterable[Pinned]) -> list[list[Pinned]]:
    """The packages in lists that name each only once: of one with a version for each Python, all are looked up."""
    found: list[list[Pinned]] = []
    for package in packages:
        for names in found:
            if package.name not in {each.name for each in names}:
                names.append(package)
                break
        else:
            found.append([package])
    return found


def audit_python(pip_audit: Path, packages: list[Pinned], service: str) -> Answer:
    """What pip-audit says of packages, whatever their markers."""
    answers = []
    with tempfile.TemporaryDirectory(prefix="pullwatch-audit-") as folder:
        for names in rounds(packages):
            file = Path(folder, "packages.txt")
            file.write_text("\n".join(each.line for each in names) + "\n", encoding="utf-8")
            command = [str(pip_audit), "--requirement", str(file), "--disable-pip", "--require-hashes"]
            command += ["--vulnerability-service", service, "--format", "json", "--progress-spinner", "off"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
            answers.append(of_pip_audit(done.stdout, done.stderr, names))
    return Answer(
        sum(each.looked_up for each in answers),
        tuple(line for each in answers for line in each.vulnerable),
        tuple(line for each in answers for line in each.unanswered),
    )


def of_pip_audit(output: str, errors: str, asked: list[Pinned]) -> Answer:
    """pip-audit's JSON. It ends with 0 and "No known vulnerabilities found" even where it skipped every package."""
    try:
        listed: list[dict[str, Any]] = json.loads(output)["dependencies"]
    except (ValueError, KeyError, TypeError):
        last = next((line for line in reversed(errors.splitlines()) if line.strip()), "no answer")
        return Answer(unanswered=(f"{len(asked)} packages: {last.strip()[:300]}",))
    answered = {canonicalize_name(each["name"]): each for each in listed if "skip_reason" not in each}
    skipped = {canonicalize_name(each["name"]): each["skip_reason"] for each in listed if "skip_reason" in each}
    return Answer(
        looked_up=len(answered),
        vulnerable=tuple(
            f"{name} {each['version']}: {found['id']}{_fixed(found['fix_versions'])}"
            for name, each in answered.items()
            for found in each["vulns"]
        ),
        unanswered=tuple(
            f"{each.name} {each.version}: {skipped.get(canonicalize_name(each.name), 'it is not in the answer')}"
            for each in asked
            if canonicalize_name(each.name) not in answered
        ),
    )


def _fixed(versions: list[str]) -> str:
    return f" (fixed in {', '.join(versions)})" if versions else " (no version fixes it)"


def audit_npm(npm: list[str], folder: Path) -> Answer:
    """What the npm registry says of package-lock.json."""
    command = [*npm, "audit", "--package-lock-only", "--json"]
    environment = setup.node_path(npm)
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    return of_npm(done.stdout, done.stderr)


def of_npm(output: str, errors: str) -> Answer:
    """npm's JSON; what it says of itself where it could not ask."""
    try:
        answer = json.loads(output)
        found, total = answer["vulnerabilities"], answer["metadata"]["dependencies"]["total"]
    except (ValueError, KeyError, TypeError):
        return Answer(unanswered=(_npm_problem(output, errors),))
    vulnerable = tuple(
        f"{name} {each['range']}: {each['severity']}, "
        + ", ".join(via if isinstance(via, str) else f"{via['title']} ({via['url']})" for via in each["via"])
        for name, each in found.items()
    )
    return Answer(total, vulnerable)


def _npm_problem(output: str, errors: str) -> str:
    try:
        said = json.loads(output)
        message = said.get("message") or said.get("error", {}).get("summary")
    except (ValueError, AttributeError):
        message = None
    return f"npm: {(message or errors.strip() or 'no answer')[:300]}"


def report(name: str, answer: Answer, advice: str) -> list[str]:
    """What is said of a set."""
    lines = [f"{name}: {line}" for line in answer.vulnerable]
    if answer.unanswered:
        shown = answer.unanswered[:3]
        lines.append(f"{name}: not everything was looked up, and nothing is known of the rest. {advice}:")
        lines += [f"  {line}" for line in shown]
        lines += [f"  and {len(answer.unanswered) - len(shown)} more"] if len(shown) < len(answer.unanswered) else []
    elif not answer.vulnerable:
        lines.append(f"{name}: {answer.looked_up} packages looked up, no known vulnerability")
    return lines


def code(answers: Iterable[Answer]) -> int:
    """2 where something could not be looked up, or nothing was asked; else 1 where something is vulnerable, else 0."""
    known = list(answers)
    if any(each.unanswered or not each.looked_up for each in known):
        return 2
    return int(any(each.vulnerable for each in known))


def main(arguments: list[str], root: Path = ROOT) -> int:
    """Asks for each set and prints what is known; the exit code stands above."""
    parser = argparse.ArgumentParser(prog="make audit ARGS=", description="Known vulnerabilities of what is pinned.")
    parser.add_argument("--service", choices=SERVICES, default=SERVICES[0], help="who is asked about Python packages")
    service = parser.parse_args(arguments).service
    answers = []
    try:
        pip_audit = Program("pip-audit").installed() / "pip-audit"
        for name, file in SETS.items():
            answers.append(audit_python(pip_audit, read(root / file), service))
            print("\n".join(report(f"{name} ({file})", answers[-1], ADVICE[service])), flush=True)
        answers.append(audit_npm(setup.npm(setup.Installation(ROOT)), root))
        print("\n".join(report("npm (package-lock.json)", answers[-1], ADVICE["npm"])))
    except (NotInstalled, setup.SetupError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except subprocess.TimeoutExpired as error:
        print(f"error: no answer within {SECONDS} s: {' '.join(error.cmd[:2])}. Try again", file=sys.stderr)
        return 2
    return code(answers)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
