"""The end of silences: what one held back and still fails is said, in one mail for each silence and route.

An acknowledgement ends when what was acknowledged does not fail any more. What another silence covers as well goes over
to that one. A death at any point repeats what was begun: what a mail is about is fixed before its pointer is written,
under a key that follows from it.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import AsyncIterator, Iterable
from datetime import datetime

import msgspec

from checks.arm_ids import name_of, subscription_of
from checks.changes import Notice, NoticeKind, NoticeLine, Status
from checks.history.decide import FACETS
from checks.history.errors import HistoryError, SchemaError
from checks.history.model import Channel, ClusterState, RunRef, SubjectState
from checks.history.table.mails import Subject
from checks.history.table.silences import Ending, HeldSubject
from checks.history.table.store import Store
from checks.jobs.context import JobContext
from checks.jobs.messages import DELIVER, DeliverMessage
from checks.jobs.notices import line_of
from checks.jobs.watch import read_latest
from checks.notify.notice_lines import folded, still_failing, with_lines
from checks.notify.silences import ended, matches, silenced_by
from checks.notify.wording import utc
from checks.settings import TRANSPORTS
from checks.silences import LONGEST, Matchers, Silence, SilenceKind

LOG = logging.getLogger(__name__)
MAX_NAMED = 20
NO_RUN = RunRef("none", 0)


class EndedSilences(msgspec.Struct, frozen=True):
    """What a sweep did: acknowledgements whose failures are over, and mails about what still fails."""

    recovered: int = 0
    notices: int = 0


class _Left(msgspec.Struct, frozen=True, kw_only=True):
    """What is left to say when a silence has ended.

    ``lines``: what still fails; ``blind``: of which clusters nothing is known; ``covered``: what another silence is of.
    """

    lines: tuple[NoticeLine, ...] = ()
    blind: tuple[HeldSubject, ...] = ()
    covered: tuple[tuple[Silence, HeldSubject], ...] = ()


async def end_silences(context: JobContext) -> EndedSilences:
    """Ends what is over, says what still fails, and forgets silences that are long over. For the sweep."""
    recovered = await _end_recovered(context)
    listing = await context.store.list_silences()
    silences = {silence.id: silence for silence in listing.silences}
    notices = 0
    holding = await context.store.holding()
    for name in holding:
        silence = silences.get(name)
        if silence is None or silence.is_over(context.clock()):
            notices += await _end(context, name, silence, listing.silences)
    if notices:
        await context.queues.send(DELIVER, [DeliverMessage(why="a silence has ended")])
    await _forget(context, listing.silences, frozenset(holding))
    return EndedSilences(recovered, notices)


# ---- acknowledgements --------------------------------------------------------------------------------------------


async def _end_recovered(context: JobContext) -> int:
    """Ends the acknowledgements of what does not fail any more; how many."""
    count = 0
    for silence in (await context.store.list_silences()).silences:
        active = silence.kind is SilenceKind.ACK and silence.is_active(context.clock())
        if active and not await _still_fails(context, silence):
            await context.store.end_silence(silence.id, context.clock())
            count += 1
    return count


async def _still_fails(context: JobContext, ack: Silence) -> bool:
    """Whether anything that was acknowledged fails, or may fail: a state that cannot be read ends nothing."""
    try:
        async for state in failing_states(context.store, ack.matchers):
            if any(_cover((ack,), state.cluster, subject, context.clock()) for subject in failing(state)):
                return True
    except HistoryError as error:
        LOG.warning("whether %s is over cannot be told: %s", ack.id, error)
        return True
    return False


async def failing_states(store: Store, matchers: Matchers) -> AsyncIterator[ClusterState]:
    """The states of clusters that fail and that matchers may be of. SchemaError where one cannot be read."""
    cluster = matchers.cluster
    if subscription_of(cluster):
        stored = await store.load_state(cluster)
        if stored is not None:
            yield stored.state
        return
    subscription = matchers.subscription.lower()
    for name in (subscription,) if subscription else await store.known_subscriptions():
        listing = await store.list_states(name)
        for summary in listing.items:
            of_it = not cluster or name_of(summary.cluster).lower() == cluster.lower()
            if of_it and summary.failing and (stored := await store.load_state(summary.cluster)) is not None:
                yield stored.state
        if listing.unreadable:
            raise SchemaError(listing.unreadable[0].why)


def _cover(silences: Iterable[Silence], cluster: str, subject: SubjectState, now: datetime) -> Silence | None:
    """The silence that what fails falls under."""
    return silenced_by(
        silences,
        cluster,
        subject.registry,
        subject.facet,
        subject.cause,
        now,
        codes=subject.codes,
        since=subject.since,
    )


def failing(state: ClusterState) -> list[SubjectState]:
    """What counts as failing; nothing of a cluster that is gone."""
    if state.gone_since is not None:
        return []
    return [subject for subject in state.subjects if subject.status is Status.FAILING]


# ---- the end of one silence --------------------------------------------------------------------------------------


async def _end(context: JobContext, name: str, silence: Silence | None, silences: tuple[Silence, ...]) -> int:
    """Says what a silence held back and still fails; how many mails: one for each route that it was kept from, or none.

    ``silence`` None: it cannot be read, or is gone. What it held back is said all the same.
    """
    store = context.store
    held = (await store.held(name)).items
    latest = await read_latest(context)
    run = latest.ref if latest is not None else NO_RUN
    wanted = Ending(run=run, at=context.clock(), keys=tuple(sorted(subject.key for subject in held)))
    try:
        ending = await store.begin_ending(name, wanted)
    except SchemaError as error:
        LOG.error("what the silence %s held back cannot be said: %s", name, error)
        return 0
    said = 0
    kept_back = [one for one in held if one.key in ending.keys]
    for route in sorted({one.route for one in kept_back}):
        left = await _left(context, silence, [one for one in kept_back if one.route == route], silences)
        for other, subject in left.covered:
            await store.hold(other.id, [subject])
        if left.lines or left.blind:
            await store.add_notice(_notice(name, silence, ending, left, route))
            said += 1
    await store.drop_held(name, ending.keys)
    await store.finish_ending(name)
    return said


async def _left(
    context: JobContext, silence: Silence | None, held: list[HeldSubject], silences: tuple[Silence, ...]
) -> _Left:
    """What became of what was held back from one route."""
    told = await _told(context, held[0].route)
    clusters: dict[str, list[HeldSubject]] = {}
    for one in sorted(held, key=lambda one: FACETS.index(one.facet) if one.facet in FACETS else len(FACETS)):
        clusters.setdefault(one.cluster.rstrip("/").lower(), []).append(one)
    lines: list[NoticeLine] = []
    blind: list[HeldSubject] = []
    covered: list[tuple[Silence, HeldSubject]] = []
    for subjects in clusters.values():
        state = await _state(context, subjects[0].cluster)
        for one in subjects:
            subject = _subject(one, state, silence, told)
            if subject is None:
                continue
            other = _cover(silences, one.cluster, subject, context.clock())
            if other is not None:
                covered.append((other, one))
            elif one.registry:
                lines.append(line_of(one.cluster, subject))
            else:
                blind.append(one)
    return _Left(lines=tuple(folded(lines)), blind=tuple(blind), covered=tuple(covered))


async def _state(context: JobContext, cluster: str) -> ClusterState | SchemaError | None:
    """What is held of a cluster, or why that cannot be told."""
    try:
        stored = await context.store.load_state(cluster)
    except SchemaError as error:
        LOG.error("whether %s still fails cannot be told, so it is said that it does: %s", cluster, error)
        return error
    return None if stored is None else stored.state


async def _told(context: JobContext, route: str) -> frozenset[Subject]:
    """Of which failures a route was notified by any transport."""
    found = [await context.store.notified(Channel(route, name)) for name in TRANSPORTS]
    return frozenset(subject for notified in found for subject in notified)


def _subject(
    held: HeldSubject,
    state: ClusterState | SchemaError | None,
    silence: Silence | None,
    told: frozenset[Subject],
) -> SubjectState | None:
    """What fails of what was held back; None where it does not any more, or for something else that was notified.

    Of a cluster whose state cannot be read, what was held back is taken to fail.
    """
    if state is None:
        return None
    if isinstance(state, SchemaError):
        return _as_held(held)
    if not held.registry:
        known = state.gone_since is not None or not any(subject.blind for subject in state.subjects)
        return None if known else _as_held(held)
    for subject in failing(state):
        if subject.key == (held.registry, held.facet):
            of_it = silence is None or matches(
                silence.matchers, held.cluster, subject.registry, subject.cause, subject.codes
            )
            known = (held.cluster.rstrip("/").lower(), held.registry, held.facet) in told
            return subject if of_it or not known else None
    return None


def _as_held(held: HeldSubject) -> SubjectState:
    return SubjectState(
        registry=held.registry,
        facet=held.facet,
        status=Status.FAILING,
        since=held.since,
        last_verdict="unknown",
        last_seen=held.since,
        cause=held.cause,
    )


def _notice(name: str, silence: Silence | None, ending: Ending, left: _Left, route: str) -> Notice:
    """The mail's notice. Its key follows from the silence, what is said of it, and to whom."""
    whom = f"-{hashlib.sha256(route.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}" if route else ""
    clusters = {line.cluster.lower() for line in left.lines} | {one.cluster.lower() for one in left.blind}
    unknown = "1 cluster is still unknown" if len(clusters) == 1 else f"{len(clusters)} clusters are still unknown"
    said = "an acknowledgement" if silence is not None and silence.kind is SilenceKind.ACK else "a silence"
    facts = [*_facts(silence), "Meanwhile none of this was sent."]
    facts += [f"Nothing is known of {name_of(one.cluster)} since {utc(one.since)}." for one in left.blind[:MAX_NAMED]]
    if len(left.blind) > MAX_NAMED:
        facts.append(f"Nor of {len(left.blind) - MAX_NAMED} more clusters.")
    notice = Notice(
        kind=NoticeKind.SILENCE_ENDED,
        run=ending.run.id,
        sequence=ending.run.sequence,
        at=ending.at,
        title=f"{still_failing(len(clusters)) if left.lines else unknown} after {said} ended",
        facts=tuple(facts),
        about=f"{name}-{ending.about}{whom}",
        lines_only=not left.blind,
        route=route,
    )
    return with_lines(notice, left.lines)


def _facts(silence: Silence | None) -> list[str]:
    """What the silence was."""
    if silence is None:
        return ["The silence itself cannot be read any more."]
    verb = "acknowledged" if silence.kind is SilenceKind.ACK else "silenced"
    span = f"from {utc(silence.created)} to {utc(silence.until)}"
    return [f"{silence.author} {verb} {silence.matchers} {span}, for this reason: {silence.reason}"]


async def _forget(context: JobContext, silences: tuple[Silence, ...], holding: frozenset[str]) -> None:
    """Drops the silences that have been over for as long as one may last."""
    old = [one.id for one in ended(silences, context.clock() - LONGEST) if one.id not in holding]
    for name in old:
        await context.store.finish_ending(name)
    await context.store.forget_silences(old)
