"""Scan one shard: look at its clusters, decide against their states, commit each on its own, mark the shard."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

import msgspec
from azure.core.exceptions import AzureError

from checks.causes import ScanCause
from checks.collect.arm.inventory import Inventory
from checks.facts import Cluster, NotSeen
from checks.findings import CHECKER_ERROR, ClusterProblem, ClusterReport, Facet, Unknown
from checks.history.decide import decide
from checks.history.errors import Conflict, SchemaError
from checks.history.model import FailedCluster, MarkerStatus, Run, Shard, StoredState, Totals
from checks.history.table.clusters import FoundState
from checks.history.table.overviews import Look
from checks.jobs import scan_cluster
from checks.jobs.canaries import StoredCanaries
from checks.jobs.choosing.scope import clusters_of
from checks.jobs.context import JobContext
from checks.jobs.estates import estate_of
from checks.jobs.messages import CLOSE, CloseMessage, MessageError, ScanMessage
from checks.jobs.overviews import keep_up
from checks.jobs.watch import log_scanned
from checks.report.cluster_report import problem_report
from checks.report.outcome import Outcome, add_counts, count_rows, outcome_of
from checks.text import one_line, redacted

LOG = logging.getLogger(__name__)
MAX_REASON = 300
TRIES = 5  # of a commit that somebody else overtook


class Scanned(msgspec.Struct, frozen=True):
    """What scanning a shard did. ``repeated``: it had ended before, nothing was done."""

    totals: Totals
    repeated: bool = False


class _Result(msgspec.Struct, frozen=True):
    """What became of one cluster. ``look``: what is held now. ``lost``: why nothing could be kept of it in this run."""

    totals: Totals
    report: ClusterReport | None = None
    look: Look | None = None
    failed: FailedCluster | None = None
    lost: Exception | None = None


class _Before(msgspec.Struct, frozen=True):
    """What is known before a shard's clusters are looked at: the run, the estate, and states as they are then."""

    run: Run
    listing: Inventory
    states: Mapping[str, FoundState | None]


async def scan_shard(context: JobContext, message: ScanMessage) -> Scanned:
    """Scans the shard a message names. Raises MessageError for a run or shard that is not there."""
    stored = await context.store.load_run(message.run)
    try:
        shard = await context.store.load_shard(message.run, message.shard)
    except SchemaError as error:
        return await _unreadable_shard(context, message, error)
    if stored is None or shard is None:
        raise MessageError(f"there is no shard {message.shard!r} of a run {message.run!r}")
    run = stored.run
    ended = await context.store.load_marker(run.id, shard.id)
    if ended is not None and ended.status is MarkerStatus.DONE:
        await _close_when_complete(context, run)
        return Scanned(Totals(), repeated=True)
    began = context.clock()
    results = await _scan(context, run, shard)
    _raise_where_storage_is_away(results)
    await keep_up(context, [result.look for result in results if result.look is not None])
    totals = add([result.totals for result in results])
    failed = tuple(result.failed for result in results if result.failed is not None)
    reason = f"Pullwatch itself failed at {len(failed)} of {len(results)} clusters" if failed else ""
    now = context.clock()
    await context.store.mark_shard(run.id, shard.id, MarkerStatus.DONE, totals, now, reason, failed)
    log_scanned(context, run, shard, began, [each.report for each in results if each.report is not None])
    await _close_when_complete(context, run)
    return Scanned(totals)


async def _unreadable_shard(context: JobContext, message: ScanMessage, error: SchemaError) -> Scanned:
    """A shard whose row cannot be read ends as failed, so that its run can close."""
    LOG.error("shard %s of run %s cannot be read: %s", message.shard, message.run, error)
    now = context.clock()
    await context.store.mark_shard(message.run, message.shard, MarkerStatus.FAILED, Totals(), now, str(error))
    await context.queues.send(CLOSE, [CloseMessage(run=message.run)])
    return Scanned(Totals())


def _raise_where_storage_is_away(results: list[_Result]) -> None:
    """Where nothing was kept of any cluster, for reasons that pass, the message is to come again."""
    errors = [result.lost for result in results if result.lost is not None and passes(result.lost)]
    if errors and len(errors) == len(results):
        raise errors[0]


