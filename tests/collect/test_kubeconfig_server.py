"""Which API server a cluster's token may go to: the cluster's own, as Azure Resource Manager names it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from checks.collect.kubernetes.kubeconfig import refusal_of_server
from checks.facts import Cluster
from simulator import running
from tests.support.cli import scan
from tests.support.real_kubernetes.tenant import handing_out
from tests.support.tenant_builder import Tenant

PUBLIC, PRIVATE = "aks-1-abc.hcp.westeurope.azmk8s.io", "aks-1-abc.privatelink.westeurope.azmk8s.io"
CLUSTER = Cluster(id="/subscriptions/s/x", name="aks-1", api_hosts=(PUBLIC, PRIVATE))


@pytest.mark.parametrize(
    "server", [f"https://{PUBLIC}:443", f"https://{PUBLIC}", f"https://{PRIVATE}:443/", f"https://{PUBLIC.upper()}:443"]
)
def test_the_clusters_own_server_may_be_asked(server: str) -> None:
    assert refusal_of_server(server, CLUSTER) == ""


@pytest.mark.parametrize(
    "server",
    [
        "https://evil.example:443", f"https://{PUBLIC}.evil.example", f"https://evil.example/{PUBLIC}",
        f"https://{PUBLIC}:8443", f"https://{PUBLIC}/clusters/other", "https://127.0.0.1:6443", "https://10.0.0.4:443",
        "https://localhost", "https://169.254.169.254", f"https://{PUBLIC}:nonsense", "https://",
    ],
)  # fmt: skip
def test_any_other_server_is_refused(server: str) -> None:
    assert refusal_of_server(server, CLUSTER)


def test_a_server_that_cannot_be_verified_is_refused() -> None:
    nameless = Cluster(id=CLUSTER.id, name="aks-1")
    assert "shows no fqdn" in refusal_of_server(f"https://{PUBLIC}", nameless)


def test_loopback_is_for_development_only() -> None:
    assert refusal_of_server("https://127.0.0.1:6443", CLUSTER, development=True) == ""
    assert refusal_of_server("https://evil.example", CLUSTER, development=True)
    assert refusal_of_server("https://10.0.0.4", CLUSTER, development=True)


def test_a_kubeconfig_that_names_another_server_costs_the_pods_and_gets_no_token(tmp_path: Path) -> None:
    tenant = Tenant(tmp_path / "tenant")
    tenant.cluster(properties={"fqdn": PUBLIC})
    tenant.registry()
    tenant.pod("acrone.azurecr.io/team/web:1")
    config = {
        "clusters": [{"cluster": {"server": "https://evil.example:443"}}],
        "users": [{"user": {"exec": {"command": "kubelogin"}}}],
    }
    (tenant.root / "faults.json").write_text(json.dumps([handing_out(config)]))
    with running(tenant.root) as simulator:
        result = scan(simulator.environment)
    (line,) = [one for one in result.cluster()["coverage"] if one["what"] == "pods"]
    assert not line["looked"]
    assert line["why"] == (f"the kubeconfig names the server evil.example:443, which is not aks-1's own ({PUBLIC})")
