"""Facts for the tests of PW201 and PW401 to PW406: a healthy Premium registry in the cluster's region."""

from __future__ import annotations

from typing import Any

from checks.facts import ClusterFacts, ContainerImage, NotSeen, NotSeenReason, RegistryPerformance, RegistryUse, Seen
from checks.facts.network import Network, Networks, Subnet, VirtualNetwork, networks_of
from checks.facts.registry_details import CacheRule, Credential, CredentialSet, Outcome, Probe, Replication, Usage
from tests.support import access_facts as base
from tests.support.readable import readable

ACR = "acrone.azurecr.io"
REGION = "westeurope"
NONE = NotSeen(NotSeenReason.NOT_APPLICABLE, "no cache rule names a credential set")
GIB, TIB = 1024**3, 1024**4
VNET = f"{base.GROUP}/providers/Microsoft.Network/virtualNetworks/vnet-nodes"
SUBNET = f"{VNET}/subnets/nodes"
CREDENTIALS = f"{base.REGISTRY_ID}/credentialSets/hub"


def replica(location: str = REGION, **over: Any) -> Replication:
    given: dict[str, Any] = {"provisioning_state": "Succeeded", "status": "Ready", "routed": True}
    return Replication(name=location, location=location, **(given | over))


def rule(target: str = "hub/*", **over: Any) -> CacheRule:
    given: dict[str, Any] = {"name": f"rule {target}", "source": "docker.io/library/*", "target": target}
    return CacheRule(**(given | over))


def credentials(health: str | None = "Healthy", **over: Any) -> CredentialSet:
    credential = Credential(name="Credential1", health=health, **over)
    return CredentialSet(id=CREDENTIALS, name="hub", principal_id=base.CLIENT, credentials=(credential,))


def performance(**over: Any) -> RegistryPerformance:
    given: dict[str, Any] = {
        "replications": base.seen(()),
        "usages": base.seen((Usage("Size", GIB, 500 * GIB, "Bytes"), Usage("Webhooks", 2, 500, "Count"))),
        "cache_rules": base.seen(()),
        "credential_sets": NONE,
    }
    return RegistryPerformance(**(given | over))


def probe(outcome: Outcome = Outcome.REACHED, **over: Any) -> Seen[Probe]:
    given: dict[str, Any] = {"host": ACR, "detail": "it answered", "steps": ("acrone.azurecr.io resolves",)}
    return base.seen(Probe(outcome=outcome, **(given | over)))


def network(*dns_servers: str) -> Networks:
    """The virtual network of the nodes."""
    nodes = VirtualNetwork(
        id=VNET, name="vnet-nodes", dns_servers=dns_servers, subnets=(Subnet(id=SUBNET, name="nodes"),)
    )
    return networks_of(
        [(base.SUBSCRIPTION, Network(virtual_networks=base.seen({VNET.lower(): nodes})))], readable(base.SUBSCRIPTION)
    )


def facts(
    *, registry: dict[str, Any] | None = None, images: tuple[ContainerImage, ...] = (), **over: Any
) -> ClusterFacts:
    """A cluster in West Europe with one registry there. ``registry`` changes it, ``images`` are those of its pods."""
    registry_facts = base.registry(**({"location": REGION} | (registry or {})))
    given: dict[str, Any] = {
        "cluster": base.cluster(location=REGION, pools=(base.pool(vnet_subnet_id=SUBNET),)),
        "uses": (base.use(base.seen(registry_facts), *images),),
        "performance": {ACR: performance()},
        "probes": {ACR: probe()},
        "networks": network(),
    }
    return base.facts(**(given | over))


def unseen() -> RegistryUse:
    """A registry that could not be found in Azure Resource Manager."""
    return base.use(NotSeen(NotSeenReason.NOT_FOUND, "not in the subscriptions that were scanned"))
