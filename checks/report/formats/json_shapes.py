"""The shapes of ``scan -o json`` and of the HTTP answers, from which docs/schema/scan.json is generated.

A contract: members keep their names and meanings. ``SCHEMA_VERSION`` counts: its second number where members or words
are added, its first where one goes or changes its meaning. What is UNSET is not in the JSON.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from checks.findings import Basis, ClusterProblem, Coverage, Evidence, ScanError, Severity, Subject

SCHEMA_VERSION = "1.0"

Word = Annotated[
    Literal["pass", "fail", "unknown", "skipped"],
    Meta(description="pass: it holds; fail: it does not; unknown: it is not known; skipped: nobody can judge it here."),
]
WholeWord = Annotated[
    Literal["pass", "fail", "unknown"],
    Meta(description="fail: anything fails; unknown: nothing fails and something is open; pass: all pass."),
]
Missing = Annotated[str, Meta(description="Only where the verdict is unknown: what would settle it.")] | UnsetType
LookFailed = Annotated[bool, Meta(description="Only where the verdict is unknown: whether a read failed.")] | UnsetType
Because = Annotated[str, Meta(description="Only where the verdict is skipped: why it does not matter.")] | UnsetType
Cause = Annotated[str, Meta(description="A stable id; docs/causes.md has them all.")]
Fix = Annotated[tuple[str, ...], Meta(description="The commands, or else the steps, that help, in their order.")]
ArmId = Annotated[str, Meta(description="An Azure resource id, spelt as Azure Resource Manager spells it.")]
Counts = Annotated[dict[str, dict[str, int]], Meta(description="Rows by facet and verdict.")]


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """What made the answer."""

    name: str
    version: str


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for, as it was named; empty lists: everything. ``canary``: nodes were asked to pull."""

    subscriptions: tuple[str, ...]
    clusters: tuple[str, ...]
    registries: tuple[str, ...]
    canary: bool


class SubscriptionAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a subscription could be looked at, and how many clusters it holds."""

    id: str
    clusters: int
    verdict: Word
    missing: Missing = UNSET
    look_failed: LookFailed = UNSET
    because: Because = UNSET
    cause: Cause
    summary: str
    fix: Fix


class FacetAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One of a row's answers. ``decided_by`` names the checks that decided it."""

    verdict: Word
    missing: Missing = UNSET
    look_failed: LookFailed = UNSET
    because: Because = UNSET
    cause: Cause
    decided_by: tuple[str, ...]
    summary: str
    fix: Fix


class RowAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer for one cluster and one registry.

    ``registry`` is the login server and ``names`` its other hosts that were named. ``access``: the identity may pull;
    ``path``: there is a network path; ``pull``: the answer, which rests on ``basis``; ``images``: the images in use can
    be pulled, apart from that. ``sources`` say how it is known that the cluster uses the registry.
    ``disagreements`` say where what nodes report and what Azure shows differ. ``fix`` is that of ``pull``.
    """

    registry: str
    access: FacetAnswer
    path: FacetAnswer
    pull: FacetAnswer
    images: FacetAnswer
    basis: tuple[Basis, ...]
    names: tuple[str, ...]
    sources: tuple[str, ...]
    image_troubles: Annotated[int, Meta(ge=0, description="Workloads whose own image is at fault.")]
    disagreements: tuple[str, ...]
    fix: Fix


class FindingAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One check's answer about one subject. A warning or information fails no row and no cluster."""

    code: Annotated[str, Meta(description="The check: docs/checks has a page for each.")]
    subject: Subject
    verdict: Word
    missing: Missing = UNSET
    look_failed: LookFailed = UNSET
    because: Because = UNSET
    cause: Cause
    summary: str
    evidence: tuple[Evidence, ...]
    severity: Severity
    fix: Fix


class ClusterAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One cluster. ``coverage`` lists what was read and what was not. With a ``problem`` nothing was checked."""

    id: ArmId
    name: str
    subscription: Annotated[str, Meta(description="The subscription's id, in lower case.")]
    verdict: WholeWord
    coverage: tuple[Coverage, ...]
    registries: tuple[RowAnswer, ...]
    findings: tuple[FindingAnswer, ...]
    problem: ClusterProblem | None


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """Clusters by what they come to, of the whole scan, whatever is listed.

    ``passing``, ``failing`` and ``unknown`` add up to ``clusters``; ``cannot_pull`` (from a registry), ``at_risk``
    (something that pulls need fails, and no pull is known to) and ``image_errors`` (single images) add up to
    ``failing``, each cluster counted for its worst. ``can_pull`` is ``passing``. ``warnings`` are findings.
    """

    clusters: int
    passing: int
    failing: int
    unknown: int
    can_pull: int
    cannot_pull: int
    at_risk: int
    image_errors: int
    warnings: int
    rows: Counts


class ScanAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One scan. ``verdict`` is the whole scan's, as the exit code is.

    ``errors`` say why it could not look at what it was asked for: nobody is signed in, or what was named is not there.
    """

    schema_version: Annotated[str, Meta(pattern=r"^1\.[0-9]+$", description="The version of this schema.")]
    tool: Tool
    started_at: Annotated[datetime, Meta(tz=True, description="When the scan began (UTC).")]
    seconds: Annotated[float, Meta(ge=0, description="How long the scan took.")]
    scope: Scope
    verdict: WholeWord
    errors: tuple[ScanError, ...]
    subscriptions: tuple[SubscriptionAnswer, ...]
    clusters: tuple[ClusterAnswer, ...]
    totals: Totals
