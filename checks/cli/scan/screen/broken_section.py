"""What is broken: an overview, then for each thing at fault its clusters, a line each, and what repairs it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from rich.cells import cell_len
from rich.text import Text

from checks.arm_ids import name_of, subscription_of
from checks.cli.layout import (
    DIM,
    HEADING,
    Column,
    Page,
    command,
    prose,
    safe,
    short_registry,
    table,
)
from checks.findings import Finding, RegistryRow, shown, word
from checks.report.cause_sentences import sentence_of
from checks.report.fleet.broken import Broken, BrokenGroup, Harm
from checks.rules.fixes.kinds import FixKind, first_command, kind_of
from checks.text import counted, listed

_SAID = {
    Harm.CANNOT_PULL: "cannot pull",
    Harm.AT_RISK: "may fail at the next pull",
    Harm.IMAGES: "cannot pull some images",
}
_COLUMNS = (
    Column("CLUSTER", 0),
    Column("CHECK", 6),
    Column("CAUSE", 5),
    Column("ACCESS", 3),
    Column("PATH", 3),
    Column("PULL", 3),
    Column("IMAGES", 3),
    Column("BASIS", 7),
    Column("SUBSCRIPTION", 8),
)
_OVERVIEW = (
    Column("CLUSTERS", 0),
    Column("REGISTRY", 0),
    Column("CAUSE", 0),
    Column("CHECK", 1),
    Column("WHAT", 2),
)
MAX_ALSO = 5
MAX_UNUSED = 5
MAX_DISAGREEMENTS = 3


def overview(groups: Sequence[BrokenGroup], page: Page) -> Iterator[Text]:
    """All that is at fault, a line each; nothing where one section says it all."""
    if len(groups) < 2:
        return
    rows = [(_share(g), _registry(g.registry), g.cause, g.code, g.harm.words) for g in groups]
    yield from table(_OVERVIEW, rows, page, "")
    yield Text()


def sections(groups: Iterable[BrokenGroup], subscriptions: Mapping[str, str], page: Page) -> Iterator[Text]:
    """One section for each thing at fault. ``subscriptions`` are display names by id."""
    for group in groups:
        yield from _heading(group, page)
        yield from prose(_sentence(group), page)
        yield from _unused(group, page)
        shared = _shared_command(group)
        if shared:
            yield from _lines(group.members, subscriptions, page)
            yield from command(shared)
        else:
            yield from _lines_with_commands(group.members, subscriptions, page)
        yield from _also(group, page)
        yield from _disagreements(group, page)
        yield Text()


def _heading(group: BrokenGroup, page: Page) -> Iterator[Text]:
    """ "acrshop: 14 of 27 clusters that use it cannot pull  PW102 role-missing", on two lines where it is too long."""
    if group.registry and group.using >= len(group.members):
        verb = _SAID[group.harm]
        who = "cluster that uses it" if group.using == 1 else "clusters that use it"
        said = f"{short_registry(group.registry)}: {_share(group)} {who} {verb}"
    else:
        said = f"{_registry(group.registry)}: {counted(len(group.members), 'cluster')}"
    what = safe(f"{group.code} {group.cause}".strip())
    if page.width is None or cell_len(f"{said}  {what}") <= page.width:
        yield Text.assemble((said, HEADING), "  ", (what, "bold red"))
    else:
        yield from prose(said, page, "", HEADING)
        yield from prose(what, page, style="bold red")


def _share(group: BrokenGroup) -> str:
    count = len(group.members)
    return f"{count} of {group.using}" if group.using >= count else str(count)


def _registry(host: str) -> str:
    return short_registry(host) if host else "(whole cluster)"


def _sentence(group: BrokenGroup) -> str:
    """What is wrong: of one cluster its own words, of several what they share."""
    said = {member.summary for member in group.members}
    if len(said) == 1:
        return said.pop()
    return sentence_of(group.code, group.cause) or group.members[0].summary


def _unused(group: BrokenGroup, page: Page) -> Iterator[Text]:
    """Which clusters are judged only because the registry was named."""
    unused = [name_of(member.cluster) for member in group.members if member.row and member.row.only_asked_for]
    if unused:
        verb = "uses" if len(unused) == 1 else "use"
        yield from prose(
            f"Nothing that was read shows that {listed(unused, MAX_UNUSED)} {verb} it: it was named.", page
        )


def _shared_command(group: BrokenGroup) -> str:
    """The first command, where it is the same for all of several clusters."""
    first = {first_command(member.fix) for member in group.members}
    return first.pop() if len(first) == 1 and len(group.members) > 1 else ""


def _lines(members: Iterable[Broken], subscriptions: Mapping[str, str], page: Page) -> list[Text]:
    return table(_COLUMNS, [_cells(member, subscriptions) for member in members], page)


def _lines_with_commands(members: Sequence[Broken], subscriptions: Mapping[str, str], page: Page) -> Iterator[Text]:
    heading, *lines = _lines(members, subscriptions, page)
    yield heading
    for member, line in zip(members, lines, strict=True):
        yield line
        yield from _commands(member.fix, page)


def _commands(fix: Sequence[str], page: Page) -> Iterator[Text]:
    """The first command; with ``--bicep`` the Bicep that does the same."""
    first = first_command(fix)
    if first:
        yield from command(first)
    for step in fix if page.bicep else ():
        if kind_of(step) is FixKind.BICEP:
            yield from command(step)


def _cells(member: Broken, subscriptions: Mapping[str, str]) -> tuple[str, ...]:
    guid = subscription_of(member.cluster)
    facets = _facets(member.row)
    basis = ", ".join(member.row.basis) if member.row else ""
    return (name_of(member.cluster), member.code, member.cause, *facets, basis, subscriptions.get(guid) or guid)


def _facets(row: RegistryRow | None) -> tuple[str, ...]:
    return tuple(shown(word(facet.verdict)) for _, facet in row.facets()) if row else ("", "", "", "")


def _also(group: BrokenGroup, page: Page) -> Iterator[Text]:
    """What else fails there, each check and cause once. What the commands above repair too, or what was said above, is
    only named."""
    fixed = {step for member in group.members for step in member.lead_fix}
    said = " ".join({_sentence(group), *(member.summary for member in group.members)})
    others: dict[tuple[str, str], list[Finding]] = {}
    for finding in (finding for member in group.members for finding in member.also):
        others.setdefault((finding.code, finding.cause), []).append(finding)
    same = {
        key: findings
        for key, findings in others.items()
        if all((f.fix and fixed.issuperset(f.fix)) or f.summary in said for f in findings)
    }
    if same:
        yield from prose(
            f"other checks say the same: {', '.join(f'{code} {cause}' for code, cause in same)}", page, style=DIM
        )
    other = [(key, findings) for key, findings in others.items() if key not in same]
    for (code, cause), findings in other[:MAX_ALSO]:
        yield from _another(group, code, cause, findings, fixed, page)
    if len(other) > MAX_ALSO:
        yield from prose(f"and {counted(len(other) - MAX_ALSO, 'more finding')}: --json has them", page)


def _another(
    group: BrokenGroup, code: str, cause: str, findings: Sequence[Finding], fixed: set[str], page: Page
) -> Iterator[Text]:
    clusters = sorted({name_of(finding.subject.cluster) for finding in findings})
    said = findings[0].summary if len(findings) == 1 else sentence_of(code, cause) or findings[0].summary
    where = "" if len(group.members) == 1 else f" ({_some(clusters)})"
    yield from prose(f"also {code} {cause}{where}: {said}", page)
    first = first_command(findings[0].fix)
    if first and first not in fixed:
        fixed.add(first)
        yield from command(first)


def _some(clusters: Sequence[str]) -> str:
    return clusters[0] if len(clusters) == 1 else counted(len(clusters), "cluster")


def _disagreements(group: BrokenGroup, page: Page) -> Iterator[Text]:
    said = list(dict.fromkeys(s for member in group.members if member.row for s in member.row.disagreements))
    for sentence in said[:MAX_DISAGREEMENTS]:
        yield from prose(f"note: {sentence}", page)
    if len(said) > MAX_DISAGREEMENTS:
        yield from prose(f"and {counted(len(said) - MAX_DISAGREEMENTS, 'more note')}: --json has them", page)
