"""Generated fleets, and the command line that makes and serves them."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from simulator import running
from simulator.fleet.generator import generate
from simulator.fleet.model import Refused, Wanted
from tests.support.tenant_server import ARM, Client

ROOT = Path(__file__).resolve().parents[2]
ACR = "https://containerregistry.azure.net"
AKS = "6dae42f8-4368-4678-94ff-3960e28e3630"


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*.json")}


def test_the_same_numbers_and_seed_give_the_same_bytes(tmp_path: Path) -> None:
    wanted = Wanted(subscriptions=3, clusters=7, registries=4, pods=5, seed=42)
    for name in ("one", "two"):
        generate(tmp_path / name, wanted)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    generate(tmp_path / "two", Wanted(subscriptions=3, clusters=7, registries=4, pods=5, seed=43))
    assert contents(tmp_path / "one") != contents(tmp_path / "two")


def test_making_a_smaller_fleet_in_the_same_place_leaves_nothing_of_the_bigger_one(tmp_path: Path) -> None:
    generate(tmp_path / "fleet", Wanted(clusters=5))
    generate(tmp_path / "fleet", Wanted(clusters=1))
    assert len(list((tmp_path / "fleet" / "kubernetes").iterdir())) == 1


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(Refused, match="--force"):
        generate(tmp_path, Wanted())
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    generate(tmp_path, Wanted(), force=True)
    assert (tmp_path / "mine.txt").exists() and (tmp_path / "arm").is_dir()


def test_pods_are_as_long_as_on_a_cluster(tmp_path: Path) -> None:
    generate(tmp_path, Wanted(subscriptions=1, clusters=1, registries=1, pods=50))
    (file,) = (tmp_path / "kubernetes").rglob("objects.json")
    pods = [item for item in json.loads(file.read_bytes())["items"] if item["kind"] == "Pod"]
    assert 5_500 < len(json.dumps(pods, separators=(",", ":"))) / len(pods) < 6_500


def test_every_image_in_a_fleet_can_be_pulled_by_its_cluster(tmp_path: Path) -> None:
    """By rights, by the registry's firewall and by what the registry holds; no network needed to see it."""
    from simulator.arm.rbac import CONTENT, METADATA, PULL, Rights
    from simulator.registry.hosts import find_host
    from simulator.tenant import Tenant

    fleet = generate(tmp_path, Wanted(subscriptions=3, clusters=12, registries=7, pods=9, seed=5))
    tenant = Tenant(tmp_path)
    modes = set()
    for cluster in fleet.clusters:
        rights = Rights(tenant.authorization(), cluster.principal)
        items = json.loads((tmp_path / "kubernetes" / cluster.name / "objects.json").read_bytes())["items"]
        images = [c["image"] for item in items if item["kind"] == "Pod" for c in item["spec"]["containers"]]
        assert len(images) == 12
        for image in images:
            login, _, rest = image.partition("/")
            repository, _, tag = rest.rpartition(":")
            host = find_host(tenant, login)
            assert host is not None and tag in host.repositories[repository]
            if host.azure:
                modes.add((host.by_repository, host.allowed is None))
                assert host.lets_in(cluster.address)
                data = (CONTENT, METADATA)
                needed = [(a, True) for a in data] if host.by_repository else [(PULL, False)]
                assert all(rights.may(a, host.resource_id, data=d, repository=repository) for a, d in needed)
    assert {(True, True), (False, True), (False, False)} <= modes


def test_a_fleet_answers_as_a_tenant(tmp_path: Path) -> None:
    fleet = generate(tmp_path, Wanted(subscriptions=2, clusters=4, registries=2, pods=3))
    with running(tmp_path) as sim:
        client = Client(sim)
        assert len(client.arm("/subscriptions", "2022-12-01").json["value"]) == 2
        for cluster in fleet.clusters:
            group = f"/subscriptions/{cluster.subscription}/resourceGroups/{cluster.group}"
            body = client.arm(f"{group}/providers/Microsoft.ContainerService/managedClusters/{cluster.name}").json
            profile = body["properties"]["networkProfile"]
            outbound = (profile.get("natGatewayProfile") or profile["loadBalancerProfile"])["effectiveOutboundIPs"]
            assert client.arm(outbound[0]["id"]).json["properties"]["ipAddress"] == cluster.address
            subnet = body["properties"]["agentPoolProfiles"][0]["vnetSubnetID"]
            assert client.arm(subnet).json["name"] == "nodes"
            document: Any = sim.kubeconfig(body["id"])
            server = document["clusters"][0]["cluster"]["server"]
            pods = client.send(f"{server}/api/v1/pods", Authorization=f"Bearer {sim.token(AKS)}").json["items"]
            assert len(pods) == 6 and {pod["status"]["phase"] for pod in pods} == {"Running"}


def environment() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "simulator", *arguments]
    return subprocess.run(line, env=environment(), capture_output=True, text=True, timeout=60, check=False)


def test_the_command_line_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    made = command("generate", str(tmp_path / "fleet"), "--clusters", "1", "--pods", "1")
    assert (made.returncode, made.stderr) == (0, "")
    file = tmp_path / "exports"
    line = [sys.executable, "-m", "simulator", str(tmp_path / "fleet"), "--export-file", str(file)]
    with subprocess.Popen(line, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines: list[str] = []
        while not lines or lines[-1] != "ready":
            lines.append(process.stdout.readline().rstrip("\n"))
        assert file.read_text().splitlines() == lines[:-1]
        shell = [*lines[:-1], f'"{sys.executable}" -c "import json, os; print(json.dumps(dict(os.environ)))"']
        shown = json.loads(subprocess.run(["sh", "-c", "\n".join(shell)], capture_output=True, check=True).stdout)
        context = ssl.create_default_context(cafile=shown["SSL_CERT_FILE"])
        url = shown["PULLWATCH_ARM_ENDPOINT"] + "/subscriptions?api-version=2022-12-01"
        query = urllib.parse.urlencode({"api-version": "2019-08-01", "resource": ARM})
        ask = urllib.request.Request(f"{shown['IDENTITY_ENDPOINT']}?{query}")
        ask.add_header("X-IDENTITY-HEADER", shown["IDENTITY_HEADER"])
        with urllib.request.urlopen(ask) as reply:
            token = json.load(reply)["access_token"]
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, context=context) as reply:
            assert len(json.load(reply)["value"]) == 2
        assert shown["PULLWATCH_CONNECT_TO"].startswith("*.azurecr.io:443=127.0.0.1:")
        assert "mcr.microsoft.com:443=127.0.0.1:" in shown["PULLWATCH_CONNECT_TO"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert not Path(shown["SSL_CERT_FILE"]).exists()


def test_mistakes_on_the_command_line_are_told_with_an_exit_code(tmp_path: Path) -> None:
    missing = command(str(tmp_path / "none"))
    assert (missing.returncode, missing.stderr) == (64, f"simulator: {tmp_path / 'none'} is not a folder\n")
    (tmp_path / "mine.txt").write_text("mine")
    assert command("generate", str(tmp_path)).returncode == 64
    assert command("--help").returncode == 0
    assert command().returncode == 2
    assert command("generate", str(tmp_path / "x"), "--now", "someday").returncode == 2
