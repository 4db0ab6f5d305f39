"""Random networks of landing zones, and the same networks for an app that may not see all of them.

Nothing here judges: a world is made by a seed, and what is hidden is taken out of what the adapters would have read.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import msgspec

from checks.facts import (
    ClusterFacts,
    NotSeen,
    NotSeenReason,
    Permission,
    RegistryUse,
    Seen,
    resource_group_of,
    subscription_of,
)
from checks.facts.network import networks_of
from checks.facts.visibility import Visibility
from tests.support import access_facts, name_server_world
from tests.support.managed_networks import admin_rule, configuration, in_effect, management
from tests.support.network_world import EGRESS, HOST, NODES, READ, RECORDS, World, rule
from tests.support.readable import OWN, readable
from tests.support.tenant_builder import SUBSCRIPTION, guid, object_id
from tests.support.virtual_hubs import attach, hub, hubs_of, intent

HUB = "22222222-2222-4222-8222-222222222222"
SHARED = "33333333-3333-4333-8333-333333333333"
SERVER = "10.30.0.4"
REFUSED = NotSeen(NotSeenReason.NOT_ALLOWED, "403", "Reader", ("az role assignment create",))


@dataclass
class LandingZone:
    """A random world: nodes in a spoke, a hub in another subscription, endpoints and zones wherever they may lie."""

    seed: int
    world: World = field(default_factory=World)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self._nodes()
        self._registry()
        self._hub()
        if self.chance(0.8):
            self._endpoint()
        self._filters()
        self.role = self.chance(0.7)
        self.random = random.Random(f"central {self.seed}")
        self._central()

    def facts(self) -> ClusterFacts:
        """The facts for an app that may read everything; the kubelet identity holds AcrPull, or nothing."""
        whole = self.world.facts()
        assert isinstance(whole.principal, Seen)
        held = access_facts.held(
            access_facts.ACR_PULL, f"/subscriptions/{SUBSCRIPTION}", principal_id=whole.principal.value.object_id
        )
        known = access_facts.authorization(*([held] if self.role else []))
        return msgspec.structs.replace(whole, authorization={SUBSCRIPTION: known})

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def pick(self, *values: str) -> str:
        return self.random.choice(values)

    def _nodes(self) -> None:
        self.network = self.world.vnet_id(NODES)
        if self.chance(0.3):
            self.network = self.world.vnet("aks-vnet-1", "10.224.0.0/16", group="MC_aks-1", aks_subnet={})
            self.world.pools(self.world.pool("system", None))
        elif self.chance(0.2):
            self.world.dns(SERVER)

    def _registry(self) -> None:
        kind = self.pick("open", "open", "private", "private", "address", "other")
        if kind == "private":
            self.world.private()
        elif kind != "open":
            self.world.deny(EGRESS if kind == "address" else "20.99.0.1")

    def _hub(self) -> None:
        if not self.chance(0.7):
            return
        hub = self.world.vnet("vnet-hub", "10.30.0.0/16", sub=HUB, group="rg-hub", dns_in={})
        self.world.peer(self.network, hub)
        resolver = name_server_world.resolver(self.world, hub, SERVER, sub=HUB) if self.chance(0.7) else None
        if self.chance(0.3):
            links = [self.network] if self.chance(0.7) else [hub]
            rules = {self.pick("azurecr.io", "azurecr.io", "corp.example"): SERVER}
            self.world.ruleset("rules", *links, sub=HUB, rules=rules, resolver=resolver)
        if self.chance(0.15):  # security admin rules of a manager that is hidden show nowhere: a known limit
            self.world.manager(SUBSCRIPTION, HUB, SHARED, sub=HUB)

    def _endpoint(self) -> None:
        where = self.pick(SUBSCRIPTION, HUB, SHARED)
        home = self.world.vnet("vnet-endpoints", "10.20.0.0/16", sub=where, group="rg-pe", endpoints={})
        if self.chance(0.7):
            self.world.peer(self.network, home, back=None if self.chance(0.1) else "Connected")
        status = "Pending" if self.chance(0.1) else "Approved"
        endpoint = self.world.endpoint(network=home, sub=where, status=status)
        if self.chance(0.85):
            self._zone(endpoint, home)

    def _central(self) -> None:
        """What a central team runs above the networks: a virtual hub, a connected group, security admin rules."""
        homes = [key for key in self.world.bodies if key.endswith("/virtualNetworks/vnet-endpoints")]
        if self.chance(0.25):
            joined = [self.network, *(homes if self.chance(0.7) else [])]
            hub_id = hub(self.world, "hub", sub=HUB)
            for network_id in joined:
                attach(self.world, network_id, hub_id, enableInternetSecurity=self.chance(0.5))
            if self.chance(0.4):
                intent(self.world, hub_id, self.pick("Internet", "PrivateTraffic"))
        if self.chance(0.2):
            for network_id in (self.network, *homes):
                in_effect(self.world, network_id, configuration())
        if self.chance(0.15):
            access = self.pick("Deny", "Allow", "AlwaysAllow")
            in_effect(self.world, self.network, admin_rule("rule", 10, access, self.pick("*", "10.20.0.0/16")))

    def _zone(self, endpoint: str, home: str) -> None:
        records = dict(RECORDS)
        if self.chance(0.15):
            records.pop(self.pick(*records))
        elif self.chance(0.15):
            records["acrone"] = "10.20.0.99"
        links = [home, *([self.network] if self.chance(0.6) else [])]
        hub = self.world.vnet_id("vnet-hub", sub=HUB, group="rg-hub")
        links += [hub] if hub in self.world.bodies and self.chance(0.6) else []
        zone = self.world.zone(records, *links, sub=self.pick(SUBSCRIPTION, HUB, HUB, SHARED))
        if self.chance(0.8):
            self.world.zone_group(endpoint, zone)

    def _filters(self) -> None:
        if self.chance(0.2):
            self.world.group("aks-agentpool-1-nsg", rule("no", 100, "Deny", "*"), where="MC_aks-1")
        if self.chance(0.15) and self.network == self.world.vnet_id(NODES):
            self.world.nsg(rule("no", 100, "Deny", self.pick("Internet", "*")))
        if self.chance(0.15) and self.network == self.world.vnet_id(NODES):
            self.world.routes(("0.0.0.0/0", self.pick("None", "VirtualAppliance", "Internet")))

    def with_identity(self) -> LandingZone:
        """The kubelet identity and the nodes' scale set beside it, sometimes deleted, replaced or taken off."""
        kind = "Microsoft.ManagedIdentity/userAssignedIdentities"
        where = {"sub": self.pick(SUBSCRIPTION, SUBSCRIPTION, SHARED), "group": self.pick("MC_aks-1", "rg-identities")}
        who = object_id("aks-1") if self.chance(0.85) else guid("another")
        identity = self.world.put(kind, "agentpool", {"properties": {"principalId": who}}, **where)
        self.world.put(kind, "another", {"properties": {"principalId": guid("neighbour")}}, **where)
        carried: dict[str, Any] = {identity: {}} if self.chance(0.9) else {}
        tag = {"aks-managed-poolName": "system"}
        machines = {"tags": tag, "identity": {"type": "UserAssigned", "userAssignedIdentities": carried}}
        self.world.put("Microsoft.Compute/virtualMachineScaleSets", "aks-system-1-vmss", machines, group="MC_aks-1")
        kubelet = {"objectId": object_id("aks-1"), "resourceId": identity}
        self.world.cluster(identityProfile={"kubeletidentity": kubelet})
        if self.chance(0.1):
            del self.world.bodies[identity]
        if self.chance(0.4):
            self._provisioned(identity if self.chance(0.7) else f"{identity}-before")
        if self.chance(0.4):
            self._pulled_by_accounts(object_id("aks-1") if self.chance(0.5) else guid("another puller"))
        return self

    def _provisioned(self, carried: str) -> None:
        """Node auto-provisioning, with a machine that carries this identity."""
        self.world.cluster(nodeProvisioningProfile={"mode": "Auto"})
        tags = {"karpenter.azure.com_cluster": "aks-1", "karpenter.sh_nodepool": "default"}
        machine = {"tags": tags, "identity": {"type": "UserAssigned", "userAssignedIdentities": {carried: {}}}}
        self.world.put("Microsoft.Compute/virtualMachines", "aks-default-2jf98", machine, group="MC_aks-1")

    def _pulled_by_accounts(self, who: str) -> None:
        """Service accounts' identities pull: by default one that holds the role of the kubelet identity, or none."""
        default = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.ManagedIdentity/x/default"
        profile = {"enabled": True, "defaultManagedIdentityId": default}
        self.world.cluster(securityProfile={"serviceAccountImagePullProfile": profile})
        bound = {"managedIdentity": {"resourceId": default, "objectId": who, "clientId": guid("default client")}}
        self.world.cluster(identityBindings=[{"name": "default", "properties": bound}])

    def subscriptions(self) -> list[str]:
        """The subscriptions that something lies in."""
        return sorted({subscription_of(key) for key in self.world.bodies})

    def groups(self) -> list[tuple[str, str]]:
        """The resource groups that something lies in: (subscription, group), in lower case."""
        return sorted({(subscription_of(key), resource_group_of(key).lower()) for key in self.world.bodies})


