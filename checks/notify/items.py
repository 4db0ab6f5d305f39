"""Items: what is left to report of each cluster and registry, once all that happened since is known. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum

import msgspec

from checks.arm_ids import name_of
from checks.changes import Change, NoticeLine, Reason, RowVerdicts, Status, Transition
from checks.notify.roots import SIGHT, Root, RootKind, root_of

# (cluster id in lower case, registry, facet): of what people are notified.
NotifiedKey = tuple[str, str, str]


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


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One line: a cluster and a registry, the facets that share a kind and a cause.

    ``since``: when it began to fail, or to be unknown; ``until``: when it no longer did (None: it still does).
    ``again``: it had recovered in between, before anybody was notified. ``failing``: it fails, as far as is known.
    Of what is not known any more there is one line for a cluster; ``registry`` is then "". ``subjects`` are the
    (registry, facet) pairs that the line stands for. ``basis``: what a failure of ``pull`` rests on.
    ``subscription`` (a display name) and ``waiting`` (the workloads that wait) are there where they are known.
    """

    kind: ItemKind
    cluster: str
    registry: str
    facets: tuple[str, ...]
    cause: str
    since: datetime
    reason: Reason
    subjects: tuple[tuple[str, str], ...] = ()
    until: datetime | None = None
    before_cause: str = ""
    again: bool = False
    failing: bool = False
    words: RowVerdicts | None = None
    basis: tuple[str, ...] = ()
    summary: str = ""
    fix: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    subscription: str = ""
    waiting: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The cluster's own name."""
        return name_of(self.cluster)

    @property
    def keys(self) -> tuple[NotifiedKey, ...]:
        """What whoever gets this line is notified of."""
        sight = self.kind in (ItemKind.BLIND, ItemKind.SEEN_AGAIN)
        return tuple(_key(self.cluster.lower(), registry, facet, sight) for registry, facet in self.subjects)

    @property
    def over(self) -> bool:
        """Whether nothing of what people were notified of is left after this line."""
        ended = (ItemKind.WAS_BAD, ItemKind.RECOVERED, ItemKind.SEEN_AGAIN, ItemKind.REMOVED)
        return self.kind in ended and not self.failing

    @property
    def root(self) -> Root:
        """What is broken."""
        if self.reason in SIGHT:
            return Root(RootKind.SIGHT, "", self.cause)
        return root_of(self.cluster, self.registry, self.cause)


def items_of(changes: Sequence[Change], notified: Collection[NotifiedKey] | None = None) -> tuple[Item, ...]:
    """What is left to report of ``changes``, the worst first: one line for each cluster, registry, kind and cause.

    ``notified``: what the readers know to be bad. The end of anything else is left out, and its failure is a new one.
    None: they were notified of everything that happened before ``changes``.
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
    made: list[Item] = []
    for (cluster, registry, facet, sight), history in histories.items():
        known = None if notified is None else _key(cluster, registry, facet, sight) in notified
        if sight:
            found = _sight(ids[cluster], facet, history, known)
        else:
            found = _item(ids[cluster], facet, history, words.get((cluster, registry)), known)
        made += [found] if found else []
    return folded(made)


def _key(cluster: str, registry: str, facet: str, sight: bool) -> NotifiedKey:
    """That nothing is known of a facet is not that it fails: each has an end of its own."""
    return cluster, registry, f"sight of {facet}" if sight else facet


def item_of_line(line: NoticeLine, reason: Reason) -> Item:
    """A line of a run's own notice: a failure that lasts."""
    return Item(
        kind=ItemKind.FAIL,
        cluster=line.cluster,
        registry=line.registry,
        facets=line.facets,
        cause=line.cause,
        since=line.since,
        reason=reason,
        subjects=tuple((line.registry, facet) for facet in line.facets),
        failing=True,
        basis=line.basis,
        summary=line.summary,
        fix=line.fix,
        codes=line.codes,
    )


