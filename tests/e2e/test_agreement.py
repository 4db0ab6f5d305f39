"""Two readings of one tenant: what Azure Resource Manager shows, judged by the checks, and what a node hears.

Random tenants are served by the simulator, whose kubelet answers canary pods by its own reading of the tenant. Wherever
both know, they agree, or the row says why not. Each example is a whole `scan --canary`.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator import Simulator, running
from tests.support.cli import Scan, scan
from tests.support.network_world import EGRESS, HOST, NODES, RECORDS, World, rule
from tests.support.tenant_builder import (
    ACR_PULL,
    READER,
    REPOSITORY_READER,
    SUBSCRIPTION,
    Tenant,
    guid,
    merged,
    object_id,
)

EXAMPLES = 80
CREDENTIALS = ("unauthorized", "credentials_expired", "credentials_missing")
ME, GROUP = object_id("aks-1"), guid("pullers")
CONTRIBUTOR = "b24988ac-6180-42a0-ab88-20f7382dd24c"
FORBIDDEN = {
    "name": "no-pull",
    "properties": {
        "denyAssignmentName": "no-pull",
        "permissions": [{"actions": ["*"], "notActions": [], "dataActions": ["*"], "notDataActions": []}],
        "principals": [{"id": "00000000-0000-0000-0000-000000000000", "type": "SystemDefined"}],
        "excludePrincipals": [],
        "doNotApplyToChildScopes": False,
        "denyAssignmentEffect": "enforced",
    },
}
ROLES = ("none", "AcrPull of a group", "AcrPull above", "AcrPull elsewhere", "Reader", "Contributor",
         "Repository Reader", "denied")  # fmt: skip
FIREWALLS = ("the egress address", "a range around it", "another address", "the subnet", "closed")
ENDPOINTS = ("healthy", "no record", "no data record", "stale record", "zone not linked",
             "pending", "not peered", "peered one way", "redirecting zone")  # fmt: skip
EGRESS_KINDS = ("NAT gateway", "block", "none", "routed nowhere",
        "service endpoint", "group denies the Internet", "group denies all but the network")  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One tenant, as choices."""

    role: str
    by_repository: bool
    anonymous: bool
    firewall: str
    endpoint: str
    egress: str
    second_pool: bool
    data_endpoints: bool
    # what nodes' tokens still say; None: what the roles say
    tokens: str | None


