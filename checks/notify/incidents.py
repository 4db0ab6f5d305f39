"""Grouping: which changes become one mail, and what it says of each cluster and registry. Pure.

Changes that share a cause go into one mail (a registry that shuts 200 clusters out is one incident), and so do all
changes of one cluster, because a failure and its recovery must be reported together. Each change is in one mail.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from enum import StrEnum

import msgspec

from checks.arm_ids import name_of
from checks.changes import Change, Notice, Reason, RowVerdicts, Status, Transition

MAX_ITEMS = 60  # shown in full; the others are counted

DEFAULT_ROUTE = ""


class ItemKind(StrEnum):
    """What is reported about a cluster and registry, the worst first."""

    FAIL = "FAIL"
    CHANGED = "CAUSE CHANGED"
    MORE = "MORE FAIL"
    FLAPPING = "FLAPPING"
    BLIND = "BLIND"
    WAS_BAD = "WAS BAD"
    RECOVERED = "RECOVERED"
    SEEN_AGAIN = "SEEN AGAIN"
    REMOVED = "REMOVED"


_ENDS = (ItemKind.RECOVERED, ItemKind.REMOVED)
# What says nothing of the registry, but whether anything is known of it.
SIGHT = (Reason.BLIND, Reason.SEEN_AGAIN)


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One line: a cluster and a registry, the facets that share a kind and a cause.

    ``since``: when it began to fail, or to be unknown; ``until``: when it no longer did (None: it still does).
    ``again``: it had recovered in between, before anybody was notified. ``failing``: it fails, as far as is known.
    Of what is not known any more there is one line for a cluster; ``registry`` is then "".
    """

    kind: ItemKind
    cluster: str
    registry: str
    facets: tuple[str, ...]
    cause: str
    since: datetime
    reason: Reason
    until: datetime | None = None
    before_cause: str = ""
    again: bool = False
    failing: bool = False
    words: RowVerdicts | None = None
    summary: str = ""
    fix: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The cluster's own name."""
        return name_of(self.cluster)


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """One incident: a registry and a cause. ``more`` counts the clusters that are not shown in full."""

    registry: str
    cause: str
    items: tuple[Item, ...]
    more: int = 0


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """What one mail says: incidents, or a run's own notice. ``counts`` has the lines of each kind, capped or not."""

    id: str
    route: str = DEFAULT_ROUTE
    sections: tuple[Section, ...] = ()
    counts: dict[str, int] = {}
    clusters: int = 0
    notice: Notice | None = None


def group(changes: Sequence[Change]) -> tuple[tuple[int, ...], ...]:
    """Which of ``changes`` (by index) belong into one mail. Each is in exactly one group; groups by their oldest."""
    leaders = list(range(len(changes)))

    def leader(index: int) -> int:
        while leaders[index] != index:
            leaders[index] = leaders[leaders[index]]
            index = leaders[index]
        return index

    seen: dict[tuple[str, str], int] = {}
    for index, change in enumerate(changes):
        bonds = {("cluster", change.cluster.lower())}
        bonds |= {_bond(moved) for moved in change.transitions if moved.alert}
        if change.first_sight:  # what would have been in a summary comes together, too
            bonds |= {("first sight", "")}
        for bond in bonds:
            other = seen.setdefault(bond, index)
            low, high = sorted((leader(index), leader(other)))
            leaders[high] = low
    groups: dict[int, list[int]] = {}
    for index in range(len(changes)):
        groups.setdefault(leader(index), []).append(index)
    return tuple(tuple(members) for _, members in sorted(groups.items()))


def _bond(moved: Transition) -> tuple[str, str]:
    """What brings changes of different clusters together: the cause, or what is missing."""
    return ("gap", moved.gap) if moved.reason is Reason.BLIND else ("cause", moved.cause)


def mail_of(items: Sequence[Item], mail_id: str, route: str = DEFAULT_ROUTE) -> Mail:
    """What one mail says. Its sections may be empty: then nothing is left to report."""
    counts = {kind.value: sum(item.kind is kind for item in items) for kind in ItemKind}
    incidents: dict[tuple[str, str], list[Item]] = {}
    for item in items:
        incidents.setdefault((item.registry, item.cause), []).append(item)
    sections: list[Section] = []
    room = MAX_ITEMS
    for (registry, cause), members in incidents.items():
        shown = members[: max(room, 0)]
        room -= len(shown)
        sections.append(Section(registry=registry, cause=cause, items=tuple(shown), more=len(members) - len(shown)))
    return Mail(
        id=mail_id,
        route=route,
        sections=tuple(sections[:MAX_ITEMS]),
        counts={kind: count for kind, count in counts.items() if count},
        clusters=len({item.cluster.lower() for item in items}),
    )


def shortened(mail: Mail, limit: int) -> Mail:
    """The mail with at most ``limit`` lines in full; the others are counted."""
    room = limit
    sections: list[Section] = []
    for section in mail.sections:
        shown = section.items[: max(room, 0)]
        room -= len(shown)
        more = section.more + len(section.items) - len(shown)
        sections.append(msgspec.structs.replace(section, items=shown, more=more))
    notice = mail.notice
    if notice is not None:
        more = notice.more + max(0, len(notice.lines) - limit)
        notice = msgspec.structs.replace(notice, lines=notice.lines[:limit], more=more)
    return msgspec.structs.replace(mail, sections=tuple(sections), notice=notice)


