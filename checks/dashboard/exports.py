"""The rows of *Now* as CSV, and their clusters as JSON in the shapes of the HTTP API. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import datetime

import msgspec

from checks.arm_ids import name_of, resource_group_of, subscription_of
from checks.dashboard.views.marks import FACETS, answers_in, basis_words
from checks.dashboard.views.now import Line, cause_of, since_of, telling
from checks.fleet.answers import ClusterShown, cluster_shown
from checks.fleet.model import Fleet
from checks.history.overview import ClusterEntry, RowEntry
from checks.report.formats.as_csv import safe_cell
from checks.report.outcome import STOPPED

MAX_LINES = 50_000  # of CSV
MAX_CLUSTERS = 20_000  # of JSON
COLUMNS = (
    *("subscription", "subscription_name", "resource_group", "cluster", "region", "registry", "standing"),
    *FACETS,
    *("basis", "waiting_pods", "cause", "since", "summary", "first_command"),
)


class ClustersExport(msgspec.Struct, frozen=True, kw_only=True):
    """The clusters that fit, as the HTTP API answers them; ``left_out`` counts those beyond the limit.

    ``unreadable``: rows of the storage that could not be read, so that what they hold is missing here.
    """

    now: datetime
    clusters: tuple[ClusterShown, ...]
    left_out: int
    unreadable: int


def as_csv(fleet: Fleet, lines: list[Line]) -> str:
    """A line for each row. Lines that are left out, and storage that could not be read, have a line that says so."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for line in lines[:MAX_LINES]:
        writer.writerow({name: safe_cell(text) for name, text in _cells(line, fleet).items()})
    if len(lines) > MAX_LINES:
        writer.writerow({"cluster": f"{len(lines) - MAX_LINES} more rows are left out"})
    if fleet.unreadable:
        writer.writerow({"cluster": f"{len(fleet.unreadable)} rows of the storage cannot be read"})
    return out.getvalue()


def as_json(fleet: Fleet, lines: Iterable[Line]) -> ClustersExport:
    """The clusters of the rows, each once, in their order."""
    entries = list({line.entry.cluster: line.entry for line in lines}.values())
    return ClustersExport(
        now=fleet.now,
        clusters=tuple(cluster_shown(entry, fleet) for entry in entries[:MAX_CLUSTERS]),
        left_out=max(0, len(entries) - MAX_CLUSTERS),
        unreadable=len(fleet.unreadable),
    )


def _cells(line: Line, fleet: Fleet) -> dict[str, str]:
    entry, row = line.entry, line.row
    guid = subscription_of(entry.cluster)
    facet, since = telling(row), since_of(entry, row)
    cells = {
        "subscription": guid,
        "subscription_name": fleet.names.get(guid, ""),
        "resource_group": resource_group_of(entry.cluster),
        "cluster": name_of(entry.cluster),
        "region": entry.region,
        "standing": line.standing.value,
        "cause": cause_of(entry, row),
        "since": since.isoformat() if since else "",
        "summary": facet.summary if facet else "",
        "first_command": facet.command if facet else "",
    }
    if row is None:
        beside = entry.beside_of(None)
        return cells | {"registry": beside.registry if beside else ""}
    answers = {name: one.word for name, one in zip(FACETS, answers_in(entry, row), strict=True)}
    waiting = "" if _unread(entry, row) else str(row.waiting)
    return cells | answers | {"registry": row.registry, "basis": basis_words(row), "waiting_pods": waiting}


def _unread(entry: ClusterEntry, row: RowEntry) -> bool:
    """Whether no pod of the last look can have been counted for a row: the cluster was not found, or left open."""
    beside = entry.beside_of(row)
    whole = beside is not None and not beside.registry and (beside.verdict == "unknown" or beside.cause == STOPPED)
    return not row.waiting and (whole or entry.unknown_since is not None)
