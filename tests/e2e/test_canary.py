"""Canary pulls end to end: nodes are asked by `scan --canary`, by a scheduled run and over HTTP, or not at all."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from localhost.functions_host import functions_host
from localhost.mailbox import Mailbox
from simulator import Simulator, running
from tests.e2e.test_app import App
from tests.support.cli import ROOT, Scan, scan
from tests.support.network_world import EGRESS, HOST, RECORDS, World
from tests.support.sampling import sampled
from tests.support.storage import app_settings
from tests.support.tenant_builder import ACR_PULL, REPOSITORY_READER, Tenant, object_id

IMAGE = f"{HOST}/team/web:1"
QUICK = {"PULLWATCH_CANARY_SECONDS": "5"}


def world() -> World:
    """A registry that lets nobody read without signing in."""
    return World().registry(anonymousPullEnabled=False)


def tenant_of(described: World, folder: Path, *, role: bool = True) -> Tenant:
    tenant = described.into(Tenant(folder / "tenant"))
    tenant.reachable()
    pools = described.bodies[described.cluster_id]["properties"]["agentPoolProfiles"]
    tenant.ready_pods(IMAGE, *(pool["name"] for pool in pools))
    tenant.write("registries", {"repositories": {"team/web": {"1": {"platforms": ["linux/amd64"]}}}}, HOST)
    if role:
        tenant.assign(object_id("aks-1"), ACR_PULL, described.registry_id)
    return tenant


def look(tenant: Tenant, *arguments: str, **environment: str) -> tuple[Scan, int]:
    """A scan, and how many pods it made; of these none may be left."""
    with running(tenant.root, kubelet_delay=0.02) as sim:
        result = scan(sim.environment | QUICK | environment, "--quiet", *arguments)
        made = pods_made(sim)
        assert sum(r.method == "DELETE" and "/pods/" in r.path and r.status == 200 for r in sim.requests) == made
    assert result.errors == ""
    return result, made


def pods_made(sim: Simulator) -> int:
    return sum(r.method == "POST" and r.path.endswith("/pods") and r.status == 201 for r in sim.requests)


def canaries(result: Scan) -> dict[tuple[str, str | None], tuple[str, str]]:
    """By pool and image."""
    documents = result.findings("PW305")
    return {(f["subject"]["pool"], f["subject"].get("image")): (f["verdict"], f["cause"]) for f in documents}


def pull(result: Scan) -> tuple[str, str, list[str]]:
    value = result.row()["pull"]
    return value["verdict"], value["cause"], value["decided_by"]


def covered(result: Scan) -> list[tuple[bool, str, str]]:
    """What the coverage says of canary pulls: looked at, why not, and that in a word."""
    lines = [line for line in result.cluster()["coverage"] if line["what"] == "canary pulls"]
    return [(line["looked"], line["why"], line["reason"]) for line in lines]


def test_where_all_is_well_the_canary_decides(tmp_path: Path) -> None:
    result, made = look(tenant_of(world(), tmp_path), "--canary")
    assert made == 1
    assert canaries(result) == {("system", None): ("pass", "canary-not-found")}
    assert pull(result) == ("pass", "pulled", ["PW305"])
    assert "only to identities that may pull" in result.row()["pull"]["summary"]
    assert covered(result) == [(True, "", "")]
    assert result.code == 0


def test_without_being_asked_no_pod_is_made(tmp_path: Path) -> None:
    result, made = look(tenant_of(world(), tmp_path))
    assert made == 0
    assert result.finding("PW305")["verdict"] == "skipped"
    assert pull(result)[2] != ["PW305"]
    assert covered(result) == [(False, "no canary was asked for", "off")]


def test_a_canary_settles_what_may_not_be_read(tmp_path: Path) -> None:
    tenant = tenant_of(world(), tmp_path)
    tenant.caller(denied=[{"scope": f"/subscriptions/{tenant.subscription}",
                           "actions": ["Microsoft.Authorization/roleAssignments/read"]}])  # fmt: skip
    result, _ = look(tenant, "--canary")
    # Without the app's own roles no list is known to be whole: the path is open, and the canary asks for no layers.
    assert result.verdicts() == ("unknown", "unknown", "unknown")
    assert pull(result)[2] == ["PW206"], "all but the layers is settled"


@pytest.mark.parametrize("mode", ["anonymous", "not told", "by repositories"])
def test_a_canary_that_proves_the_way_alone_leaves_access_as_it_was(tmp_path: Path, mode: str) -> None:
    values = {
        "anonymous": {"anonymousPullEnabled": True},
        "not told": {"anonymousPullEnabled": None},
        "by repositories": {"roleAssignmentMode": "AbacRepositoryPermissions"},
    }
    tenant = tenant_of(world().registry(**values[mode]), tmp_path, role=mode == "not told")
    if mode == "by repositories":
        tenant.pod(f"{HOST}/team/other:1")
        tenant.assign(object_id("aks-1"), REPOSITORY_READER, f"/subscriptions/{tenant.subscription}")
    tenant.caller(denied=[{"scope": f"/subscriptions/{tenant.subscription}",
                           "actions": ["Microsoft.Authorization/roleAssignments/read"]}])  # fmt: skip
    result, _ = look(tenant, "--canary")
    cause = "canary-repository-only" if mode == "by repositories" else "canary-path-only"
    assert canaries(result) == {("system", None): ("pass", cause)}
    # The registry itself says that it lets everybody read; the canary adds nothing to that.
    known = "pass" if mode == "anonymous" else "unknown"
    assert result.verdicts() == (known, "unknown", "unknown")


def test_a_missing_role_fails_in_both_views(tmp_path: Path) -> None:
    result, _ = look(tenant_of(world(), tmp_path, role=False), "--canary")
    assert canaries(result) == {("system", None): ("fail", "unauthorized")}
    verdict, cause, codes = pull(result)
    assert (verdict, cause) == ("fail", "role-missing")
    assert {"PW102", "PW305"} <= set(codes)
    assert result.row()["disagreements"] == []
    assert any(line.startswith("az role assignment create") and "AcrPull" in line for line in result.row()["fix"])
    assert result.code == 1


def test_a_role_that_nodes_do_not_know_of_yet_is_named_as_a_disagreement(tmp_path: Path) -> None:
    tenant = tenant_of(world(), tmp_path)
    (tenant.root / "tokens.json").write_text('{"aks-1": "refused"}')
    result, _ = look(tenant, "--canary")
    assert result.verdicts() == ("pass", "pass", "fail")
    assert pull(result) == ("fail", "unauthorized", ["PW305"])
    (value,) = result.row()["disagreements"]
    assert value.startswith("The canary fails (pools: system) although") and "up to 3 hours" in value


def test_a_role_that_is_gone_fails_although_nodes_still_pull(tmp_path: Path) -> None:
    tenant = tenant_of(world(), tmp_path, role=False)
    (tenant.root / "tokens.json").write_text('{"aks-1": "pulls"}')
    result, _ = look(tenant, "--canary")
    assert canaries(result) == {("system", None): ("pass", "canary-not-found")}
    assert pull(result)[:2] == ("fail", "role-missing")
    (value,) = result.row()["disagreements"]
    assert "outlives a removed role by up to 3 hours" in value


def test_a_firewall_that_denies_fails_in_both_views(tmp_path: Path) -> None:
    result, _ = look(tenant_of(world().deny("20.99.0.1"), tmp_path), "--canary")
    assert canaries(result) == {("system", None): ("fail", "firewall_denied")}
    assert pull(result) == ("fail", "ip-not-allowed", ["PW202", "PW305"])
    assert any(line.endswith(f"--ip-address {EGRESS}") for line in result.row()["fix"])


def test_a_name_without_a_record_fails_in_both_views(tmp_path: Path) -> None:
    described = world().healthy_private()
    del described.bodies[next(key for key in described.bodies if key.endswith("/A/acrone"))]
    result, _ = look(tenant_of(described, tmp_path), "--canary")
    assert canaries(result) == {("system", None): ("fail", "dns")}
    verdict, cause, codes = pull(result)
    assert (verdict, cause) == ("fail", "login-record-missing")
    assert set(codes) == {"PW204", "PW305"}
    assert f"nslookup {HOST}" in result.row()["fix"]


def test_layers_without_a_record_are_met_by_a_real_image_only(tmp_path: Path) -> None:
    described = world().healthy_private()
    del described.bodies[next(key for key in described.bodies if key.endswith("/A/acrone.westeurope.data"))]
    assert set(RECORDS) == {"acrone", "acrone.westeurope.data"}
    tenant = tenant_of(described, tmp_path)
    result, _ = look(tenant, "--canary")
    assert canaries(result) == {("system", None): ("pass", "canary-not-found")}
    assert pull(result)[:2] == ("fail", "data-record-missing"), "the canary did not ask for layers"
    assert any("the layers" in value for value in result.row()["disagreements"])
    result, _ = look(tenant, "--canary", PULLWATCH_CANARY_IMAGE=IMAGE)
    assert canaries(result)[("system", IMAGE)] == ("fail", "dns")
    assert pull(result)[:2] == ("fail", "data-record-missing")
    assert "PW305" in pull(result)[2]


def two_subnets() -> World:
    """Two pools, the second in a network of its own; the registry lets in the first one's address."""
    described = world().deny(EGRESS)
    described.vnet("vnet-user", "10.30.0.0/16", nodes={})
    return described.pools(described.pool("system"), described.pool("user", network="vnet-user", mode="User"))


