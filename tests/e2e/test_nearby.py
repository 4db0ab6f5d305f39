"""A check of one cluster reads what the cluster refers to, and says what a scan of everything says."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from simulator import running
from simulator.fleet.generator import generate
from simulator.fleet.model import Wanted
from tests.e2e.test_agreement import CASES, HIDDEN_CASES, LAYOUTS, ORDINARY, PRIVATE_CASES, Served, build
from tests.support.cli import Scan, scan
from tests.support.layout import holds_anything
from tests.support.tenant_builder import Tenant

EXAMPLES, MATRIX = 8, 400
LIMIT = 25  # calls to Azure Resource Manager, where the registries lie in one subscription
FURTHER = 8  # for each subscription more that holds a registry in use


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    tenant = Tenant(tmp_path_factory.mktemp("nearby") / "tenant")
    with running(tenant.root, kubelet_delay=0.01) as simulator:
        yield Served(tenant, simulator)


def said(result: Scan) -> set[str]:
    """What a report says, without when and from where it was read, which lists were not, and why a check was skipped:
    of a closed path more than one reason may hold.
    """
    cluster = result.cluster()
    rows = [
        {**row, "chain": without_evidence(row["chain"])} if row.get("chain") else row for row in cluster["registries"]
    ]
    findings = [without_evidence(finding) for finding in cluster["findings"] if finding["verdict"] != "skipped"]
    return {json.dumps(one, sort_keys=True) for one in (*rows, *findings)}


def without_evidence(part: Any) -> Any:
    if isinstance(part, list):
        return [without_evidence(each) for each in part]
    if isinstance(part, dict):
        return {name: without_evidence(each) for name, each in part.items() if name != "evidence"}
    return part


def the_same(served: Served, case: Any) -> None:
    for folder in served.tenant.root.iterdir():
        if folder.is_dir():
            for file in sorted(folder.rglob("*")):
                if file.is_file():
                    file.unlink()
    served.hides = holds_anything(build(case, Tenant(served.tenant.root)), case.hidden)
    environment = {**served.simulator.environment, "PULLWATCH_PROBE": "false"}
    whole, near = scan(environment), scan(environment, "--cluster", "aks-1")
    different = sorted(said(near) ^ said(whole))
    assert not different, f"{case!r}: {[one[:1000] for one in different]}"
    calls = [int(one.errors.split(" call")[0].rsplit(None, 1)[-1]) for one in (near, whole)]
    served.met["narrower" if calls[0] < calls[1] else "all read"] += 1


ANY = st.builds(replace, st.one_of(CASES, PRIVATE_CASES, ORDINARY), layout=LAYOUTS)


def run(served: Served, examples: int, cases: Any) -> Counter[str]:
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def each(case: Any) -> None:
        the_same(served, case)

    each()
    return served.met


def test_it_says_the_same_of_any_landing_zone(served: Served) -> None:
    assert run(served, EXAMPLES, ANY)["narrower"]


def test_it_says_the_same_where_a_part_is_hidden(served: Served) -> None:
    run(served, EXAMPLES, HIDDEN_CASES)


@pytest.mark.matrix
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("cases", [ANY, HIDDEN_CASES], ids=["seen", "hidden"])
def test_it_says_the_same_of_many(served: Served, cases: Any) -> None:
    run(served, MATRIX, cases)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("fleet") / "tenant"
    generate(root, Wanted(subscriptions=10, clusters=100, registries=20, pods=5))
    return root


def test_a_check_of_one_cluster_among_a_hundred_reads_its_own_estate(fleet: Path) -> None:
    with running(fleet) as simulator:
        listed = scan(simulator.environment, "--subscription", "workloads-000")
        for cluster in listed.answer["clusters"][:6]:
            before = len(simulator.requests)
            near = scan(simulator.environment, "--cluster", cluster["id"])
            asked = [one for one in simulator.requests[before:] if one.service == "arm"]
            homes = {one.subscription for one in asked if "/registries/" in one.path}
            assert len(asked) <= LIMIT + FURTHER * (len(homes) - 1), Counter(one.path for one in asked)
            assert near.answer["clusters"][0]["registries"] == cluster["registries"]
