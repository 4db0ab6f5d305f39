"""A pytest plugin that writes down which check answered with which cause: a line "CODE cause" each.

Beside it, texts of findings that redaction would change: the file's name with REDACTED behind it.
"""

from __future__ import annotations

import os
from pathlib import Path

from checks.catalog.check import Check
from checks.findings import Finding, Subject
from checks.rules.results import Result
from checks.text import redacted

VARIABLE = "PULLWATCH_RECORDED_CAUSES"
REDACTED = ".redacted"


def pytest_configure() -> None:
    """From here on, every finding that a check makes in this process is written down."""
    file, original = Path(os.environ[VARIABLE]), Check.finding

    def recorded(self: Check, subject: Subject, result: Result) -> Finding:
        finding = original(self, subject, result)
        with file.open("a", encoding="utf-8") as lines:
            lines.write(f"{finding.code} {finding.cause}\n")
        changed = [text for text in (finding.summary, finding.cause, *finding.fix) if redacted(text) != text]
        if changed:
            with file.with_name(file.name + REDACTED).open("a", encoding="utf-8") as lines:
                lines.writelines(f"{finding.code} {text!r}\n" for text in changed)
        return finding

    Check.finding = recorded  # type: ignore[method-assign]