def mostly(usual: Any, others: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    """A tenant in which everything is odd at once mostly fails: two of three times a choice is the usual one."""
    return st.integers(0, 2).flatmap(lambda third: st.just(usual) if third else st.sampled_from(others))


CASES = st.builds(
    Case,
    role=mostly("AcrPull", ROLES),
    by_repository=mostly(False, (True,)),
    anonymous=mostly(False, (True,)),
    firewall=mostly("open", FIREWALLS),
    endpoint=mostly("none", ENDPOINTS),
    egress=mostly("load balancer", EGRESS_KINDS),
    second_pool=mostly(False, (True,)),
    data_endpoints=st.booleans(),
    tokens=mostly(None, ("pulls", "refused")),
)


@dataclass
class Served:
    """The running tenant, and what the examples came to so far."""

    tenant: Tenant
    simulator: Simulator
    met: Counter[str] = field(default_factory=Counter)

    def scan(self, case: Case) -> Scan:
        """The case's tenant instead of the one before, scanned with canaries."""
        for folder in self.tenant.root.iterdir():
            if folder.is_dir():
                shutil.rmtree(folder)
        build(case, Tenant(self.tenant.root))
        allowed = {
            "PULLWATCH_CANARY_IMAGE": f"{HOST}/team/web:1",
            "PULLWATCH_PROBE": "false",
            "PULLWATCH_CANARY_SECONDS": "5",
        }
        return scan({**self.simulator.environment, **allowed}, "--canary")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    tenant = Tenant(tmp_path_factory.mktemp("agreement") / "tenant")
    with running(tenant.root, kubelet_delay=0.01) as simulator:
        yield Served(tenant, simulator)


def build(case: Case, tenant: Tenant) -> None:
    """The tenant of a case."""
    world = World().registry(
        anonymousPullEnabled=case.anonymous,
        dataEndpointEnabled=case.data_endpoints,
        dataEndpointHostNames=["acrone.westeurope.data.azurecr.io"] if case.data_endpoints else [],
        roleAssignmentMode="AbacRepositoryPermissions" if case.by_repository else "LegacyRegistryPermissions",
    )
    egress(world, case.egress)
    endpoint(world, case.endpoint)
    firewall(world, case.firewall)
    if case.second_pool:
        world.vnet("vnet-user", "10.30.0.0/16", nodes={})
        world.pools(world.pool("system"), world.pool("user", network="vnet-user", mode="User"))
    world.into(tenant)
    tenant.reachable()
    tenant.write("registries", {"repositories": {"team/web": {"1": {"platforms": ["linux/amd64"]}}}}, HOST)
    tenant.ready_pods(f"{HOST}/team/web:1", *(["system", "user"] if case.second_pool else ["system"]))
    role(tenant, world, case.role)
    (tenant.root / "tokens.json").write_text(json.dumps({"aks-1": case.tokens} if case.tokens else {}))


def role(tenant: Tenant, world: World, name: str) -> None:
    subscription = f"/subscriptions/{SUBSCRIPTION}"
    roles = {"Reader": READER, "Contributor": CONTRIBUTOR, "Repository Reader": REPOSITORY_READER}
    if name == "AcrPull of a group":
        tenant.groups({GROUP: [ME]})
        tenant.assign(GROUP, ACR_PULL, world.registry_id, properties={"principalType": "Group"})
    elif name == "AcrPull above":
        tenant.assign(ME, ACR_PULL, subscription)
    elif name == "AcrPull elsewhere":
        tenant.assign(ME, ACR_PULL, f"{subscription}/resourceGroups/another")
    elif name != "none":
        tenant.assign(ME, roles.get(name, ACR_PULL), world.registry_id)
    if name == "denied":
        body = {"id": f"{subscription}/providers/Microsoft.Authorization/denyAssignments/{guid('deny')}",
                "type": "Microsoft.Authorization/denyAssignments", "properties": {"scope": subscription}}  # fmt: skip
        tenant.write("authorization", merged(FORBIDDEN, body), "deny")


def firewall(world: World, name: str) -> None:
    if name == "closed":
        world.private()
    elif name == "the subnet":
        world.deny(subnets=(world.subnet(NODES),))
    elif name != "open":
        allowed = {"the egress address": EGRESS, "a range around it": "20.50.1.0/24", "another address": "20.99.0.1"}
        world.deny(allowed[name])


def endpoint(world: World, name: str) -> None:
    if name == "none":
        return
    home, nodes = world.vnet("vnet-endpoints", "10.20.0.0/16", endpoints={}), world.vnet_id(NODES)
    if name == "peered one way":
        world.peer(nodes, home, back=None)
    elif name != "not peered":
        world.peer(nodes, home)
    world.endpoint(status="Pending" if name == "pending" else "Approved")
    records = {
        "no record": {},
        "redirecting zone": {},
        "no data record": {"acrone": RECORDS["acrone"]},
        "stale record": {**RECORDS, "acrone": "10.20.0.99"},
    }
    linked = home if name == "zone not linked" else nodes
    policy = "NxDomainRedirect" if name == "redirecting zone" else None
    world.zone(records.get(name, RECORDS), linked, policy=policy)


def egress(world: World, name: str) -> None:
    if name == "NAT gateway":
        world.outbound("userAssignedNATGateway").nat(world.address("nat-ip", EGRESS))
    elif name in ("block", "none"):
        world.outbound(name)
    elif name == "routed nowhere":
        world.routes(("0.0.0.0/0", "None"))
    elif name == "service endpoint":
        world.nodes(serviceEndpoints=[{"service": "Microsoft.ContainerRegistry"}])
    elif name == "group denies the Internet":
        world.nsg(rule("no-internet", 200, "Deny", "Internet"))
    elif name == "group denies all but the network":
        world.nsg(rule("network", 200, "Allow", "VirtualNetwork"), rule("no", 300, "Deny", "*"))


def shown(row: dict[str, Any]) -> str:
    """What Azure Resource Manager shows of a pull: access and path together."""
    facets = {row["access"]["verdict"], row["path"]["verdict"]}
    return "fail" if "fail" in facets else "pass" if facets == {"pass"} else "unknown"


def heard(result: Scan) -> str:
    """What nodes heard: one pool that could not pull is a failure, a success is one of every pool."""
    verdicts = {f["verdict"] for f in result.findings("PW305")}
    if "fail" in verdicts:
        return "fail"
    return "pass" if verdicts == {"pass"} else "unknown"


def contradicted(result: Scan) -> str | None:
    """The facet that shows the opposite of what nodes heard, where there is one."""
    row, failed = result.row(), [f for f in result.findings("PW305") if f["verdict"] == "fail"]
    if heard(result) == "pass":
        return next((name for name in ("access", "path") if row[name]["verdict"] == "fail"), None)
    refused = any(f["cause"] in CREDENTIALS for f in failed)
    if refused and row["access"]["verdict"] == "pass":
        return "access"
    if any(f["cause"] not in CREDENTIALS for f in failed) and row["path"]["verdict"] == "pass":
        return "path"
    return None


def agree(served: Served, case: Case) -> tuple[str, str]:
    """Asserts that both readings of a case agree, or that the row explains why not; returns them."""
    result = served.scan(case)
    row = result.row()
    arm, node = shown(row), heard(result)
    served.met[f"{arm} {node}"] += 1
    against = contradicted(result)
    if against is not None:
        text = [(f["verdict"], f["cause"], f["subject"], f["summary"]) for f in result.findings("PW305")]
        assert case.tokens is not None, (case, against, row["access"], row["path"], text)
        assert any("3 hours" in sentence for sentence in row["disagreements"]), (case, row)
        served.met["explained"] += 1
    if "unknown" not in (arm, node) and arm == node:
        assert row["pull"]["verdict"] == arm, (case, row)
    return arm, node


USUAL = Case("AcrPull", False, False, "open", "none", "load balancer", False, False, None)
# Each choice alone, and what both know then.
ALONE: tuple[tuple[dict[str, Any], str], ...] = (
    ({}, "pass"),
    ({"by_repository": True}, "fail"),
    ({"by_repository": True, "role": "Repository Reader"}, "pass"),
    ({"anonymous": True, "role": "none"}, "pass"),
    *(({"role": name}, "pass") for name in ("AcrPull of a group", "AcrPull above", "Contributor", "Reader")),
    *(({"role": name}, "fail") for name in ("none", "AcrPull elsewhere", "Repository Reader", "denied")),
    *(({"firewall": name}, "pass") for name in ("the egress address", "a range around it")),
    *(({"firewall": name}, "fail") for name in ("another address", "the subnet", "closed")),
    ({"firewall": "the subnet", "egress": "service endpoint"}, "pass"),
    ({"firewall": "the egress address", "egress": "service endpoint"}, "fail"),
    ({"firewall": "the egress address", "egress": "NAT gateway"}, "pass"),
    *(({"endpoint": name, "firewall": "closed"}, "pass") for name in ("healthy",)),
    *(({"endpoint": name, "firewall": "closed"}, "fail") for name in ENDPOINTS[1:]),
    *(({"egress": name}, "fail") for name in ("block", "routed nowhere", "group denies the Internet")),
    ({"egress": "group denies the Internet", "endpoint": "healthy"}, "pass"),
    ({"egress": "group denies all but the network", "endpoint": "healthy"}, "pass"),
    ({"second_pool": True}, "pass"),
    ({"second_pool": True, "endpoint": "healthy", "firewall": "closed"}, "fail"),
)


@pytest.mark.parametrize(("choices", "both"), ALONE, ids=lambda value: str(value))
def test_each_choice_alone(served: Served, choices: dict[str, Any], both: str) -> None:
    assert agree(served, replace(USUAL, **choices)) == (both, both)


@pytest.mark.parametrize(
    ("choices", "arm", "node"),
    [({"tokens": "refused"}, "pass", "fail"), ({"role": "none", "tokens": "pulls"}, "fail", "pass")],
)
def test_tokens_from_before_a_role_changed_are_named(
    served: Served, choices: dict[str, Any], arm: str, node: str
) -> None:
    assert agree(served, replace(USUAL, **choices)) == (arm, node)
    assert served.met["explained"] > 0


@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(case=CASES)
def test_whenever_both_know_they_agree_or_the_row_says_why_not(served: Served, case: Case) -> None:
    agree(served, case)


def test_both_mostly_know(served: Served) -> None:
    """Else the agreement above would say little."""
    looked = sum(count for pair, count in served.met.items() if pair != "explained")
    known = sum(count for pair, count in served.met.items() if "unknown" not in pair and pair != "explained")
    print(f"\n{dict(served.met)}")
    assert looked >= EXAMPLES / 2
    assert known >= looked * 0.7
    assert served.met["pass pass"] >= looked * 0.1
    assert served.met["fail fail"] >= looked * 0.1
