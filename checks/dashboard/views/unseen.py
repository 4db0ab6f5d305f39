"""*What I cannot see*: subscriptions, parts of clusters and rows of the storage, and the script that grants what helps.

What was not read stands in the reports of clusters: some of them are read, those that leave most open first, of every
subscription some. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

import msgspec

from checks.dashboard import addresses
from checks.dashboard.views.moments import moment
from checks.dashboard.views.runs import SubscriptionLine, subscription_line
from checks.dashboard.views.standing import Standing, in_the_dark
from checks.doctor.grants import Grants, grants_in, script
from checks.findings import ClusterReport, Pass, Unknown
from checks.fleet.model import Fleet
from checks.history.overview import ClusterEntry
from checks.report.html import bounded
from checks.report.html.lists_view import Grouped, gaps, unknowns

MAX_READ = 60  # reports
MAX_SUBSCRIPTIONS = 100
MAX_ROWS = 50


class RowLine(msgspec.Struct, frozen=True):
    """A row of the storage that cannot be read, and why."""

    where: str
    why: str


class Unseen(msgspec.Struct, frozen=True, kw_only=True):
    """What was read for the page: reports, as far as there are any; ``unreadable`` of them are there and cannot be."""

    reports: tuple[ClusterReport, ...] = ()
    unreadable: int = 0


class UnseenView(msgspec.Struct, frozen=True, kw_only=True):
    """The page. ``read`` of ``clusters`` clusters' reports were read for it. ``not_seen``: clusters of which it is not
    known whether they can pull from each of their registries, ``not_found``: those that the last list did not have.
    """

    headline: str
    kind: str
    subscriptions: tuple[SubscriptionLine, ...]
    more_subscriptions: int
    rows: tuple[RowLine, ...]
    more_rows: int
    gaps: tuple[Grouped, ...]
    more_gaps: int
    unknowns: tuple[Grouped, ...]
    more_unknowns: int
    not_seen: int
    not_found: int
    not_seen_address: str
    read: int
    clusters: int
    unreadable_reports: int
    grants: Grants
    script: str
    script_address: str


def to_be_read(fleet: Fleet) -> tuple[str, ...]:
    """Whose reports are to be read: of each subscription those that leave most open, in turn."""
    by_subscription = [
        sorted((entry for entry in overview.clusters if entry.gone_since is None), key=_openness)
        for overview in fleet.overviews
    ]
    turns = (entry for turn in zip_longest(*by_subscription) for entry in turn if entry is not None)
    return tuple(entry.cluster for _, entry in zip(range(MAX_READ), turns, strict=False))


def _openness(entry: ClusterEntry) -> tuple[bool, int, str]:
    """The place of a cluster: what is not seen first, then those with most answers that are not known."""
    open_answers = sum(facet.verdict == "unknown" for row in entry.rows for facet in row.open)
    return (not in_the_dark(entry), -open_answers, entry.cluster.lower())


def granting(fleet: Fleet, unseen: Unseen) -> tuple[Grants, str]:
    """The grants that help, and the script of them."""
    grants = grants_in(_steps(fleet, unseen.reports))
    read = f"{len(unseen.reports)} of {sum(1 for _ in fleet.clusters())} clusters"
    return grants, script(grants, f"{read}, at {moment(fleet.now, fleet.now).absolute}")


def unseen_view(fleet: Fleet, unseen: Unseen) -> UnseenView:
    """The page."""
    results = fleet.latest.subscriptions if fleet.latest else ()
    unread = [subscription_line(one) for one in results if not isinstance(one.verdict, Pass)]
    subscriptions, more_subscriptions = bounded.first(unread, MAX_SUBSCRIPTIONS)
    rows, more_rows = bounded.first(
        [_row(f"{one.ref.partition} {one.ref.row}", one.why) for one in fleet.unreadable], MAX_ROWS
    )
    missing, more_missing = bounded.first(gaps(unseen.reports), bounded.MAX_GROUPS)
    unknown, more_unknown = bounded.first(unknowns(unseen.reports), bounded.MAX_GROUPS)
    grants, text = granting(fleet, unseen)
    clusters = sum(1 for _ in fleet.clusters())
    headline, kind = _headline(unread, missing, len(fleet.unreadable), clusters)
    return UnseenView(
        headline=headline,
        kind=kind,
        subscriptions=subscriptions,
        more_subscriptions=more_subscriptions,
        rows=rows,
        more_rows=more_rows,
        gaps=missing,
        more_gaps=more_missing,
        unknowns=unknown,
        more_unknowns=more_unknown,
        not_seen=sum(in_the_dark(entry) for entry in fleet.clusters()),
        not_found=sum(entry.missed_since is not None for entry in fleet.clusters()),
        not_seen_address=addresses.now(q=Standing.NOT_SEEN.value),
        read=len(unseen.reports),
        clusters=clusters,
        unreadable_reports=unseen.unreadable,
        grants=grants,
        script=text,
        script_address=addresses.page("unseen.sh"),
    )


def _steps(fleet: Fleet, reports: Iterable[ClusterReport]) -> Iterator[str]:
    """The steps that would show more: of subscriptions, of what was not read, of findings that are not known."""
    for result in fleet.latest.subscriptions if fleet.latest else ():
        if not isinstance(result.verdict, Pass):
            yield from result.fix
    for report in reports:
        yield from (step for line in report.coverage if not line.looked for step in line.fix)
        yield from (step for one in report.findings if isinstance(one.verdict, Unknown) for step in one.fix)


def _row(where: str, why: str) -> RowLine:
    return RowLine(bounded.sentence(where), bounded.sentence(why))


def _headline(unread: Sequence[object], missing: Sequence[object], rows: int, clusters: int) -> tuple[str, str]:
    if not clusters and not unread:
        return "Nothing was looked at yet", "unknown"
    if unread or missing or rows:
        return "What I cannot see", "unknown"
    return "Everything that was to be read was read", "pass"
