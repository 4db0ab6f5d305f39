"""The lines of a run's own notice: one for each cluster, registry and cause. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from checks.changes import Change, Notice, NoticeLine, Reason, Status

MAX_LINES = 50  # the others are counted


def folded(lines: Iterable[NoticeLine]) -> list[NoticeLine]:
    """Facets of one cluster, registry and cause in one line; what has failed longest comes first."""
    together: dict[tuple[str, str, str], NoticeLine] = {}
    for line in lines:
        key = (line.cluster.lower(), line.registry, line.cause)
        known = together.get(key)
        together[key] = line if known is None else _merged(known, line)
    return sorted(together.values(), key=lambda line: (line.since, line.cluster.lower(), line.registry))


def with_lines(notice: Notice, lines: Sequence[NoticeLine]) -> Notice:
    """The notice with as many lines as are shown."""
    more = notice.more + max(0, len(lines) - MAX_LINES)
    return msgspec.structs.replace(notice, lines=tuple(lines[:MAX_LINES]), more=more)


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