def second_subnet(described: World, **properties: Any) -> None:
    (subnet,) = described.bodies[described.vnet_id("vnet-user")]["properties"]["subnets"]
    subnet["properties"] |= properties


def test_one_pool_of_two_fails_as_azure_shows_and_is_named(tmp_path: Path) -> None:
    described = two_subnets()
    listed = {"publicIpAddresses": [{"id": described.address("nat-ip", "20.60.1.1")}]}
    gateway = described.put("Microsoft.Network/natGateways", "nat", {"properties": listed})
    second_subnet(described, natGateway={"id": gateway})
    result, made = look(tenant_of(described, tmp_path), "--canary")
    assert made == 2
    assert canaries(result) == {
        ("system", None): ("pass", "canary-not-found"),
        ("user", None): ("fail", "firewall_denied"),
    }
    assert pull(result) == ("fail", "ip-not-allowed", ["PW202", "PW305"])
    assert result.row()["pull"]["summary"].endswith("The canary fails too (pools: user).")
    assert any(line.endswith("--ip-address 20.60.1.1") for line in result.row()["fix"])


def test_one_pool_of_two_fails_where_azure_cannot_tell_and_is_named(tmp_path: Path) -> None:
    """Its subnet leaves through an appliance, whose address ARM does not show."""
    described = two_subnets()
    hop = {"addressPrefix": "0.0.0.0/0", "nextHopType": "VirtualAppliance", "nextHopIpAddress": "10.30.250.4"}
    routes = {"routes": [{"name": "all", "properties": hop}]}
    table = described.put("Microsoft.Network/routeTables", "user-routes", {"properties": routes})
    second_subnet(described, routeTable={"id": table})
    tenant = tenant_of(described, tmp_path)
    before, _ = look(tenant)
    assert before.verdicts()[1:] == ("unknown", "unknown")
    result, _ = look(tenant, "--canary")
    assert canaries(result)[("user", None)] == ("fail", "firewall_denied")
    assert result.verdicts() == ("pass", "unknown", "fail")
    assert pull(result) == ("fail", "firewall_denied", ["PW305"])
    assert "a node of the pool user asked" in result.row()["pull"]["summary"].lower()
    (tenant.root / "egress.json").write_text(json.dumps({"aks-1": [EGRESS]}))
    result, _ = look(tenant, "--canary")
    assert pull(result)[0] == "unknown", "the appliance lets the login through; it was not asked for layers"
    result, _ = look(tenant, "--canary", PULLWATCH_CANARY_IMAGE=IMAGE)
    assert pull(result) == ("pass", "pulled", ["PW305"])


