"""The same over the wire: an app that sees less of a simulated tenant says Unknown, or what it said before."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from simulator import running
from tests.rules.test_hiding import FACETS, hidings
from tests.support.cli import Scan, scan
from tests.support.hiding import LandingZone
from tests.support.network_world import HOST, World
from tests.support.tenant_builder import ACR_PULL, Tenant, object_id

CASES, CHUNKS = 100, 8
INTERNET = "mcr.microsoft.com"
ALL = ["*"]
UNLISTED = ["*", "Microsoft.Resources/subscriptions/read"]


def tenant_of(zone: LandingZone, folder: Path) -> Tenant:
    """The zone as a tenant: pods, a registry with their image, and the role where it is held."""
    tenant = zone.world.into(Tenant(folder))
    tenant.reachable()
    tenant.pod(f"{HOST}/team/web:1")
    tenant.pod(f"{INTERNET}/team/web:1")
    tenant.write("registries", {"repositories": {"team/web": {"1": {"platforms": ["linux/amd64"]}}}}, HOST)
    if zone.role:
        tenant.assign(object_id("aks-1"), ACR_PULL, zone.world.registry_id)
    return tenant


def denials(zone: LandingZone) -> list[dict[str, Any]]:
    """What caller.json takes away: subscriptions that are not even listed, groups that may not be read."""
    subscriptions, groups = hidings(zone)
    listed = [{"scope": f"/subscriptions/{guid}", "actions": UNLISTED} for guid in sorted(subscriptions)]
    parts = [{"scope": f"/subscriptions/{guid}/resourceGroups/{name}", "actions": ALL} for guid, name in sorted(groups)]
    return [*listed, *parts]


def verdicts(result: Scan) -> dict[str, str] | None:
    """The facets of the rows of a registry and of one on the internet; None where the cluster or a row is gone."""
    rows = {row["registry"]: row for cluster in result.answer["clusters"] for row in cluster["registries"]}
    if not {HOST, INTERNET} <= rows.keys():
        return None
    return {f"{host} {name}": rows[host][name]["verdict"] for host in (HOST, INTERNET) for name in FACETS}


SAMPLE = 1  # chunks of `make test`; `make matrix` takes the others


@pytest.mark.parametrize(
    "chunk", [pytest.param(n, marks=pytest.mark.matrix if n >= SAMPLE else ()) for n in range(CHUNKS)]
)
def test_an_app_that_sees_less_says_unknown_or_the_same(chunk: int, tmp_path: Path) -> None:
    compared = 0
    for seed in range(chunk, CASES, CHUNKS):
        zone = LandingZone(seed).with_identity()
        tenant = tenant_of(zone, tmp_path / str(seed))
        with running(tenant.root) as sim:
            full = verdicts(scan(sim.environment, "--quiet"))
            tenant.caller(denied=denials(zone))
            less = verdicts(scan(sim.environment, "--quiet"))
        assert full is not None
        for name in full if less is not None else ():
            assert less is not None
            assert less[name] in (full[name], "unknown"), f"seed {seed}: {name} {full[name]}, then {less[name]}"
            compared += 1
    assert compared > len(FACETS) * CASES / CHUNKS / 4, "most clusters are still seen"


def test_zone_groups_are_asked_for_once_and_only_of_registries_in_use(tmp_path: Path) -> None:
    zone = LandingZone(0)
    zone.world = World().healthy_private()
    tenant = tenant_of(zone, tmp_path)
    tenant.cluster("aks-2")
    tenant.reachable("aks-2")
    tenant.pod(f"{HOST}/team/web:1", cluster="aks-2")
    unused = tenant.registry("acrunused")
    link = {"name": "pe-unused", "properties": {"privateLinkServiceId": unused, "groupIds": ["registry"]}}
    tenant.resource(
        "Microsoft.Network/privateEndpoints", "pe-unused", {"properties": {"privateLinkServiceConnections": [link]}}
    )
    with running(tenant.root) as sim:
        result = scan(sim.environment, "--quiet")
        asked = [request.path for request in sim.requests if request.path.endswith("/privateDnsZoneGroups")]
        own = [request for request in sim.requests if "atScope()" in unquote(request.query)]
    assert len(result.answer["clusters"]) == 2
    assert [path.rsplit("/", 2)[-2] for path in asked] == ["pe"]
    assert len(own) == 1, "the app's own roles are asked for once per subscription"
