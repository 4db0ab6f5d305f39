"""A check of one cluster reads what the cluster refers to, and says what a scan of everything says."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from simulator import RequestRecord, running
from simulator.fleet.generator import generate
from simulator.fleet.model import Wanted
from tests.e2e.test_agreement import CASES, HIDDEN_CASES, LAYOUTS, ORDINARY, PRIVATE_CASES, Served, build
from tests.support.cli import Scan, scan
from tests.support.layout import holds_anything
from tests.support.tenant_builder import Tenant

EXAMPLES, MATRIX = 8, 400
REGISTRY = "/registries/"
LIMIT = 25  # calls to Azure Resource Manager, where two registries that are open to all lie in two subscriptions
OF_CLUSTER, OF_SUBSCRIPTION, OF_REGISTRY = 13, 3, 3  # what they are made of; each registry in use counts
assert LIMIT == OF_CLUSTER + 2 * OF_SUBSCRIPTION + 2 * OF_REGISTRY


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    tenant = Tenant(tmp_path_factory.mktemp("nearby") / "tenant")
    with running(tenant.root, kubelet_delay=0.01) as simulator:
        yield Served(tenant, simulator)


def said(result: Scan, *, counts: bool = True) -> set[str]:
    """What a report says, without when and from where it was read, which lists were not, and why a check was skipped:
    of a closed path more than one reason may hold. Without ``counts``: nothing of what registries counted and logged,
    which a check of one cluster reads only where pods wait.
    """
    cluster = result.cluster()
    rows = [
        {**row, "chain": without_evidence(row["chain"])} if row.get("chain") else row for row in cluster["registries"]
    ]
    findings = [
        without_evidence(finding)
        for finding in cluster["findings"]
        if finding["verdict"] != "skipped" and (counts or finding["code"] not in ("PW307", "PW308"))
    ]
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
    waits = bool(waited_for(near.cluster()))
    different = sorted(said(near, counts=waits) ^ said(whole, counts=waits))
    assert not different, f"{case!r}: {[one[:1000] for one in different]}"
    calls = [int(one.errors.split(" call")[0].rsplit(None, 1)[-1]) for one in (near, whole)]
    works = not waits and near.row()["pull"]["verdict"] == "pass"
    if calls[0] < calls[1] and works:
        assert near.finding("PW307")["cause"] in ("counts-not-read", "registry-not-seen")
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


def allowed(asked: list[RequestRecord]) -> int:
    """How many calls a check may make, given where the registries lie that it asked about, and which have rules."""
    homes = {one.subscription for one in asked if REGISTRY in one.path}
    registries = {one.path.split(REGISTRY)[1].split("/")[0] for one in asked if REGISTRY in one.path}
    lists = Counter(one.subscription for one in asked if one.path.endswith("/registries"))
    ruled = sum(count - 1 for count in lists.values())  # their virtual network rules take a list at another api-version
    addresses = 1 if ruled else 0  # those that nodes leave by
    counts = len(counts_asked(asked))
    groups = sum("assignedTo" in one.query and "atScope" not in one.query for one in asked)  # where no role is direct
    of_registries = OF_SUBSCRIPTION * len(homes) + OF_REGISTRY * len(registries)
    return OF_CLUSTER + of_registries + ruled + addresses + groups + counts


def without_ages(rows: Any) -> Any:
    """Rows without how long ago something was, which a minute changes."""
    return json.loads(re.sub(r" \(\d+ (minutes?|hours) before this scan\)", "", json.dumps(rows)))


def waited_for(cluster: Any) -> list[str]:
    """The Azure registries whose images pods of a cluster wait for, in order."""
    waiting = [one["subject"] for one in cluster["findings"] if (one["code"], one["verdict"]) == ("PW301", "fail")]
    return sorted({one["registry"] for one in waiting if one.get("registry", "").endswith(".azurecr.io")})


def counts_asked(asked: list[RequestRecord]) -> list[str]:
    """The registries that were asked what they counted, and where they log, in order."""
    monitor = "/providers/microsoft.insights/"
    return sorted(one.path.split("/")[-4].lower() for one in asked if monitor in one.path.lower())


def test_a_check_of_one_cluster_among_a_hundred_reads_its_own_estate(fleet: Path) -> None:
    met: Counter[tuple[int, bool]] = Counter()
    with running(fleet) as simulator:
        listed = scan(simulator.environment)
        for cluster in listed.answer["clusters"][::5]:
            near, asked = checked(simulator, simulator.environment, cluster)
            assert len(asked) <= allowed(asked), Counter(one.path for one in asked)
            assert without_ages(near["registries"]) == without_ages(cluster["registries"])
            homes = {one.subscription for one in asked if REGISTRY in one.path}
            is_open = not any("publicIPAddresses" in one.path for one in asked)
            assert not is_open or len(asked) <= LIMIT
            assert counts_asked(asked) == [], "no pod waits for an image"
            met[len(homes), is_open] += 1
    assert {(1, True), (2, True), (2, False)} <= met.keys(), met


def test_each_further_subscription_costs_six_calls(fleet: Path) -> None:
    with running(fleet) as simulator:
        clusters = scan(simulator.environment).answer["clusters"]
        of_azure = {row["registry"] for one in clusters for row in one["registries"] if "azurecr" in row["registry"]}
        named = {**simulator.environment, "PULLWATCH_REGISTRIES": ",".join(sorted(of_azure))}
        near, asked = checked(simulator, named, clusters[0])
        homes = {one.subscription for one in asked if REGISTRY in one.path}
        assert len(homes) > 5 and of_azure <= {row["registry"] for row in near["registries"]}
        assert len(asked) <= allowed(asked), Counter(one.path for one in asked)


def checked(simulator: Any, environment: dict[str, str], cluster: Any) -> tuple[Any, list[RequestRecord]]:
    """What a check of one cluster says, and what it asked of Azure Resource Manager."""
    before = len(simulator.requests)
    near = scan(environment, "--cluster", cluster["id"])
    return near.answer["clusters"][0], [one for one in simulator.requests[before:] if one.service == "arm"]
