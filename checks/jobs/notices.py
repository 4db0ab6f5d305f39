"""How notices are made, and their lines."""

from __future__ import annotations

from checks.changes import Notice, NoticeKind, NoticeLine
from checks.history.model import Run, SubjectState


def notice_of(
    run: Run,
    kind: NoticeKind,
    title: str,
    facts: tuple[str, ...] = (),
    lines: tuple[NoticeLine, ...] = (),
    more: int = 0,
) -> Notice:
    """A notice of a run that is closed or is being closed; ``more`` counts what was left out."""
    return Notice(
        kind=kind,
        run=run.id,
        sequence=run.sequence,
        at=run.closed or run.created,
        title=title,
        facts=facts,
        lines=lines,
        more=more,
    )


def line_of(cluster: str, subject: SubjectState) -> NoticeLine:
    """The line of a failure that is held."""
    return NoticeLine(
        cluster=cluster,
        registry=subject.registry,
        facets=(subject.facet,),
        cause=subject.cause,
        since=subject.since,
        summary=subject.summary,
        fix=subject.fix,
        basis=subject.basis,
        codes=subject.codes,
    )
