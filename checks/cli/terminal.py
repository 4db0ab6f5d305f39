"""A report as people read it in a terminal: the row per cluster and registry first, the reasons and fixes under it.

Everything that came from Azure or a pod is shown as text: no markup, no control characters.
"""

from __future__ import annotations

import textwrap
from typing import IO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from checks.arm_ids import name_of
from checks.findings import ClusterReport, Fail, Finding, Pass, RegistryRow, ScanReport, Unknown, Verdict, word
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
    for heading in ("cluster", "registry", "access", "path", "pull", "cause"):
        table.add_column(heading, overflow="fold")
    rows = [(cluster.name, row) for cluster in clusters for row in cluster.registries]
    for name, row in sorted(rows, key=lambda pair: _badness(pair[1])):
        table.add_row(_text(name), _text(row.registry), *_cells(row), _text(row.pull.cause))
    for cluster in (c for c in clusters if not c.registries):
        table.add_row(_text(cluster.name), _text("(no registry known)"), "", "", "", "")
    return table


def _badness(row: RegistryRow) -> int:
    """The worst first: rows that fail, rows whose answer is unknown, the others."""
    if any(isinstance(facet.verdict, Fail) for _, facet in row.facets()):
        return 0
    return 1 if isinstance(row.pull.verdict, Unknown) else 2


def _cells(row: RegistryRow) -> tuple[Text, ...]:
    return tuple(_verdict(facet.verdict) for _, facet in row.facets())


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


def _verdict(verdict: Verdict) -> Text:
    name = word(verdict)
    return Text(name, style=_COLOURS[name])


def _text(value: str) -> Text:
    return Text(printable(value, keep="\n", instead="\N{REPLACEMENT CHARACTER}"))
