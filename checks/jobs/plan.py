"""Plan a run: which subscriptions and clusters, in which shards; write it down, then send a message per shard.

The order makes it repeatable: the same request gets the same run, a run that is there is not written again, and only
shards that have not ended are sent again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import timedelta

import msgspec

from checks.causes import ScanCause
from checks.facts import Cluster, NotSeen, Seen, Subscription
from checks.findings import SubscriptionResult
from checks.history.model import KnownCluster, Run, RunScope, Shard, Ticket
from checks.history.table import keys
from checks.jobs import scan_cluster
from checks.jobs.choosing.scope import opted_out, opted_out_of
from checks.jobs.context import JobContext
from checks.jobs.estates import estate_of
from checks.jobs.messages import CLOSE, SCAN, CloseMessage, PlanMessage, ScanMessage
from checks.jobs.scope import vanished, watched_clusters
from checks.report.cluster_report import subscription_result


class Planned(msgspec.Struct, frozen=True):
    """What a plan did."""

    run: str
    shards: int
    new: bool


async def plan(context: JobContext, message: PlanMessage) -> Planned:
    """Plans one run. Raises CollectError where not even the subscriptions can be listed: the message comes again."""
    ticket = await context.store.next_sequence(context.clock(), message.request)
    stored = await context.store.load_run(ticket.run_id)
    if stored is None:
        run, shards = await _drawn_up(context, ticket, message)
        new = await context.store.create_run(run, shards)
    else:
        new, run = False, stored.run
    ended = {marker.shard for marker in await context.store.list_markers(ticket.run_id)}
    waiting = [ScanMessage(run=run.id, shard=name) for name in run.expected if name not in ended]
    if waiting:
        await context.queues.send(SCAN, waiting)
    else:
        await context.queues.send(CLOSE, [CloseMessage(run=ticket.run_id)])
    return Planned(ticket.run_id, len(run.expected), new)


async def _drawn_up(context: JobContext, ticket: Ticket, message: PlanMessage) -> tuple[Run, list[Shard]]:
    visible = await scan_cluster.visible(context.azure)
    wanted = message.ids or context.settings.subscriptions
    chosen = scan_cluster.in_scope(visible, wanted)
    listing = await estate_of(context, ticket.run_id, visible)
    facts = {s.id: listing.subscriptions[s.id] for s in chosen}
    known = {s.id: await context.store.known_clusters(s.id) for s in chosen}
    unseen = _unseen(wanted, visible) if wanted else await vanished(context, visible)
    missing = [guid for guid in unseen if guid not in context.settings.exclude_subscriptions]
    clusters = {guid: _clusters(part.clusters, known[guid]) for guid, part in facts.items()}
    left_out = tuple(cluster.id for guid in facts for cluster in opted_out_of(listing, guid))
    clusters |= {guid: await watched_clusters(context, guid) for guid in missing}
    results = [subscription_result(part, listing.visibility.object_id) for part in facts.values()] + [
        scan_cluster.unseen(context.settings, listing, guid) for guid in unseen
    ]
    shards = _shards(clusters, context.settings.shard_size)
    run = await _run(context, ticket, message, results, shards)
    complete = not missing and all(isinstance(p.clusters, Seen) and not p.clusters.partial for p in facts.values())
    return msgspec.structs.replace(run, inventory_complete=complete, opted_out=left_out), shards


def _unseen(wanted: Iterable[str], visible: Iterable[Subscription]) -> tuple[str, ...]:
    """The ids of subscriptions that were asked for and that are excluded or that the identity cannot see."""
    seen = {subscription.id for subscription in visible}
    return tuple(guid.lower() for guid in wanted if guid.lower() not in seen)


async def _run(
    context: JobContext,
    ticket: Ticket,
    message: PlanMessage,
    results: list[SubscriptionResult],
    shards: list[Shard],
) -> Run:
    complete = await context.store.baseline_complete()
    covered = tuple(result.id for result in results if result.cause != ScanCause.EXCLUDED)
    fresh = tuple(guid for guid in covered if guid not in complete)
    now = context.clock()
    return Run(
        id=ticket.run_id,
        sequence=ticket.sequence,
        requested_by=message.requested_by,
        scope=RunScope(
            subscriptions=covered,
            asked=tuple(sorted(set(message.ids))),
        ),
        created=now,
        deadline=now + timedelta(minutes=context.settings.run_minutes),
        expected=tuple(shard.id for shard in shards),
        subscriptions=tuple(results),
        baseline=bool(fresh),
        baseline_subscriptions=fresh,
    )


def _clusters(seen: Seen[tuple[Cluster, ...]] | NotSeen, known: tuple[KnownCluster, ...]) -> list[str]:
    """The clusters to scan: those that ARM lists and that did not opt out; where it refuses, those seen before."""
    if isinstance(seen, NotSeen):
        return [cluster.id for cluster in known]
    return [cluster.id for cluster in seen.value if not opted_out(cluster)]


def _digest(clusters: tuple[str, ...]) -> str:
    return hashlib.sha256("\n".join(clusters).encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _shards(clusters: Mapping[str, list[str]], size: int) -> list[Shard]:
    """Shards of at most ``size`` clusters of one subscription; the same clusters give the same ids, others do not.

    So somebody who plans the same run at the same time, of a list that has changed, writes no other's shard over. In
    the order of their rows in the store, so that one query reads the states of a shard.
    """
    shards = []
    for subscription in sorted(clusters):
        ids = sorted(clusters[subscription], key=lambda cluster: (keys.order(keys.cluster_key(cluster)), cluster))
        for start in range(0, len(ids), size):
            chosen = tuple(ids[start : start + size])
            shards.append(Shard(f"{subscription}-{start // size}.{_digest(chosen)}", subscription, chosen))
    return shards
