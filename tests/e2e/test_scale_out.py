"""Two worker processes make one run between them, and one is killed (SIGKILL) in the middle of a shard.

Shards are small, so that both workers write to the rows of the same subscription.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from checks.history.model import RunStatus
from checks.history.table.store import open_store
from localhost.azurite import Storage
from localhost.mailbox import Mailbox
from simulator import Simulator, running
from simulator.fleet.generator import generate
from simulator.fleet.model import Wanted
from tests.support.overviews import overview_is_what_is_held
from tests.support.queued_jobs import take
from tests.support.storage import empty
from tests.support.workers.outcome import Outcome
from tests.support.workers.run import make_run

CLUSTERS, SUBSCRIPTIONS, SHARD = 24, 2, 4
LEASE = 4  # seconds until what the dead worker was at comes again


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """Clusters that all pull."""
    tenant = Path(tmp_path_factory.mktemp("scale-out")) / "tenant"
    generate(tenant, Wanted(subscriptions=SUBSCRIPTIONS, clusters=CLUSTERS, registries=4, pods=5))
    with running(tenant) as sim:
        yield sim


@pytest.fixture
def emptied(azurite: Storage) -> Storage:
    """Storage that holds nothing."""
    empty(azurite.connection_string)
    return azurite


def made(fleet: Simulator, emptied: Storage, smtp: Mailbox, *, kill: bool) -> Outcome:
    """A run by two workers, of which everything holds that holds however it went."""
    outcome = make_run(fleet, emptied, 2, lease=LEASE, kill=kill, box=smtp, SHARD_SIZE=str(SHARD))
    assert len(outcome.clusters) == CLUSTERS
    assert len(outcome.shards) == CLUSTERS // SHARD
    assert outcome.run.status is RunStatus.CLOSED
    assert not outcome.run.missing
    assert outcome.results == outcome.clusters, "every cluster has a result"
    assert outcome.run.totals.clusters == CLUSTERS, "and is counted once"
    assert outcome.run.totals.passing == CLUSTERS
    assert outcome.looks.keys() == outcome.clusters
    assert not outcome.without_reason, "no cluster is looked at more often than its message was taken"
    assert take(emptied.connection_string) == []
    asyncio.run(overviews_hold(emptied.connection_string))
    assert len(smtp.messages) == 1, "the summary of the first look, once"
    return outcome


async def overviews_hold(storage: str) -> None:
    """What both workers folded into the overviews is what the states say."""
    async with open_store(connection_string=storage) as store:
        shown = [await overview_is_what_is_held(store, guid) for guid in await store.known_subscriptions()]
    assert [len(overview.clusters) for overview in shown] == [CLUSTERS // SUBSCRIPTIONS] * SUBSCRIPTIONS


@pytest.mark.matrix
def test_two_workers_look_at_each_cluster_once(fleet: Simulator, emptied: Storage, smtp: Mailbox) -> None:
    outcome = made(fleet, emptied, smtp, kill=False)
    assert not outcome.looked_at_again
    assert set(outcome.taken.values()) == {1}


def test_a_worker_that_is_killed_costs_no_result_and_only_its_shard_is_looked_at_again(
    fleet: Simulator, emptied: Storage, smtp: Mailbox
) -> None:
    outcome = made(fleet, emptied, smtp, kill=True)
    assert outcome.taken[outcome.held] == 2
    assert set(outcome.taken.values()) == {1, 2}
    assert outcome.looked_at_again
    assert outcome.looked_at_again <= outcome.shards[outcome.held]
    assert all(times <= 2 for times in outcome.looks.values())
