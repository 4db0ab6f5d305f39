"""*Now*: how many clusters come to what, what is broken, and the rows of what is not fine. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from checks.arm_ids import name_of, resource_group_of, subscription_of
from checks.dashboard import addresses
from checks.dashboard.views.incidents import HOURS, IncidentLine, incident_line
from checks.dashboard.views.marks import Mark, Strip, answers_in, basis_words, cause_words, strip
from checks.dashboard.views.moments import Moment, maybe
from checks.dashboard.views.standing import Standing, in_the_dark, proven, standing_in, standing_of
from checks.fleet.clusters import strip_of
from checks.fleet.incidents import Incident
from checks.fleet.model import Fleet
from checks.history.overview import ClusterEntry, OpenFacet, RowEntry
from checks.report.html import bounded
from checks.report.outcome import STOPPED, Outcome
from checks.text import counted
from checks.watchdog import Unsent

_TOLD_FIRST = ("pull", "access", "path", "images")
PAGE = 200  # rows
MAX_INCIDENTS = 12
MAX_FILTER = 200  # characters
NO_REGISTRY = "no registry known"
NOT_FOUND = "not found in the last run"
UNREADABLE = "its row in the storage cannot be read"


class Line(msgspec.Struct, frozen=True):
    """A cluster and one of its registries; ``row`` None: the cluster itself is all that is to be said of."""

    entry: ClusterEntry
    row: RowEntry | None
    standing: Standing


class Tile(msgspec.Struct, frozen=True):
    """A total, what it counts, and a remark. ``kind`` is that of a mark, "" for none; ``address`` leads to more."""

    count: str
    label: str
    note: str
    kind: str
    address: str = ""


class NowRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row. ``answers`` are access, path, pull and images, in that order. ``also``: what a filter finds besides."""

    cluster: str
    address: str
    subscription: str
    region: str
    registry: str
    registry_address: str
    standing: Mark
    answers: tuple[Mark, ...]
    basis: str
    waiting: int
    cause: str
    summary: str
    since: Moment | None
    strip: Strip
    also: str


class NowView(msgspec.Struct, frozen=True, kw_only=True):
    """The page. ``lines`` are as many as fit the filter, ``shown`` those of this page; ``first``: it is the first one.

    ``unreadable``: rows of the storage that could not be read; ``not_shown``: clusters that are missing for that.
    ``in_doubt``: the last run, where so much could not be read that it says little of the clusters. ``looked``: any
    cluster is known.
    """

    headline: str
    kind: str
    looked: bool
    tiles: tuple[Tile, ...]
    incidents: tuple[IncidentLine, ...]
    more_incidents: int
    rows: tuple[NowRow, ...]
    lines: int
    everything: bool
    filter: str
    first: bool
    toggle: str
    more: str
    csv: str
    json: str
    unreadable: int
    not_shown: int
    in_doubt: str
    in_doubt_address: str
    hours: tuple[int, ...] = HOURS


def lines_of(fleet: Fleet, text: str = "", *, everything: bool = False) -> list[Line]:
    """The rows that are shown: what is not fine (or everything) and has all words of the filter; the worst first."""
    words = text.lower().split()
    found = [
        line
        for entry in fleet.clusters()
        for line in _lines(entry, everything)
        if not words or _has(line, words, fleet)
    ]
    return sorted(found, key=order_of)


def order_of(line: Line) -> tuple[str, ...]:
    """The place of a row; of texts, so that a page can name it."""
    registry = line.row.registry if line.row else ""
    return (str(line.standing.rank), name_of(line.entry.cluster).lower(), line.entry.cluster.lower(), registry)


def _lines(entry: ClusterEntry, everything: bool) -> Iterable[Line]:
    whole = standing_of(entry)
    if not everything and whole is Standing.FINE:
        return
    lines = [Line(entry, row, standing_in(entry, row)) for row in entry.rows]
    listed = [line for line in lines if everything or not _is_said_once(line)]
    wanted = [whole] if whole is not Standing.FINE else []
    if entry.unknown_since is None and len(listed) < sum(line.standing is not Standing.FINE for line in lines):
        wanted.append(Standing.NOT_SEEN)
    listed += [Line(entry, None, one) for one in dict.fromkeys(wanted) if one not in {line.standing for line in listed}]
    yield from listed or [Line(entry, None, whole)]


def _is_said_once(line: Line) -> bool:
    """Whether a row has nothing to say that its cluster's own row, or none at all, does not say."""
    if line.standing is Standing.NOT_SEEN and line.row is not None:
        return line.entry.unknown_since is not None or line.row.outcome is Outcome.PASS
    return line.standing is Standing.FINE


