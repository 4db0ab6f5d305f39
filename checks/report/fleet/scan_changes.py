"""What changed between two looks at the same clusters, row by row. Pure.

Without a past and without thresholds: what decides whether people are notified is ``checks.history.decide``.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from checks.findings import ClusterReport, Fail, Pass, RegistryRow, ScanReport, shown, word
from checks.report.outcome import pods_read

NEW, GONE, UNSEEN = "new", "gone", "unknown (pods not read)"
States = Mapping[tuple[str, str], str]  # by cluster and registry


class ScanChange(msgspec.Struct, frozen=True):
    """One row that is not what it was. ``before`` and ``after`` are words such as "pull fail (role-missing)".

    ``cluster`` is its ARM id; ``registry`` is "" where it is about the whole cluster.
    """

    cluster: str
    registry: str
    before: str
    after: str

    @property
    def good(self) -> bool:
        """Whether the row now passes."""
        return self.after.endswith(" pass") or self.after == "pass"


def states_of(report: ScanReport, known: States | None = None) -> States:
    """What is known after a look: the state of each cluster ("" as its registry) and of each of its rows.

    ``known`` is what was known before it. A row that only pods tell of is not gone while they cannot be read: it is
    unknown. So are all rows of a cluster that could not be checked.
    """
    states: dict[tuple[str, str], str] = {}
    for cluster in report.clusters:
        states[(cluster.id, "")] = _cluster_state(cluster)
        states |= {(cluster.id, row.registry): _row_state(row) for row in cluster.registries}
    blind = {cluster.id for cluster in report.clusters if not pods_read(cluster)}
    return {key: UNSEEN for key in known or {} if key[0] in blind} | states


def scan_changes(before: States, after: States) -> tuple[ScanChange, ...]:
    """The rows that are new, gone or different, by cluster and registry."""
    return tuple(
        ScanChange(*key, before.get(key, NEW), after.get(key, GONE))
        for key in sorted(before.keys() | after.keys(), key=lambda key: (key[0].lower(), key[1]))
        if before.get(key) != after.get(key)
    )


def failing_now(states: States) -> tuple[ScanChange, ...]:
    """Every row that does not pass, as if it were new."""
    return tuple(change for change in scan_changes({}, states) if not change.good)


def _cluster_state(report: ClusterReport) -> str:
    """A cluster itself: checked or not, and what fails of it that no registry has."""
    if report.problem is not None:
        return f"unknown ({report.problem.cause})"
    failed = sorted({f"{f.code} {f.cause}" for f in report.findings if f.failed and f.subject.registry is None})
    return f"fail ({', '.join(failed)})" if failed else "pass"


def _row_state(row: RegistryRow) -> str:
    """The facets that do not pass, each with its cause; "pull pass" where the others do not matter."""
    bad = [(name, facet) for name, facet in row.facets() if isinstance(facet.verdict, Fail)]
    if not bad and not isinstance(row.pull.verdict, Pass):
        bad = [("pull", row.pull)]
    return ", ".join(f"{name} {shown(word(facet.verdict))} ({facet.cause})" for name, facet in bad) or "pull pass"
