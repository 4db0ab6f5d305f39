"""Subscriptions that the app saw before and cannot see now: they are planned, Unknown, and people are notified once.

Azure lists no subscription on which the identity has no role, without a word. Whoever takes a role away would so make a
failing cluster vanish, and the run that no longer looks at it would count as complete.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from checks.causes import ScanCause
from checks.changes import Notice, NoticeKind
from checks.facts import Subscription
from checks.history.model import Run, Sight
from checks.jobs.context import JobContext
from checks.jobs.notices import notice_of

MAX_NAMED = 20


async def vanished(context: JobContext, visible: Iterable[Subscription]) -> tuple[str, ...]:
    """The ids of subscriptions whose clusters are watched and that the identity cannot see now; no excluded one."""
    seen = {subscription.id for subscription in visible}
    excluded = set(context.settings.exclude_subscriptions)
    absent = [guid for guid in await context.store.known_subscriptions() if guid not in seen | excluded]
    return tuple([guid for guid in absent if await watched_clusters(context, guid)])


async def watched_clusters(context: JobContext, subscription: str) -> list[str]:
    """The ids of a subscription's clusters that were there when it was last seen."""
    states = (await context.store.list_states(subscription)).items
    return [state.cluster for state in states if state.gone_since is None]


async def notify_of_changes(context: JobContext, run: Run) -> None:
    """One notice of the subscriptions that vanished since the run before, and one of those that are back.

    Repeatable: a notice is written once for its run, and what was noticed is kept after it.
    """
    before = await context.store.list_sights()
    after = {guid: sight for guid, sight in (await _sights(context, run)).items() if _is_later(before, guid, sight)}
    changed = sorted(guid for guid, sight in after.items() if _was_visible(before, guid) is not sight.visible)
    new = [guid for guid in changed if not after[guid].visible]
    back = [guid for guid in changed if after[guid].visible]
    if new:
        await context.store.add_notice(_vanished_notice(run, new))
    if back:
        title = f"{_counted(back)} can be seen again"
        await context.store.add_notice(_notice(run, NoticeKind.VISIBLE_AGAIN, title, back))
    await context.store.save_sights(after)


async def _sights(context: JobContext, run: Run) -> dict[str, Sight]:
    """What a run saw of its subscriptions. Of excluded ones, and of lost ones without clusters, it has nothing to say.

    Those that were seen are kept as well: an older run that closes later must not take them for lost.
    """
    sights: dict[str, Sight] = {}
    for result in run.subscriptions:
        visible = result.cause != ScanCause.NOT_VISIBLE
        if result.cause != ScanCause.EXCLUDED and (visible or await watched_clusters(context, result.id)):
            sights[result.id] = Sight(run.sequence, visible)
    return sights


def _is_later(before: Mapping[str, Sight | None], guid: str, sight: Sight) -> bool:
    """Whether no run of the same place or a later one spoke. A row of a newer version is left as it is."""
    known = before.get(guid, Sight())
    return known is not None and known.sequence < sight.sequence


def _was_visible(before: Mapping[str, Sight | None], guid: str) -> bool:
    known = before.get(guid)
    return known is None or known.visible


def _vanished_notice(run: Run, guids: list[str]) -> Notice:
    fixes = {result.id: result.fix for result in run.subscriptions}
    facts = [
        "Their clusters are Unknown from now on: that raises no alert and resolves none.",
        "The identity lost its role there, or the subscription was cancelled or moved. Grant the role again:",
        *(command for guid in guids[:MAX_NAMED] for command in fixes.get(guid, ())),
        "If they are no longer to be watched, add them to PULLWATCH_EXCLUDE_SUBSCRIPTIONS.",
    ]
    return _notice(run, NoticeKind.VANISHED, f"{_counted(guids)} cannot be seen any more", guids, facts)


def _notice(run: Run, kind: NoticeKind, title: str, guids: list[str], facts: Iterable[str] = ()) -> Notice:
    named = [f"Subscription {guid}" for guid in guids[:MAX_NAMED]]
    return notice_of(run, kind, title, (*named, *facts), more=max(0, len(guids) - MAX_NAMED))


def _counted(guids: list[str]) -> str:
    return f"{len(guids)} subscription{'' if len(guids) == 1 else 's'}"
