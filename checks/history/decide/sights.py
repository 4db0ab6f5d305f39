"""What the last look saw beyond what is held: why it failed or did not know, and what a pull rests on.

It decides nothing and notifies nobody: pages show it beside what is held.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from checks.changes import Status
from checks.findings import Facet, Fail, RegistryRow, Unknown
from checks.history.decide.subject import MAX_CAUSE, commands_of, line_of
from checks.history.model import SubjectState
from checks.rules.fixes.kinds import first_command

MAX_TEXTS = 40  # subjects of a cluster that also keep a sentence and a command: a state has limited room


def with_sights(subjects: Sequence[SubjectState], rows: Mapping[str, RegistryRow]) -> tuple[SubjectState, ...]:
    """The subjects with what this look saw; of a registry that it did not see, that is nothing."""
    seen: list[SubjectState] = []
    room = MAX_TEXTS
    for subject in subjects:
        row = rows.get(subject.registry)
        answer = dict(row.facets())[subject.facet] if row else None
        told = _told(subject, answer, texts=room > 0)
        room -= bool(told.seen_summary or told.seen_command)
        seen.append(told if subject.facet != "pull" else _with_basis(told, row))
    return tuple(seen)


def _told(subject: SubjectState, answer: Facet | None, *, texts: bool) -> SubjectState:
    """The subject with why its last look did not pass, where that is not what is held already."""
    cause, summary, command = "", "", ""
    if answer is not None and isinstance(answer.verdict, Fail | Unknown):
        cause = answer.cause[:MAX_CAUSE]
        if subject.status is Status.FAILING and cause == subject.cause:
            cause = ""
        elif texts and isinstance(answer.verdict, Fail):
            summary, command = line_of(answer.summary), first_command(commands_of(answer.fix))
    return msgspec.structs.replace(subject, seen_cause=cause, seen_summary=summary, seen_command=command)


def _with_basis(subject: SubjectState, row: RegistryRow | None) -> SubjectState:
    basis = tuple(basis.value for basis in row.basis) if row else ()
    return msgspec.structs.replace(subject, seen_by=basis, waiting=row.waiting if row else 0)