def passes(error: Exception) -> bool:
    """Whether another try may help: storage was overtaken, away or busy, and did not refuse what it was given."""
    status = getattr(error, "status_code", None)
    return isinstance(error, Conflict) or (isinstance(error, AzureError) and status not in (400, 413))


async def _scan(context: JobContext, run: Run, shard: Shard) -> list[_Result]:
    listing = await estate_of(context, run.id)
    by_id = {c.id.lower(): c for c in _listed(listing, shard.subscription)}
    before = _Before(run, listing, await _states(context, shard))
    limit = asyncio.Semaphore(context.settings.clusters_at_once)

    async def bounded(cluster_id: str) -> _Result:
        async with limit:
            return await _contained(context, before, cluster_id, by_id.get(cluster_id.lower()))

    return list(await asyncio.gather(*(bounded(cluster_id) for cluster_id in shard.clusters)))


async def _states(context: JobContext, shard: Shard) -> dict[str, FoundState | None]:
    """The states of a shard's clusters before they are looked at, as far as one query reads them.

    Where it fails each cluster asks for its own, which is where an error is told from another cluster's. The SDK raises
    ValueError for a row that it cannot understand.
    """
    try:
        return await context.store.find_states(shard.subscription, shard.clusters)
    except (AzureError, ValueError) as error:
        LOG.warning(
            "the states of shard %s are read one by one: %s", shard.id, one_line(redacted(str(error)))[:MAX_REASON]
        )
        return {}


def _listed(listing: Inventory, subscription: str) -> tuple[Cluster, ...]:
    return clusters_of(listing, subscription) if subscription in listing.subscriptions else ()


async def _contained(context: JobContext, before: _Before, cluster_id: str, target: Cluster | None) -> _Result:
    """One cluster with its state, and whatever goes wrong with that kept to it.

    A broad ``except`` stands here as around the look itself: a state that cannot be read, or a decision that cannot be
    written, must not cost the others of the shard theirs. The cluster counts as a checker error, and its report says so
    where its state can take it. A row that cannot be read is left as it is: a newer version may have written it.
    """
    try:
        return await _cluster(context, before, cluster_id, target)
    except Exception as error:
        LOG.exception("checker error at %s", cluster_id)
        why = one_line(redacted(f"{type(error).__name__}: {error}"))[:MAX_REASON]
        unreadable = isinstance(error, SchemaError)
        failed = FailedCluster(cluster_id, why, lasting=not passes(error), unreadable=unreadable)
    try:
        recorded = await _record_error(context, before.run, cluster_id, failed)
        return msgspec.structs.replace(recorded, failed=failed)
    except Exception as error:
        LOG.exception("the checker error at %s could not be kept in its state", cluster_id)
        return _Result(Totals(clusters=1, errors=1), failed=failed, lost=error)


async def _record_error(context: JobContext, run: Run, cluster_id: str, failed: FailedCluster) -> _Result:
    """The cluster's report: Unknown, for Pullwatch itself failed."""
    stored = await context.store.load_state(cluster_id)
    kind = failed.reason.partition(":")[0]
    why = f"Pullwatch itself failed while checking this cluster ({kind})."
    problem = ClusterProblem(CHECKER_ERROR, why, "a repair of Pullwatch")
    report = problem_report(cluster_id, stored.state.registries if stored else (), problem)
    return await _commit(context, run, report, stored)


async def _cluster(context: JobContext, before: _Before, cluster_id: str, target: Cluster | None) -> _Result:
    run, listing = before.run, before.listing
    stored = await _state(context, before, cluster_id)
    remembered = tuple(stored.state.registries) if stored else ()
    if target is None:
        report = _unlisted(listing, run, cluster_id, remembered)
    else:
        baselines = stored.state.baselines if stored else {}
        canaries = StoredCanaries(context) if context.settings.canary == "scheduled" else None
        report = await scan_cluster.scan_cluster(
            context.azure, listing, target, remembered, baselines=baselines, canaries=canaries
        )
    return await _commit(context, run, report, stored)


async def _state(context: JobContext, before: _Before, cluster_id: str) -> StoredState | None:
    """A cluster's state as it was found with those of the others, else as it is now."""
    if cluster_id not in before.states:
        return await context.store.load_state(cluster_id)
    found = before.states[cluster_id]
    return None if found is None else found.read()


