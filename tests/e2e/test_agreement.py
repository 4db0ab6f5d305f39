"""Two readings of one tenant: what Azure Resource Manager shows, judged by the checks, and what a node hears.

Random tenants are served by the simulator, whose kubelet answers canary pods by its own reading of the tenant. Wherever
both know, they agree, or the row says why not. Nodes are nodes whatever the app may read: with a part of the tenant
hidden from it, what it still says for certain has to hold for them. Each example is a whole `scan --canary`.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from checks.catalog import deciding
from checks.catalog.check import Decides
from checks.facts import subscription_of
from simulator import Simulator, running
from tests.support import name_server_world
from tests.support.cli import Scan, scan
from tests.support.hiding import HUB
from tests.support.layout import HIDEABLE, Layout, denials, holds_anything
from tests.support.managed_networks import BOTH, admin_rule, configuration, in_effect
from tests.support.network_world import EGRESS, HOST, NODES, RECORDS, World, rule
from tests.support.sampling import sampled
from tests.support.tenant_builder import (
    ACR_PULL,
    READER,
    REPOSITORY_READER,
    Tenant,
    guid,
    merged,
    object_id,
)
from tests.support.virtual_hubs import attach, hub, static_routes

EXAMPLES, HIDDEN, MATRIX = 12, 12, 800
CREDENTIALS = ("unauthorized", "credentials_expired", "credentials_missing")
ON_ACCESS, ON_PATH = sorted(deciding(Decides.ACCESS)), sorted(deciding(Decides.PATH))
ME, GROUP = object_id("aks-1"), guid("pullers")
# What pulls for pods instead of the kubelet identity, where the cluster has that on.
PULLERS = ("default identity", "nobody")
DEFAULT = object_id("default puller")
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
             "pending", "not peered", "peered one way", "redirecting zone", "closed by its group")  # fmt: skip
# Names are answered in the hub: by a machine of which nothing is known, or by somebody who answers as the hub does.
MACHINES = ("DNS servers of the hub", "ruleset of the hub")
RESOLVERS = ("resolver of the hub", "ruleset to the resolver", "firewall of the hub")
BROKEN_RESOLVERS = ("resolver of the hub, no record", "ruleset to the resolver, stale record")
OWN_DATA_ZONE = "zone of the data endpoints"
HUB_ANSWERS = MACHINES + RESOLVERS + BROKEN_RESOLVERS
# What a central team runs above the networks of others.
CENTRAL = ("virtual hub", "hub with a firewall", "connected group", "admin rule denies", "admin rule always allows")
EGRESS_KINDS = ("NAT gateway", "block", "none", "routed nowhere",
        "service endpoint", "group denies the Internet", "group denies all but the network",
        "group of AKS denies all")  # fmt: skip
RESOLVER, FORWARDED = "10.40.1.4", "azurecr.io"
TOGETHER = Layout()


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
    # whether the private endpoint has a zone group, which names the zone
    zone_group: bool = False
    # whether the nodes' network is peered with a hub
    hub: bool = False
    # who pulls for pods, and holds the role if anybody does; "nobody": the kubelet identity holds it in vain
    puller: str = "kubelet identity"
    central: str = "none"
    layout: Layout = TOGETHER
    hidden: frozenset[str] = frozenset()


USUAL = Case("AcrPull", False, False, "open", "none", "load balancer", False, False, None)


def mostly(usual: Any, others: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    """A tenant in which everything is odd at once mostly fails: two of three times a choice is the usual one."""
    return st.integers(0, 2).flatmap(lambda third: st.just(usual) if third else st.sampled_from(others))


CASES = st.builds(
    Case,
    role=mostly("AcrPull", ROLES),
    by_repository=mostly(False, (True,)),
    anonymous=mostly(False, (True,)),
    firewall=mostly("open", FIREWALLS),
    endpoint=mostly("none", (*ENDPOINTS, OWN_DATA_ZONE, *HUB_ANSWERS)),
    egress=mostly("load balancer", EGRESS_KINDS),
    second_pool=mostly(False, (True,)),
    data_endpoints=st.booleans(),
    tokens=mostly(None, ("pulls", "refused")),
    zone_group=st.booleans(),
    hub=st.booleans(),
    puller=mostly("kubelet identity", PULLERS),
    central=mostly("none", CENTRAL),
)
PRIVATE_CASES = st.builds(
    replace,
    CASES,
    firewall=mostly("closed", ("open",)),
    endpoint=mostly("healthy", ENDPOINTS + HUB_ANSWERS),
)
# What landing zones are made of where nothing is odd: a spoke peered with a hub, a registry open or behind an endpoint.
ORDINARY = st.one_of(
    st.just(replace(USUAL, hub=True)),
    st.builds(
        replace,
        st.just(replace(USUAL, firewall="closed")),
        endpoint=st.sampled_from(("healthy", "healthy", *HUB_ANSWERS)),
        zone_group=st.booleans(),
        hub=st.booleans(),
    ),
)
# As landing zones have it, or another way: teams keep things where they may.
LAYOUTS = st.builds(
    Layout,
    registry=mostly("registries", ("cluster",)),
    endpoint=mostly("hub", ("endpoints", "network", "cluster")),
    home=mostly("hub", ("endpoints", "network", "cluster")),
    zones=mostly("dns", ("hub", "endpoints", "network", "cluster")),
    rulesets=st.sampled_from(("hub", "dns", "network")),
    network=mostly("network", ("node group", "hub", "cluster")),
    filters=st.sampled_from(("network", "node group", "hub", "cluster")),
    egress=st.sampled_from(("node group", "network", "hub", "cluster")),
)
HIDDEN_CASES = st.builds(
    replace,
    st.one_of(CASES, PRIVATE_CASES, ORDINARY),
    layout=LAYOUTS,
    hidden=st.frozensets(st.sampled_from(HIDEABLE), min_size=1, max_size=2),
)


@dataclass
class Served:
    """The running tenant, and what the examples came to so far."""

    tenant: Tenant
    simulator: Simulator
    met: Counter[str] = field(default_factory=Counter)
    # whether something of the last case lies where the app may not look
    hides: bool = False

    def scan(self, case: Case) -> Scan:
        """The case's tenant instead of the one before, scanned with canaries."""
        for folder in self.tenant.root.iterdir():
            if folder.is_dir():
                shutil.rmtree(folder)
        world = build(case, Tenant(self.tenant.root))
        self.hides = holds_anything(world, case.hidden)
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