def test_pods_that_may_not_be_made_are_unknown_with_the_role(tmp_path: Path) -> None:
    described = world()
    tenant = tenant_of(described, tmp_path)
    tenant.caller(denied=[{"scope": described.cluster_id,
                           "actions": ["Microsoft.ContainerService/managedClusters/pods/write"]}])  # fmt: skip
    result, made = look(tenant, "--canary")
    assert made == 0
    document = result.finding("PW305")
    assert (document["verdict"], document["cause"]) == ("unknown", "look-not-allowed")
    assert document["missing"] == "Azure Kubernetes Service RBAC Writer"
    assert result.verdicts() == ("pass", "pass", "pass"), "what ARM shows stands"
    assert result.code == 2


# the app -------------------------------------------------------------------------------------------------------------


def without_records() -> World:
    """A private registry whose zone has lost its records."""
    described = world().healthy_private()
    for key in [key for key in described.bodies if "/privateDnsZones/" in key and "/A/" in key]:
        del described.bodies[key]
    return described


def test_a_failure_that_may_pass_is_asked_for_again_and_a_refusal_is_not(tmp_path: Path) -> None:
    lasting, made = look(tenant_of(without_records(), tmp_path / "names"), "--canary")
    assert (canaries(lasting), made) == ({("system", None): ("fail", "dns")}, 2)
    refused, made = look(tenant_of(world(), tmp_path / "role", role=False), "--canary")
    assert (canaries(refused), made) == ({("system", None): ("fail", "unauthorized")}, 1)


