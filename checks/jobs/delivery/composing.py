"""What a mail says when it is sent: made from its batches, for its route, less what its recipients need not know.

Silences act here and nowhere else: what one keeps back is recorded, so that its end can say it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from checks.changes import Change, Notice, NoticeKind, Reason, Transition
from checks.history.errors import SchemaError
from checks.history.model import MailRow, MailStatus
from checks.history.table.mails import Subject, who
from checks.history.table.silences import HeldSubject
from checks.jobs.delivery.lasting import lasting
from checks.jobs.delivery.turn import Turn, notice_in
from checks.notify.incidents import Mail, items_of, mail_of, notice_mail
from checks.notify.items import Item, ItemKind, NotifiedKey, item_of_line
from checks.notify.notice_lines import first_sight_lines
from checks.notify.routes import Route, news_of, route_named, wanted
from checks.notify.silences import item_silenced_by, without_silenced

LOG = logging.getLogger(__name__)
# The end of what people were notified of.
_OVER = frozenset({ItemKind.RECOVERED, ItemKind.REMOVED, ItemKind.SEEN_AGAIN})
# Both the beginning and the end.
_WHOLE = frozenset({ItemKind.WAS_BAD})


class Unreadable(Exception):
    """Nothing of a mail can be read by this version: it waits for one that can."""


class Composed(msgspec.Struct, frozen=True, kw_only=True):
    """What a mail says and to whom; ``failing`` and ``over``: what its recipients are notified of by it.

    ``recipients``: those of its route who get it. ``notified``: who of the channel was notified of what before.
    """

    mail: Mail
    route: Route
    recipients: tuple[str, ...]
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
    notices, changes, unread = await _read(turn, row)
    current = turn.routes(changes, notices).get(row.channel.route)
    route = current or route_named(row.channel.route, turn.context.settings)
    if route is None:
        return None
    # What failed at a first look goes to its own routes, the summary of it to the default one alone.
    notices = [notice for notice in notices if notice.route == route.name]
    if current is not None and route.name:
        concerned = {change.cluster.lower() for change in changes if route.name in turn.routes([change])}
        changes = [change for change in changes if change.cluster.lower() in concerned]
    changes = [news_of(change, route) for change in changes]
    notice, changes = _with_first_sights(notices, changes)
    notified = await turn.notified(row.channel)
    asked = row.recipients or route.recipients
    recipients = who(asked)
    known = frozenset(subject for subject, some in notified.items() if some & recipients)
    # Whoever was notified of a failure hears of its end, wherever their route stands now; of nothing else, then.
    items = [
        item for item in items_of(changes, known) if _ends(item, known) or (current is not None and wanted(item, route))
    ]
    # What may have gone out says the same again: who has it is to be known, or nobody hears of the recovery.
    if row.status is not MailStatus.SENDING:
        items = await _without_silenced(turn, items, route)
        notice = await lasting(turn.context, notice) if notice is not None else None
        notice = await _unsilenced(turn, notice, route)
    listed = [item_of_line(line, _reason(notice)) for line in notice.lines] if notice is not None else []
    known_besides = await turn.knowledge.of_mail([*listed, *items], route)
    if notice is not None and not items:
        mail = notice_mail(notice, row.id, route.name, known=known_besides)
    else:
        mail = mail_of([*listed, *items], row.id, route.name, known=known_besides, held_back=row.held_back)
    return Composed(
        mail=msgspec.structs.replace(mail, notice=notice, unread=unread),
        route=route,
        recipients=asked if notice is not None else _concerned(asked, items, notified),
        failing=_subjects([*listed, *(item for item in items if item.kind not in _OVER | _WHOLE)]),
        over=_subjects(item for item in items if item.kind in _OVER),
        notified=notified,
    )


def _concerned(
    recipients: tuple[str, ...], items: Sequence[Item], notified: Mapping[Subject, frozenset[str]]
) -> tuple[str, ...]:
    """Those whom a mail concerns: of one that only says the end of failures, whoever was notified of one of them."""
    whole = (item.kind not in _OVER or not any(notified.get(key) for key in item.keys) for item in items)
    if not items or any(whole):  # what failed and was removed before a mail said either is news to everybody
        return recipients
    know = frozenset[str]().union(*(notified.get(subject, frozenset()) for subject in _subjects(items)))
    return tuple(one for one in recipients if who([one]) <= know) or recipients


def _ends(item: Item, known: frozenset[Subject]) -> bool:
    """Whether it says the end of what its readers know of."""
    return item.kind in _OVER and not known.isdisjoint(item.keys)


def _subjects(items: Iterable[Item]) -> frozenset[NotifiedKey]:
    return frozenset(key for item in items for key in item.keys)


async def _read(turn: Turn, row: MailRow) -> tuple[list[Notice], list[Change], int]:
    """The notices and changes of a mail, and of how many changes it cannot be read what they were."""
    notices: list[Notice] = []
    changes: dict[tuple[str, int], Change] = {}
    lost = 0
    for name in row.batches:
        batch = await turn.batch(name)
        if batch is None:
            lost += 1
            continue
        if batch.notice:
            notices.append(notice_in(batch))
        found = await turn.read(batch.changes)
        lost += len(batch.changes) - len(found)
        for change in found.values():
            if isinstance(change, SchemaError):
                LOG.error("a change of mail %s cannot be read: %s", row.id, change)
                lost += 1
            else:
                changes[change.cluster.lower(), change.sequence] = change
    if lost and not notices and not changes:
        raise Unreadable(f"nothing of mail {row.id} can be read")
    return notices, sorted(changes.values(), key=lambda change: change.sequence), lost


# ---- a run's own notice ------------------------------------------------------------------------------------------


def _with_first_sights(notices: Sequence[Notice], changes: Sequence[Change]) -> tuple[Notice | None, list[Change]]:
    """The notice, a first summary with the lines of what failed at the first look; and what is left of the changes.

    What moved again since, before the summary went out, is told like any other change.
    """
    if not notices:
        return None, list(changes)
    notice = notices[-1]
    if notice.kind is not NoticeKind.BASELINE:
        return notice, list(changes)
    moves: dict[Subject, int] = {}
    for change in changes:
        for moved in change.transitions:
            if moved.alert:
                moves[_subject(change, moved)] = moves.get(_subject(change, moved), 0) + 1

    def only_seen_first(change: Change, moved: Transition) -> bool:
        return moved.reason is Reason.BASELINE and moves[_subject(change, moved)] == 1

    still = [_only(change, only_seen_first) for change in changes]
    lines = tuple(first_sight_lines(change for change in still if change.alerts))
    rest = [_only(change, lambda change, moved: not only_seen_first(change, moved)) for change in changes]
    return msgspec.structs.replace(notice, lines=lines), rest


def _subject(change: Change, moved: Transition) -> Subject:
    return change.cluster.lower(), moved.registry, moved.facet


def _only(change: Change, wanted: Callable[[Change, Transition], bool]) -> Change:
    """The change with those of its transitions to be notified of that are ``wanted``."""
    kept = tuple(
        moved if moved.alert and wanted(change, moved) else msgspec.structs.replace(moved, alert=False)
        for moved in change.transitions
    )
    return msgspec.structs.replace(change, transitions=kept)


def _reason(notice: Notice) -> Reason:
    return Reason.BASELINE if notice.kind is NoticeKind.BASELINE else Reason.STILL_FAILING


# ---- silences ----------------------------------------------------------------------------------------------------


async def _without_silenced(turn: Turn, items: Sequence[Item], route: Route) -> list[Item]:
    """The items that no silence keeps back; the others are recorded."""
    silences = await turn.silences()
    kept: list[Item] = []
    held: dict[str, list[HeldSubject]] = {}
    for item in items:
        silence = item_silenced_by(silences, item, turn.context.clock())
        if silence is None:
            kept.append(item)
        else:
            held.setdefault(silence.id, []).extend(_held(item, route))
    await _hold(turn, held)
    return kept


async def _unsilenced(turn: Turn, notice: Notice | None, route: Route) -> Notice | None:
    """The notice without the lines that a silence keeps back; None where nothing is left to be reminded of."""
    if notice is None:
        return None
    silences = await turn.silences()
    left = without_silenced(notice, silences, turn.context.clock())
    if len(left.lines) == len(notice.lines):
        return notice
    held: dict[str, list[HeldSubject]] = {}
    for line in notice.lines:
        item = item_of_line(line, _reason(notice))
        silence = item_silenced_by(silences, item, turn.context.clock()) if line not in left.lines else None
        if silence is not None:
            held.setdefault(silence.id, []).extend(_held(item, route))
    await _hold(turn, held)
    gone = notice.kind is NoticeKind.REMINDER and not left.lines and not left.more
    return None if gone else left


def _held(item: Item, route: Route) -> list[HeldSubject]:
    """What is held back of an item from a route: that nothing is known of a cluster any more, without a registry."""
    subjects = item.subjects if item.registry else (("", item.facets[0]),)
    return [
        HeldSubject(
            cluster=item.cluster,
            registry=registry,
            facet=facet,
            since=item.since,
            cause=item.cause,
            route=route.name,
        )
        for registry, facet in subjects
    ]


async def _hold(turn: Turn, held: Mapping[str, Sequence[HeldSubject]]) -> None:
    for name, subjects in held.items():
        await turn.context.store.hold(name, subjects)
