"""A reminder while anything fails: one mail for all of it, after so many hours, what has failed longest first."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

import msgspec

from checks.changes import NoticeKind, NoticeLine, Reason, Status
from checks.history.errors import SchemaError
from checks.history.model import ClusterState, Run, SubjectState
from checks.jobs.context import JobContext
from checks.jobs.notices import line_of, notice_of
from checks.notify.items import item_of_line
from checks.notify.notice_lines import folded, still_failing, with_lines
from checks.notify.routes import notice_route, wanted

LOG = logging.getLogger(__name__)


async def remind(context: JobContext, run: Run) -> None:
    """Writes a reminder where one is due. Only runs over everything do: others see a part of what fails."""
    every = timedelta(hours=context.settings.remind_hours)
    now = run.closed or context.clock()
    if not every or run.scope.asked:
        return
    route = notice_route(context.settings)
    failing = folded(await _still_failing(context, run, now))
    lines = [line for line in failing if wanted(item_of_line(line, Reason.STILL_FAILING), route)]
    if not any(now - line.since >= every for line in lines):
        return
    if not await context.store.claim_reminder(run, now, every):
        return
    title = still_failing(len({line.cluster.lower() for line in lines}))
    hours = every // timedelta(hours=1)
    facts = (f"People were notified of all of these before. The next reminder comes in {hours} hours.",)
    notice = msgspec.structs.replace(notice_of(run, NoticeKind.REMINDER, title, facts), lines_only=True)
    await context.store.add_notice(with_lines(notice, lines))


async def _still_failing(context: JobContext, run: Run, now: datetime) -> list[NoticeLine]:
    """What fails and people were notified of."""
    lines: list[NoticeLine] = []
    for subscription in run.scope.subscriptions:
        for summary in (await context.store.list_states(subscription)).items:
            if summary.failing and summary.gone_since is None:
                lines += await _lines_of(context, summary.cluster, now)
    return lines


async def _lines_of(context: JobContext, cluster: str, now: datetime) -> list[NoticeLine]:
    """The lines of one cluster; none where its state cannot be read, which its scan says."""
    try:
        stored = await context.store.load_state(cluster)
    except SchemaError as error:
        LOG.error("the reminder leaves out %s: %s", cluster, error)
        return []
    return [] if stored is None else _lines(stored.state, now)


def _lines(state: ClusterState, now: datetime) -> list[NoticeLine]:
    return [
        line_of(state.cluster, subject)
        for subject in state.subjects
        if subject.status is Status.FAILING and subject.notified and not _unused(subject, now)
    ]


def _unused(subject: SubjectState, now: datetime) -> bool:
    """Whether the cluster has not used the registry for a day: nobody needs to be reminded of that."""
    return now - subject.last_seen > timedelta(days=1)
