"""A pytest plugin that writes down which check answered with which cause: a line "CODE cause" each."""

from __future__ import annotations

import os
from pathlib import Path

from checks.catalog.check import Check
from checks.findings import Finding, Subject
from checks.rules.results import Result

VARIABLE = "PULLWATCH_RECORDED_CAUSES"


def pytest_configure() -> None:
    """From here on, every finding that a check makes in this process is written down."""
    file, original = Path(os.environ[VARIABLE]), Check.finding

    def recorded(self: Check, subject: Subject, result: Result) -> Finding:
        finding = original(self, subject, result)
        with file.open("a", encoding="utf-8") as lines:
            lines.write(f"{finding.code} {finding.cause}\n")
        return finding

    Check.finding = recorded  # type: ignore[method-assign]
