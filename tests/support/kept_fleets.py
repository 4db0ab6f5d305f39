"""A fleet in real storage: runs with their reports, decided and kept as the app does it, as far as pages read it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import msgspec

from checks.arm_ids import subscription_of
from checks.findings import ClusterReport, SubscriptionResult
from checks.history.decide import Policy, decide
from checks.history.model import Run, RunScope, RunStatus, Totals
from checks.history.table.overviews import Look
from checks.jobs.context import JobContext
from checks.report.outcome import Outcome, count_rows, outcome_of
from tests.support.storage import Clock


class KeptFleet:
    """A job's context in whose storage runs are kept."""

    def __init__(self, job: JobContext, clock: Clock) -> None:
        self.job, self.clock, self.number = job, clock, 0

    async def plan(self, subscriptions: Sequence[SubscriptionResult] = (), shards: tuple[str, ...] = ("0001",)) -> Run:
        """A run that is planned and goes on."""
        self.number += 1
        ticket = await self.job.store.next_sequence(self.clock(), f"request-{self.number}")
        run = Run(
            id=ticket.run_id,
            sequence=ticket.sequence,
            requested_by="timer",
            scope=RunScope(),
            created=self.clock(),
            deadline=self.clock() + timedelta(minutes=20),
            expected=shards,
            subscriptions=tuple(subscriptions),
        )
        assert await self.job.store.create_run(run, [])
        return run

    async def run(
        self, reports: Sequence[ClusterReport], subscriptions: Sequence[SubscriptionResult] = (), minutes: float = 30
    ) -> Run:
        """A whole run, that long after the last one: every report is decided, kept and shown, and the run closed."""
        self.clock.forward(minutes=minutes)
        run = await self.plan(subscriptions)
        looks: dict[str, list[Look]] = {}
        for seen in reports:
            stored = await self.job.store.load_state(seen.id)
            decision = decide(stored.state if stored else None, seen, run.ref, Policy(), self.clock())
            await self.job.store.commit(decision, seen, stored.etag if stored else None)
            before = stored.state.sequence if stored else None
            looks.setdefault(subscription_of(seen.id), []).append(Look(decision.state, decision.change, before))
        for guid, listed in looks.items():
            await self.job.store.fold_into_overview(guid, listed)
        return await self.close(run, reports)

    async def close(self, run: Run, reports: Sequence[ClusterReport] = ()) -> Run:
        """Closes a run that goes on."""
        outcomes = [outcome_of(one) for one in reports]
        totals = Totals(
            clusters=len(reports),
            passing=outcomes.count(Outcome.PASS),
            failing=outcomes.count(Outcome.FAIL),
            unknown=outcomes.count(Outcome.UNKNOWN),
            rows=count_rows(reports),
        )
        stored = await self.job.store.load_run(run.id)
        assert stored is not None
        closed = msgspec.structs.replace(run, status=RunStatus.CLOSED, closed=self.clock(), totals=totals)
        assert await self.job.store.try_close(closed, stored.etag)
        await self.job.store.finish_run(closed)
        return closed
