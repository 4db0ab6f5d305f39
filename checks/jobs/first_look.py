"""The baseline of a subscription: one summary introduces it, and what fails at the first look goes into that summary.

What fails is stored with a pointer, as any alert is; it waits for the summary of its run (``checks.jobs.deliver``).
"""

from __future__ import annotations

from collections.abc import Sequence

from checks.changes import Notice, NoticeKind
from checks.findings import Pass
from checks.history.model import Marker, MarkerStatus, Run, StateSummary
from checks.jobs.context import JobContext
from checks.jobs.notices import notice_of
from checks.report.outcome import Outcome

INSTALLATION = ""
MAX_NAMED = 20


async def introduce(context: JobContext, run: Run) -> None:
    """Writes the summary of the subscriptions that no run introduced before. Each is introduced once, whoever closes.

    The first run of all has a summary also where it sees nothing; later ones only where there are clusters.
    """
    if not run.baseline:
        return
    hidden = {result.id for result in run.subscriptions if not isinstance(result.verdict, Pass)}
    fresh = [name for name in run.scope.subscriptions if run.is_baseline(name) and name not in hidden]
    mine = [name for name in fresh if await context.store.claim_summary(name, run)]
    # A run whose subscriptions another one introduces has nothing to say, be it the first to ask for this.
    very_first = (bool(mine) or not fresh) and await context.store.claim_summary(INSTALLATION, run)
    listed = [await context.store.list_states(name) for name in mine]
    states = [state for states in listed for state in states.items if state.gone_since is None]
    if states or very_first:
        await context.store.add_notice(_summary(run, len(mine), states, context.settings.alert_on))


async def complete(context: JobContext, run: Run, markers: Sequence[Marker]) -> None:
    """Ends the baseline of the subscriptions that this run read whole: what fails there from now on is new."""
    if not run.baseline:
        return
    listed = {result.id for result in run.subscriptions if isinstance(result.verdict, Pass)}
    # A cluster at which Pullwatch fails for good is said by itself, and keeps no baseline open.
    whole = {
        marker.shard
        for marker in markers
        if marker.status is MarkerStatus.DONE and all(failed.lasting for failed in marker.failed)
    }
    lost = {subscription_of_shard(shard) for shard in run.expected if shard not in whole}
    for name in run.scope.subscriptions:
        if run.is_baseline(name) and name in listed and name not in lost:
            await context.store.complete_baseline(name)


def subscription_of_shard(shard: str) -> str:
    """The subscription that a shard's id begins with."""
    return shard.rpartition("-")[0]


def _summary(run: Run, seen: int, states: Sequence[StateSummary], alert_on: tuple[str, ...]) -> Notice:
    failing = sum(state.outcome is Outcome.FAIL for state in states)
    clusters = f"{len(states)} cluster{'' if len(states) == 1 else 's'}"
    facts = [
        f"{clusters} in {seen} subscription(s) are watched from now on.",
        f"From here on you get mail when {' or '.join(alert_on)} of a registry fails, and when it holds again.",
    ]
    unknown = sum(state.outcome is Outcome.UNKNOWN for state in states)
    if unknown:
        facts.append(f"Of {unknown} of them something is unknown, which raises no alert and resolves none.")
    unread = [f"Subscription {s.id}: {s.summary}" for s in run.subscriptions if not isinstance(s.verdict, Pass)]
    return notice_of(run, NoticeKind.BASELINE, f"{clusters} watched, {failing} failing", (*facts, *unread[:MAX_NAMED]))
