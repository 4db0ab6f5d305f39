"""One registry is one row, by whichever of its names images, tags and requests speak of it."""

from pathlib import Path

import pytest

from simulator import running
from tests.support.cli import Scan, scan
from tests.support.tenant_builder import ACR_PULL, Tenant, object_id

LOGIN, REGIONAL, ALIAS = (
    "acrone.azurecr.io",
    "acrone.westeurope.geo.azurecr.io",
    "acrone.privatelink.azurecr.io",
)
OLD_NODES = {"nodeImageVersion": "AKSUbuntu-2204gen2containerd-202601.06.0"}
REFUSED = 'failed to pull image "{0}": failed to fetch anonymous token: unexpected status: 401 Unauthorized'


def tenant_of(folder: Path, *, role: bool = True, nodes: dict[str, str] | None = None) -> Tenant:
    tenant = Tenant(folder / "tenant")
    pool = {"name": "system", "mode": "System", "type": "VirtualMachineScaleSets", "osType": "Linux", "count": 2,
            "vmSize": "Standard_D4s_v5", "powerState": {"code": "Running"},
            "nodeImageVersion": "AKSUbuntu-2204gen2containerd-202610.06.0"}  # fmt: skip
    tenant.cluster(properties={"agentPoolProfiles": [pool | (nodes or {})]})
    registry = tenant.registry()
    tenant.reachable()
    if role:
        tenant.assign(object_id("aks-1"), ACR_PULL, registry)
    return tenant


def look(tenant: Tenant, *arguments: str) -> Scan:
    with running(tenant.root) as simulator:
        return scan(simulator.environment, *arguments)


def test_pods_that_use_several_names_make_one_row(tmp_path: Path) -> None:
    tenant = tenant_of(tmp_path)
    tenant.pod(f"{LOGIN}/team/web:1", name="one")
    tenant.pod(f"{REGIONAL}/team/web:1", name="two")
    result = look(tenant)
    assert [row["registry"] for row in result.cluster()["registries"]] == [LOGIN]
    row = result.row()
    assert row["names"] == [REGIONAL]
    assert "images of 2 pods" in row["sources"]
    assert result.verdicts() == ("pass", "pass", "pass")


def test_without_a_role_the_row_of_a_regional_name_fails_like_that_of_the_login_server(tmp_path: Path) -> None:
    tenant = tenant_of(tmp_path, role=False)
    tenant.pod(f"{REGIONAL}/team/web:1")
    result = look(tenant)
    assert result.verdicts() == ("fail", "pass", "fail")
    assert result.row()["pull"]["cause"] == "role-missing"


def test_a_pull_by_one_name_proves_the_registry(tmp_path: Path) -> None:
    tenant = tenant_of(tmp_path)
    tenant.pulled(f"{REGIONAL}/team/web:1")
    row = look(tenant).row()
    assert (row["pull"]["cause"], row["basis"]) == ("pulled", ["nodes"])


@pytest.mark.parametrize("name", [REGIONAL, ALIAS, "acrone", LOGIN])
def test_every_name_can_be_asked_for(name: str, tmp_path: Path) -> None:
    tenant = tenant_of(tmp_path)
    tenant.pod(f"{LOGIN}/team/web:1")
    result = look(tenant, "--registry", name)
    assert [row["registry"] for row in result.cluster()["registries"]] == [LOGIN]
    assert "asked for" in result.row()["sources"]


def test_a_tag_may_name_any_of_them(tmp_path: Path) -> None:
    tenant = tenant_of(tmp_path)
    tenant.cluster(tags={"pullwatch-registries": f"{REGIONAL} {LOGIN}"})
    assert [row["registry"] for row in look(tenant).cluster()["registries"]] == [LOGIN]


def test_nodes_too_old_for_a_regional_name_fail_the_pull_and_the_name_is_the_cause(tmp_path: Path) -> None:
    tenant = tenant_of(tmp_path, nodes=OLD_NODES)
    image = f"{REGIONAL}/team/web:1"
    tenant.pod(image, waiting=("ErrImagePull", REFUSED.format(image)))
    row = look(tenant).row()
    assert (row["pull"]["verdict"], row["pull"]["cause"]) == ("fail", "regional-host")
    assert any("--node-image-only" in command for command in row["fix"])
    assert row["basis"] == ["nodes", "azure"]


def test_a_name_that_no_certificate_covers_is_the_images_own_trouble(tmp_path: Path) -> None:
    tenant = tenant_of(tmp_path)
    image = f"{ALIAS}/team/web:1"
    text = f'failed to do request: Head "https://{ALIAS}/v2/": tls: failed to verify certificate: x509: certificate is '
    tenant.pod(image, waiting=("ErrImagePull", text + f"valid for *.azurecr.io, not {ALIAS}"))
    result = look(tenant)
    row = result.row()
    assert result.verdicts() == ("pass", "pass", "pass")
    assert (row["images"]["verdict"], row["images"]["cause"]) == ("fail", "privatelink-alias")
    assert f"It is {LOGIN}/team/web:1." in row["images"]["summary"]
    assert row["images"]["fix"], "the finding's own command"
    assert result.code == 1
