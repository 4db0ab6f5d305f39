"""The commands of several findings as one list."""

from __future__ import annotations

from collections.abc import Iterable

from checks.findings import Finding

MAX_LINES = 20


def fixes_of(findings: Iterable[Finding]) -> tuple[str, ...]:
    """Each command once, in the findings' order; at most ``MAX_LINES``."""
    return tuple(dict.fromkeys(command for f in findings for command in f.fix))[:MAX_LINES]
