"""Which registries of a report are counted, and the one row that stands for those that found no place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from checks.causes import RowCause
from checks.changes import Status
from checks.findings import ClusterReport, Facet, Fail, Pass, RegistryRow, Skipped, Unknown, word
from checks.history.model import SubjectState

MAX_REGISTRIES = 30
# Stands for the failing registries beyond them. No host has this name: it has neither a dot nor a port.
OTHERS = "other-registries"
MAX_NAMED = 3


class Admitted(msgspec.Struct, frozen=True):
    """The rows that are counted, by registry, and the registries that found no place.

    ``all_have_places``: none was left out, and all that are in use are in the report.
    """

    rows: dict[str, RegistryRow]
    capped: tuple[str, ...] = ()
    all_have_places: bool = False


def name_of(row: RegistryRow) -> str:
    """The registry of a row as it is stored."""
    return row.registry.lower()[:255]


def admit(held: Sequence[SubjectState], report: ClusterReport, *, pods_read: bool) -> Admitted:
    """What fails comes first, whether people know of it or not; then what is held already, what is judged, by name.

    So pods that name a hundred hosts displace no failure, and the same report always admits the same ones. Where even
    failures find no place, one row says so.
    """
    rows: dict[str, RegistryRow] = {}
    for row in report.registries:
        rows.setdefault(name_of(row), row)
    known = {subject.registry for subject in held} - {OTHERS}
    kept_failing = {subject.registry for subject in held if subject.status is Status.FAILING}
    failing = kept_failing | {name for name, row in rows.items() if _fails(row)}

    def rank(name: str) -> tuple[bool, bool, bool, str]:
        # A failure that is held stays before one that is new: each would displace the other, run after run.
        return name not in failing, name not in known, name in rows and not _judged(rows[name]), name

    ordered = sorted(known | rows.keys(), key=rank)
    admitted = {name: rows[name] for name in sorted(ordered[:MAX_REGISTRIES]) if name in rows}
    capped = tuple(ordered[MAX_REGISTRIES:])
    all_have_places = not capped and pods_read
    left_out = [rows[name] for name in capped if name in rows]
    if any(map(_fails, left_out)) or (OTHERS in kept_failing and not all_have_places):
        admitted[OTHERS] = _others(left_out, known=pods_read and bool(left_out))
    return Admitted(admitted, capped, all_have_places)


def _others(left_out: Sequence[RegistryRow], *, known: bool) -> RegistryRow:
    """One row for all of them: a facet fails where it does for any, and holds where it is ``known`` to for all."""
    return RegistryRow(
        registry=OTHERS,
        access=_together("access", left_out, known),
        path=_together("path", left_out, known),
        pull=_together("pull", left_out, known),
        images=_together("images", left_out, known),
        sources=tuple(sorted({source for row in left_out for source in row.sources})),
    )


def _together(facet: str, left_out: Iterable[RegistryRow], known: bool) -> Facet:
    verdicts = {row.registry: dict(row.facets())[facet].verdict for row in left_out}
    names = sorted(name for name, verdict in verdicts.items() if isinstance(verdict, Fail))
    if not names and (not known or any(isinstance(verdict, Unknown) for verdict in verdicts.values())):
        return Facet(Unknown("a look at every registry of the cluster"), RowCause.MORE_REGISTRIES)
    if not names:
        return Facet(Pass() if facet != "images" else Skipped("none of them fails"), RowCause.NOT_JUDGED)
    shown = ", ".join(names[:MAX_NAMED]) + (", …" if len(names) > MAX_NAMED else "")
    summary = f"{len(names)} more registries fail than the {MAX_REGISTRIES} that are followed one by one: {shown}"
    return Facet(Fail(), RowCause.MORE_REGISTRIES, (), summary)


def _judged(row: RegistryRow) -> bool:
    return any(word(answer.verdict) != "skipped" for _, answer in row.facets())


def _fails(row: RegistryRow) -> bool:
    return any(word(answer.verdict) == "fail" for _, answer in row.facets())
