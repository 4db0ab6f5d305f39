"""What a run and a check of one cluster leave out of Azure Resource Manager's lists, and where they must not."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from pathlib import Path
from unittest import mock

import pytest

from checks import settings
from checks.collect.arm import inventory, reads
from checks.collect.arm.client import open_azure
from checks.collect.arm.inventory import Inventory
from checks.collect.arm.parts import ALL, OF_REGISTRIES, Part
from checks.facts import NotSeen, Seen
from checks.facts.network_management import CONNECTIVITY_ACTION
from checks.rules import visibility
from simulator import running
from tests.support.cli import clean
from tests.support.tenant_builder import SUBSCRIPTION, Tenant, guid

ACR_PULL = "7f951dda-4ed3-4680-a7ca-43fe172d538d"
OTHER = guid("other subscription")
CUSTOM = guid("custom role")
OWN = frozenset({Part.CLUSTERS})
NETWORKS = frozenset({Part.NETWORKS, Part.ZONES, Part.RULESETS, Part.MANAGERS})
Steps = Iterable[dict[str, frozenset[Part]]]


@pytest.fixture
def tenant(tmp_path: Path) -> Tenant:
    """Two subscriptions, each with a registry that an identity may pull from."""
    made = Tenant(tmp_path)
    made.add_subscription(OTHER)
    for name, subscription in (("acrone", SUBSCRIPTION), ("acrtwo", OTHER)):
        made.assign(guid("who"), ACR_PULL, made.registry(name, sub=subscription))
    return made


def read(tenant: Tenant, steps: Steps, whole: Steps = ()) -> tuple[Inventory, list[str]]:
    """The inventory after these steps, the later ones not sparing, and what they asked Azure Resource Manager for."""

    async def opened() -> Inventory:
        async with open_azure(settings.load(os.environ)) as azure:
            listing = await inventory.unread(azure, (await reads.subscriptions(azure)).value)
            for wanted in steps:
                await listing.extend(azure, wanted, sparing=True)
            for wanted in whole:
                await listing.extend(azure, wanted)
            return listing

    with running(tenant.root) as sim, mock.patch.dict(os.environ, clean(sim.environment), clear=True):
        listing = asyncio.run(opened())
        return listing, [f"{one.path}?{one.query}" for one in sim.requests if one.service == "arm"]


def count(asked: list[str], *parts: str) -> int:
    return sum(all(part in one for part in parts) for one in asked)


def custom_role(tenant: Tenant, subscription: str) -> None:
    scope = f"/subscriptions/{subscription}"
    permission = {"actions": ["*/read"], "notActions": [], "dataActions": [], "notDataActions": []}
    body = {
        "id": f"{scope}/providers/Microsoft.Authorization/roleDefinitions/{CUSTOM}",
        "type": "Microsoft.Authorization/roleDefinitions",
        "name": CUSTOM,
        "properties": {
            "roleName": "own",
            "type": "CustomRole",
            "assignableScopes": [scope],
            "permissions": [permission],
        },
    }
    tenant.write("authorization", body)


def test_roles_are_listed_once_where_every_subscription_names_the_same(tenant: Tenant) -> None:
    listing, asked = read(tenant, [dict.fromkeys((SUBSCRIPTION, OTHER), ALL)])
    assert count(asked, "/roleDefinitions?") == 1
    for facts in listing.subscriptions.values():
        assert isinstance(facts.authorization.definitions, Seen) and ACR_PULL in facts.authorization.definitions.value


def test_a_subscription_that_names_a_role_of_its_own_is_asked_for_it(tenant: Tenant) -> None:
    custom_role(tenant, OTHER)
    tenant.assign(guid("who"), CUSTOM, f"/subscriptions/{OTHER}")
    listing, asked = read(tenant, [{SUBSCRIPTION: OF_REGISTRIES}, {OTHER: OF_REGISTRIES}])
    assert count(asked, "/roleDefinitions?") == 2
    definitions = listing.subscriptions[OTHER].authorization.definitions
    assert isinstance(definitions, Seen) and CUSTOM in definitions.value


def test_roles_that_may_not_be_listed_somewhere_are_not_taken_from_elsewhere(tenant: Tenant) -> None:
    denied = {"scope": f"/subscriptions/{OTHER}", "actions": ["Microsoft.Authorization/roleDefinitions/read"]}
    tenant.caller(denied=[denied])
    listing, _ = read(tenant, [dict.fromkeys((SUBSCRIPTION, OTHER), ALL)])
    assert isinstance(listing.subscriptions[OTHER].authorization.definitions, NotSeen)
    assert isinstance(listing.subscriptions[SUBSCRIPTION].authorization.definitions, Seen)


def test_kinds_that_a_subscription_lacks_take_one_list(tenant: Tenant) -> None:
    listing, asked = read(tenant, [{SUBSCRIPTION: OWN}, {SUBSCRIPTION: NETWORKS}])
    assert count(asked, "/resources?") == 1
    assert not count(asked, "privateDnsZones?") + count(asked, "networkManagers?")
    network = listing.subscriptions[SUBSCRIPTION].network
    assert network is not None
    for part in (network.zones, network.rulesets, network.managers):
        assert isinstance(part, Seen) and part.value == {}


def test_where_everything_is_read_after_all_each_kind_is_asked_for_itself(tenant: Tenant) -> None:
    """The list of all resources comes from an index, which may lag behind."""
    whole = [{SUBSCRIPTION: ALL}, {SUBSCRIPTION: ALL}]
    _, asked = read(tenant, [{SUBSCRIPTION: OWN}, {SUBSCRIPTION: NETWORKS}, {SUBSCRIPTION: OWN | NETWORKS}], whole)
    for kind in ("/resources", "/privateDnsZones", "/dnsForwardingRulesets", "/networkManagers"):
        assert count(asked, f"{kind}?") == 1


def test_a_zone_that_is_about_registries_is_read_and_others_are_not(tenant: Tenant) -> None:
    tenant.resource("Microsoft.Network/privateDnsZones", "privatelink.blob.core.windows.net", {"properties": {}})
    assert not count(read(tenant, [{SUBSCRIPTION: OWN}, {SUBSCRIPTION: NETWORKS}])[1], "/privateDnsZones?")
    tenant.resource("Microsoft.Network/privateDnsZones", "privatelink.azurecr.io", {"properties": {}})
    listing, asked = read(tenant, [{SUBSCRIPTION: OWN}, {SUBSCRIPTION: NETWORKS}])
    assert count(asked, "/privateDnsZones?") == 1 and not count(asked, "/networkManagers?")
    network = listing.subscriptions[SUBSCRIPTION].network
    assert network is not None and isinstance(network.zones, Seen) and len(network.zones.value) == 1


@pytest.mark.parametrize("action", ["Microsoft.Network/privateDnsZones/read", "Microsoft.Resources/*/read"])
def test_where_the_list_may_lack_something_each_kind_is_asked_for(tenant: Tenant, action: str) -> None:
    tenant.caller(denied=[{"scope": f"/subscriptions/{SUBSCRIPTION}", "actions": [action]}])
    _, asked = read(tenant, [{SUBSCRIPTION: OWN}, {SUBSCRIPTION: NETWORKS}])
    assert not count(asked, "/resources?")
    for kind in ("privateDnsZones", "dnsForwardingRulesets", "networkManagers"):
        assert count(asked, f"/{kind}?") == 1


def test_own_roles_are_asked_for_once_more_than_reading_matters(tenant: Tenant) -> None:
    tenant.caller(granted=[CONNECTIVITY_ACTION])
    listing, asked = read(tenant, [{OTHER: OF_REGISTRIES}])
    assert not count(asked, OTHER, "atScope()")
    assert visibility.hidden_in(listing.visibility, OTHER, visibility.REGISTRIES) is None
    listing, asked = read(tenant, [{OTHER: OF_REGISTRIES}, {OTHER: frozenset({Part.NETWORKS})}])
    assert count(asked, OTHER, "atScope()") == 1
    assert visibility.allows(listing.visibility, OTHER, CONNECTIVITY_ACTION)
