"""What a line of a fix is: a command to run, a remark between commands, or Bicep to deploy instead."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from checks.rules.fixes.bicep import HEAD


class FixKind(StrEnum):
    """What one entry of a finding's ``fix`` is."""

    COMMAND = "command"
    REMARK = "remark"
    BICEP = "bicep"


def kind_of(step: str) -> FixKind:
    """What one entry of a fix is."""
    if step.startswith(HEAD):
        return FixKind.BICEP
    return FixKind.REMARK if step.startswith("#") and "\n" not in step else FixKind.COMMAND


def without_bicep(fix: Iterable[str]) -> tuple[str, ...]:
    """A fix without the Bicep that does the same."""
    return tuple(step for step in fix if kind_of(step) is not FixKind.BICEP)


def first_command(fix: Iterable[str]) -> str:
    """The first thing to run, or "" where a fix is only remarks."""
    return next((step for step in fix if kind_of(step) is FixKind.COMMAND), "")


def further_commands(fix: Iterable[str]) -> int:
    """How many things to run come after the first."""
    return max(0, sum(kind_of(step) is FixKind.COMMAND for step in fix) - 1)