def build(case: Case, tenant: Tenant) -> World:
    """Writes the tenant of a case."""
    world = World().registry(
        anonymousPullEnabled=case.anonymous,
        dataEndpointEnabled=case.data_endpoints,
        dataEndpointHostNames=["acrone.westeurope.data.azurecr.io"] if case.data_endpoints else [],
        roleAssignmentMode="AbacRepositoryPermissions" if case.by_repository else "LegacyRegistryPermissions",
    )
    egress(world, case.egress)
    if case.hub or case.endpoint in HUB_ANSWERS:
        hub = world.vnet("vnet-hub", "10.40.0.0/16", resolver={})
        if case.hub or not case.endpoint.startswith("ruleset"):
            world.peer(world.vnet_id(NODES), hub)
    endpoint(world, case.endpoint, zone_group=case.zone_group)
    firewall(world, case.firewall)
    central(world, case.central)
    if case.second_pool:
        world.vnet("vnet-user", "10.30.0.0/16", nodes={})
        world.pools(world.pool("system"), world.pool("user", network="vnet-user", mode="User"))
    if case.puller != "kubelet identity":
        pulled_by_accounts(world, case.puller)
    # A cluster is given networks for all of its pools or for none.
    made = case.layout.made_by_aks and not case.second_pool
    layout = case.layout if made or not case.layout.made_by_aks else replace(case.layout, network="network")
    layout.applied(world).into(tenant)
    tenant.caller(denied=denials(case.hidden), granted=BOTH)
    tenant.reachable()
    tenant.write("registries", {"repositories": {"team/web": {"1": {"platforms": ["linux/amd64"]}}}}, HOST)
    tenant.ready_pods(f"{HOST}/team/web:1", *(["system", "user"] if case.second_pool else ["system"]))
    role(tenant, world, case.role, DEFAULT if case.puller == "default identity" else ME)
    (tenant.root / "tokens.json").write_text(json.dumps({"aks-1": case.tokens} if case.tokens else {}))
    return world


