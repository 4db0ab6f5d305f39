"""Close a run: count it, say what is missing, decide what belongs to a run and not to a cluster. It happens once.

Notices are written before the run is closed, under keys that follow from the run: a close that died in between writes
the same rows again. The ETag of the run lets one closer through.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

import msgspec
from azure.core.exceptions import AzureError

from checks.history.decide import gone, opted_out
from checks.history.errors import Conflict, HistoryError, SchemaError
from checks.history.model import (
    MAX_MISSING,
    ClusterState,
    Decision,
    KnownCluster,
    Marker,
    MarkerStatus,
    RowRef,
    Run,
    RunRef,
    RunStatus,
    Totals,
    Unreadable,
)
from checks.history.table.keys import state_ref
from checks.history.table.overviews import Look
from checks.history.table.runs import is_over
from checks.jobs import degraded, first_look, reminders, scope
from checks.jobs.context import JobContext
from checks.jobs.messages import CLOSE, DELIVER, CloseMessage, DeliverMessage, ScanMessage, read
from checks.jobs.overviews import catch_up, keep_up
from checks.jobs.scan import add, passes
from checks.jobs.unreadable import KEEP_FOR, report_unreadable
from checks.jobs.watch import give_up, log_completed
from checks.text import redacted

LOG = logging.getLogger(__name__)


class Closed(msgspec.Struct, frozen=True):
    """What closing did.

    "closed", "waiting" (shards are out, the deadline is ahead), "repeated", "never planned", or "unreadable": its row
    cannot be read, which the sweep records.
    """

    reason: str
    missing: tuple[str, ...] = ()


async def close_run(context: JobContext, run_id: str) -> Closed:
    """Closes a run whose shards have all ended, or that is past its deadline."""
    try:
        stored = await context.store.load_run(run_id)
    except SchemaError as error:
        LOG.error("run %s cannot be closed: %s", run_id, error)
        return Closed("unreadable")
    if stored is None:
        return await _never_planned(context, run_id)
    if stored.run.status is RunStatus.CLOSED:
        await context.store.finish_run(stored.run)
        await _ask_delivery(context, f"run {run_id} is closed")
        return Closed("repeated")
    markers = await context.store.list_markers(run_id)
    missing = tuple(sorted(set(stored.run.expected) - {marker.shard for marker in markers}))
    if missing and not is_over(stored.run.deadline, context.clock()):
        return Closed("waiting", missing)
    left = await _mark_left(context, stored.run)
    run = _counted(context, stored.run, markers, missing, left.gone)
    await _notify(context, run, markers)
    await _report_errors(context, run, markers, left)
    names = {result.id: result.name for result in run.subscriptions}
    await catch_up(context, left.known, names, left.broken | _unreadable_states(markers))
    if not await context.store.try_close(run, stored.etag):
        return Closed("repeated")
    await context.store.finish_run(run)
    await _ask_delivery(context, f"run {run_id} is closed")
    await log_completed(context, run)
    return Closed("closed", missing)


async def _never_planned(context: JobContext, run_id: str) -> Closed:
    """A plan that died before it wrote its run: the entry among the open runs is all there is of it."""
    await context.store.drop_open(run_id)
    await give_up(context, CLOSE, run_id, "the run was begun and never planned")
    return Closed("never planned")


def _counted(context: JobContext, run: Run, markers: Sequence[Marker], missing: tuple[str, ...], left: int) -> Run:
    totals = msgspec.structs.replace(add([marker.totals for marker in markers]), gone=left)
    failed = sum(marker.status is MarkerStatus.FAILED for marker in markers)
    return msgspec.structs.replace(
        run,
        totals=totals,
        missing=missing[:MAX_MISSING],
        missing_shards=len(missing),
        degraded=degraded.is_degraded(run, totals, failed + len(missing)),
        closed=context.clock(),
    )


class _Left(msgspec.Struct, frozen=True):
    """Clusters that are not there any more: how many were marked so, and the rows that did not let it.

    ``known`` are those of each subscription before; ``broken`` those (in lower case) whose state cannot be read.
    """

    gone: int = 0
    unreadable: tuple[Unreadable, ...] = ()
    known: dict[str, tuple[KnownCluster, ...]] = {}
    broken: frozenset[str] = frozenset()


async def _mark_left(context: JobContext, run: Run) -> _Left:
    """Marks clusters that are not there any more: their tag opts out, or complete inventories do not have them.

    Who was notified of a failure is notified that it is no longer checked, and a cluster that comes back starts anew.
    """
    opted = {cluster.lower() for cluster in run.opted_out}
    planned = await _planned(context, run) if run.inventory_complete else None
    looks: list[Look] = []
    unreadable: list[Unreadable] = []
    broken: set[str] = set()
    held = {subscription: await context.store.known_clusters(subscription) for subscription in run.scope.subscriptions}
    for clusters in held.values():
        for known in clusters:
            cluster = known.id.lower()
            out = cluster in opted
            if not out and (planned is None or cluster in planned):
                continue
            try:
                looks += await _mark(context, run, known.id, opted_out if out else gone)
            except (HistoryError, AzureError) as error:
                if passes(error):
                    raise
                readable = not isinstance(error, SchemaError)
                unreadable.append(Unreadable(state_ref(known.id), str(error), readable=readable))
                broken |= set() if readable else {cluster}
    await keep_up(context, looks)
    return _Left(sum(look.state.gone_since is not None for look in looks), tuple(unreadable), held, frozenset(broken))


def _unreadable_states(markers: Iterable[Marker]) -> frozenset[str]:
    """The clusters (in lower case) whose state the run could not read."""
    return frozenset(item.cluster.lower() for marker in markers for item in marker.failed if item.unreadable)


async def _planned(context: JobContext, run: Run) -> frozenset[str] | None:
    """The clusters of a run's shards; None where not every shard can be read: then nothing is gone."""
    shards = await context.store.list_shards(run.id)
    if {shard.id for shard in shards} < set(run.expected):
        return None
    return frozenset(cluster.lower() for shard in shards for cluster in shard.clusters)


