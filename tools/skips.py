"""What a run of tests really did: no skips but the allowed ones, and the sums of all runners on one line.

    tools/skips.py --junit pytest.xml --allowed .ci/allowed-skips --count peers.txt

Prints what is wrong, then, as the last line, `N passed, N failed, N skipped` over pytest and the counted outputs. The
exit code is 0 only where nothing failed, in a test or outside, something passed and every skip is allowed.
"""

import argparse
import fnmatch
import re
import sys
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

CLOSING = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", re.MULTILINE)


@dataclass(frozen=True)
class Skip:
    """One skipped test. `test` reads `tests.localhost.test_mailbox::test_name`."""

    test: str
    reason: str


@dataclass(frozen=True)
class Count:
    """How many tests ended in which way; an error in a fixture counts as failed."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: "Count") -> "Count":
        return Count(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def read_junit(text: str) -> tuple[Count, list[Skip]]:
    """The count and the skips of a JUnit report. Raises ET.ParseError for half a report (a killed run)."""
    passed, failed, skips = 0, 0, []
    for case in ET.fromstring(text).iter("testcase"):
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        elif skipped is None:
            passed += 1
        elif skipped.get("type") == "pytest.xfail":
            # A test that fails as expected ran; nothing was left out.
            passed += 1
        else:
            skips.append(Skip(f"{case.get('classname')}::{case.get('name')}", skipped.get("message", "")))
    return Count(passed, failed, len(skips)), skips


def read_allowed(text: str) -> list[str]:
    """The patterns of an allow-list: one per line, `#` begins a comment."""
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def forbidden(skips: list[Skip], allowed: list[str]) -> list[Skip]:
    """The skips that no pattern covers."""
    return [skip for skip in skips if not any(fnmatch.fnmatchcase(skip.test, pattern) for pattern in allowed)]


def read_closing(text: str) -> Count:
    """The last closing line in a runner's output. Raises ValueError where there is none."""
    items = CLOSING.findall(text)
    if not items:
        raise ValueError("no closing line 'N passed, N failed, N skipped'")
    passed, failed, skipped = items[-1]
    return Count(int(passed), int(failed), int(skipped or 0))


def main(arguments: list[str] | None = None) -> int:
    """Print the findings and the sum; 0 only for a clean run."""
    parser = argparse.ArgumentParser(description="Judges what a run of tests really did.")
    parser.add_argument("--junit", type=Path, required=True)
    parser.add_argument("--allowed", type=Path, required=True)
    parser.add_argument("--count", type=Path, action="append", default=[], help="output that ends in a closing line")
    parser.add_argument("--exit", type=int, default=0, help="the highest exit code of the runners")
    options = parser.parse_args(arguments)
    problems: list[str] = []
    total = Count()
    try:
        total, skips = read_junit(options.junit.read_text(encoding="utf-8"))
        bad = forbidden(skips, read_allowed(options.allowed.read_text(encoding="utf-8")))
        problems += [f"skipped without being allowed: {skip.test}: {skip.reason}" for skip in bad]
    except (OSError, ET.ParseError) as error:
        problems.append(f"no report of the tests: {error}")
    for path in options.count:
        try:
            total += read_closing(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            problems.append(f"{path.name}: {error}")
    if options.exit and not total.failed:
        problems.append(f"a step ended with code {options.exit} though no test failed: lint, types, layers or a crash")
    if not total.passed:
        problems.append("no test passed")
    for problem in problems:
        print(f"FAILED: {problem}")
    # What went wrong outside a test counts as a failure: the line must not look clean over an exit code that is not.
    print(total + Count(failed=len(problems)))
    return int(bool(problems or total.failed))


if __name__ == "__main__":
    sys.exit(main())
