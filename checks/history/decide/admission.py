"""Which registries of a report are counted, and the one row that stands for those that found no place."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from checks.causes import RowCause
from checks.changes import Status
from checks.findings import ClusterReport, Facet, Fail, Pass, RegistryRow, Skipped, Unknown, word
from checks.history.model import SubjectState

MAX_REGISTRIES = 30
# Stands for the failing registries beyond them. No host has this name: it has neither a dot nor a port.
OTHERS = "other-registries"
MAX_NAMED = 3
UNUSED = Facet(Skipped("no pod uses any more what fails"), RowCause.NOT_JUDGED)


class Others(msgspec.Struct, frozen=True):
    """Of the registries that found no place, those that fail and those that pass in one facet, as digests."""

    failing: frozenset[str] = frozenset()
    passing: frozenset[str] = frozenset()


class Admitted(msgspec.Struct, frozen=True):
    """The rows that are counted, by registry, and the registries that found no place.

    ``all_have_places``: none was left out, and all that are in use are in the report. ``others``: who the row of the
    others stands for, by facet.
    """

    rows: dict[str, RegistryRow]
    capped: tuple[str, ...] = ()
    all_have_places: bool = False
    others: Mapping[str, Others] = msgspec.field(default_factory=dict)


def name_of(row: RegistryRow) -> str:
    """The registry of a row as it is stored."""
    return row.registry.lower()[:255]


def digest_of(registry: str) -> str:
    """What is held of a name that only has to be told from some hundred others."""
    return hashlib.sha256(registry.lower().encode()).hexdigest()[:10]


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
    left_out = [_as_used(rows[name], pods_read) for name in capped if name in rows]
    followed = any(_unfinished(subject) for subject in held if subject.registry == OTHERS)
    if any(map(_fails, left_out)) or (followed and not all_have_places):
        members = {subject.facet: subject.members for subject in held if subject.registry == OTHERS}
        admitted[OTHERS] = _others(left_out, members, known=pods_read and bool(left_out))
    others = {facet: _who(facet, left_out) for facet in ("access", "path", "pull", "images")}
    return Admitted(admitted, capped, all_have_places, others)


def _unfinished(subject: SubjectState) -> bool:
    """Whether more is to be said of it: that it holds again, or settled."""
    return subject.status is Status.FAILING or subject.flapping_since is not None


def _as_used(row: RegistryRow, pods_read: bool) -> RegistryRow:
    """The row as it counts among the others: what no pod uses any more fails for nobody, and has not recovered."""
    if row.used or not pods_read:
        return row
    failing = [facet for facet, answer in row.facets() if isinstance(answer.verdict, Fail)]
    return msgspec.structs.replace(row, **dict.fromkeys(failing, UNUSED))


def _who(facet: str, left_out: Iterable[RegistryRow]) -> Others:
    words = {digest_of(row.registry): word(dict(row.facets())[facet].verdict) for row in left_out}
    return Others(
        failing=frozenset(name for name, said in words.items() if said == "fail"),
        passing=frozenset(name for name, said in words.items() if said == "pass"),
    )


def _others(left_out: Sequence[RegistryRow], members: Mapping[str, Sequence[str]], *, known: bool) -> RegistryRow:
    """One row for all of them: a facet fails where it does for any, and holds where it is ``known`` to for all."""

    def together(facet: str) -> Facet:
        return _together(facet, left_out, members.get(facet, ()), known)

    return RegistryRow(
        registry=OTHERS,
        access=together("access"),
        path=together("path"),
        pull=together("pull"),
        images=together("images"),
        sources=tuple(sorted({source for row in _concerned(left_out) for source in row.sources})),
    )


def _concerned(left_out: Sequence[RegistryRow]) -> Sequence[RegistryRow]:
    """Whose use counts as that of the others: who fails, else who failed while it was used, else all."""
    failing = [row for row in left_out if _fails(row)]
    unused = [row for row in left_out if any(answer == UNUSED for _, answer in row.facets())]
    return failing or unused or left_out


def _together(facet: str, left_out: Iterable[RegistryRow], members: Sequence[str], known: bool) -> Facet:
    answers = {row.registry: dict(row.facets())[facet] for row in left_out}
    verdicts = {registry: answer.verdict for registry, answer in answers.items()}
    failing = (name for name, verdict in verdicts.items() if isinstance(verdict, Fail))
    names = sorted(failing, key=lambda name: (digest_of(name) in members, name))  # few are named: the new ones first
    if not names and (not known or any(isinstance(verdict, Unknown) for verdict in verdicts.values())):
        return Facet(Unknown("a look at every registry of the cluster"), RowCause.MORE_REGISTRIES)
    if not names and UNUSED in answers.values():
        return UNUSED
    if not names:
        return Facet(Pass() if facet != "images" else Skipped("none of them fails"), RowCause.NOT_JUDGED)
    shown = ", ".join(names[:MAX_NAMED]) + (", …" if len(names) > MAX_NAMED else "")
    summary = f"{len(names)} more registries fail than the {MAX_REGISTRIES} that are followed one by one: {shown}"
    return Facet(Fail(), RowCause.MORE_REGISTRIES, (), summary)


def _judged(row: RegistryRow) -> bool:
    return any(word(answer.verdict) != "skipped" for _, answer in row.facets())


def _fails(row: RegistryRow) -> bool:
    return any(word(answer.verdict) == "fail" for _, answer in row.facets())