def hidden(zone: LandingZone, subscriptions: set[str], groups: set[tuple[str, str]]) -> ClusterFacts | None:
    """The facts where the app may not see some subscriptions and resource groups; None where the cluster is hidden."""

    def shown(resource_id: str) -> bool:
        guid = subscription_of(resource_id)
        return guid not in subscriptions and (guid, resource_group_of(resource_id).lower()) not in groups

    world, whole = zone.world, zone.facts()
    if not shown(world.cluster_id):
        return None
    visible = World.__new__(World)
    visible.__dict__ = {**world.__dict__, "bodies": {k: b for k, b in world.bodies.items() if shown(k)}}
    guids = {subscription_of(key) for key in world.bodies} - subscriptions
    rights = _rights(guids, {guid for guid, _ in groups})
    listed = networks_of(((guid, visible._network(guid)) for guid in sorted(guids)), rights)
    zone_groups = {
        key: part if shown(key) else REFUSED
        for key, part in (whole.networks.zone_groups if whole.networks else {}).items()
        if subscription_of(key) in guids
    }
    use = whole.uses[0]
    if not shown(world.registry_id):
        use = RegistryUse(login_server=HOST, sources=use.sources, registry=REFUSED)
    managed, hubs = management(visible.bodies, rights), hubs_of(visible.bodies, sorted(guids))
    networks = msgspec.structs.replace(
        listed,
        zone_groups=zone_groups,
        management=managed,
        hubs=hubs,
        name_servers=name_server_world.name_servers(visible, rights),
    )
    return msgspec.structs.replace(whole, uses=(use,), networks=networks, visibility=rights)


def _rights(guids: set[str], partly: set[str]) -> Visibility:
    whole = readable(*guids).own_roles
    nothing: Seen[tuple[Permission, ...]] | NotSeen = Seen((), READ)
    return Visibility(object_id=OWN, own_roles={guid: nothing if guid in partly else whole[guid] for guid in guids})
