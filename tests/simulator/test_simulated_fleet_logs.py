"""The registries' logs of generated fleets agree with what the nodes say, whatever breaks."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from simulator import running
from simulator.arm.resources import Resource
from simulator.fleet.generator import generate
from simulator.fleet.model import Cluster, Fleet, Wanted
from simulator.nodes.image_pull import NodePull
from simulator.nodes.outcomes import Pulled
from simulator.registry.hosts import find_host
from simulator.tenant import Tenant
from tests.support.logged_tenants import LOGINS, PULLS
from tests.support.tenant_server import Client

EVERYTHING = f"union isfuzzy=true {LOGINS}, {PULLS}"
TROUBLES = ("none", "role", "tag", "firewall", "name", "route")
Row = dict[str, Any]
Line = tuple[str, str]


def changed(path: Path, change: Any) -> None:
    content = json.loads(path.read_text())
    path.write_text(json.dumps(change(content)))


def broken(root: Path, fleet: Fleet, draw: random.Random) -> dict[str, str]:
    """Breaks each cluster in one way and has its pods wait; which way, by the cluster's name."""
    chosen = {cluster.name: TROUBLES[number % len(TROUBLES)] for number, cluster in enumerate(fleet.clusters)}
    for cluster in fleet.clusters:
        trouble = chosen[cluster.name]
        for path in (root / "authorization").glob("subscription-*.json") if trouble == "role" else ():
            changed(path, partial(_without_roles, cluster))
        for path in (root / "arm").glob("*.json") if trouble in ("firewall", "name", "route") else ():
            changed(path, partial(_with_trouble, cluster, trouble))
        changed(root / "kubernetes" / cluster.name / "objects.json", partial(_waiting, trouble, draw))
    return chosen


def _without_roles(cluster: Cluster, bodies: list[Row]) -> list[Row]:
    return [body for body in bodies if body["properties"]["principalId"] != cluster.principal]


def _with_trouble(cluster: Cluster, trouble: str, bodies: list[Row]) -> list[Row]:
    return list(_troubled(bodies, cluster, trouble))


def _troubled(bodies: list[Row], cluster: Cluster, trouble: str) -> Iterator[Row]:
    for body in bodies:
        properties, network = body.get("properties", {}), f"vnet-{cluster.index:04}"
        if trouble == "firewall" and body["id"] in {registry.id for registry in cluster.registries}:
            rules = [
                r for r in (properties["networkRuleSet"] or {}).get("ipRules", []) if r["value"] != cluster.address
            ]
            properties["networkRuleSet"] = {"defaultAction": "Deny", "ipRules": rules}
        if trouble == "route" and body["id"].endswith(f"/virtualNetworks/{network}"):
            table = {"id": f"{body['id']}-routes".replace("virtualNetworks", "routeTables"), "name": "routes"}
            route = {"name": "out", "properties": {"addressPrefix": "0.0.0.0/0", "nextHopType": "None"}}
            yield {**table, "properties": {"routes": [route]}}
            properties["subnets"][0]["properties"]["routeTable"] = {"id": table["id"]}
        if trouble == "name" and body["id"].endswith(f"/virtualNetworks/{network}"):
            yield from _private(body, cluster)
        yield body


def _private(network: Row, cluster: Cluster) -> Iterator[Row]:
    """Endpoints of the cluster's registries elsewhere, and a zone without records that the cluster's network sees."""
    group = network["id"].split("/providers/")[0]
    zone = f"{group}-dns/providers/Microsoft.Network/privateDnsZones/privatelink.azurecr.io"
    yield {"id": zone, "name": "privatelink.azurecr.io", "properties": {}}
    yield {"id": f"{zone}/virtualNetworkLinks/own", "properties": {"virtualNetwork": {"id": network["id"]}}}
    for registry in cluster.registries:
        endpoint = f"{group}/providers/Microsoft.Network/privateEndpoints/pe-{registry.name}"
        state = {"privateLinkServiceId": registry.id, "privateLinkServiceConnectionState": {"status": "Approved"}}
        yield {"id": endpoint, "properties": {"privateLinkServiceConnections": [{"properties": state}]}}


def _waiting(trouble: str, draw: random.Random, held: Row) -> Row:
    for item in held["items"]:
        if item["kind"] == "Pod" and item["metadata"]["namespace"] != "kube-system":
            (container,), (status,) = item["spec"]["containers"], item["status"]["containerStatuses"]
            if trouble == "tag":
                container["image"] = container["image"].rpartition(":")[0] + f":gone-{draw.randrange(3)}"
            status["state"] = {"waiting": {"reason": draw.choice(("ErrImagePull", "ImagePullBackOff"))}}
            status["imageID"], status["started"], status["ready"] = "", False, False
    return held


def waiting(root: Path, cluster: Cluster) -> Iterator[tuple[str, str]]:
    """(image, uid) of each pod that waits."""
    for item in json.loads((root / "kubernetes" / cluster.name / "objects.json").read_text())["items"]:
        if item["kind"] == "Pod" and "waiting" in item["status"]["containerStatuses"][0]["state"]:
            yield item["spec"]["containers"][0]["image"], item["metadata"]["uid"]


