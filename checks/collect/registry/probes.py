"""Which registries are probed for a cluster, each once per run and process however many clusters use it."""

from __future__ import annotations

import asyncio

from checks.collect.arm.client import Azure
from checks.collect.arm.inventory import Inventory
from checks.collect.arm.reads import evidence
from checks.collect.registry import client
from checks.collect.wire import connections
from checks.facts import NotSeen, NotSeenReason, RegistryUse, Seen
from checks.facts.registry_details import Probe
from checks.rules.access import identity_access

AT_ONCE = 4
PROBED_FROM = "from where Pullwatch runs"


async def of_cluster(
    azure: Azure, inventory: Inventory, uses: tuple[RegistryUse, ...]
) -> dict[str, Seen[Probe] | NotSeen]:
    """The probes of a cluster's registries by login server; a few at once. Other registries only where a setting says.

    A registry that some other cluster of the run uses too is not probed again.
    """
    limit = asyncio.Semaphore(AT_ONCE)
    wanted = [use for use in uses if _may_be_probed(use, others=azure.settings.probe_others)]

    async def bounded(use: RegistryUse) -> Seen[Probe] | NotSeen:
        async with limit:
            return await _probe_registry(azure, inventory, use)

    probes = await asyncio.gather(*(bounded(use) for use in wanted))
    return {use.login_server: probe for use, probe in zip(wanted, probes, strict=True)}


def _may_be_probed(use: RegistryUse, *, others: bool) -> bool:
    """Whether a host may be connected to: a registry that ARM returned; where a setting allows it, one of pods' images.

    Never a host that only a request, a tag or an earlier run names: whoever may ask would choose where to.
    """
    return isinstance(use.registry, Seen) or (others and bool(use.images))


async def _probe_registry(azure: Azure, inventory: Inventory, use: RegistryUse) -> Seen[Probe] | NotSeen:
    if not azure.settings.probe:
        return NotSeen(NotSeenReason.OFF, "probing is switched off by PULLWATCH_PROBE")
    if connections.behind_proxy(azure.settings.connect_to, use.login_server):
        return NotSeen(NotSeenReason.OFF, "connections from here go through a proxy, which would be probed instead")
    target = target_of(use, azure.settings.cloud.acr_suffix)

    async def reading() -> Seen[Probe]:
        probe = await client.probe(azure, target)
        return Seen(probe, evidence(f"probe of {target.host} on port {connections.HTTPS}", PROBED_FROM))

    return await inventory.probes.get(use.login_server, reading)


def target_of(use: RegistryUse, acr_suffix: str) -> client.Target:
    """What may be done at a registry: everything at a login server that ARM returned under the cloud's own suffix,
    nothing but ``/v2/`` without credentials at a host that only pods name."""
    if isinstance(use.registry, NotSeen):
        return client.Target(host=use.login_server)
    repositories = identity_access.repositories_of(use.images)
    return client.Target(
        host=use.login_server,
        known=True,
        tokens=use.login_server.endswith(f".{acr_suffix}"),
        repository=repositories[0] if repositories else None,
        data_endpoints=use.registry.value.network_access.data_hosts,
    )
