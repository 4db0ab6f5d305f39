"""Three readings of one tenant: what Azure shows, what nodes hear, and what the registry logged of their pulls.

The tenants of test_agreement, with a pod on every pool that has been trying for half an hour, and a workspace that the
registry logs to. The Kubernetes API stays out of it for the third reading, so the log speaks for itself: what it is
sure of has to hold for nodes too, and where nodes are let in or turned away by the registry itself it has to know.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from simulator import Simulator, running
from tests.e2e.test_agreement import CASES, CREDENTIALS, HOST, PRIVATE_CASES, Case, build, heard, mostly
from tests.support.cli import Scan, scan
from tests.support.logged_tenants import add_workspace, send_to, waiting_pod
from tests.support.tenant_builder import Tenant

EXAMPLES, MATRIX = 10, 300
IMAGE = f"{HOST}/team/web:1"
GONE = f"{HOST}/team/web:gone"
TRIES_MINUTES = 30
# What a registry has to have logged of a pull that failed: it was asked, and said no.
SAID_NO = (*CREDENTIALS, "image_not_found", "firewall_denied")


@dataclass
class Served:
    """The running tenant, and what the examples came to so far."""

    tenant: Tenant
    simulator: Simulator
    met: Counter[str] = field(default_factory=Counter)

    def views(self, case: Case, image: str) -> tuple[Scan, Scan]:
        """A scan with the pods' own API and canaries, and one with nothing but Azure and the registry's log."""
        for file in sorted(self.tenant.root.rglob("*.json")):
            file.unlink()
        world = build(case, Tenant(self.tenant.root))
        send_to(self.tenant, world.registry_id, add_workspace(self.tenant, "logs"))
        pools = ["system", "user"] if case.second_pool else ["system"]
        environment = {**self.simulator.environment, "PULLWATCH_PROBE": "false", "PULLWATCH_REGISTRY_LOGS": "off"}
        nodes = scan({**environment, "PULLWATCH_CANARY_SECONDS": "5", "PULLWATCH_CANARY_IMAGE": image}, "--canary")
        for pool in pools:
            node = f"aks-{pool}-12345678-vmss000000"
            waiting_pod(self.tenant, image, minutes=TRIES_MINUTES, name=f"tries-{pool}", node=node)
        out_of_reach = [{"service": "kubernetes", "path": "*", "effect": {"close": True}}]
        (self.tenant.root / "faults.json").write_text(json.dumps(out_of_reach))
        return nodes, scan({**environment, "PULLWATCH_REGISTRY_LOGS": "auto"})


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    tenant = Tenant(tmp_path_factory.mktemp("views") / "tenant")
    with running(tenant.root, kubelet_delay=0.01) as simulator:
        yield Served(tenant, simulator)


def agree(served: Served, case: Case, image: str = IMAGE) -> str:
    """Asserts that the log's word holds for nodes, and returns it: its cause, or the verdict where it has none."""
    nodes, log = served.views(case, image)
    node, failed = heard(nodes), {f["cause"] for f in nodes.findings("PW305") if f["verdict"] == "fail"}
    logged = log.findings("PW308")
    sure = [f for f in logged if f["verdict"] == "fail" and f["severity"] == "error"]
    told = (case, node, failed, [(f["verdict"], f["cause"], f["summary"]) for f in logged])
    if sure:
        assert node == "fail" or image == GONE, told
        assert image == GONE or {f["cause"] for f in sure} <= failed | {"image_not_found"}, told
    passes = [f for f in logged if f["verdict"] == "pass"]
    if passes:
        assert case.second_pool or (node == "pass" and log.row()["pull"]["verdict"] != "fail"), told
    if image == IMAGE and failed and failed <= set(SAID_NO) and not any(f["verdict"] == "fail" for f in logged):
        # Nobody knows whose identity it is if not the kubelet's, nor that a registry is in use by a refused login.
        excused = {f["cause"] for f in logged} & {"not-told-apart", "nothing-logged"}
        assert case.puller != "kubelet identity" or case.anonymous or excused or not logged, told
    word = next((f["cause"] for f in (*sure, *passes)), "")
    served.met[f"{node}, {word or 'nothing'}"] += 1
    return word


# Each choice alone, and what the registry logged of it.
ALONE: tuple[tuple[dict[str, Any], str, str], ...] = (
    ({}, IMAGE, "logged-pull"),
    ({}, GONE, "image_not_found"),
    ({"firewall": "the egress address"}, IMAGE, "logged-pull"),
    ({"firewall": "another address"}, IMAGE, "firewall_denied"),
    ({"firewall": "another address", "egress": "NAT gateway"}, IMAGE, "firewall_denied"),
    ({"firewall": "closed", "endpoint": "healthy"}, IMAGE, "logged-pull"),
    ({"firewall": "closed", "endpoint": "healthy"}, GONE, "image_not_found"),
    ({"by_repository": True}, IMAGE, "unauthorized"),
    ({"egress": "routed nowhere"}, IMAGE, ""),
    ({"egress": "group denies the Internet"}, IMAGE, ""),
)


@pytest.mark.parametrize(("choices", "image", "word"), ALONE, ids=lambda value: str(value))
def test_each_choice_alone(served: Served, choices: dict[str, Any], image: str, word: str) -> None:
    case = Case("AcrPull", False, False, "open", "none", "load balancer", False, False, None)
    assert agree(served, replace(case, **choices), image) == word


RANDOM = st.builds(replace, st.one_of(CASES, PRIVATE_CASES), tokens=st.none())


def over(served: Served, count: int) -> None:
    @settings(max_examples=count, derandomize=True, database=None, deadline=None, phases=[Phase.generate])
    @given(RANDOM, mostly(IMAGE, (GONE,)))
    def run(case: Case, image: str) -> None:
        agree(served, case, image)

    run()
    print(f"\n{dict(served.met)}")


def test_what_the_registry_logged_holds_for_nodes(served: Served) -> None:
    over(served, EXAMPLES)


@pytest.mark.matrix
@pytest.mark.timeout(3600)
def test_what_the_registry_logged_holds_for_nodes_in_many_tenants(served: Served) -> None:
    over(served, MATRIX)
    assert len(served.met) > 5, "all kinds of outcomes are met"
