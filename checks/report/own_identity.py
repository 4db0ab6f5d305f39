"""Puts the app's own object id into commands that were made where it was not known. Pure."""

from __future__ import annotations

import shlex
from typing import TypeVar

import msgspec

from checks.findings import ClusterReport, Coverage, Finding, RegistryRow, SubscriptionResult
from checks.rules.fixes.az_roles import OWN_IDENTITY

_QUOTED = shlex.quote(OWN_IDENTITY)
T = TypeVar("T", Coverage, Finding, RegistryRow, SubscriptionResult)


def name_own_identity(report: ClusterReport, object_id: str | None) -> ClusterReport:
    """The report with commands that can be pasted as they are; unchanged where no token showed the object id."""
    if object_id is None:
        return report
    return msgspec.structs.replace(
        report,
        coverage=tuple(with_own_identity(line, object_id) for line in report.coverage),
        registries=tuple(with_own_identity(row, object_id) for row in report.registries),
        findings=tuple(with_own_identity(finding, object_id) for finding in report.findings),
    )


def with_own_identity(part: T, object_id: str | None) -> T:
    """The same of a part of a report, or of what is said of a subscription."""
    if object_id is None or not any(OWN_IDENTITY in command for command in part.fix):
        return part
    # Quoted by itself it is a word of the command; inside other quotes it is a part of a URL or of JSON.
    fix = tuple(command.replace(_QUOTED, object_id).replace(OWN_IDENTITY, object_id) for command in part.fix)
    return msgspec.structs.replace(part, fix=fix)