def folded(items: Sequence[Item]) -> tuple[Item, ...]:
    """The items with the facets of equal answers in one, the worst first."""
    together: dict[tuple[str, str, ItemKind, str], Item] = {}
    for item in items:
        key = (item.cluster.lower(), item.registry, item.kind, item.cause)
        together[key] = _merged(together[key], item) if key in together else item
    return tuple(sorted(together.values(), key=_badness))


def _badness(item: Item) -> tuple[int, datetime, str, str]:
    return (list(ItemKind).index(item.kind), item.since, item.cluster.lower(), item.registry)


def _sight(cluster: str, facet: str, history: list[Transition], known: bool | None) -> Item | None:
    """That nothing is known any more, or that something is again: it is said once for a cluster."""
    moved = history[-1]
    blind = moved.reason is Reason.BLIND
    if not blind and known is False:
        return None
    return Item(
        kind=ItemKind.BLIND if blind else ItemKind.SEEN_AGAIN,
        cluster=cluster,
        registry="",
        facets=(facet,),
        subjects=((moved.registry, facet),),
        cause=moved.gap if blind else "",
        since=moved.unknown_since or moved.since,
        reason=moved.reason,
        failing=moved.after is Status.FAILING,
        summary=moved.summary if blind else "",
        fix=moved.fix if blind else (),
    )


def _item(
    cluster: str, facet: str, history: list[Transition], words: RowVerdicts | None, known: bool | None
) -> Item | None:
    """What is left to report about one subject: only where it began and where it stands now."""
    last = history[-1]
    # Where nobody says what people know, nothing that is to be reported is taken for unknown to them.
    failed = known is None or any(moved.after is Status.FAILING for moved in history)
    kind = _kind(history, _known_before(history[0]) if known is None else known, failed)
    if kind is None:
        return None
    bad_since = last.since if last.after is Status.FAILING else (last.bad_since or last.since)
    return Item(
        kind=kind,
        cluster=cluster,
        registry=last.registry,
        facets=(facet,),
        subjects=((last.registry, facet),),
        cause=last.cause,
        before_cause=last.before_cause if last.reason is Reason.CAUSE_CHANGED else "",
        since=bad_since,
        until=last.since if last.after is Status.PASSING else None,
        reason=last.reason,
        again=last.after is Status.FAILING and any(moved.after is Status.PASSING for moved in history[:-1]),
        failing=(last.after or last.before) is Status.FAILING,
        codes=last.codes,
        words=words,
        basis=words.basis if words else (),
        summary=last.summary,
        fix=last.fix,
    )


def _known_before(first: Transition) -> bool:
    """Whether people know already that it failed, or that it flapped, as far as the first change shows."""
    before = first.before is Status.FAILING or first.reason in (Reason.SETTLED, Reason.FLAPPING)
    return before and first.reason is not Reason.NOT_NOTIFIED_YET


def _kind(history: list[Transition], known: bool, failed: bool) -> ItemKind | None:
    """What a subject's history comes to for people who knew of its failure, or did not; None: for these, nothing."""
    first, last = history[0], history[-1]
    if last.after is None:
        return ItemKind.REMOVED if known or failed else None
    if last.reason is Reason.FLAPPING:
        return ItemKind.FLAPPING
    if last.after is Status.PASSING:
        return ItemKind.RECOVERED if known else (ItemKind.WAS_BAD if failed else None)
    if known and first.reason is Reason.MORE_FAILING:
        return ItemKind.MORE
    return ItemKind.CHANGED if known and first.reason is Reason.CAUSE_CHANGED else ItemKind.FAIL


def _merged(one: Item, other: Item) -> Item:
    return msgspec.structs.replace(
        one,
        facets=tuple(dict.fromkeys((*one.facets, *other.facets))),
        subjects=tuple(dict.fromkeys((*one.subjects, *other.subjects))),
        failing=one.failing or other.failing,
        since=min(one.since, other.since),
        until=max(one.until, other.until) if one.until and other.until else None,
        again=one.again or other.again,
        codes=tuple(dict.fromkeys((*one.codes, *other.codes))),
        basis=other.basis or one.basis,
        summary=other.summary if "pull" in other.facets and other.summary else one.summary,
        fix=one.fix or other.fix,
    )
