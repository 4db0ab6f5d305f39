"""What is broken, as the page shows it: groups, and in them a picture, evidence and commands of each row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from markupsafe import Markup

from checks.arm_ids import name_of, subscription_of
from checks.findings import ClusterReport, describe_evidence
from checks.report.chain.build import chain_of_row
from checks.report.fleet.broken import Broken, BrokenGroup
from checks.report.html import bounded
from checks.report.path_picture import svg
from checks.rules.fixes.kinds import FixKind, kind_of
from checks.text import counted


class FixStep(msgspec.Struct, frozen=True):
    """A line of a fix: "command", "remark" or "bicep"."""

    kind: str
    text: str


class Fix(msgspec.Struct, frozen=True):
    """What repairs it; ``more`` counts the steps that are left out."""

    steps: tuple[FixStep, ...] = ()
    bicep: tuple[FixStep, ...] = ()
    more: int = 0


class BrokenRow(msgspec.Struct, frozen=True, kw_only=True):
    """One cluster of a group. ``picture`` is an svg element, "" where no registry is concerned."""

    anchor: str
    cluster: str
    id: str
    subscription: str
    sentence: str
    picture: Markup
    evidence: tuple[str, ...]
    more_evidence: int
    also: tuple[str, ...]
    more_also: int
    disagreements: tuple[str, ...]
    fix: Fix
    unfolded: bool


class BrokenPart(msgspec.Struct, frozen=True, kw_only=True):
    """A group of the same registry, check and cause. ``others`` are clusters of it without a picture, by name."""

    harm: str
    heading: str
    reach: str
    code: str
    cause: str
    rows: tuple[BrokenRow, ...]
    left: int
    others: str


def broken_parts(
    groups: Sequence[BrokenGroup], reports: Iterable[ClusterReport], subscriptions: Mapping[str, str]
) -> tuple[BrokenPart, ...]:
    """Each group, in their order. The first rows of each have pictures, as long as there is room on the page.

    ``subscriptions`` has their names by id.
    """
    by_id = {report.id: report for report in reports}
    shares = _shares([len(group.members) for group in groups], bounded.MAX_PICTURES)
    parts: list[BrokenPart] = []
    unfolded = bounded.MAX_OPEN
    for number, (group, share) in enumerate(zip(groups, shares, strict=True)):
        # Of each group the first is unfolded, as long as few are: the others need the same, with their own names.
        parts.append(_part(number, group, share, by_id, subscriptions, unfold=unfolded > 0))
        unfolded -= bool(share)
    return tuple(parts)


def _shares(sizes: list[int], room: int) -> list[int]:
    """How many of each group get a picture: one of each in turn, until there is no more room."""
    shares = [0] * len(sizes)
    while room > 0 and any(share < size for share, size in zip(shares, sizes, strict=True)):
        for index, size in enumerate(sizes):
            if room > 0 and shares[index] < size:
                shares[index] += 1
                room -= 1
    return shares


def _part(
    number: int,
    group: BrokenGroup,
    share: int,
    by_id: Mapping[str, ClusterReport],
    subscriptions: Mapping[str, str],
    *,
    unfold: bool,
) -> BrokenPart:
    rows = tuple(
        broken_row(f"b{number}-{index}", member, by_id[member.cluster], subscriptions, unfold=unfold and not index)
        for index, member in enumerate(group.members[:share])
    )
    left = group.members[share:]
    return BrokenPart(
        harm=group.harm.words,
        heading=bounded.name(group.registry) or "the cluster itself",
        reach=_reach(group),
        code=bounded.name(group.code),
        cause=bounded.name(group.cause),
        rows=rows,
        left=len(left),
        others=bounded.named((name_of(member.cluster) for member in left), bounded.MAX_NAMED),
    )


def _reach(group: BrokenGroup) -> str:
    """ "14 of 27 clusters that use acrshop.azurecr.io"."""
    members = len({member.cluster for member in group.members})
    if not group.registry or group.using < members:
        return counted(members, "cluster")
    return f"{members} of {counted(group.using, 'cluster')} that use {bounded.name(group.registry)}"


def broken_row(
    anchor: str, member: Broken, report: ClusterReport, subscriptions: Mapping[str, str], *, unfold: bool
) -> BrokenRow:
    """One thing that is broken of a report, with its picture. ``anchor`` tells it from the others of a page."""
    chain = chain_of_row(report, member.row) if member.row is not None else None
    evidence = _evidence(member, report)
    also, more_also = bounded.first(
        [bounded.sentence(f"{finding.code} {finding.cause}: {finding.summary}") for finding in member.also],
        bounded.MAX_ALSO,
    )
    shown_evidence, more_evidence = bounded.first(evidence, bounded.MAX_EVIDENCE)
    guid = subscription_of(member.cluster)
    return BrokenRow(
        anchor=anchor,
        cluster=bounded.name(name_of(member.cluster)),
        id=bounded.sentence(member.cluster),
        subscription=bounded.name(subscriptions.get(guid, "") or guid),
        sentence=bounded.sentence(member.summary),
        picture=Markup(svg.picture(chain, key=anchor, styled=False)) if chain is not None else Markup(),
        evidence=shown_evidence,
        more_evidence=more_evidence,
        also=also,
        more_also=more_also,
        disagreements=tuple(bounded.sentence(text) for text in chain.disagreements[:3]) if chain is not None else (),
        fix=fix_of(member.fix),
        unfolded=unfold,
    )


def _evidence(member: Broken, report: ClusterReport) -> list[str]:
    """What the findings that say it were read from, each thing once."""
    saying = [
        finding
        for finding in report.findings
        if finding.failed
        and finding.subject.registry in (None, member.registry)
        and (finding.code == member.code or (member.row is not None and finding.code in member.row.pull.decided_by))
    ]
    return list(
        dict.fromkeys(bounded.sentence(describe_evidence(item)) for finding in saying for item in finding.evidence)
    )


def fix_of(commands: Iterable[str]) -> Fix:
    """A fix as it is shown: Bicep, which does the same as the commands, apart."""
    steps = [FixStep(kind_of(step).value, bounded.command(step)) for step in commands]
    typed, more = bounded.first([step for step in steps if step.kind != FixKind.BICEP], bounded.MAX_STEPS)
    return Fix(typed, tuple(step for step in steps if step.kind == FixKind.BICEP)[:2], more)
