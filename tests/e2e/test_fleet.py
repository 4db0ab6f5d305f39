"""Fleets: a scan of a hundred clusters completes, and its calls do not multiply."""

from collections import Counter
from pathlib import Path

import pytest

from simulator import running
from simulator.__main__ import main as simulate
from tests.support.cli import scan


def fleet(folder: Path, *, subscriptions: int, clusters: int, registries: int, pods: int) -> Path:
    """A generated fleet."""
    sizes = {"subscriptions": subscriptions, "clusters": clusters, "registries": registries, "pods": pods, "seed": 11}
    assert simulate(["generate", str(folder), *(f"--{name}={value}" for name, value in sizes.items())]) == 0
    return folder


def arm_calls(folder: Path) -> Counter[str]:
    """Calls to ARM by subscription, as the simulator counted them."""
    with running(folder, page_size=1000) as simulator:
        result = scan(simulator.environment)
        calls = Counter(
            r.path.split("/")[2] for r in simulator.requests if r.service == "arm" and r.path.count("/") > 2
        )
    assert result.answer["clusters"]
    return calls


@pytest.mark.timeout(240)
def test_a_scan_of_ten_subscriptions_and_a_hundred_clusters_completes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = fleet(tmp_path / "fleet", subscriptions=10, clusters=100, registries=20, pods=10)
    with running(folder) as simulator:
        result = scan(simulator.environment)
    assert len(result.answer["clusters"]) == 100
    assert len(result.answer["subscriptions"]) == 10
    assert all(row["access"]["verdict"] == "pass" for c in result.answer["clusters"] for row in c["registries"]
               if row["registry"].endswith(".azurecr.io"))  # fmt: skip
    shown = result.errors.strip().splitlines()[-1]
    assert "calls to Azure Resource Manager, at most" in shown
    with capsys.disabled():
        print(f"\n100 clusters: {shown}")


def test_calls_per_subscription_do_not_grow_with_clusters_times_registries(tmp_path: Path) -> None:
    """With a term in clusters x registries, doubling both would cost more than doubling each on its own."""
    worst = {
        (clusters, registries): max(
            arm_calls(
                fleet(
                    tmp_path / f"{clusters}-{registries}",
                    subscriptions=2,
                    clusters=clusters,
                    registries=registries,
                    pods=20,
                )
            ).values()
        )
        for clusters in (8, 32)
        for registries in (2, 8)
    }
    print(worst)
    more_clusters = worst[32, 2] - worst[8, 2]
    more_registries = worst[8, 8] - worst[8, 2]
    both = worst[32, 8] - worst[8, 2]
    slack = 0.25 * (more_clusters + more_registries) + 4  # the fleets are drawn anew, so counts are not exact sums
    assert both <= more_clusters + more_registries + slack, worst
