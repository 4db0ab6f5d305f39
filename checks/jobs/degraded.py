"""Whether so much could not be read that the checker itself is in doubt, and what people are told of it.

Runs over the same scope are compared, in their order: a run over one subscription says nothing of one over all. What is
told once stays told until three runs in a row were calm, so that a share around the threshold does not mail each time.
"""

from __future__ import annotations

import logging

from checks.changes import Notice, NoticeKind
from checks.findings import Pass
from checks.history.errors import SchemaError
from checks.history.model import Doubt, Run, Totals
from checks.jobs.context import JobContext
from checks.jobs.notices import notice_of

LOG = logging.getLogger(__name__)
DEGRADED_SHARE = 0.2  # of clusters or shards that were lost
CALM_SHARE = 0.1
CALM_RUNS = 3
MAX_NAMED = 20


def is_degraded(run: Run, totals: Totals, lost_shards: int) -> bool:
    """Whether a run lost so much."""
    return _lost_share(run, totals, lost_shards) > DEGRADED_SHARE


def _lost_share(run: Run, totals: Totals, lost_shards: int) -> float:
    shards = lost_shards / len(run.expected) if run.expected else 0.0
    clusters = (totals.blind + totals.errors) / totals.clusters if totals.clusters else 0.0
    return max(shards, clusters)


def follow(before: Doubt, run: Run) -> Doubt:
    """What is in doubt after a run that is closed. An older run than the one before changes nothing."""
    if run.sequence <= before.sequence:
        return before
    if run.degraded:
        return Doubt(run.sequence, degraded=True)
    calm = before.calm + 1 if _lost_share(run, run.totals, run.missing_count) <= CALM_SHARE else 0
    if before.degraded and calm < CALM_RUNS:
        return Doubt(run.sequence, degraded=True, calm=calm)
    return Doubt(run.sequence)


async def notify_of_changes(context: JobContext, run: Run) -> None:
    """One notice where doubt began, one where it is over. Repeatable: a notice is written once for its run."""
    try:
        before = await context.store.load_doubt(run.scope.asked)
    except SchemaError as error:  # a newer version's: it is neither guessed nor overwritten
        LOG.error("whether the checker is in doubt cannot be told: %s", error)
        return
    after = follow(before, run)
    if after.degraded and not before.degraded:
        await context.store.add_notice(_degraded_notice(run))
    if before.degraded and not after.degraded:
        title = "Pullwatch can read enough clusters again"
        await context.store.add_notice(notice_of(run, NoticeKind.DEGRADED_OVER, title))
    if after != before:
        await context.store.save_doubt(run.scope.asked, after)


def _degraded_notice(run: Run) -> Notice:
    totals = run.totals
    facts = [
        f"{totals.blind + totals.errors} of {totals.clusters} clusters could not be read, "
        f"{run.missing_count} of {len(run.expected)} shards did not end.",
        "Results that could not be read are Unknown: they raise no alert and resolve none.",
    ]
    facts += [f"Shard {shard} did not end before the deadline." for shard in run.missing[:MAX_NAMED]]
    unread = [f"Subscription {s.id}: {s.summary}" for s in run.subscriptions if not isinstance(s.verdict, Pass)]
    return notice_of(run, NoticeKind.DEGRADED, "Pullwatch cannot read many clusters", (*facts, *unread[:MAX_NAMED]))
