"""No bound hides anything: what was cut is counted and leaves a cluster open, and nobody's pods push another's out."""

import time
from pathlib import Path

import pytest

from simulator import running
from tests.support.cli import Scan, scan
from tests.support.tenant_builder import ACR_PULL, Tenant, object_id

IMAGE = "zzz.azurecr.io/team/web:1"


@pytest.fixture
def flooded(tmp_path: Path) -> Tenant:
    """One namespace names 300 hosts that do not exist; another one's pod cannot pull from the tenant's own registry."""
    tenant = Tenant(tmp_path / "tenant")
    tenant.cluster()
    tenant.registry("zzz")
    tenant.reachable()
    for number in range(300):
        tenant.pod(f"a{number:03}.azurecr.io/x:1", name=f"evil-{number}", namespace="evil")
    tenant.pod(IMAGE, name="web-1", namespace="good", waiting=("ErrImagePull", f"{IMAGE}: 401 Unauthorized"))
    return tenant


def look(tenant: Tenant, *arguments: str) -> Scan:
    with running(tenant.root) as simulator:
        return scan(simulator.environment, *arguments)


def test_hosts_that_pods_make_up_push_no_registry_of_the_tenant_out(flooded: Tenant) -> None:
    result = look(flooded)
    assert result.row("zzz.azurecr.io")["pull"]["verdict"] == "fail"
    assert result.code == 1
    assert len(result.cluster()["registries"]) == 100
    (line,) = [one for one in result.cluster()["coverage"] if one["what"] == "other registries"]
    assert line["why"].startswith("201 more registries are named than the 100")


def test_a_cluster_of_which_registries_were_cut_does_not_pass(flooded: Tenant) -> None:
    flooded.assign(object_id("aks-1"), ACR_PULL, flooded.registry("zzz"))
    for path in (flooded.root / "kubernetes" / "aks-1").glob("*"):
        if "web-1" in path.read_text():
            path.unlink()
    flooded.pod("zzz.azurecr.io/team/web:1", name="web-2", namespace="good")
    result = look(flooded)
    assert result.row("zzz.azurecr.io")["pull"]["verdict"] == "pass"
    assert result.answer["totals"]["passing"] == 0
    assert result.code == 2


def test_another_namespaces_hosts_get_their_turn(tmp_path: Path) -> None:
    tenant = Tenant(tmp_path / "tenant")
    tenant.cluster()
    tenant.reachable()
    for number in range(150):
        tenant.pod(f"a{number:03}.azurecr.io/x:1", name=f"evil-{number}", namespace="evil")
    tenant.pod("zzz.azurecr.io/x:1", name="web-1", namespace="good")
    assert any(row["registry"] == "zzz.azurecr.io" for row in look(tenant).cluster()["registries"])


def test_hostile_texts_cost_nobody_else_an_answer_and_little_time(tmp_path: Path) -> None:
    tenant = Tenant(tmp_path / "tenant")
    tenant.cluster()
    tenant.reachable()
    registry = tenant.registry("zzz")
    tenant.assign(object_id("aks-1"), ACR_PULL, registry)
    for number in range(300):
        text = f"{number} " + "unauthorized: password=" * 5_000
        tenant.pod(
            f"zzz.azurecr.io/evil:{number}", name=f"evil-{number}", namespace="evil", waiting=("ErrImagePull", text)
        )
    gone = "zzz.azurecr.io/team/web:gone"
    tenant.pod(gone, name="web-1", namespace="good", waiting=("ErrImagePull", f"{gone}: not found"))
    started = time.monotonic()
    result = look(tenant)
    assert time.monotonic() - started < 30
    assert any(f["cause"] == "image_not_found" and f["subject"]["image"] == gone for f in result.findings("PW301"))
    (line,) = [one for one in result.cluster()["coverage"] if one["what"] == "texts of pods"]
    assert line["why"].startswith("300 texts of pods and events are too long")


def test_a_namespace_that_names_the_tenants_own_registries_hides_none_that_another_waits_for(tmp_path: Path) -> None:
    tenant = Tenant(tmp_path / "tenant")
    tenant.cluster()
    tenant.reachable()
    for number in range(110):
        tenant.registry(f"a{number:03}")
        tenant.pod(f"a{number:03}.azurecr.io/x:1", name=f"evil-{number}", namespace="evil")
    tenant.registry("zzz")
    tenant.pod(IMAGE, name="web-1", namespace="good", waiting=("ErrImagePull", f"{IMAGE}: 401 Unauthorized"))
    assert look(tenant).row("zzz.azurecr.io")["pull"]["verdict"] == "fail"