def pulled_by_accounts(world: World, puller: str) -> None:
    """Has service accounts' identities pull: a default one with its binding, or none."""
    identity = f"{world.cluster_id.partition('/providers/')[0]}/providers/Microsoft.ManagedIdentity/x/pullers"
    profile = {"enabled": True} | ({"defaultManagedIdentityId": identity} if puller == "default identity" else {})
    world.cluster(securityProfile={"serviceAccountImagePullProfile": profile})
    bound = {"name": "default", "properties": {"managedIdentity": {"resourceId": identity, "objectId": DEFAULT}}}
    world.cluster(identityBindings=[bound])


def role(tenant: Tenant, world: World, name: str, holder: str) -> None:
    subscription = f"/subscriptions/{subscription_of(world.registry_id)}"
    roles = {"Reader": READER, "Contributor": CONTRIBUTOR, "Repository Reader": REPOSITORY_READER}
    if name == "AcrPull of a group":
        tenant.groups({GROUP: [holder]})
        tenant.assign(GROUP, ACR_PULL, world.registry_id, properties={"principalType": "Group"})
    elif name == "AcrPull above":
        tenant.assign(holder, ACR_PULL, subscription)
    elif name == "AcrPull elsewhere":
        tenant.assign(holder, ACR_PULL, f"{subscription}/resourceGroups/another")
    elif name != "none":
        tenant.assign(holder, roles.get(name, ACR_PULL), world.registry_id)
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


def endpoint(world: World, name: str, *, zone_group: bool) -> None:
    if name == "none":
        return
    filtered: dict[str, Any] = {}
    if name == "closed by its group":
        group = world.group("nsg-endpoints", rule("no", 100, "Deny", "*", direction="Inbound"))
        filtered = {"privateEndpointNetworkPolicies": "Enabled", "networkSecurityGroup": {"id": group}}
    home, nodes = world.vnet("vnet-endpoints", "10.20.0.0/16", endpoints=filtered), world.vnet_id(NODES)
    if name == "peered one way":
        world.peer(nodes, home, back=None)
    elif name != "not peered":
        world.peer(nodes, home)
    private_endpoint = world.endpoint(status="Pending" if name == "pending" else "Approved")
    records = {
        "no record": {},
        "redirecting zone": {},
        "no data record": {"acrone": RECORDS["acrone"]},
        "stale record": {**RECORDS, "acrone": "10.20.0.99"},
        OWN_DATA_ZONE: {"acrone": RECORDS["acrone"]},
        "resolver of the hub, no record": {},
        "ruleset to the resolver, stale record": {**RECORDS, "acrone": "10.20.0.99"},
    }
    linked = home if name == "zone not linked" else resolver(world, name) if name in HUB_ANSWERS else nodes
    policy = "NxDomainRedirect" if name == "redirecting zone" else None
    zone = world.zone(records.get(name, RECORDS), linked, policy=policy)
    zones = [zone]
    if name == OWN_DATA_ZONE:
        own = {"acrone": RECORDS["acrone.westeurope.data"]}
        zones.append(world.zone(own, nodes, name="westeurope.data.privatelink.azurecr.io"))
    if zone_group:
        world.zone_group(private_endpoint, *zones)


