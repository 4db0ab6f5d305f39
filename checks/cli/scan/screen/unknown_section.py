"""What is unknown, by what is missing, with the pulls proven there; and the subscriptions that could not be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec
from rich.text import Text

from checks.catalog import check_of
from checks.causes import RowCause
from checks.cli.layout import HEADING, Page, command, names, prose, safe, short_registry
from checks.findings import ClusterReport, Pass, SubscriptionResult, Unknown
from checks.report.cause_sentences import sentence_of
from checks.report.coverage import REGISTRIES_CUT, REGISTRIES_UNUSABLE
from checks.report.outcome import Outcome, nothing_judged, outcome_of, proven_by
from checks.rules.fixes.kinds import first_command
from checks.text import counted

# Registries that are not judged, and the word for it.
_LEFT_OUT = {REGISTRIES_CUT: "registries-cut", REGISTRIES_UNUSABLE: "tag-unusable"}
MAX_COMMANDS = 3
MAX_PROVEN = 3


class _Open(msgspec.Struct, frozen=True):
    """What leaves something open, the same for every cluster that has it."""

    code: str
    cause: str
    missing: str


class _Group(msgspec.Struct):
    """Whom it concerns: clusters, or clusters and registries; the first one's words, and each one's first command.

    ``codes`` are the checks that say so: what one read did not show, several checks miss, in the same words.
    """

    codes: list[str]
    cause: str
    missing: str
    summary: str
    said: set[str]
    names: dict[str, None]
    commands: dict[str, None]


def sections(reports: Iterable[ClusterReport], page: Page) -> Iterator[Text]:
    """Each thing that is missing, with the clusters that are unknown for it; what most of them lack comes first."""
    listed = [report for report in reports if outcome_of(report) is Outcome.UNKNOWN]
    if not listed:
        return
    groups: dict[_Open, _Group] = {}
    for report in listed:
        for key, summary, fix, name in _open_questions(report):
            group = groups.setdefault(key, _Group([key.code], key.cause, key.missing, summary, set(), {}, {}))
            group.commands |= dict.fromkeys(filter(None, (first_command(fix),)))
            group.said.add(summary)
            group.names[name] = None
    number = len(listed)
    said = f"{counted(number, 'cluster')} {'is' if number == 1 else 'are'} unknown: nothing is known to fail there"
    yield Text(said, HEADING)
    for group in sorted(_together(groups), key=lambda group: (-len(group.names), group.codes, group.cause)):
        yield from _section(group, page)
    yield from _proven(listed, page)
    yield Text()


def subscriptions(results: Iterable[SubscriptionResult], page: Page) -> Iterator[Text]:
    """The subscriptions that could not be read, or only in part, with the command that changes that."""
    unread = [result for result in results if not isinstance(result.verdict, Pass)]
    for result in unread:
        name = f"{result.name} ({result.id})" if result.name else result.id
        yield Text.assemble((safe(f"subscription {name}"), HEADING), "  ", (safe(result.cause), "yellow"))
        yield from prose(result.summary, page)
        for step in result.fix:
            yield from command(step)
    if unread:
        yield Text()


def _proven(reports: Iterable[ClusterReport], page: Page) -> Iterator[Text]:
    """The pulls that are proven of these clusters, whatever else is open of them."""
    rows = [(report, row) for report in reports for row in report.registries if proven_by(row)]
    if not rows:
        return
    yield Text.assemble("  ", ("pulls proven all the same", "green"), f"  {len(rows)}")
    told = rows if page.all_names else rows[:MAX_PROVEN]
    for report, row in told:
        yield from prose(f"{report.name} <- {short_registry(row.registry)}: {row.pull.summary}", page, "    ")
    if left := len(rows) - len(told):
        yield from prose(f"and {counted(left, 'more such row')}: --json has them", page, "    ")


def _together(groups: Mapping[_Open, _Group]) -> list[_Group]:
    """The groups, those of several checks in one that say the same in the same words of the same clusters."""
    merged: dict[tuple[object, ...], _Group] = {}
    for key, group in sorted(groups.items(), key=lambda item: item[0].code):
        same = (key.cause, key.missing, frozenset(group.said), frozenset(group.names), tuple(group.commands))
        if same in merged:
            merged[same].codes += group.codes
        else:
            merged[same] = group
    return list(merged.values())


def _section(group: _Group, page: Page) -> Iterator[Text]:
    what = f"{', '.join(group.codes)} {group.cause}".strip()
    yield Text.assemble("  ", (safe(what), "yellow"), f"  {len(group.names)}")
    of_a_read = group.cause.startswith("look-")  # its sentence says only that the finding names the reason
    shared = "" if of_a_read or len(group.said) == 1 else sentence_of(group.codes[0], group.cause)
    summary = shared or group.summary
    yield from prose(summary, page, "    ")
    if of_a_read and len(group.said) > 1:
        more = counted(len(group.said) - 1, "more place")
        yield from prose(f"The same is missing in {more}.", page, "    ")
    if group.missing and group.missing not in summary:
        yield from prose(f"Missing: {group.missing}", page, "    ")
    yield from names(list(group.names), page, "    ")
    shown = list(group.commands)[:MAX_COMMANDS]
    for step in shown:
        yield from command(step, "      ")
    if left := len(group.commands) - len(shown):
        yield from prose(
            f"and {counted(left, 'more such command')}, each of another scope: --json has them", page, "    "
        )


def _open_questions(report: ClusterReport) -> Iterator[tuple[_Open, str, tuple[str, ...], str]]:
    """What leaves open whether a cluster can pull: (what, in words, fix, whom it concerns)."""
    if report.problem is not None:
        problem = report.problem
        yield _Open("", problem.cause, problem.missing), problem.summary, (), safe(report.name)
        return
    if nothing_judged(report):
        pods = next(line for line in report.coverage if line.what == "pods" and not line.looked)
        summary = f"No registry is known that it uses, and its pods were not read: {pods.why}"
        yield _Open("", RowCause.NOT_JUDGED, ""), summary, pods.fix, safe(report.name)
    told: set[str] = set()
    for finding in report.findings:
        if isinstance(finding.verdict, Unknown) and check_of(finding).settles:
            told.add(finding.code)
            registry = finding.subject.registry
            name = f"{report.name} <- {short_registry(registry)}" if registry else report.name
            key = _Open(finding.code, finding.cause, finding.verdict.missing)
            yield key, finding.summary, finding.fix, safe(name)
    for row in report.registries:
        pull = row.pull
        if isinstance(pull.verdict, Unknown) and not told.intersection(pull.decided_by):
            code = next(iter(pull.decided_by), "")
            name = f"{report.name} <- {short_registry(row.registry)}"
            yield _Open(code, pull.cause, pull.verdict.missing), pull.summary, pull.fix, safe(name)
    for line in report.coverage:
        if line.what in _LEFT_OUT:
            yield _Open("", _LEFT_OUT[line.what], ""), line.why, line.fix, safe(report.name)
