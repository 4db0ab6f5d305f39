"""What a cluster comes to: the one word by which tiles count it. Pure."""

from __future__ import annotations

from enum import StrEnum

from checks.history.overview import ClusterEntry, RowEntry
from checks.report.outcome import Outcome


class Standing(StrEnum):
    """The worst that is true of a cluster, the worst first.

    ``UNCONFIRMED``: the last look failed, and one look is not enough to hold that it fails.
    """

    CANNOT_PULL = "cannot pull"
    AT_RISK = "at risk"
    IMAGE_ERRORS = "image errors"
    UNCONFIRMED = "unconfirmed"
    NOT_SEEN = "not seen"
    FINE = "fine"

    @property
    def rank(self) -> int:
        """0 is the worst."""
        return _RANKS[self]

    @property
    def kind(self) -> str:
        """The kind of mark: "fail", "unknown" or "pass"."""
        if self is Standing.FINE:
            return "pass"
        return "unknown" if self in (Standing.UNCONFIRMED, Standing.NOT_SEEN) else "fail"


_RANKS = {standing: rank for rank, standing in enumerate(Standing)}


_OPEN = {Outcome.UNKNOWN: Standing.NOT_SEEN, Outcome.FAIL: Standing.UNCONFIRMED}


def standing_of(entry: ClusterEntry) -> Standing:
    """What a cluster comes to: what is held to fail, else what the last look found."""
    held = min((standing_of_row(row) for row in entry.rows), key=lambda one: one.rank, default=Standing.FINE)
    if held.kind == "fail":
        return held
    return _OPEN.get(entry.outcome, Standing.FINE)


def standing_of_row(row: RowEntry) -> Standing:
    """What a registry of a cluster comes to."""
    if not row.open:
        return Standing.FINE
    failing = {facet.facet for facet in row.failing}
    if "pull" in failing:
        return Standing.CANNOT_PULL
    if failing - {"images"}:
        return Standing.AT_RISK
    if failing:
        return Standing.IMAGE_ERRORS
    if any(facet.verdict == "fail" for facet in row.open):
        return Standing.UNCONFIRMED
    return Standing.NOT_SEEN if any(facet.facet == "pull" for facet in row.open) else Standing.FINE


def standing_in(entry: ClusterEntry, row: RowEntry) -> Standing:
    """What a registry of it comes to: not seen where the cluster was not found, but for what is held to fail; else, as
    long as nothing of its own is open, what is said beside the rows."""
    standing = standing_of_row(row)
    if entry.unknown_since is not None and standing.kind != "fail":
        return Standing.NOT_SEEN
    if standing is not Standing.FINE:
        return standing
    return _OPEN.get(entry.outcome_of(row), Standing.FINE)


def in_the_dark(entry: ClusterEntry, row: RowEntry | None = None) -> bool:
    """Whether it is not known if a cluster can pull from a registry of it, or (None) from any of them, whatever else is
    known to fail; nor is it of a cluster that was not found."""
    if row is not None:
        dark = standing_in(entry, row) is Standing.NOT_SEEN
        return dark or any(facet.facet == "pull" and facet.verdict == "unknown" for facet in row.open)
    whole = entry.unknown_since is not None or standing_of(entry) is Standing.NOT_SEEN
    return whole or _left_open(entry) or any(in_the_dark(entry, one) for one in entry.rows)


def _left_open(entry: ClusterEntry) -> bool:
    beside = entry.beside_of(None)
    return beside is not None and beside.verdict == "unknown"


def proven(entry: ClusterEntry) -> bool:
    """Whether nodes themselves reported pulls from every registry whose pull is judged, from at least one."""
    judged = [row for row in entry.rows if row.seen_by]
    return bool(judged) and all("nodes" in row.seen_by for row in judged)