def central(world: World, name: str) -> None:
    """A virtual hub or a network manager above the networks of nodes and of the endpoint."""
    homes = [key for key in world.bodies if key.endswith("/virtualNetworks/vnet-endpoints")]
    networks = (world.vnet_id(NODES), *homes)
    if name in ("virtual hub", "hub with a firewall"):
        hub_id = hub(world, "hub", *networks, sub=HUB)
        if name == "hub with a firewall":
            attach(world, networks[0], hub_id, enableInternetSecurity=True)
            static_routes(world, hub_id, "0.0.0.0/0", "10.0.0.0/8")
    elif name == "connected group":
        for network_id in networks:
            in_effect(world, network_id, configuration())
    elif name != "none":
        access = "Deny" if name == "admin rule denies" else "AlwaysAllow"
        in_effect(world, networks[0], admin_rule("rule", 10, access, "*"))


def resolver(world: World, name: str) -> str:
    """Makes the hub's resolver answer the nodes; the id of the hub's network, which zones are linked to then."""
    hub, outbound = world.vnet_id("vnet-hub"), None
    if name == "firewall of the hub":
        name_server_world.firewall(world, hub, RESOLVER)
    elif name not in MACHINES:
        outbound = name_server_world.resolver(world, hub, RESOLVER)
    if name.startswith("ruleset"):
        world.ruleset("ruleset", world.vnet_id(NODES), rules={FORWARDED: RESOLVER}, resolver=outbound)
    else:
        world.dns(RESOLVER)
    return hub


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
    elif name == "group of AKS denies all":
        world.group("aks-agentpool-12345678-nsg", rule("no", 200, "Deny", "*"), where="MC_aks-1")


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


def contradicted(result: Scan) -> set[str]:
    """The facets that show the opposite of what nodes heard."""
    row, failed = result.row(), {f["cause"] for f in result.findings("PW305") if f["verdict"] == "fail"}
    if heard(result) == "pass":
        return {name for name in ("access", "path") if row[name]["verdict"] == "fail"}
    reasons = {"access" if cause in CREDENTIALS else "path" for cause in failed}
    return {name for name in reasons if row[name]["verdict"] == "pass"}


def refuted(result: Scan, codes: Iterable[str]) -> list[dict[str, Any]]:
    """The findings of some checks that fail pools that pulled."""
    canaries = [(f["verdict"], f["subject"].get("pool")) for f in result.findings("PW305")]
    pulled = {pool for verdict, pool in canaries if verdict == "pass"}
    pulled -= {pool for verdict, pool in canaries if verdict == "fail"}
    if heard(result) == "pass":
        pulled.add(None)
    failed = [f for code in codes for f in result.findings(code) if f["verdict"] == "fail"]
    return [f for f in failed if f["severity"] == "error" and f["subject"].get("pool") in pulled]


def agree(served: Served, case: Case) -> tuple[str, str]:
    """Asserts that both readings of a case agree, or that the row explains why not; returns them."""
    result = served.scan(case)
    row = result.row()
    arm, node = shown(row), heard(result)
    served.met[f"{'hidden, ' if served.hides else ''}{arm} {node}"] += 1
    against = contradicted(result)
    if against:
        text = [(f["verdict"], f["cause"], f["subject"], f["summary"]) for f in result.findings("PW305")]
        # Only tokens make nodes hear otherwise, and those are about access.
        assert case.tokens is not None and against == {"access"}, (case, against, row["access"], row["path"], text)
        assert any("3 hours" in sentence for sentence in row["disagreements"]), (case, row)
        served.met["explained"] += 1
    wrong = refuted(result, ON_PATH if case.tokens else (*ON_ACCESS, *ON_PATH))
    assert not wrong, (case, wrong)
    if node == "fail" or (node == "pass" and arm != "fail"):
        # Where everybody may read, for all that is known, a canary proves nothing of the identity.
        answers = (node, "unknown") if (arm, node) == ("unknown", "pass") else (node,)
        assert row["pull"]["verdict"] in answers, (case, row)
    return arm, node


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
    *(({"endpoint": name, "firewall": "closed"}, "pass") for name in ("healthy", OWN_DATA_ZONE, *RESOLVERS)),
    *(({"endpoint": name, "firewall": "closed"}, "fail") for name in (*ENDPOINTS[1:], *BROKEN_RESOLVERS)),
    *(({"egress": name}, "fail") for name in ("block", "routed nowhere", "group denies the Internet")),
    ({"egress": "group denies the Internet", "endpoint": "healthy"}, "pass"),
    ({"egress": "group denies all but the network", "endpoint": "healthy"}, "pass"),
    ({"puller": "default identity"}, "pass"),
    ({"puller": "default identity", "role": "AcrPull of a group"}, "pass"),
    ({"puller": "default identity", "role": "none"}, "fail"),
    ({"puller": "default identity", "by_repository": True, "role": "Repository Reader"}, "pass"),
    ({"puller": "nobody"}, "fail"),
    ({"puller": "nobody", "anonymous": True}, "pass"),
    ({"second_pool": True}, "pass"),
    *(({"central": name}, "pass") for name in ("virtual hub", "connected group", "admin rule always allows")),
    ({"central": "admin rule denies"}, "fail"),
    ({"central": "admin rule always allows", "egress": "group of AKS denies all"}, "pass"),
    *(
        ({"central": name, "endpoint": "not peered", "firewall": "closed"}, "pass")
        for name in ("virtual hub", "connected group")
    ),
    ({"central": "virtual hub", "firewall": "another address"}, "fail"),
    ({"second_pool": True, "endpoint": "healthy", "firewall": "closed"}, "fail"),
)


