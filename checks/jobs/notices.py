"""How a run's own notices are made."""

from __future__ import annotations

from checks.changes import Notice, NoticeKind, NoticeLine
from checks.history.model import Run


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