async def _mark(
    context: JobContext, run: Run, cluster: str, decide: Callable[[ClusterState, RunRef, datetime], Decision]
) -> list[Look]:
    """What is held of the cluster now; nothing where it was not marked."""
    stored = await context.store.load_state(cluster)
    if stored is None:
        return []
    decision = decide(stored.state, run.ref, context.clock())
    if decision.stale:
        return []
    try:
        await context.store.commit(decision, None, stored.etag)
    except Conflict:  # a newer run wrote it: it is there
        return []
    return [Look(decision.state, decision.change, stored.state.sequence)]


async def _report_errors(context: JobContext, run: Run, markers: Iterable[Marker], left: _Left) -> None:
    """Notifies once of the clusters at which Pullwatch itself fails, run after run; what works again is forgotten."""
    failed = {state_ref(item.cluster): item for marker in markers for item in marker.failed}
    found = [Unreadable(ref, item.reason, readable=not item.unreadable) for ref, item in failed.items() if item.lasting]
    done = {marker.shard for marker in markers if marker.status is MarkerStatus.DONE}
    shards = await context.store.list_shards(run.id) if await context.store.list_unreadable() else ()
    seen = {state_ref(name) for shard in shards if shard.id in done for name in shard.clusters}
    well = seen - failed.keys()
    await report_unreadable(context, [*found, *left.unreadable], well.__contains__, run=run.id, sequence=run.sequence)


async def _notify(context: JobContext, run: Run, markers: Sequence[Marker]) -> None:
    await first_look.introduce(context, run)
    await first_look.complete(context, run, markers)
    await scope.notify_of_changes(context, run)
    await degraded.notify_of_changes(context, run)
    await reminders.remind(context, run)


async def _ask_delivery(context: JobContext, why: str) -> None:
    await context.queues.send(DELIVER, [DeliverMessage(why=why)])


async def sweep_runs(context: JobContext) -> int:
    """Asks for the close of runs past their deadline, and for delivery where notifications are pending."""
    broken = await _broken_rows(context)
    overdue = [run for run in await context.store.open_runs(past=context.clock()) if RowRef(run, "run") not in broken]
    await context.queues.send(CLOSE, [CloseMessage(run=run_id) for run_id in overdue])
    if await context.store.has_unsent():
        await _ask_delivery(context, "notifications are pending")
    return len(overdue)


async def _broken_rows(context: JobContext) -> set[RowRef]:
    """The rows of runs and of mail that cannot be read: recorded and notified once, set aside where they block."""
    now = context.clock()
    store = context.store
    found = (
        *await store.unreadable_runs(past=now),
        *await store.unreadable_lease(),
        *await store.unreadable_mail(),
        *await store.unreadable_silences(),
    )
    await report_unreadable(context, found, lambda ref: not ref.row.startswith("state|"))
    for record in await context.store.list_unreadable():
        if record.ref.row == "run" and now - record.since >= KEEP_FOR:
            await give_up(context, CLOSE, record.ref.partition, "its row could not be read for a week")
            await context.store.drop_open(record.ref.partition)
    return {item.ref for item in found}


async def record_poison(context: JobContext, queue: str, body: bytes) -> None:
    """Keeps a message that could not be handled; the shard of a scan message ends as failed, so its run can close."""
    reason = "given up after the last try"
    await give_up(context, queue, redacted(body.decode("utf-8", "replace")), reason)
    shard = _shard_of(body)
    if shard is None or not await _is_there(context, shard):
        return
    await context.store.mark_shard(shard.run, shard.shard, MarkerStatus.FAILED, Totals(), context.clock(), reason)
    await context.queues.send(CLOSE, [CloseMessage(run=shard.run)])


async def _is_there(context: JobContext, shard: ScanMessage) -> bool:
    """Whether the run has such a shard. One that cannot be read is there."""
    try:
        return await context.store.load_shard(shard.run, shard.shard) is not None
    except SchemaError:
        return True


def _shard_of(body: bytes) -> ScanMessage | None:
    try:
        return read(ScanMessage, body)
    except ValueError:
        return None
