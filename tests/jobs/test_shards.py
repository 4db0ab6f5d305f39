"""Shards of a plan: their ids say which clusters they hold, so that two plans of one run write no other's over."""

from checks.jobs.plan import _shards
from tests.support.tenant_builder import SUBSCRIPTION

IDS = [
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/c{n:02d}"
    for n in range(40)
]


def test_the_same_clusters_give_the_same_shards_in_whatever_order_they_are_listed() -> None:
    assert _shards({SUBSCRIPTION: IDS}, 20) == _shards({SUBSCRIPTION: IDS[::-1]}, 20)


def test_a_shard_of_other_clusters_has_another_id() -> None:
    """A cluster that vanished moves all that come after it by one."""
    planned = _shards({SUBSCRIPTION: IDS}, 20)
    again = _shards({SUBSCRIPTION: [one for one in IDS if not one.endswith("c03")]}, 20)
    assert not {shard.id for shard in planned} & {shard.id for shard in again}
    assert all(shard.id.rpartition("-")[0] == SUBSCRIPTION for shard in (*planned, *again))
