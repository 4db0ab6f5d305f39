"""A pod whose image volume cannot be pulled: the volume's registry fails, that of the container's image does not."""

from pathlib import Path
from typing import Any

import pytest

from simulator import running
from tests.support.cli import scan
from tests.support.tenant_builder import ACR_PULL, Tenant, object_id

APP, MODEL = "acrone.azurecr.io/team/app:1", "acrtwo.azurecr.io/models/llm:1"
REFUSED = (
    f'Back-off pulling image "{MODEL}": ErrImagePull: failed to pull and unpack image "{MODEL}": failed to resolve '
    f'reference "{MODEL}": failed to authorize: failed to fetch anonymous token: unexpected status from GET request to '
    "https://acrtwo.azurecr.io/oauth2/token?scope=repository%3Amodels%2Fllm%3Apull: 401 Unauthorized"
)
VOLUME: dict[str, Any] = {"volumes": [{"name": "model", "image": {"reference": MODEL, "pullPolicy": "IfNotPresent"}}]}


@pytest.fixture
def tenant(tmp_path: Path) -> Tenant:
    """A cluster that may pull from acrone and not from acrtwo."""
    tenant = Tenant(tmp_path / "tenant")
    tenant.cluster()
    tenant.assign(object_id("aks-1"), ACR_PULL, tenant.registry())
    tenant.registry("acrtwo")
    return tenant


def test_the_volumes_registry_fails_and_the_containers_does_not(tenant: Tenant) -> None:
    tenant.pod(APP, name="llm-0", spec=VOLUME, waiting=("ImagePullBackOff", REFUSED))
    with running(tenant.root) as sim:
        result = scan(sim.environment)
    finding = result.finding("PW301")
    assert finding["subject"]["image"] == MODEL
    assert finding["evidence"][0]["source"] == "pod default/llm-0, image volume model"
    assert result.verdicts("acrtwo.azurecr.io")[::2] == ("fail", "fail")
    assert result.verdicts("acrone.azurecr.io")[::2] == ("pass", "pass")


def test_a_running_pods_image_volume_makes_its_registry_one_of_the_clusters(tenant: Tenant) -> None:
    tenant.pod(APP, name="llm-0", spec=VOLUME)
    with running(tenant.root) as sim:
        result = scan(sim.environment)
    assert {row["registry"] for row in result.cluster()["registries"]} == {"acrone.azurecr.io", "acrtwo.azurecr.io"}
    assert result.row("acrtwo.azurecr.io")["access"]["verdict"] == "fail"


def test_a_pod_that_is_being_deleted_waits_for_nothing(tenant: Tenant) -> None:
    gone = {"deletionTimestamp": "2026-11-24T09:00:00Z"}
    tenant.pod(APP, name="old", metadata=gone, waiting=("ImagePullBackOff", f'Back-off pulling image "{APP}"'))
    with running(tenant.root) as sim:
        assert scan(sim.environment).finding("PW301")["verdict"] == "pass"
