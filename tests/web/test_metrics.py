"""Metrics: read back by the official parser, true to the last run and the outbox, and without a name in a label."""

from __future__ import annotations

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from checks.history.model import MarkerStatus, Run, RunScope, Shard, Totals, new_run_id
from checks.jobs.close import close_run
from checks.jobs.context import JobContext
from checks.jobs.watch import watch
from checks.web.resources.metrics import MEDIA_TYPE, Family, exposition
from tests.support.http import answered
from tests.support.storage import Clock, app_settings, job_context

TOTALS = Totals(
    clusters=9, passing=5, failing=2, unknown=1, errors=1, blind=1, rows={"pull": {"pass": 7, "fail": 2}}
)  # fmt: skip


Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


async def samples(job: JobContext) -> Samples:
    """What the official parser makes of the answer."""
    answer = await answered(job, "metrics")
    assert (answer.status, answer.media_type) == (200, MEDIA_TYPE)
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.encoded().decode())
        for sample in family.samples
    }


async def closed(
    job: JobContext, clock: Clock, number: int = 1, asked: tuple[str, ...] = (), totals: Totals = TOTALS
) -> None:
    """A run that took ten minutes."""
    run = Run(
        id=new_run_id(number, clock()), sequence=number, requested_by="timer", scope=RunScope((), asked=asked),
        created=clock(), deadline=clock(), expected=("s-0",),
    )  # fmt: skip
    await job.store.create_run(run, [Shard("s-0", "11111111-1111-4111-8111-111111111111")])
    await job.store.mark_shard(run.id, "s-0", MarkerStatus.DONE, totals, clock())
    clock.forward(minutes=10)
    assert (await close_run(job, run.id)).reason == "closed"


def of_the_run(found: Samples) -> Samples:
    """The figures that are not of the outbox."""
    return {key: value for key, value in found.items() if not key[0].startswith(("pullwatch_mail", "pullwatch_up"))}


async def test_figures_are_those_of_the_last_closed_run_and_of_the_outbox(storage: str) -> None:
    clock = Clock()
    async with job_context(app_settings(storage), clock) as job:
        await closed(job, clock)
        await watch(job)
        found = await samples(job)
    clusters = {
        word: found["pullwatch_clusters", (("verdict", word),)] for word in ("pass", "fail", "unknown", "error")
    }
    assert clusters == {"pass": 5, "fail": 2, "unknown": 1, "error": 1}
    assert found["pullwatch_rows", (("facet", "pull"), ("verdict", "fail"))] == 2
    assert found["pullwatch_run_duration_seconds", ()] == 600
    assert found["pullwatch_run_closed_timestamp_seconds", ()] == clock().timestamp()
    assert found["pullwatch_up_to_date", ()] == 1
    assert found["pullwatch_mail_waiting", ()] >= 0
    assert [labels for name, labels in found if name == "pullwatch_build_info"]


async def test_a_run_over_a_part_changes_no_figure_of_the_fleet(storage: str) -> None:
    clock = Clock()
    async with job_context(app_settings(storage), clock) as job:
        await closed(job, clock)
        await watch(job)
        before = of_the_run(await samples(job))
        await closed(
            job, clock, 2, asked=("11111111-1111-4111-8111-111111111111",), totals=Totals(clusters=1, passing=1)
        )
        assert of_the_run(await samples(job)) == before
        await closed(job, clock, 3)
        assert (await samples(job))["pullwatch_run_closed_timestamp_seconds", ()] == clock().timestamp()


async def test_before_the_first_run_nothing_is_said_of_one(storage: str) -> None:
    async with job_context(app_settings(storage), Clock()) as job:
        await job.store.ensure_tables()
        found = await samples(job)
    assert found["pullwatch_up_to_date", ()] == 0
    assert not any(name.startswith(("pullwatch_run", "pullwatch_clusters")) for name, _ in found)


@pytest.mark.parametrize("text", ['a "b"', "a\\b", "a\nb"])
def test_whatever_a_label_holds_is_read_back(text: str) -> None:
    shown = exposition([Family("x", text, (({"label": text}, 1.5),))])
    (family,) = text_string_to_metric_families(shown)
    assert (family.documentation, family.samples[0].labels, family.samples[0].value) == (text, {"label": text}, 1.5)