def _has(line: Line, words: Iterable[str], fleet: Fleet) -> bool:
    guid = subscription_of(line.entry.cluster)
    row = line.row
    texts = [line.entry.cluster, fleet.names.get(guid, ""), line.entry.region, line.standing.value]
    texts += [row.registry, *(facet.cause for facet in row.open)] if row else []
    beside = line.entry.beside_of(None)
    texts += [beside.registry] if row is None and beside else []
    texts += [cause_of(line.entry, row), _dark_word(line)]
    texts += [one.word for one in answers_in(line.entry, row)] if row else []
    whole = "\n".join(texts).lower()
    return all(word in whole for word in words)


def now_view(
    fleet: Fleet,
    incidents: Sequence[Incident],
    lines: Sequence[Line],
    shown: Sequence[Line],
    *,
    unsent: Unsent | None,
    text: str = "",
    everything: bool = False,
    first: bool = True,
    next_page: str = "",
) -> NowView:
    """The page. ``lines`` are all that fit, ``shown`` the ones of this page, ``next_page`` the token of the next."""
    standings: Counter[Standing] = Counter()
    by_nodes = 0
    for entry in fleet.clusters():
        standing = standing_of(entry)
        standings[standing] += 1
        by_nodes += standing is Standing.FINE and proven(entry)
    current = [one for one in incidents if one.until is None]
    headline, kind = _headline(standings, sum(fleet.not_shown.values()))
    in_doubt = fleet.latest.id if fleet.latest and fleet.latest.degraded else ""
    query = {"all": "1" if everything else "", "q": text}
    return NowView(
        headline=headline,
        kind=kind,
        looked=bool(standings),
        tiles=_tiles(fleet, standings, by_nodes, unsent),
        incidents=tuple(incident_line(one, fleet) for one in current[:MAX_INCIDENTS]) if first else (),
        more_incidents=max(0, len(current) - MAX_INCIDENTS) if first else 0,
        rows=tuple(_row(line, fleet) for line in shown),
        lines=len(lines),
        everything=everything,
        filter=text,
        first=first,
        toggle=addresses.now(**query | {"all": "" if everything else "1"}),
        more=addresses.now(**query, page=next_page) if next_page else "",
        csv=addresses.page("clusters.csv", **query),
        json=addresses.page("clusters.json", **query),
        unreadable=len(fleet.unreadable),
        not_shown=sum(fleet.not_shown.values()),
        in_doubt=in_doubt,
        in_doubt_address=addresses.run(in_doubt) if in_doubt else "",
    )


def _headline(standings: Counter[Standing], not_shown: int) -> tuple[str, str]:
    """The worst that is true of the fleet, and its kind. ``not_shown``: clusters of which nothing is known here."""
    of_all = f"of {counted(standings.total(), 'cluster')}{' shown' if not_shown else ''}"
    if not standings:
        return "No cluster was looked at yet", "unknown"
    if broken := standings[Standing.CANNOT_PULL]:
        return f"{broken} {of_all} cannot pull", "fail"
    if risky := standings[Standing.AT_RISK] + standings[Standing.IMAGE_ERRORS]:
        return f"{risky} {of_all} at risk or with image errors", "fail"
    if unclear := standings[Standing.UNCONFIRMED] + standings[Standing.NOT_SEEN]:
        return f"Nothing is known to fail; {unclear} {of_all} not settled", "unknown"
    if not_shown:
        return f"{counted(standings.total(), 'cluster')} can pull, {not_shown} more cannot be shown", "unknown"
    return f"{'The only cluster' if standings.total() == 1 else f'All {standings.total()} clusters'} can pull", "pass"


def _tiles(fleet: Fleet, standings: Counter[Standing], by_nodes: int, unsent: Unsent | None) -> tuple[Tile, ...]:
    notes = {
        Standing.CANNOT_PULL: "a pull is known to fail",
        Standing.AT_RISK: "no access or no path",
        Standing.IMAGE_ERRORS: "of single images",
        Standing.UNCONFIRMED: "failed in the last look",
        Standing.NOT_SEEN: "not known if they can pull",
        Standing.FINE: f"{by_nodes} of them proven by nodes" if standings[Standing.FINE] else "",
    }
    always = (Standing.CANNOT_PULL, Standing.IMAGE_ERRORS, Standing.NOT_SEEN, Standing.FINE)
    tiles = [_tile(one, standings[one], note) for one, note in notes.items() if standings[one] or one in always]
    return (*tiles, _mails(fleet, unsent))