@pytest.mark.parametrize(("choices", "both"), sampled(ALONE, 4), ids=lambda value: str(value))
def test_each_choice_alone(served: Served, choices: dict[str, Any], both: str) -> None:
    assert agree(served, replace(USUAL, **choices)) == (both, both)


@pytest.mark.parametrize("name", MACHINES)
def test_what_a_hub_answers_is_not_known_without_its_nodes(served: Served, name: str) -> None:
    assert agree(served, replace(USUAL, endpoint=name, firewall="closed")) == ("unknown", "pass")


@pytest.mark.parametrize(
    ("choices", "arm", "node"),
    [({"tokens": "refused"}, "pass", "fail"), ({"role": "none", "tokens": "pulls"}, "fail", "pass")],
)
def test_tokens_from_before_a_role_changed_are_named(
    served: Served, choices: dict[str, Any], arm: str, node: str
) -> None:
    assert agree(served, replace(USUAL, **choices)) == (arm, node)
    assert served.met["explained"] > 0


def examples(count: int) -> Any:
    """The settings of a run over random cases: the same ones each time.

    A failing case is not made smaller, which would take hundreds of scans: it is a list of choices as it is.
    """
    return settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )


def test_whenever_both_know_they_agree_or_the_row_says_why_not(served: Served) -> None:
    @examples(EXAMPLES)
    @given(case=CASES)
    def run(case: Case) -> None:
        agree(served, case)

    run()


def test_both_mostly_know(served: Served) -> None:
    """Else the agreement above would say little."""
    whole = {pair: count for pair, count in served.met.items() if pair != "explained" and "hidden" not in pair}
    looked = sum(whole.values())
    known = sum(count for pair, count in whole.items() if "unknown" not in pair)
    print(f"\n{whole}")
    assert looked >= EXAMPLES / 2
    assert known >= looked * 0.7
    assert served.met["pass pass"] >= looked * 0.1
    assert served.met["fail fail"] >= looked * 0.1


