"""Listings of Azure Resource Manager over the wire: a body that cannot be read is counted, never silently absent."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import pytest

from checks import settings
from checks.collect.arm import identities, inventory, reads
from checks.collect.arm.client import Azure, Throttling, open_azure
from checks.facts import KubeletResource, NodeMachines, NotSeen, NotSeenReason, Seen
from simulator import running
from tests.support.cli import clean
from tests.support.tenant_builder import SUBSCRIPTION, Tenant, guid, object_id

T = TypeVar("T")

ONE_OF_TWO = "1 of 2 bodies could not be read"
COMPUTE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/MC_aks-1/providers/Microsoft.Compute"


def read(tenant: Tenant, reading: Callable[[Azure], Awaitable[T]], **over: str) -> T:
    """What a reading of the tenant gives."""

    async def opened() -> T:
        async with open_azure(settings.load(os.environ)) as azure:
            return await reading(azure)

    with running(tenant.root) as sim, mock.patch.dict(os.environ, clean(sim.environment | over), clear=True):
        return asyncio.run(opened())


def answer(tenant: Tenant, *answers: tuple[str, Any]) -> None:
    """What ARM answers to requests whose path ends in the given way."""
    rules = [
        {"service": "arm", "path": f"*{path}", "method": "GET", "effect": {"status": 200, "body": body}}
        for path, body in answers
    ]
    (tenant.root / "faults.json").write_text(json.dumps(rules))


def page(*bodies: Any) -> dict[str, Any]:
    return {"value": list(bodies)}


def test_a_subscription_that_cannot_be_read_is_counted(tmp_path: Path) -> None:
    tenant = Tenant(tmp_path)
    answer(tenant, ("/subscriptions", page({"subscriptionId": SUBSCRIPTION}, {"displayName": "no id"})))
    subscriptions = read(tenant, reads.subscriptions)
    assert [one.id for one in subscriptions.value] == [SUBSCRIPTION]
    assert subscriptions.partial == ONE_OF_TWO


def test_a_role_definition_that_cannot_be_read_is_counted(tmp_path: Path) -> None:
    tenant = Tenant(tmp_path)
    name = guid("a role")
    role = {"id": f"/x/roleDefinitions/{name}", "name": name, "properties": {"roleName": "r", "permissions": []}}
    answer(tenant, ("/roleDefinitions", page(role, {"name": 7})))
    role_definitions = read(tenant, lambda azure: reads.seen(reads.role_definitions(azure, SUBSCRIPTION)))
    assert isinstance(role_definitions, Seen) and list(role_definitions.value) == [name]
    assert role_definitions.partial == ONE_OF_TWO


def test_a_body_that_the_sdk_cannot_read_is_a_gap_and_no_crash(tmp_path: Path) -> None:
    tenant = Tenant(tmp_path)
    answer(tenant, ("/roleDefinitions", page("no object")))
    role_definitions = read(tenant, lambda azure: reads.seen(reads.role_definitions(azure, SUBSCRIPTION)))
    assert isinstance(role_definitions, NotSeen) and role_definitions.why is NotSeenReason.ERROR
    assert role_definitions.detail == "list role definitions: Azure sent a body that could not be read"


def test_a_deny_assignment_without_a_name_is_counted(tmp_path: Path) -> None:
    tenant = Tenant(tmp_path)
    answer(tenant, ("/denyAssignments", page({"id": "/x/denyAssignments/One"}, {})))
    names = read(tenant, lambda azure: reads.denies_assigned_to(azure, SUBSCRIPTION, guid("principal")))
    assert (names.value, names.partial) == (frozenset({"one"}), ONE_OF_TWO)


def machines_of(tenant: Tenant) -> Seen[tuple[NodeMachines, ...]] | NotSeen | None:
    async def reading(azure: Azure) -> Seen[tuple[NodeMachines, ...]] | NotSeen | None:
        (cluster,) = (await reads.clusters(azure, SUBSCRIPTION)).value
        return await identities.machines(azure, inventory.Inventory((), "azurecr.io"), cluster)

    return read(tenant, reading)


def test_scale_sets_and_machines_keep_the_evidence_of_both_listings_and_what_neither_showed(tmp_path: Path) -> None:
    tenant = Tenant(tmp_path)
    tenant.cluster(properties={"agentPoolProfiles": [{"name": "vms", "type": "VirtualMachines", "count": 1}]})
    scale_set, machine = f"{COMPUTE}/virtualMachineScaleSets/aks-a-1-vmss", f"{COMPUTE}/virtualMachines/aks-vms-1"
    answer(
        tenant,
        ("/virtualMachineScaleSets", page({"id": scale_set, "name": "aks-a-1-vmss"}, {"name": "no id"})),
        ("/virtualMachines", page({"id": machine, "name": "aks-vms-1"}, None, None)),
    )
    node_machines = machines_of(tenant)
    assert isinstance(node_machines, Seen)
    assert [one.id for one in node_machines.value] == [scale_set, machine]
    assert node_machines.partial == f"{ONE_OF_TWO}; 2 of 3 bodies could not be read"
    assert node_machines.evidence.what == "virtualMachineScaleSets and virtualMachines"
    assert (
        "/virtualMachineScaleSets (" in node_machines.evidence.source
        and "/virtualMachines (" in node_machines.evidence.source
    )
    assert node_machines.evidence.read_at and node_machines.evidence.api_version == identities.COMPUTE_API


def test_an_identity_whose_body_cannot_be_read_is_not_taken_for_deleted(tmp_path: Path) -> None:
    tenant = Tenant(tmp_path)
    tenant.cluster()
    other = {"id": f"{tenant.group('MC_aks-1')}/providers/{identities.IDENTITIES}/other", "name": "other"}
    unreadable = {"properties": {"principalId": object_id("aks-1")}}
    answer(tenant, ("/userAssignedIdentities", page(other, unreadable)), ("/aks-1-agentpool", unreadable))

    async def reading(azure: Azure) -> Seen[KubeletResource] | NotSeen | None:
        listing = await inventory.read(azure, (await reads.subscriptions(azure)).value)
        (cluster,) = (await reads.clusters(azure, SUBSCRIPTION)).value
        return await identities.kubelet_resource(azure, listing, cluster, None)

    listing = read(tenant, reading)
    assert isinstance(listing, NotSeen) and listing.why is not NotSeenReason.NOT_FOUND
    assert "has no id" in listing.detail


def throttle(tenant: Tenant, asked: int | str, **over: Any) -> None:
    """ARM throttles the list of managed clusters and asks to wait."""
    effect = {"status": 429, "retry_after": asked}
    rule = {"service": "arm", "path": "*/managedclusters", "effect": effect, **over}
    (tenant.root / "faults.json").write_text(json.dumps([rule]))


def test_throttling_is_waited_out(tmp_path: Path) -> None:
    tenant = Tenant(tmp_path)
    tenant.cluster()
    throttle(tenant, 1, times=2)
    listed = read(tenant, lambda azure: reads.clusters(azure, SUBSCRIPTION))
    assert [cluster.name for cluster in listed.value] == ["aks-1"]


def test_throttling_is_counted_with_what_it_asks_for(tmp_path: Path) -> None:
    tenant = Tenant(tmp_path)
    throttle(tenant, 1, times=2)

    async def reading(azure: Azure) -> Throttling:
        assert azure.throttling == Throttling()
        await reads.clusters(azure, SUBSCRIPTION)
        return azure.throttling

    assert read(tenant, reading) == Throttling(answers=2, seconds=2.0)


def test_a_wait_that_nobody_waits_for_is_counted_too(tmp_path: Path) -> None:
    tenant = Tenant(tmp_path)
    throttle(tenant, 200)

    async def reading(azure: Azure) -> Throttling:
        await reads.seen(reads.clusters(azure, SUBSCRIPTION))
        return azure.throttling

    assert read(tenant, reading) == Throttling(answers=1, seconds=200.0)


@pytest.mark.parametrize("asked", [200, "Fri, 01 Jan 2100 00:00:00 GMT"])
def test_a_wait_that_would_end_too_late_is_throttling_at_once(tmp_path: Path, asked: int | str) -> None:
    tenant = Tenant(tmp_path)
    throttle(tenant, asked)
    began = time.monotonic()
    gap = read(tenant, lambda azure: reads.seen(reads.clusters(azure, SUBSCRIPTION)))
    assert isinstance(gap, NotSeen)
    assert gap.why is NotSeenReason.THROTTLED and "asks to wait" in gap.detail
    assert time.monotonic() - began < 5


def test_waits_that_end_too_late_together_are_throttling_and_no_silence(tmp_path: Path) -> None:
    tenant = Tenant(tmp_path)
    throttle(tenant, 1)
    gap = read(tenant, lambda azure: reads.seen(reads.clusters(azure, SUBSCRIPTION)), PULLWATCH_CLUSTER_SECONDS="5")
    assert isinstance(gap, NotSeen)
    assert (gap.why, gap.detail) == (
        NotSeenReason.THROTTLED, "throttled: Azure Resource Manager asks to wait 1 s"
    )  # fmt: skip