def _unlisted(listing: Inventory, run: Run, cluster_id: str, remembered: tuple[str, ...]) -> ClusterReport:
    """A cluster that was planned and that ARM does not list now: Unknown, with the reason its subscription gives."""
    subscription = cluster_id.split("/")[2].lower()
    facts = listing.subscriptions.get(subscription)
    if facts is None:
        result = scan_cluster.not_visible(listing, subscription)
        return problem_report(cluster_id, remembered, ClusterProblem(result.cause, result.summary, "Reader"))
    if isinstance(facts.clusters, NotSeen):
        gap = facts.clusters
        why = f"The clusters of subscription {subscription} could not be listed: {gap.detail}"
        return problem_report(
            cluster_id, remembered, ClusterProblem(f"look-{gap.why.value}", why, gap.role or gap.detail)
        )
    why = f"The cluster was there when run {run.id} was planned and is not listed any more."
    return problem_report(cluster_id, remembered, ClusterProblem(ScanCause.NOT_LISTED, why, "a later run"))


async def _commit(context: JobContext, run: Run, report: ClusterReport, stored: StoredState | None) -> _Result:
    """Decides and commits upon the state as it was before the look; overtaken by somebody else, upon the state now."""
    policy = context.policy(baseline=run.is_baseline(report.id.split("/")[2]))
    for attempt in range(TRIES):
        if attempt:
            stored = await context.store.load_state(report.id)
        decision = decide(stored.state if stored else None, report, run.ref, policy, context.clock())
        try:
            done = await context.store.commit(decision, report, stored.etag if stored else None)
        except Conflict:
            if attempt == TRIES - 1:
                raise
        else:
            late = run.sequence < decision.state.sequence  # one of this very run is a repeat
            before = -1 if decision.stale else stored.state.sequence if stored else None
            look = Look(decision.state, decision.change, before)
            if not done.written and not decision.stale:
                look = await _found(context, look)
            return _Result(count(report, late=late, changed=look.change is not None), report, look)
    raise Conflict(f"the state of {report.id} could not be written")


async def _found(context: JobContext, own: Look) -> Look:
    """What is kept of this run already: written here, though the answer got lost, or by somebody who handles the same
    message beside us."""
    kept = await context.store.load_state(own.state.cluster)
    return own if kept is None or kept.state == own.state else Look(kept.state)


def count(report: ClusterReport, *, late: bool, changed: bool) -> Totals:
    """What one cluster adds to its shard's totals."""
    error = report.problem is not None and report.problem.cause == CHECKER_ERROR
    outcome = outcome_of(report)
    blind = any(_unseen(row.access) or _unseen(row.path) for row in report.registries)
    return Totals(
        clusters=1,
        errors=int(error),
        failing=int(outcome is Outcome.FAIL and not error),
        unknown=int(outcome is Outcome.UNKNOWN and not error),
        passing=int(outcome is Outcome.PASS and not error),
        blind=int(blind),
        late=int(late),
        changes=int(changed),
        rows=count_rows([report]),
    )


def _unseen(facet: Facet) -> bool:
    """Whether a facet is Unknown because a look failed. Pods alone do not count: many clusters hide them."""
    return isinstance(facet.verdict, Unknown) and facet.verdict.look_failed


def add(parts: list[Totals]) -> Totals:
    """The sum of totals, field by field."""
    numbers = [name for name in Totals.__struct_fields__ if name != "rows"]
    summed = {name: sum(getattr(part, name) for part in parts) for name in numbers}
    return Totals(**summed, rows=add_counts(part.rows for part in parts))


async def _close_when_complete(context: JobContext, run: Run) -> None:
    """Whoever sees the last marker asks for the close; asked twice, it closes once.

    Shards are taken in about the order in which they were planned: while the last of them has not ended, the others
    need not be looked for. Each marks itself before it looks, so whoever is really the last sees all of them.
    """
    if run.expected and await context.store.load_marker(run.id, run.expected[-1]) is None:
        return
    ended = {marker.shard for marker in await context.store.list_markers(run.id)}
    if set(run.expected) <= ended:
        await context.queues.send(CLOSE, [CloseMessage(run=run.id)])
