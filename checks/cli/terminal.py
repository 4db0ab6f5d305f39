"""A report as people read it in a terminal: the row per cluster and registry first, the reasons and fixes under it.

Everything that came from Azure or a pod is shown as text: no markup, no control characters.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from typing import IO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from checks.arm_ids import name_of
from checks.findings import (
    ClusterReport,
    Fail,
    Finding,
    Pass,
    RegistryRow,
    ScanReport,
    Unknown,
    Verdict,
    shown,
    word,
)
from checks.report.outcome import Outcome, count_rows, outcome_of
from checks.text import printable

_COLOURS = {"pass": "green", "fail": "bold red", "unknown": "yellow", "skipped": "dim"}
MAX_FINDINGS = 200


def console(stream: IO[str], *, width: int | None = None) -> Console:
    """A console on a stream; without a terminal there is no colour and lines are 120 wide."""
    plain = not stream.isatty()
    return Console(file=stream, width=width or (120 if plain else None), highlight=False, soft_wrap=False)


def show(report: ScanReport, out: Console) -> None:
    """Writes a scan: subscriptions that could not be read, the rows, then what does not pass with its fixes."""
    _subscriptions(report, out)
    if report.clusters:
        out.print(rows_table(report.clusters))
        out.print(_text(totals_line(report.clusters)))
    for cluster in (c for c in report.clusters if c.problem is not None):
        _show_problem(cluster, out)
    problems = [f for c in report.clusters for f in c.findings if isinstance(f.verdict, Fail | Unknown)]
    for finding in sorted(problems, key=lambda f: not isinstance(f.verdict, Fail))[:MAX_FINDINGS]:
        show_finding(finding, out)
    if len(problems) > MAX_FINDINGS:
        out.print(f"… and {len(problems) - MAX_FINDINGS} more; --json has them all.")
    for row, name in ((row, c.name) for c in report.clusters for row in c.registries):
        for sentence in row.disagreements:
            out.print(_text(f"{name}, {row.registry}: {sentence}"))


def rows_table(clusters: tuple[ClusterReport, ...]) -> Table:
    """The answer per cluster and registry."""
    table = Table(title="Can the cluster pull from the registry?", title_justify="left", expand=False)
    for heading in ("cluster", "registry", "access", "path", "pull", "images", "basis", "cause"):
        table.add_column(heading, overflow="fold")
    rows = [(cluster.name, row) for cluster in clusters for row in cluster.registries]
    for name, row in sorted(rows, key=lambda pair: _badness(pair[1])):
        table.add_row(_text(name), _text(_named(row)), *_cells(row), _basis(row), _text(_cause(row)))
    for cluster in (c for c in clusters if not c.registries):
        table.add_row(_text(cluster.name), _text("(no registry known)"), *[""] * 6)
    return table


def _badness(row: RegistryRow) -> int:
    """The worst first: rows that fail, rows whose answer is unknown, the others."""
    if any(isinstance(facet.verdict, Fail) for _, facet in row.facets()):
        return 0
    return 1 if isinstance(row.pull.verdict, Unknown) else 2


def _cells(row: RegistryRow) -> tuple[Text, ...]:
    return tuple(_facet_word(facet.verdict) for _, facet in row.facets())


def _named(row: RegistryRow) -> str:
    """The login server, with the other names of the registry that are in use."""
    return f"{row.registry} (also {', '.join(row.names)})" if row.names else row.registry


def _basis(row: RegistryRow) -> Text:
    return _text(", ".join(basis.value for basis in row.basis))


def _cause(row: RegistryRow) -> str:
    """Why the answer is what it is; where the registry can be pulled from, why single images cannot."""
    images_fail = isinstance(row.images.verdict, Fail) and not isinstance(row.pull.verdict, Fail)
    return row.images.cause if images_fail else row.pull.cause


def totals_line(clusters: tuple[ClusterReport, ...]) -> str:
    """How many clusters come to what, and how many rows fail or are unknown by facet."""
    outcomes = Counter(outcome_of(cluster) for cluster in clusters)
    counted = ", ".join(f"{outcomes[outcome]} {outcome.value}" for outcome in Outcome if outcomes[outcome])
    facets = [
        f"{name} {', '.join(f'{count} {shown(verdict)}' for verdict, count in sorted(by_verdict.items()))}"
        for name, by_verdict in count_rows(clusters).items()
    ]
    plural = "" if len(clusters) == 1 else "s"
    return f"{len(clusters)} cluster{plural}: {counted}. Registries: {'; '.join(facets) or 'none'}."


def _show_problem(cluster: ClusterReport, out: Console) -> None:
    """A cluster that could not be checked: why, and what would settle it."""
    problem = cluster.problem
    if problem is not None:
        sentence = f" {cluster.name}: {problem.summary} Missing: {problem.missing}".replace("\n", " ")
        out.print(Text.assemble(_verdict(Unknown(problem.missing)), _text(sentence)))


def show_finding(finding: Finding, out: Console) -> None:
    """One finding in two or more lines: verdict, code, sentence; then each command on a line of its own, unwrapped."""
    where = name_of(finding.subject.cluster)
    line = f"{where}: {finding.summary}".replace("\n", " ")
    head = Text.assemble(_verdict(finding.verdict), f" {finding.code} ", _text(line))
    out.print(head)
    for command in finding.fix:
        out.print(_text(textwrap.indent(command, "    ")), soft_wrap=True)


def _subscriptions(report: ScanReport, out: Console) -> None:
    for result in report.subscriptions:
        if isinstance(result.verdict, Pass):
            continue
        out.print(Text.assemble(_verdict(result.verdict), _text(f" subscription {result.id}: {result.summary}")))
        for command in result.fix:
            out.print(_text(f"    {command}"), soft_wrap=True)


def _facet_word(verdict: Verdict) -> Text:
    name = word(verdict)
    return Text(shown(name), style=_COLOURS[name])


def _verdict(verdict: Verdict) -> Text:
    name = word(verdict)
    return Text(name, style=_COLOURS[name])


def _text(value: str) -> Text:
    return Text(printable(value, keep="\n", instead="\N{REPLACEMENT CHARACTER}"))
