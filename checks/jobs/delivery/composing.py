"""What a mail says when it is sent: made from its batches, for its route, less what its channel need not know."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from checks.changes import Change, Notice, NoticeKind, NoticeLine, Reason, Transition
from checks.history.errors import SchemaError
from checks.history.model import MailRow
from checks.history.table.mails import Subject, who
from checks.jobs.delivery.turn import Turn
from checks.notify.incidents import Item, ItemKind, Mail, items_of, mail_of
from checks.notify.notice_lines import first_sight_lines, with_lines
from checks.notify.routes import Route

LOG = logging.getLogger(__name__)
# The end of what people were notified of.
_OVER = frozenset({ItemKind.RECOVERED, ItemKind.REMOVED, ItemKind.SEEN_AGAIN})
# Both the beginning and the end.
_WHOLE = frozenset({ItemKind.WAS_BAD})


class Unreadable(Exception):
    """Nothing of a mail can be read by this version: it waits for one that can."""


class Composed(msgspec.Struct, frozen=True, kw_only=True):
    """What a mail says and to whom; ``failing`` and ``over``: what its recipients are notified of by it.

    ``notified``: who of the channel was notified of what before.
    """

    mail: Mail
    route: Route
    failing: frozenset[Subject] = frozenset()
    over: frozenset[Subject] = frozenset()
    notified: Mapping[Subject, frozenset[str]] = {}

    def after(self, accepted: Iterable[str]) -> dict[Subject, frozenset[str]]:
        """Who is notified of what, once these recipients took the mail: only of what that changes."""
        some = who(accepted)
        added = {subject: self.notified.get(subject, frozenset()) | some for subject in self.failing}
        return added | {subject: self.notified[subject] - some for subject in self.over if subject in self.notified}

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left to say."""
        return self.mail.notice is None and not self.mail.sections


async def composed(turn: Turn, row: MailRow) -> Composed | None:
    """What a mail says now; None where its route is no more. Unreadable where nothing of it can be read."""
    notices, changes = await _read(turn, row)
    route = turn.routes(changes, notice=bool(notices)).get(row.channel.route)
    if route is None:
        return None
    if row.channel.route:  # a run's own notice goes to the default route, what failed in it to its own
        notices = []
        changes = [change for change in changes if route.name in turn.routes([change], notice=False)]
    notice, lines, changes = _with_first_sights(notices, changes)
    notified = await turn.context.store.notified(row.channel)
    recipients = who(row.recipients or route.recipients)
    items = items_of(changes, frozenset(subject for subject, some in notified.items() if some & recipients))
    mail = mail_of(items, row.id, route.name)
    return Composed(
        mail=msgspec.structs.replace(mail, notice=notice),
        route=route,
        failing=_subjects([*lines, *(item for item in items if item.kind not in _OVER | _WHOLE)]),
        over=_subjects(item for item in items if item.kind in _OVER),
        notified=notified,
    )


def _subjects(parts: Iterable[Item | NoticeLine]) -> frozenset[Subject]:
    return frozenset((part.cluster.lower(), part.registry, facet) for part in parts for facet in part.facets)


async def _read(turn: Turn, row: MailRow) -> tuple[list[Notice], list[Change]]:
    """The notices and changes of a mail. What cannot be read by this version is left out, and logged."""
    notices: list[Notice] = []
    changes: dict[tuple[str, int], Change] = {}
    lost = 0
    for name in row.batches:
        batch = await turn.batch(name)
        if batch is None:
            lost += 1
            continue
        if batch.notice:
            notices.append(msgspec.json.decode(batch.notice, type=Notice))
        for ref in batch.changes:
            try:
                change = await turn.context.store.load_change(ref)
            except SchemaError as error:
                LOG.error("a change of mail %s cannot be read: %s", row.id, error)
                change = None
            if change is None:
                lost += 1
            else:
                changes[change.cluster.lower(), change.sequence] = change
    if lost and not notices and not changes:
        raise Unreadable(f"nothing of mail {row.id} can be read")
    return notices, sorted(changes.values(), key=lambda change: change.sequence)


def _with_first_sights(
    notices: Sequence[Notice], changes: Sequence[Change]
) -> tuple[Notice | None, tuple[NoticeLine, ...], list[Change]]:
    """The notice with the lines of what failed at the first look; the lines; and what is left of the changes.

    What moved again since, before the summary went out, is told like any other change.
    """
    if not notices:
        return None, (), list(changes)
    notice = notices[-1]
    if notice.kind is not NoticeKind.BASELINE:
        return notice, notice.lines, list(changes)
    moves: dict[tuple[str, str, str], int] = {}
    for change in changes:
        for moved in change.transitions:
            if moved.alert:
                moves[_subject(change, moved)] = moves.get(_subject(change, moved), 0) + 1
    still = [_only(change, lambda c, m: _first(m) and moves[_subject(c, m)] == 1) for change in changes]
    lines = tuple(first_sight_lines(change for change in still if change.alerts))
    rest = [_only(change, lambda c, m: not (_first(m) and moves[_subject(c, m)] == 1)) for change in changes]
    return with_lines(notice, lines), lines, rest


def _first(moved: Transition) -> bool:
    return moved.reason is Reason.BASELINE


def _subject(change: Change, moved: Transition) -> Subject:
    return change.cluster.lower(), moved.registry, moved.facet


def _only(change: Change, wanted: Callable[[Change, Transition], bool]) -> Change:
    """The change with those of its transitions to be notified of that are ``wanted``."""
    kept = tuple(
        moved if moved.alert and wanted(change, moved) else msgspec.structs.replace(moved, alert=False)
        for moved in change.transitions
    )
    return msgspec.structs.replace(change, transitions=kept)