LANDING_ZONE = Layout(
    registry="registries", endpoint="endpoints", home="endpoints", zones="dns", network="network", filters="hub",
    egress="hub", rulesets="hub",
)  # fmt: skip
BEHIND = {"firewall": "closed", "endpoint": "healthy"}
# What is hidden of a landing zone, and what Azure Resource Manager shows then beside what nodes hear.
PARTLY_HIDDEN: tuple[tuple[dict[str, Any], str, str, str], ...] = (
    # What does not matter may be hidden.
    ({"hub": True}, "hub subscription", "pass", "pass"),
    ({"hub": True, "egress": "NAT gateway"}, "all in the hub subscription", "pass", "pass"),
    ({"hub": True, "role": "none"}, "hub", "fail", "fail"),
    ({"firewall": "closed", "hub": True}, "hub subscription", "fail", "fail"),
    (BEHIND | {"endpoint": "pending", "hub": True}, "hub subscription", "fail", "fail"),
    # What matters is not guessed, for better or for worse.
    ({}, "registries", "unknown", "pass"),
    ({"role": "none"}, "shared subscription", "unknown", "fail"),
    ({"firewall": "the egress address", "egress": "NAT gateway"}, "hub subscription", "unknown", "pass"),
    ({"firewall": "another address", "egress": "NAT gateway"}, "hub", "unknown", "fail"),
    ({"egress": "group denies all but the network"} | BEHIND, "hub", "unknown", "pass"),
    ({"egress": "group denies the Internet"}, "hub subscription", "unknown", "fail"),
    ({"egress": "group of AKS denies all"}, "node group", "unknown", "fail"),
    (BEHIND, "dns", "unknown", "pass"),
    (BEHIND | {"zone_group": True}, "hub subscription", "unknown", "pass"),
    (BEHIND | {"endpoint": "zone not linked"}, "dns", "unknown", "fail"),
    (BEHIND | {"endpoint": "closed by its group"}, "hub subscription", "unknown", "fail"),
    (BEHIND, "endpoints", "unknown", "pass"),
    (BEHIND | {"endpoint": "not peered"}, "endpoints", "unknown", "fail"),
    (BEHIND | {"endpoint": "ruleset of the hub", "zones": "endpoints"}, "hub subscription", "unknown", "pass"),
    (BEHIND | {"endpoint": "resolver of the hub"}, "Microsoft.Network/dnsResolvers", "unknown", "pass"),
    (BEHIND | {"endpoint": BROKEN_RESOLVERS[0]}, "Microsoft.Network/dnsResolvers", "unknown", "fail"),
    (BEHIND | {"endpoint": "resolver of the hub"}, "hub subscription", "unknown", "pass"),
    (BEHIND | {"endpoint": "resolver of the hub"}, "Microsoft.Network/publicIPAddresses", "pass", "pass"),
    (BEHIND | {"endpoint": BROKEN_RESOLVERS[1]}, "Microsoft.Network/publicIPAddresses", "fail", "fail"),
)


@pytest.mark.parametrize(("choices", "hidden", "arm", "node"), sampled(PARTLY_HIDDEN, 3), ids=lambda value: str(value))
def test_a_landing_zone_of_which_a_part_is_hidden(
    served: Served, choices: dict[str, Any], hidden: str, arm: str, node: str
) -> None:
    layout = replace(LANDING_ZONE, zones=choices.get("zones", LANDING_ZONE.zones))
    chosen = {key: value for key, value in choices.items() if key != "zones"}
    case = replace(USUAL, layout=layout, hidden=frozenset({hidden}), **chosen)
    assert agree(served, case) == (arm, node)
    assert served.hides


def agree_with_parts_hidden(served: Served, count: int) -> None:
    """Random cases, of which each outcome and each certainty has to be met."""

    @examples(count)
    @given(case=HIDDEN_CASES)
    def run(case: Case) -> None:
        agree(served, case)

    run()
    print(f"\n{dict(served.met)}")
    for node in ("pass", "fail"):
        assert served.met[f"hidden, unknown {node}"] >= count * 0.1, "most of what is hidden matters"
        assert served.met[f"hidden, {node} {node}"] >= count * 0.01, "Unknown is no way out"


def test_what_is_certain_with_a_part_hidden_holds_for_nodes_too(served: Served) -> None:
    agree_with_parts_hidden(served, HIDDEN)


@pytest.mark.matrix
@pytest.mark.timeout(1800)
def test_what_is_certain_with_a_part_hidden_holds_for_nodes_in_many_tenants(served: Served) -> None:
    agree_with_parts_hidden(served, MATRIX)
