"""A canary takes no place that somebody may need: on a node that it filled up, a scheduler would evict for the next."""

from __future__ import annotations

import pytest

from checks.facts import AgentPool, NotSeen, NotSeenReason, Seen, Workloads
from checks.facts.canary import CanaryNode
from checks.findings import Evidence
from checks.rules.pull.canary_nodes import choose_node

READ = Evidence("pods", "test")
FIRST, SECOND = "aks-system-12345678-vmss000000", "aks-system-12345678-vmss000001"
UNREADABLE = NotSeen(NotSeenReason.NOT_ALLOWED, "HTTP 403")


def workloads(pods: dict[str, int]) -> Seen[Workloads]:
    return Seen(Workloads(events=Seen((), READ), ready_nodes=frozenset((FIRST, SECOND)), pods_on_nodes=pods), READ)


@pytest.mark.parametrize("readable", [True, False])
@pytest.mark.parametrize(
    ("most", "first", "second", "chosen"),
    [
        (30, 28, 30, FIRST),
        (30, 29, 28, SECOND),
        (30, 30, 0, SECOND),
        (30, 29, 30, None),
        (None, 500, 500, FIRST),
    ],
)
def test_a_node_keeps_a_place_beside_the_canarys(
    most: int | None, first: int, second: int, chosen: str | None, readable: bool
) -> None:
    pool = AgentPool(name="system", max_pods=most)
    nodes = tuple(CanaryNode(name=name, pool="system", ready=True) for name in (FIRST, SECOND))
    node = choose_node("system", (pool,), workloads({FIRST: first, SECOND: second}), nodes if readable else UNREADABLE)
    if chosen is None:
        assert isinstance(node, NotSeen)
        assert node.detail == "the nodes that can be named have less than 2 places left for pods (maxPods is 30)"
    else:
        assert node == chosen
