"""What ARM has of the identity that nodes pull with, and whether their machines carry it.

Identities and scale sets are listed once per subscription and run, whoever asks first; virtual machines only where a
cluster has pools of them, or node auto-provisioning. An identity that a list lacks is asked for by its id as well: a
list shows what the caller may read, so only a 404 says that there is none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from checks.collect.arm import bodies, reads
from checks.collect.arm.client import Azure
from checks.collect.arm.inventory import Inventory
from checks.collect.arm.listed import IdentitiesListed, MachinesByGroup
from checks.collect.wire.errors import NotFound, Temporary
from checks.facts import (
    Cluster,
    IdentityResource,
    KubeletResource,
    NodeMachines,
    NotSeen,
    Seen,
    resource_group_of,
    subscription_of,
)
from checks.findings import Evidence
from checks.rules import visibility

T = TypeVar("T")

IDENTITY_API = "2023-01-31"
COMPUTE_API = "2024-07-01"
IDENTITIES = "Microsoft.ManagedIdentity/userAssignedIdentities"
SCALE_SETS = "Microsoft.Compute/virtualMachineScaleSets"
MACHINES = "Microsoft.Compute/virtualMachines"


async def machines(
    azure: Azure, inventory: Inventory, cluster: Cluster
) -> Seen[tuple[NodeMachines, ...]] | NotSeen | None:
    """The scale sets and machines in a cluster's node resource group; None for one without a kubelet identity."""
    group = (cluster.node_resource_group or "").lower()
    if cluster.kubelet is None or not cluster.kubelet.resource_id or not group:
        return None
    subscription = subscription_of(cluster.id)
    kinds = [SCALE_SETS]
    of_machines = any((pool.type or "").lower() in ("virtualmachines", "availabilityset") for pool in cluster.pools)
    if of_machines or cluster.node_provisioning:
        kinds.append(MACHINES)
    listings: list[Seen[MachinesByGroup]] = []
    for kind in kinds:
        listed = await inventory.machines.get(f"{subscription}|{kind}", _listing(azure, subscription, kind))
        if isinstance(listed, NotSeen):
            return listed
        listings.append(listed)
    node_machines = [machine for listed in listings for machine in listed.value.get(group, ())]
    partial = "; ".join(listed.partial for listed in listings if listed.partial)
    return Seen(tuple(node_machines), _joined([listed.evidence for listed in listings]), partial)


def _joined(readings: list[Evidence]) -> Evidence:
    """The evidence of several readings in one, as old as the oldest of them."""
    return Evidence(
        what=" and ".join(reading.what for reading in readings),
        source="; ".join(reading.source for reading in readings),
        read_at=min((reading.read_at for reading in readings if reading.read_at), default=None),
        api_version=readings[0].api_version,
    )


def _listing(azure: Azure, subscription: str, kind: str) -> Callable[[], Any]:
    async def reading() -> Seen[MachinesByGroup] | NotSeen:
        listed = await reads.seen(_list(azure, subscription, kind, COMPUTE_API, bodies.node_machines))
        if isinstance(listed, NotSeen):
            return listed
        groups: MachinesByGroup = {}
        for machine in listed.value:
            groups.setdefault(resource_group_of(machine.id).lower(), []).append(machine)
        return Seen(groups, listed.evidence, listed.partial)

    return reading


async def kubelet_resource(
    azure: Azure, inventory: Inventory, cluster: Cluster, nodes: Seen[tuple[NodeMachines, ...]] | NotSeen | None
) -> Seen[KubeletResource] | NotSeen | None:
    """What lies under the kubelet identity's resource id; None for a cluster that shows no such id.

    Where nothing else shows that identities there are visible to us, an absent one is not even asked for.
    """
    wanted = cluster.kubelet.resource_id if cluster.kubelet else None
    if not wanted:
        return None
    subscription = subscription_of(wanted)
    if subscription not in inventory.subscriptions:
        return visibility.unlisted(inventory.visibility, subscription, "The kubelet identity")

    async def reading() -> Seen[IdentitiesListed] | NotSeen:
        found = await reads.seen(_list(azure, subscription, IDENTITIES, IDENTITY_API, bodies.identity_resource))
        if isinstance(found, NotSeen):
            return found
        return Seen(IdentitiesListed(found.value), found.evidence, found.partial)

    listed = await inventory.identities.get(subscription, reading)
    if isinstance(listed, NotSeen):
        return listed
    resource = listed.value.get(wanted)
    others, siblings = listed.value.beside(wanted)
    if resource is None and (others or (isinstance(nodes, Seen) and nodes.value)):
        asked = await reads.seen(_ask(azure, wanted))
        if isinstance(asked, NotSeen):
            return asked
        resource = asked.value
    return Seen(KubeletResource(resource=resource, others=others, siblings=siblings), listed.evidence)


async def _ask(azure: Azure, identity: str) -> Seen[IdentityResource | None]:
    try:
        body = await reads.get(azure, identity, IDENTITY_API, "the kubelet identity")
    except NotFound:
        return Seen(None, reads.evidence("kubelet identity", identity, IDENTITY_API))
    identity_resource = bodies.identity_resource(body)
    if identity_resource is None:  # an answer that shows no id is no proof that the identity is gone
        raise Temporary("read the kubelet identity: the answer has no id")
    return Seen(identity_resource, reads.evidence("kubelet identity", identity, IDENTITY_API))


async def _list(
    azure: Azure, subscription: str, kind: str, api_version: str, reader: Callable[[Any], T | None]
) -> Seen[tuple[T, ...]]:
    path, what = f"/subscriptions/{subscription}/providers/{kind}", kind.rsplit("/", 1)[-1]
    listing = await reads.raw_list(azure, path, api_version, what, f"/subscriptions/{subscription}")
    results = tuple(item for body in listing.items if (item := reader(body)) is not None)
    return Seen(results, listing.evidence, reads.unreadable(listing.items, results))