def lines_by_words(tenant: Tenant, cluster: Resource, image: str, uid: str) -> set[Line]:
    """What the log has to hold of a pull, read out of the words that the node writes, and of nothing else."""
    pool = cluster.body["properties"]["agentPoolProfiles"][0]
    answered = NodePull(tenant).pull(cluster, pool, image, uid)
    if isinstance(answered, Pulled):
        return {("Login", "200"), ("Pull", "200")}
    words = answered.message
    if "no such host" in words or "i/o timeout" in words:
        return set()
    if "403 Forbidden" in words:
        return {("Login", "403")}
    if ": not found" in words:
        return {("Login", "200"), ("Pull", "404"), ("Login", "401")}
    if "insufficient_scope" in words:
        return {("Login", "200"), ("Pull", "401"), ("Login", "401")}
    assert "401 Unauthorized" in words
    return {("Login", "401")}


@pytest.mark.parametrize("seed", range(4))
def test_the_registries_log_agrees_with_what_the_nodes_say(tmp_path: Path, seed: int) -> None:
    wanted = Wanted(subscriptions=2, clusters=12, registries=6, pods=4, seed=seed, workspaces=2, now=datetime.now(UTC))
    fleet = generate(tmp_path, wanted)
    chosen = broken(tmp_path, fleet, random.Random(seed))
    with running(tmp_path) as sim:
        rows = [row for number in range(2) for row in asked(Client(sim), sim.log_analytics, fleet, number)]
    tenant, seen = Tenant(tmp_path), set()
    for cluster in fleet.clusters:
        name = f"/{cluster.name}"
        resource = next(r for r in tenant.resources().by_id.values() if r.id.endswith(f"managedClusters{name}"))
        own = [row for row in rows if row["CallerIpAddress"] == cluster.address]
        pulls = list(waiting(tmp_path, cluster))
        assert len(pulls) == 4
        expected: set[tuple[str, Line]] = set()
        for image, uid in pulls:
            lines = lines_by_words(tenant, resource, image, uid)
            expected |= {(image.partition("/")[0], line) for line in lines}
            repository, _, tag = image.partition("/")[2].rpartition(":")
            told = {
                (r["OperationName"], r["ResultType"]) for r in own if (r["Repository"], r["Tag"]) == (repository, tag)
            }
            assert told == {line for line in lines if line[0] == "Pull"}, (chosen[cluster.name], image)
            seen |= lines or {("nothing", chosen[cluster.name])}
        assert {(r["LoginServer"], (r["OperationName"], r["ResultType"])) for r in own} == expected
        named = {r["Identity"] for r in own if r["ResultType"] != "403"}
        assert named <= {"", cluster.principal, cluster.client}
        if ("Login", "401") in {line for _, line in expected}:
            assert named - {""}  # who was refused is named
    assert {("Login", "401"), ("Login", "403"), ("Pull", "404"), ("Pull", "200"), ("nothing", "name")} <= seen


def asked(client: Client, address: str, fleet: Fleet, number: int) -> list[Row]:
    """All rows of one of the fleet's workspaces."""
    workspace = client.arm(fleet.workspace_id(number), "2023-09-01").json["properties"]["customerId"]
    headers = {"Authorization": f"Bearer {client.sim.token('https://api.loganalytics.io')}"}
    body = json.dumps({"query": EVERYTHING}).encode()
    table = client.send(f"{address}/v1/workspaces/{workspace}/query", "POST", body, **headers).json["tables"][0]
    names = [column["name"] for column in table["columns"]]
    return [dict(zip(names, row, strict=True)) for row in table["rows"]]


def test_registries_of_a_generated_fleet_send_to_its_workspaces_only_where_that_is_wanted(tmp_path: Path) -> None:
    plain = generate(tmp_path / "plain", Wanted(clusters=1))
    assert "OperationalInsights" not in "".join(p.read_text() for p in (tmp_path / "plain").rglob("*.json"))
    fleet = generate(tmp_path / "logged", Wanted(clusters=2, registries=3, pods=3, workspaces=2, now=datetime.now(UTC)))
    assert [registry.id for registry in plain.registries] == [registry.id for registry in fleet.registries]
    with running(tmp_path / "logged") as sim:
        client = Client(sim)
        for registry in fleet.registries:
            path = f"{registry.id}/providers/Microsoft.Insights/diagnosticSettings"
            (setting,) = client.arm(path, "2021-05-01-preview").json["value"]
            assert setting["properties"]["workspaceId"] == fleet.workspace_id(registry.index % 2)
        servers = [{row["LoginServer"] for row in asked(client, sim.log_analytics, fleet, n)} for n in range(2)]
    own = [{registry.login_server for registry in fleet.registries if registry.index % 2 == n} for n in range(2)]
    assert servers[0] <= own[0] and servers[1] <= own[1]


def test_a_healthy_fleet_has_nothing_but_successes(tmp_path: Path) -> None:
    fleet = generate(tmp_path, Wanted(clusters=6, registries=3, pods=12, workspaces=1, now=datetime.now(UTC)))
    with running(tmp_path) as sim:
        rows = asked(Client(sim), sim.log_analytics, fleet, 0)
    assert rows and {row["ResultType"] for row in rows} == {"200"}
    tenant = Tenant(tmp_path)
    for row in rows:
        host = find_host(tenant, row["LoginServer"])
        assert host is not None and (row["Type"] == LOGINS or row["Tag"] in host.repositories[row["Repository"]])
