"""What passes: where nothing is broken in two lines, and where it is asked for row by row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from rich.text import Text

from checks.cli.layout import HEADING, Column, Page, short_registry, table
from checks.findings import Basis, ClusterReport, Skipped, shown, word
from checks.report.outcome import proven_by
from checks.text import counted

_COLUMNS = (
    Column("CLUSTER", 0),
    Column("REGISTRY", 0),
    Column("ACCESS", 3),
    Column("PATH", 3),
    Column("PULL", 1),
    Column("IMAGES", 3),
    Column("BASIS", 4),
    Column("CAUSE", 5),
)


def sections(reports: Iterable[ClusterReport], page: Page) -> Iterator[Text]:
    """Every row of the clusters that are given."""
    rows = []
    for report in sorted(reports, key=lambda each: each.name.lower()):
        rows += [
            (
                report.name,
                short_registry(row.registry),
                *(shown(word(facet.verdict)) for _, facet in row.facets()),
                ", ".join(row.basis),
                row.pull.cause,
            )
            for row in report.registries
        ] or [(report.name, "(none known)", "", "", "", "", "", "")]
    if rows:
        yield Text("Clusters that can pull", HEADING)
        yield from table(_COLUMNS, rows, page)
        yield Text()


def healthy(reports: Sequence[ClusterReport]) -> Iterator[Text]:
    """That all is well, and what that rests on."""
    rows = [row for report in reports for row in report.registries]
    judged = [row for row in rows if not isinstance(row.pull.verdict, Skipped)]
    proven = Counter(proven_by(row) for row in judged)
    who = "The cluster can pull from its registries" if len(reports) == 1 else (
        f"All {len(reports)} clusters can pull from their registries"
    )  # fmt: skip
    yield Text(f"{who}.", "green")
    beside = f"; {counted(len(rows) - len(judged), 'row')} not judged" if len(rows) > len(judged) else ""
    logged = f"{proven[Basis.REGISTRY]} by the registry's log, " if proven[Basis.REGISTRY] else ""
    rests = f"{proven[Basis.NODES]} proven by nodes, {logged}{proven[None]} as Azure shows"
    yield Text(f"{counted(len(judged), 'row')} of a cluster and a registry: {rests}{beside}.")
    if named := sum(row.only_asked_for for row in rows):
        verb = "is" if named == 1 else "are"
        yield Text(
            f"{counted(named, 'row')} {verb} judged only because the registry was named: it is not known to be used."
        )