def test_a_failure_that_is_gone_when_it_is_asked_for_again_is_none(tmp_path: Path) -> None:
    tenant = tenant_of(without_records(), tmp_path)

    def repair(sim: Simulator) -> None:
        while not any(r.method == "DELETE" and "/pods/" in r.path for r in sim.requests):
            time.sleep(0.01)
        world().healthy_private().into(tenant)

    with running(tenant.root, kubelet_delay=0.02) as sim:
        mending = threading.Thread(target=repair, args=(sim,), daemon=True)
        mending.start()
        result = scan(sim.environment | QUICK, "--quiet", "--canary")
        mending.join(10)
        assert pods_made(sim) == 2
    assert canaries(result) == {("system", None): ("pass", "canary-not-found")}


@contextmanager
def app(tenant: Tenant, storage: str, smtp: Mailbox, **settings: str) -> Iterator[tuple[App, Simulator]]:
    """The app on a cluster whose role ARM shows and whose nodes are refused: only a canary can tell."""
    (tenant.root / "tokens.json").write_text('{"aks-1": "refused"}')
    with running(tenant.root, kubelet_delay=0.02) as sim:
        environment = sim.environment | app_settings(storage, smtp, **settings)
        with functions_host(ROOT, environment, visibility_timeout=0.3) as host:
            yield App(host, tenant, storage, ""), sim


@pytest.mark.parametrize(("setting", "failing"), sampled([("scheduled", 1), ("off", 0), ("on-demand", 0)], 2))
def test_runs_ask_nodes_only_where_that_is_scheduled(
    tmp_path: Path, storage: str, smtp: Mailbox, setting: str, failing: int
) -> None:
    with app(tenant_of(world(), tmp_path), storage, smtp, CANARY=setting) as (running_app, sim):
        totals = running_app.run()["totals"]
        made = pods_made(sim)
    assert (totals["clusters"], totals["failing"], made) == (1, failing, failing)
    assert totals["passing"] == 1 - failing


def test_http_asks_nodes_where_that_is_allowed(tmp_path: Path, storage: str, smtp: Mailbox) -> None:
    tenant = tenant_of(world(), tmp_path)
    tenant.write("kubernetes/aks-1", {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "watch"}})
    with app(tenant, storage, smtp, CANARY_NAMESPACE="watch") as (running_app, sim):
        plain = running_app.host.request("POST", "/api/checks", b'{"cluster": "aks-1"}').json()
        assert pods_made(sim) == 0
        answer = running_app.host.request("POST", "/api/checks", b'{"cluster": "aks-1", "canary": true}')
        assert pods_made(sim) == 1
        wrong = running_app.host.request("POST", "/api/checks", b'{"canary": true}')
    assert answer.status == 200
    rows = [report["clusters"][0]["registries"][0]["pull"] for report in (plain, answer.json())]  # type: ignore[index]
    assert [(row["verdict"], row["decided_by"]) for row in rows][1] == ("fail", ["PW305"])
    assert rows[0]["verdict"] == "pass"
    assert wrong.status == 400 and "canary goes with cluster" in str(wrong.json())


def test_http_makes_no_pod_in_the_namespace_that_everybody_uses(tmp_path: Path, storage: str, smtp: Mailbox) -> None:
    with app(tenant_of(world(), tmp_path), storage, smtp) as (running_app, sim):
        answer = running_app.host.request("POST", "/api/checks", b'{"cluster": "aks-1", "canary": true}')
        assert sim.count("arm") == sim.count("kubernetes") == 0, "nothing is looked at either"
    assert answer.status == 403
    body: Any = answer.json()
    assert "set PULLWATCH_CANARY_NAMESPACE to its name" in body["detail"]
    assert body["fix"] == ["kubectl create namespace pullwatch-canary"]


def test_http_refuses_to_ask_nodes_where_canaries_are_off(tmp_path: Path, storage: str, smtp: Mailbox) -> None:
    with app(tenant_of(world(), tmp_path), storage, smtp, CANARY="off") as (running_app, sim):
        answer = running_app.host.request("POST", "/api/checks", b'{"cluster": "aks-1", "canary": true}')
        assert sim.count("arm") == sim.count("kubernetes") == 0, "nothing is looked at either"
    assert answer.status == 403
    assert "PULLWATCH_CANARY has to be on-demand or scheduled" in str(answer.json())
