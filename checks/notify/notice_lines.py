"""The lines of a run's own notice: one for each cluster, registry and cause. Pure.

A notice keeps all of them, so that what recovers or is silenced before it is sent can be left out, and who was notified
of what is known. Those beyond the first are kept without what only explains.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from checks.changes import Change, Notice, NoticeLine, Reason, Status
from checks.packing import packed

IN_FULL = 50
MAX_LINES = 5_000  # the others are counted
MAX_TEXT = 400_000  # characters of a notice as it is stored


def folded(lines: Iterable[NoticeLine]) -> list[NoticeLine]:
    """Facets of one cluster, registry and cause in one line; what has failed longest comes first."""
    together: dict[tuple[str, str, str], NoticeLine] = {}
    for line in lines:
        key = (line.cluster.lower(), line.registry, line.cause)
        known = together.get(key)
        together[key] = line if known is None else _merged(known, line)
    return sorted(together.values(), key=lambda line: (line.since, line.cluster.lower(), line.registry))


def with_lines(notice: Notice, lines: Sequence[NoticeLine]) -> Notice:
    """The notice with its lines: all, or as many as a row has room for, and the others counted."""
    explained = _explained(lines)
    shown = [line if index in explained else _bare(line) for index, line in enumerate(lines[:MAX_LINES])]
    while True:
        made = msgspec.structs.replace(notice, lines=tuple(shown), more=notice.more + len(lines) - len(shown))
        if len(shown) <= IN_FULL or len(packed(msgspec.json.encode(made).decode())) <= MAX_TEXT:
            return made
        shown = shown[: len(shown) // 2]


def keeping(notice: Notice, lines: Sequence[NoticeLine]) -> Notice:
    """The notice with some of its lines, and their number in its title."""
    title, before = notice.title, still_failing(_clusters(notice.lines))
    if lines and title.startswith(before):
        title = still_failing(_clusters(lines)) + title.removeprefix(before)
    return msgspec.structs.replace(notice, title=title, lines=tuple(lines))


def still_failing(clusters: int) -> str:
    """How many clusters still fail, as titles begin."""
    return "1 cluster still fails" if clusters == 1 else f"{clusters} clusters still fail"


def _clusters(lines: Iterable[NoticeLine]) -> int:
    return len({line.cluster.lower() for line in lines})


def _explained(lines: Sequence[NoticeLine]) -> frozenset[int]:
    """Which lines are kept in full: the first of each registry and cause, then those that come first."""
    firsts: dict[tuple[str, str], int] = {}
    for index, line in enumerate(lines):
        firsts.setdefault((line.registry, line.cause), index)
    chosen = dict.fromkeys([*firsts.values(), *range(min(len(lines), IN_FULL))])
    return frozenset(list(chosen)[:IN_FULL])


def _bare(line: NoticeLine) -> NoticeLine:
    return msgspec.structs.replace(line, summary="", fix=(), basis=())


def first_sight_lines(changes: Iterable[Change]) -> list[NoticeLine]:
    """What failed at the first look at a subscription."""
    return folded(line for change in changes for line in _lines(change))


def _lines(change: Change) -> list[NoticeLine]:
    basis = {row.registry: row.basis for row in change.rows}
    return [
        NoticeLine(
            cluster=change.cluster,
            registry=moved.registry,
            facets=(moved.facet,),
            cause=moved.cause,
            since=moved.since,
            summary=moved.summary,
            fix=moved.fix,
            basis=basis.get(moved.registry, ()) if moved.facet == "pull" else (),
            codes=moved.codes,
        )
        for moved in change.transitions
        if moved.reason is Reason.BASELINE and moved.after is Status.FAILING
    ]


def _merged(one: NoticeLine, other: NoticeLine) -> NoticeLine:
    return msgspec.structs.replace(
        one,
        facets=(*one.facets, *other.facets),
        since=min(one.since, other.since),
        summary=other.summary or one.summary,
        fix=other.fix or one.fix,
        basis=other.basis or one.basis,
        codes=tuple(dict.fromkeys((*one.codes, *other.codes))),
    )
