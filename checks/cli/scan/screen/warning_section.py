"""Warnings: what fails no cluster and is worth repairing, each once with whom it concerns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.text import Text

from checks.cli.layout import HEADING, Page, command, names, prose, safe, short_registry
from checks.findings import ClusterReport, Fail, Finding, Severity
from checks.report.cause_sentences import sentence_of
from checks.rules.fixes.kinds import first_command
from checks.text import counted


def sections(reports: Iterable[ClusterReport], page: Page, least: Severity) -> Iterator[Text]:
    """The warnings, and where ``least`` is info what only informs, by what they say; those of most clusters first."""
    kinds = (Severity.WARNING, Severity.INFO) if least is Severity.INFO else (Severity.WARNING,)
    groups: dict[tuple[str, str], list[tuple[str, Finding]]] = {}
    for report in reports:
        for finding in report.findings:
            if isinstance(finding.verdict, Fail) and finding.severity in kinds:
                groups.setdefault((finding.code, finding.cause), []).append((report.name, finding))
    if not groups:
        return
    number = sum(len(members) for members in groups.values())
    yield Text(f"{counted(number, 'warning')}: they fail no cluster", HEADING)
    for (code, cause), members in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])):
        yield from _group(code, cause, members, page)
    yield Text()


def _group(code: str, cause: str, members: list[tuple[str, Finding]], page: Page) -> Iterator[Text]:
    yield Text.assemble("  ", (safe(f"{code} {cause}"), "yellow"), f"  {len(members)}")
    said = {finding.summary for _, finding in members}
    yield from prose(said.pop() if len(said) == 1 else sentence_of(code, cause) or members[0][1].summary, page, "    ")
    where = dict.fromkeys(_where(name, finding) for name, finding in members)
    yield from names(list(where), page, "    ")
    commands = dict.fromkeys(filter(None, (first_command(finding.fix) for _, finding in members)))
    shown = list(commands)[: len(commands) if page.all_names else 1]
    for step in shown:
        yield from command(step, "      ")
    if len(commands) > len(shown):
        yield from prose(
            f"and {counted(len(commands) - len(shown), 'more command')} of this kind: --json", page, "      "
        )


def _where(name: str, finding: Finding) -> str:
    registry = finding.subject.registry
    return safe(f"{name} <- {short_registry(registry)}" if registry else name)