def _tile(standing: Standing, clusters: int, note: str) -> Tile:
    label = "with image errors" if standing is Standing.IMAGE_ERRORS else standing.value
    everything = "1" if standing is Standing.FINE else ""
    address = addresses.now(all=everything, q=standing.value) if clusters else ""
    return Tile(str(clusters), label, note, standing.kind if clusters else "", address)


def _mails(fleet: Fleet, unsent: Unsent | None) -> Tile:
    if unsent is None:
        return Tile("–", "mails waiting", "nobody has looked yet", "")
    stuck = unsent.is_stuck(fleet.now)
    seen = maybe(unsent.seen, fleet.now)
    assert seen is not None
    note = "mail is stuck" if stuck else f"seen {seen.relative}"
    return Tile(str(unsent.waiting), "mail waiting" if unsent.waiting == 1 else "mails waiting", note, "fail" * stuck)


def _row(line: Line, fleet: Fleet) -> NowRow:
    entry, row = line.entry, line.row
    guid = subscription_of(entry.cluster)
    facet, beside = telling(row), entry.beside_of(row)
    return NowRow(
        cluster=bounded.name(name_of(entry.cluster)),
        address=addresses.cluster(entry.cluster),
        subscription=bounded.name(fleet.names.get(guid, "") or guid or resource_group_of(entry.cluster)),
        region=bounded.name(entry.region),
        registry=bounded.name(row.registry if row else beside.registry if beside else ""),
        registry_address=addresses.registry(row.registry) if row else "",
        standing=Mark(line.standing.value, line.standing.kind),
        answers=answers_in(entry, row) if row else (),
        basis=basis_words(row) if row else "",
        waiting=row.waiting if row else 0,
        cause=cause_of(entry, row),
        summary=bounded.sentence(facet.summary) if facet else "",
        since=maybe(since_of(entry, row), fleet.now),
        strip=strip(strip_of(entry, [row] if row else entry.rows, fleet.now)),
        also=f"{line.standing.value} {_dark_word(line)} {bounded.sentence(entry.cluster)}",
    )


def _dark_word(line: Line) -> str:
    """What finds a row of which it is not known whether the pull works, whatever else it comes to."""
    dark = in_the_dark(line.entry, line.row) if line.row else line.standing is Standing.NOT_SEEN
    return Standing.NOT_SEEN.value if dark or line.entry.unknown_since is not None else ""


def cause_of(entry: ClusterEntry, row: RowEntry | None) -> str:
    """What is wrong with a row, in the word of a cause or in a few of our own: "role-missing; not found in …"."""
    facet, beside = telling(row), entry.beside_of(row)
    said = [facet.cause] if facet is not None else []
    if beside is not None and _speaks_for(entry, row):
        said = [beside.cause]
    elif beside is not None and beside.cause == STOPPED:
        said.append(beside.cause)
    said += [NOT_FOUND] if entry.missed_since is not None else []
    said += [UNREADABLE] if entry.unreadable_since is not None else []
    said += [] if entry.rows or entry.unknown_since is not None else [NO_REGISTRY]
    return "; ".join(bounded.name(cause_words(one)) for one in said if one)


def _speaks_for(entry: ClusterEntry, row: RowEntry | None) -> bool:
    """Whether what is said beside the rows is what a row, or its cluster's own, comes to."""
    beside = entry.beside_of(row)
    if beside is None or beside.verdict == "skipped":
        return False
    return row is None or (row.outcome is Outcome.PASS and entry.outcome_of(row) is not Outcome.PASS)


def telling(row: RowEntry | None) -> OpenFacet | None:
    """The answer that says what is wrong: one that fails before one that is open, the pull before the others."""
    if row is None or not row.open:
        return None
    return min(row.open, key=lambda facet: (not facet.failing, facet.verdict != "fail", _TOLD_FIRST.index(facet.facet)))


def since_of(entry: ClusterEntry, row: RowEntry | None) -> datetime | None:
    """Since when it fails; where nothing is held to, since when looks failed; else since when it is not known."""
    if entry.beside is not None and _speaks_for(entry, row):
        return entry.beside.since
    return (_row_since(row) if row else None) or entry.unknown_since


def _row_since(row: RowEntry) -> datetime | None:
    failing = [facet.since for facet in row.failing]
    unconfirmed = [facet.failed_since for facet in row.open if facet.failed_since is not None]
    unknown = [facet.unknown_since for facet in row.open if facet.unknown_since is not None]
    return min(failing or unconfirmed or unknown, default=None)
