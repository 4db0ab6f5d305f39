"""Writes the skeleton of a check of registries and its test: `make check CODE=PW109 NAME=registry_quarantine`.

The skeleton passes lint and types. Its tests fail, and so does `make test`, until the judge and they are written.
"""

import argparse
import re
import sys
from pathlib import Path
from string import Template

ROOT = Path(__file__).resolve().parent.parent

CHECK = Template('''"""$code: what it asks, in one line that ends in a full stop."""

from __future__ import annotations

from checks.catalog.check import Check
from checks.catalog.registry_view import RegistryView
from checks.causes import Cause
from checks.facts import NotSeen
from checks.findings import Finding, Severity


class ${kind}Cause(Cause):
    """Causes of $code."""

    IN_ORDER = "$slug-in-order", "Say what this means to whoever reads it in a mail."


CHECK = Check(
    code="$code",
    title="$title",
    severity=Severity.WARNING,
    why="Why it matters to whoever runs the cluster.",
    how="What is read, how it is decided, and when it is Unknown or Skipped.",
    permissions=("Reader on the registry's subscription",),
    fix="What to do, in one sentence.",
    article=("access",),
    links=("https://learn.microsoft.com/azure/container-registry/",),
    advisory=True,
    causes=(${kind}Cause,),
)


def judge_registry(view: RegistryView) -> tuple[Finding, ...]:
    """One finding per Azure registry in use."""
    if isinstance(view.registry, NotSeen):
        return (CHECK.not_seen(view.subject, view.registry, view.name),)
    summary = f"{view.registry.value.name} was not judged: this judge is not written yet."
    missing = f"the judge of {CHECK.code}"
    return (CHECK.unknown(view.subject, ${kind}Cause.IN_ORDER, summary, view.evidence, missing=missing),)
''')

TEST = Template('''"""$code: the same line as in the check's module."""

from typing import Any

from checks import catalog
from checks.catalog import ${module} as ${short}
from checks.findings import Finding
from tests.support.access_facts import REFUSED, facts, only, registry, seen, use, verdict


def judged(**properties: Any) -> Finding:
    """The finding about a registry with these properties."""
    return only(catalog.judge_with((${short},), facts(uses=(use(seen(registry(**properties))),))))


def test_pass_where_it_is_in_order() -> None:
    assert verdict(judged()) == ("pass", "$slug-in-order")


def test_fail_names_the_command_that_fixes_it() -> None:
    finding = judged()
    assert verdict(finding)[0] == "fail"
    assert finding.fix[0].startswith("az acr update")


def test_unknown_where_the_registry_could_not_be_read() -> None:
    finding = only(catalog.judge_with((${short},), facts(uses=(use(REFUSED),))))
    assert verdict(finding) == ("unknown", "look-not-allowed")


def test_nothing_there_without_a_registry() -> None:
    assert catalog.judge_with((${short},), facts(uses=())) == ()
''')


def main(arguments: list[str]) -> int:
    """0 where both files were written, 2 where they were not, with the reason on standard error."""
    parser = argparse.ArgumentParser(prog="make check", description=__doc__)
    parser.add_argument("code", help="the next free code of its group, such as PW107; a code is never used again")
    parser.add_argument("name", help="what the check is about, in lower case: registry_admin_user")
    options = parser.parse_args(arguments)
    problem = _problem(options.code, options.name)
    if problem:
        print(f"make check: {problem}", file=sys.stderr)
        return 2
    words = _words(options.code, options.name)
    for path, template in _files(options.code, options.name):
        path.write_text(template.substitute(words), encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")
    print("Next: write the judge, its causes and its tests, then run `make docs`. CONTRIBUTING.md has the questions.")
    return 0


def _problem(code: str, name: str) -> str:
    """Why nothing can be written; "" where it can."""
    if not re.fullmatch(r"PW[1-5]\d\d", code):
        return f"CODE={code!r} is not PW and three digits, the first of them 1 to 5, as in CODE=PW107"
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name):
        return f"NAME={name!r} is not lower-case words joined by _, as in NAME=registry_admin_user"
    taken = sorted((ROOT / "checks" / "catalog").glob(f"{code.lower()}_*.py"))
    if taken:
        return f"{code} is taken by {taken[0].relative_to(ROOT)}; codes are never used again"
    there = [path for path, _ in _files(code, name) if path.exists()]
    return f"{there[0].relative_to(ROOT)} exists already" if there else ""


def _files(code: str, name: str) -> tuple[tuple[Path, Template], ...]:
    return (
        (ROOT / "checks" / "catalog" / f"{code.lower()}_{name}.py", CHECK),
        (ROOT / "tests" / "catalog" / f"test_{code.lower()}.py", TEST),
    )


def _words(code: str, name: str) -> dict[str, str]:
    words = name.split("_")
    return {
        "code": code,
        "module": f"{code.lower()}_{name}",
        "short": code.lower(),
        "title": " ".join(words).capitalize(),
        "slug": "-".join(words),
        "kind": "".join(word.capitalize() for word in words),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