def notice_mail(notice: Notice, mail_id: str) -> Mail:
    """A run's own notice as a mail of its own."""
    return Mail(id=mail_id, notice=notice)


def mail_id(keys: Iterable[str], sequence: int) -> str:
    """The id of a mail: the same members always give the same one. Starts with the run, so ids sort by age."""
    hashed = hashlib.sha256("\n".join(sorted(keys)).encode("utf-8", "surrogatepass")).hexdigest()
    return f"{sequence:019d}-{hashed[:24]}"


def incident_id(route: str, registry: str, cause: str) -> str:
    """The id of an incident's thread."""
    return hashlib.sha256(f"{route}\n{registry}\n{cause}".encode("utf-8", "surrogatepass")).hexdigest()[:24]


def _badness(item: Item) -> tuple[int, datetime, str, str]:
    return (list(ItemKind).index(item.kind), item.since, item.cluster.lower(), item.registry)


def items_of(changes: Sequence[Change], notified: Collection[tuple[str, str, str]] | None = None) -> tuple[Item, ...]:
    """One item for each subject's history through the changes, then facets with equal answers folded to one.

    The worst come first. ``notified``: of which failures (cluster in lower case, registry, facet) people were; they
    need not hear of the end of others.
    """
    histories: dict[tuple[str, str, str, bool], list[Transition]] = {}
    words: dict[tuple[str, str], RowVerdicts] = {}
    ids: dict[str, str] = {}
    for change in sorted(changes, key=lambda one: one.sequence):
        cluster = change.cluster.lower()
        ids[cluster] = change.cluster
        words |= {(cluster, row.registry): row for row in change.rows}
        for moved in change.transitions:
            if moved.alert:
                subject = (cluster, moved.registry, moved.facet, moved.reason in SIGHT)
                histories.setdefault(subject, []).append(moved)
    folded: dict[tuple[str, str, ItemKind, str], Item] = {}
    for (cluster, registry, facet, sight), history in histories.items():
        made = _sight(ids[cluster], facet, history[-1]) if sight else None
        item = made or _item(ids[cluster], facet, history, words.get((cluster, registry)))
        unheard = notified is not None and (cluster, registry, facet) not in notified
        if unheard and item.kind in _ENDS and history[0].before is Status.FAILING:
            continue
        key = (cluster, item.registry, item.kind, item.cause)
        folded[key] = _merged(folded[key], item) if key in folded else item
    return tuple(sorted(folded.values(), key=_badness))


def _sight(cluster: str, facet: str, moved: Transition) -> Item:
    """That nothing is known any more, or that something is again: it is said once for a cluster."""
    blind = moved.reason is Reason.BLIND
    return Item(
        kind=ItemKind.BLIND if blind else ItemKind.SEEN_AGAIN,
        cluster=cluster,
        registry="",
        facets=(facet,),
        cause=moved.gap if blind else "",
        since=moved.unknown_since or moved.since,
        reason=moved.reason,
        failing=moved.after is Status.FAILING,
        summary=moved.summary if blind else "",
        fix=moved.fix if blind else (),
    )


def _item(cluster: str, facet: str, history: list[Transition], words: RowVerdicts | None) -> Item:
    """What is left to report about one subject: only where it began and where it stands now."""
    first, last = history[0], history[-1]
    bad_since = last.since if last.after is Status.FAILING else (last.bad_since or last.since)
    return Item(
        kind=_kind(first, last),
        cluster=cluster,
        registry=last.registry,
        facets=(facet,),
        cause=last.cause,
        before_cause=last.before_cause if last.reason is Reason.CAUSE_CHANGED else "",
        since=bad_since,
        until=last.since if last.after is Status.PASSING else None,
        reason=last.reason,
        again=last.after is Status.FAILING and any(moved.after is Status.PASSING for moved in history[:-1]),
        failing=(last.after or last.before) is Status.FAILING,
        words=words,
        summary=last.summary,
        fix=last.fix,
        codes=last.codes,
    )


def _kind(first: Transition, last: Transition) -> ItemKind:
    # People know already that it failed, or that it flapped.
    known_before = first.before is Status.FAILING or first.reason in (Reason.SETTLED, Reason.FLAPPING)
    known_before = known_before and first.reason is not Reason.NOT_NOTIFIED_YET
    if last.after is None:
        return ItemKind.REMOVED
    if last.reason is Reason.FLAPPING:
        return ItemKind.FLAPPING
    if last.after is Status.PASSING:
        return ItemKind.RECOVERED if known_before else ItemKind.WAS_BAD
    if first.reason is Reason.MORE_FAILING:
        return ItemKind.MORE
    return ItemKind.CHANGED if first.reason is Reason.CAUSE_CHANGED else ItemKind.FAIL


def _merged(one: Item, other: Item) -> Item:
    return msgspec.structs.replace(
        one,
        facets=tuple(dict.fromkeys((*one.facets, *other.facets))),
        failing=one.failing or other.failing,
        since=min(one.since, other.since),
        until=max(one.until, other.until) if one.until and other.until else None,
        again=one.again or other.again,
        summary=other.summary if "pull" in other.facets and other.summary else one.summary,
        fix=one.fix or other.fix,
        codes=tuple(dict.fromkeys((*one.codes, *other.codes))),
    )
