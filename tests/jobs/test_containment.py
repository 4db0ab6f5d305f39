"""What cannot be read, or fails, costs itself and nothing else: rows x ways of breaking x the jobs that meet them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from unittest import mock

import msgspec
import pytest
from azure.core.exceptions import HttpResponseError, ServiceRequestError

from checks.dashboard.views.now import cause_of
from checks.dashboard.views.standing import Standing, standing_of
from checks.findings import CHECKER_ERROR
from checks.fleet.load import load_fleet
from checks.history.decide import Policy, decide
from checks.history.errors import Conflict, LimitError, SchemaError
from checks.history.model import Marker, RowRef, Run, RunScope, StoredState, Unreadable, new_run_id
from checks.history.overview import ClusterEntry
from checks.history.table import keys
from checks.history.table.clusters import FoundState
from checks.history.table.store import Store
from checks.jobs import scan as scan_job
from checks.jobs.close import close_run
from checks.jobs.context import JobContext
from checks.jobs.deliver import deliver_all
from checks.jobs.messages import PlanMessage, ScanMessage
from checks.jobs.plan import plan
from checks.jobs.scan import scan_shard
from checks.jobs.unreadable import report_unreadable
from checks.report.outcome import Outcome
from localhost.mailbox import Mailbox
from simulator import Simulator, running
from tests.support.broken_rows import EACH_WAY, damage, damage_state, failing_at, restore, rows_of, stored_row
from tests.support.overviews import overview_is_what_is_held
from tests.support.reports import CLUSTER, report
from tests.support.sampling import sampled
from tests.support.storage import Clock, app_settings, job_context
from tests.support.tenant_builder import SUBSCRIPTION, Tenant

CLUSTERS = 4
IMAGE = "acrone.azurecr.io/team/web:1"
NAMES = [f"aks-{number}" for number in range(CLUSTERS)]


class Estate:
    """Clusters that are served, none of which may pull from its registry any more, and the names of them."""

    def __init__(self, sim: Simulator, ids: list[str]) -> None:
        self.sim, self.ids = sim, ids

    def settings(self, storage: str, box: Mailbox | None = None, **more: str) -> dict[str, str]:
        return self.sim.environment | app_settings(storage, box, **more)


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    tenant = Tenant(Path(tmp_path_factory.mktemp("estate")) / "tenant")
    tenant.registry("acrone")
    ids = [tenant.cluster(name) for name in NAMES]
    for name in NAMES:
        tenant.reachable(name)
        tenant.pod(IMAGE, cluster=name, name="web-1")
    with running(tenant.root) as sim:
        yield Estate(sim, ids)


def planned_run(job: JobContext, sequence: int) -> Run:
    """A run without shards."""
    now = job.clock()
    return Run(
        id=new_run_id(sequence, now),
        sequence=sequence,
        requested_by="timer",
        scope=RunScope((SUBSCRIPTION,)),
        created=now,
        deadline=now,
    )


async def seen_passing(job: JobContext, clusters: list[str], sequence: int = 1) -> None:
    """A first run saw every cluster pull; it is closed."""
    now = job.clock()
    ticket = await job.store.next_sequence(now, "first")
    assert ticket.sequence == sequence
    run = planned_run(job, sequence)
    await job.store.create_run(run, [])
    for cluster in clusters:
        seen = report("pass", cluster=cluster)
        await job.store.commit(decide(None, seen, run.ref, Policy(), now), seen, None)
    await close_run(job, run.id)
    await job.store.claim_summary(SUBSCRIPTION, run)
    await job.store.complete_baseline(SUBSCRIPTION)


async def next_run(job: JobContext, request: str = "second") -> tuple[Run, list[Marker]]:
    """Plans, scans every shard, closes, delivers: what the queues would do."""
    job.clock.forward(hours=1)  # type: ignore[attr-defined]
    planned = await plan(job, PlanMessage(request=request, requested_by="timer"))
    for shard in await job.store.list_shards(planned.run):
        await scan_shard(job, ScanMessage(run=planned.run, shard=shard.id))
    assert (await close_run(job, planned.run)).reason == "closed"
    await deliver_all(job)
    stored = await job.store.load_run(planned.run)
    assert stored is not None
    return stored.run, list(await job.store.list_markers(planned.run))


def failures(box: Mailbox) -> list[str]:
    """The subjects of the mails that say that something fails."""
    return [str(message["Subject"]) for message in box.messages if "FAIL" in str(message["Subject"])]


def text(box: Mailbox) -> str:
    """The plain text of every mail."""
    bodies = [message.get_body(("plain",)) for message in box.messages]
    return "\n".join(str(body.get_content()) for body in bodies if body is not None)


async def others_are_decided(job: JobContext, estate: Estate, broken: int, sequence: int = 2) -> None:
    for index, cluster in enumerate(estate.ids):
        if index != broken:
            stored = await job.store.load_state(cluster)
            assert stored is not None
            assert (stored.state.sequence, stored.state.outcome) == (sequence, "fail")


@pytest.mark.parametrize("how", EACH_WAY)
async def test_a_state_that_cannot_be_read_costs_its_cluster_alone(
    estate: Estate, storage: str, smtp: Mailbox, how: str
) -> None:
    async with job_context(estate.settings(storage, smtp), Clock()) as job:
        await seen_passing(job, estate.ids)
        broken = damage_state(storage, how, estate.ids[1])
        run, (marker,) = await next_run(job)
        await others_are_decided(job, estate, broken=1)
        assert (run.totals.errors, run.totals.failing, run.totals.clusters) == (1, 3, 4)
        assert (marker.totals.errors, [failed.cluster for failed in marker.failed]) == (1, [estate.ids[1]])
        assert (marker.failed[0].lasting, marker.failed[0].reason.partition(":")[0]) == (True, "SchemaError")
        assert marker.reason == "Pullwatch itself failed at 1 of 4 clusters"
    assert stored_row(storage, SUBSCRIPTION, broken["RowKey"]) == broken, "it is left as it was"
    (incident,) = failures(smtp)
    assert "aks-0 and 2 more clusters cannot pull" in incident


@pytest.mark.parametrize("how", sampled(EACH_WAY, 2))
async def test_a_cluster_whose_state_cannot_be_read_is_shown_as_unknown_until_it_can_be(
    estate: Estate, storage: str, smtp: Mailbox, how: str
) -> None:
    async with job_context(estate.settings(storage, smtp), Clock()) as job:
        await seen_passing(job, estate.ids)
        whole = stored_row(storage, SUBSCRIPTION, keys.state(estate.ids[1]))
        assert (await shown(job, estate.ids[1])).outcome is Outcome.PASS
        damage_state(storage, how, estate.ids[1])
        for request in ("second", "third"):
            await next_run(job, request)
            entry = await shown(job, estate.ids[1])
            assert entry.outcome is Outcome.UNKNOWN
            assert entry.unreadable_since is not None
            assert {entry.outcome_of(row) for row in entry.rows} == {Outcome.UNKNOWN}
            assert standing_of(entry) is Standing.NOT_SEEN
            assert cause_of(entry, None) == "its row in the storage cannot be read"
        await overview_is_what_is_held(job.store, SUBSCRIPTION)
        assert (await shown(job, estate.ids[0])).unreadable_since is None
        restore(storage, whole)
        run = planned_run(job, 4)
        await job.store.create_run(run, [])
        await close_run(job, run.id)
        await overview_is_what_is_held(job.store, SUBSCRIPTION)
        assert (await shown(job, estate.ids[1])).outcome is Outcome.PASS, (
            "it is what is held, also before the next look"
        )


async def shown(job: JobContext, cluster: str) -> ClusterEntry:
    """What lists show of a cluster."""
    fleet = await load_fleet(job.store, job.clock())
    return next(entry for entry in fleet.clusters() if entry.cluster.lower() == cluster.lower())


ERRORS: dict[str, Callable[[], Exception]] = {
    "a schema error": lambda: SchemaError("row 'state|x': no time"),
    "a limit": lambda: LimitError("a transaction of 101 rows"),
    "a conflict": lambda: Conflict("overtaken"),
    "storage away": lambda: ServiceRequestError("connection refused"),
    "storage refusing": lambda: refused(400),
    "a defect": lambda: KeyError("registry"),
}
PASSING = ("a conflict", "storage away")


def refused(status: int) -> HttpResponseError:
    """What the client raises where the service does not take a row."""
    error = HttpResponseError("PropertyValueTooLarge")
    error.status_code = status
    return error


@pytest.mark.parametrize(
    ("operation", "name"),
    sampled(
        [
            *(("load", name) for name in ("a schema error", "a conflict", "storage away", "a defect")),
            ("decide", "a defect"),
            *(("commit", name) for name in ("a limit", "a conflict", "storage away", "storage refusing")),
        ],
        2,
    ),
)
async def test_a_cluster_that_raises_costs_no_other(
    estate: Estate, storage: str, smtp: Mailbox, operation: str, name: str
) -> None:
    bad = estate.ids[2]
    async with job_context(estate.settings(storage, smtp), Clock()) as job:
        await seen_passing(job, estate.ids)
    clock = Clock()

    def deciding(previous: object, seen: object, *rest: object) -> object:
        if operation == "decide" and seen.id == bad and seen.problem is None:  # type: ignore[attr-defined]
            raise ERRORS[name]()
        return decide(previous, seen, *rest)  # type: ignore[arg-type]

    kind = failing_at(bad, operation, ERRORS[name])
    async with job_context(estate.settings(storage, smtp), clock, kind) as job:
        with mock.patch.object(scan_job, "decide", deciding):
            run, (marker,) = await next_run(job)
        await others_are_decided(job, estate, broken=2)
        assert (run.totals.errors, run.totals.failing) == (1, 3)
        assert [(failed.cluster, failed.lasting) for failed in marker.failed] == [(bad, name not in PASSING)]
    async with job_context(estate.settings(storage, smtp), clock) as job:
        kept = await job.store.load_report(bad)
        assert kept is not None
        if operation == "decide":
            assert kept.problem is not None
            assert kept.problem.cause == CHECKER_ERROR
        stored = await job.store.load_state(bad)
        assert stored is not None
        statuses = {subject.facet: subject.status for subject in stored.state.subjects}
        assert (statuses["access"], statuses["path"]) == ("passing", "passing"), "it neither fails nor is it gone"
        run, _ = await next_run(job, "third")
        assert (run.totals.errors, run.totals.failing) == (0, 4), "nothing stays behind once it works again"


@pytest.mark.parametrize(
    "away",
    [None, ServiceRequestError("connection refused"), ValueError("a property of a row that the SDK cannot read")],
    ids=["one query", "it fails", "a row is odd"],
)
async def test_the_states_of_a_shard_are_read_by_one_query_and_one_by_one_where_that_fails(
    estate: Estate, storage: str, smtp: Mailbox, away: Exception | None
) -> None:
    async with job_context(estate.settings(storage, smtp), Clock()) as job:
        await seen_passing(job, estate.ids)
    loaded: list[str] = []

    class Counting(Store):
        async def load_state(self, name: str) -> StoredState | None:
            loaded.append(name)
            return await super().load_state(name)

        async def find_states(self, subscription: str, clusters: Iterable[str]) -> dict[str, FoundState | None]:
            if away is not None:
                raise away
            return await super().find_states(subscription, clusters)

    async with job_context(estate.settings(storage, smtp), Clock(), Counting) as job:
        planned = await plan(job, PlanMessage(request="second", requested_by="timer"))
        (shard,) = await job.store.list_shards(planned.run)
        done = await scan_shard(job, ScanMessage(run=planned.run, shard=shard.id))
        assert (done.totals.errors, done.totals.failing) == (0, CLUSTERS)
        assert sorted(loaded) == ([] if away is None else sorted(estate.ids))


async def test_a_shard_of_which_nothing_could_be_kept_for_now_comes_again(estate: Estate, storage: str) -> None:
    bad = estate.ids[0]
    clock = Clock()
    settings = estate.settings(storage, SHARD_SIZE="1")
    async with job_context(settings, clock, failing_at(bad, "commit", ERRORS["storage away"])) as job:
        planned = await plan(job, PlanMessage(request="first", requested_by="timer"))
        shards = await job.store.list_shards(planned.run)
        first = next(ScanMessage(run=planned.run, shard=one.id) for one in shards if one.clusters == (bad,))
        with pytest.raises(ServiceRequestError):
            await scan_shard(job, first)
        assert await job.store.list_markers(planned.run) == ()
    async with job_context(settings, clock) as job:
        assert (await scan_shard(job, first)).totals.failing == 1


def unreadable(box: Mailbox) -> list[str]:
    """The subjects of the mails that say that a row cannot be handled."""
    return [str(message["Subject"]) for message in box.messages if "checker error" in str(message["Subject"])]


@pytest.mark.parametrize("how", EACH_WAY)
async def test_a_state_that_cannot_be_read_is_notified_once_and_again_when_it_breaks_anew(
    estate: Estate, storage: str, smtp: Mailbox, how: str
) -> None:
    async with job_context(estate.settings(storage, smtp), Clock()) as job:
        await seen_passing(job, estate.ids)
        whole = stored_row(storage, SUBSCRIPTION, keys.state(estate.ids[1]))
        damage_state(storage, how, estate.ids[1])
        for request in ("second", "third", "fourth"):
            await next_run(job, request)
        assert unreadable(smtp) == [
            "[Pullwatch] DEGRADED: checker error: Cluster rg/aks-1 of subscription "
            "11111111-1111-4111-8111-111111111111 cannot be handled"
        ]
        (record,) = await job.store.list_unreadable()
        assert record.ref == RowRef(SUBSCRIPTION, keys.state(estate.ids[1]))
        restore(storage, whole)
        run, _ = await next_run(job, "fifth")
        assert (run.totals.errors, await job.store.list_unreadable()) == (0, ())
        damage_state(storage, how, estate.ids[1])
        await next_run(job, "sixth")
        assert len(unreadable(smtp)) == 2


@pytest.mark.parametrize("met", [1, 2], ids=["first", "again"])
async def test_an_older_run_that_closes_late_does_not_forget_what_a_newer_one_could_not_read(
    storage: str, smtp: Mailbox, met: int
) -> None:
    ref = RowRef(SUBSCRIPTION, "state|rg:aks-1")
    async with job_context(app_settings(storage, smtp), Clock()) as job:
        for sequence in (3, 5)[:met]:
            await report_unreadable(job, [Unreadable(ref, "version 999")], lambda _: False, sequence=sequence)
        older, same = 2 * met, 2 * met + 1
        await report_unreadable(job, [], lambda _: True, sequence=older)
        (record,) = await job.store.list_unreadable()
        assert (record.ref, record.sequence) == (ref, same)
        await report_unreadable(job, [], lambda _: True, sequence=same)
        assert await job.store.list_unreadable() == ()


@pytest.mark.parametrize("how", EACH_WAY)
async def test_a_state_that_nobody_repairs_is_set_aside_unless_a_newer_version_wrote_it(
    estate: Estate, storage: str, smtp: Mailbox, how: str
) -> None:
    async with job_context(estate.settings(storage, smtp), Clock()) as job:
        await seen_passing(job, estate.ids)
        broken = damage_state(storage, how, estate.ids[1])
        await next_run(job, "second")
        job.clock.forward(days=7)  # type: ignore[attr-defined]
        await next_run(job, "third")
        run, _ = await next_run(job, "fourth")
        newer = how == "version 999"
        assert run.totals.errors == int(newer)
        assert len(unreadable(smtp)) == 1
    if newer:
        assert stored_row(storage, SUBSCRIPTION, broken["RowKey"]) == broken
        return
    (aside,) = rows_of(storage, SUBSCRIPTION, "aside|")
    kept = {key: value for key, value in aside.items() if key != "RowKey"}
    assert kept == {key: value for key, value in broken.items() if key not in ("RowKey", "etag")}
    assert any("aks-1 " in subject for subject in failures(smtp)), "it begins anew, and what fails is notified"


async def test_a_state_that_can_be_read_and_not_be_written_is_notified_once_and_never_set_aside(
    estate: Estate, storage: str, smtp: Mailbox
) -> None:
    clock = Clock()
    kind = failing_at(estate.ids[1], "commit", ERRORS["storage refusing"])
    async with job_context(estate.settings(storage, smtp), clock) as job:
        await seen_passing(job, estate.ids)
    async with job_context(estate.settings(storage, smtp), clock, kind) as job:
        for request in ("second", "third"):
            await next_run(job, request)
            clock.forward(days=8)
        assert len(unreadable(smtp)) == 1
        assert await job.store.load_state(estate.ids[1]) is not None


async def test_an_error_that_passes_does_not_make_one_that_lasts_new_again(
    estate: Estate, storage: str, smtp: Mailbox
) -> None:
    clock = Clock()
    async with job_context(estate.settings(storage, smtp), clock) as job:
        await seen_passing(job, estate.ids)
    for number, name in enumerate(("a limit", "storage away", "a limit")):
        kind = failing_at(estate.ids[1], "commit", ERRORS[name])
        async with job_context(estate.settings(storage, smtp), clock, kind) as job:
            await next_run(job, f"later {number}")
    assert len(unreadable(smtp)) == 1


@pytest.mark.parametrize("how", EACH_WAY)
async def test_a_run_is_planned_though_the_latest_cannot_be_read(
    estate: Estate, storage: str, smtp: Mailbox, how: str
) -> None:
    async with job_context(estate.settings(storage, smtp), Clock()) as job:
        await seen_passing(job, estate.ids)
        damage(storage, how, keys.RUN, "latest")
        run, _ = await next_run(job)
        assert (run.baseline, run.totals.failing) == (False, 4)
        latest = await job.store.latest_run()
        assert latest is not None
        assert latest.id == run.id


async def test_a_storm_of_rows_that_cannot_be_read_is_one_mail(storage: str, smtp: Mailbox) -> None:
    found = [Unreadable(RowRef(SUBSCRIPTION, f"state|rg:aks-{number:03}"), "version 999") for number in range(250)]
    async with job_context(app_settings(storage, smtp), Clock()) as job:
        for _ in range(2):
            await report_unreadable(job, found, lambda ref: False)
            await deliver_all(job)
        assert len(await job.store.list_unreadable()) == 250
    assert unreadable(smtp) == ["[Pullwatch] DEGRADED: checker error: 250 rows of storage cannot be handled"]
    assert "… and 230 more." in text(smtp)


@pytest.mark.parametrize("how", EACH_WAY)
async def test_a_cluster_that_left_and_cannot_be_read_keeps_no_other_from_leaving(
    estate: Estate, storage: str, smtp: Mailbox, how: str
) -> None:
    left = [f"{estate.ids[0]}-gone-{number}" for number in range(3)]
    async with job_context(estate.settings(storage, smtp), Clock()) as job:
        await seen_passing(job, [*estate.ids, *left])
        broken = damage_state(storage, how, left[1])
        for request, gone in (("second", 0), ("third", 2), ("fourth", 0)):
            run, _ = await next_run(job, request)
            assert (run.totals.gone, run.totals.errors) == (gone, 0)
        assert len(unreadable(smtp)) == 1
        states = await job.store.list_states(SUBSCRIPTION)
        assert [state.cluster for state in states.items if state.gone_since] == [left[0], left[2]]
    assert stored_row(storage, SUBSCRIPTION, broken["RowKey"]) == broken


@pytest.mark.parametrize("how", EACH_WAY)
async def test_a_plan_of_what_was_known_goes_on_past_a_row_that_cannot_be_read(storage: str, how: str) -> None:
    """The subscription is not visible, so the clusters are those that rows name."""
    ids = [f"{CLUSTER[:-1]}{number}" for number in range(3)]
    async with job_context(app_settings(storage), Clock()) as job:
        await seen_passing(job, ids)
        damage_state(storage, how, ids[1])
        assert [known.id for known in await job.store.known_clusters(SUBSCRIPTION)] == ids


@pytest.mark.parametrize("how", EACH_WAY)
async def test_the_first_summary_goes_out_past_a_state_that_cannot_be_read(
    storage: str, smtp: Mailbox, how: str
) -> None:
    ids = [f"{CLUSTER[:-1]}{number}" for number in range(3)]
    async with job_context(app_settings(storage, smtp), Clock()) as job:
        ticket = await job.store.next_sequence(job.clock(), "first")
        run = msgspec.structs.replace(planned_run(job, ticket.sequence), baseline=True)
        await job.store.create_run(run, [])
        for cluster in ids:
            seen = report("fail", cluster=cluster)
            await job.store.commit(decide(None, seen, run.ref, Policy(baseline=True), job.clock()), seen, None)
        damage_state(storage, how, ids[1])
        assert (await close_run(job, run.id)).reason == "closed"
        await deliver_all(job)
        (summary,) = smtp.messages
        assert "watched" in str(summary["Subject"])
        assert [f"{name} ->" in text(smtp) or name in text(smtp) for name in ("aks-0", "aks-2")] == [True, True]
        for index, cluster in enumerate(ids):
            if index != 1:
                stored = await job.store.load_state(cluster)
                assert stored is not None
                assert all(subject.notified for subject in stored.state.subjects if subject.status == "failing")
