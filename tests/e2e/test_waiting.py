"""What waits for an image and what does not: image volumes, pods that ended or are being deleted, failing hooks."""

from pathlib import Path
from typing import Any

import pytest

from simulator import running
from tests.support.cli import Scan, scan
from tests.support.real_kubernetes.served import ApiServer
from tests.support.tenant_builder import ACR_PULL, Tenant, object_id

APP, MODEL = "acrone.azurecr.io/team/app:1", "acrtwo.azurecr.io/models/llm:1"
REFUSED = (
    f'Back-off pulling image "{MODEL}": ErrImagePull: failed to pull and unpack image "{MODEL}": failed to resolve '
    f'reference "{MODEL}": failed to authorize: failed to fetch anonymous token: unexpected status from GET request to '
    "https://acrtwo.azurecr.io/oauth2/token?scope=repository%3Amodels%2Fllm%3Apull: 401 Unauthorized"
)
WAITS = ("ImagePullBackOff", f'Back-off pulling image "{APP}"')
VOLUME: dict[str, Any] = {"volumes": [{"name": "model", "image": {"reference": MODEL, "pullPolicy": "IfNotPresent"}}]}


@pytest.fixture
def tenant(tmp_path: Path) -> Tenant:
    """A cluster that may pull from acrone and not from acrtwo."""
    tenant = Tenant(tmp_path / "tenant")
    tenant.cluster()
    tenant.assign(object_id("aks-1"), ACR_PULL, tenant.registry())
    tenant.registry("acrtwo")
    return tenant


def look(tenant: Tenant, api_server: ApiServer) -> Scan:
    with api_server.running(tenant) as sim:
        return scan(sim.environment)


def test_the_volumes_registry_fails_and_the_containers_does_not(tenant: Tenant, api_server: ApiServer) -> None:
    tenant.pod(APP, name="llm-0", spec=VOLUME, waiting=("ImagePullBackOff", REFUSED))
    result = look(tenant, api_server)
    finding = result.finding("PW301")
    assert finding["subject"]["image"] == MODEL
    assert finding["evidence"][0]["source"] == "pod default/llm-0, image volume model"
    assert result.verdicts("acrtwo.azurecr.io")[::2] == ("fail", "fail")
    assert result.verdicts("acrone.azurecr.io")[::2] == ("pass", "pass")


def test_a_running_pods_image_volume_makes_its_registry_one_of_the_clusters(
    tenant: Tenant, api_server: ApiServer
) -> None:
    tenant.pod(APP, name="llm-0", spec=VOLUME)
    result = look(tenant, api_server)
    assert {row["registry"] for row in result.cluster()["registries"]} == {"acrone.azurecr.io", "acrtwo.azurecr.io"}
    assert result.row("acrtwo.azurecr.io")["access"]["verdict"] == "fail"


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_pod_that_ended_waits_for_nothing(tenant: Tenant, api_server: ApiServer, phase: str) -> None:
    ended = {"status": {"phase": phase}, "spec": {"restartPolicy": "Never"}}
    tenant.pod(APP, name="old", waiting=WAITS, **ended)
    assert look(tenant, api_server).finding("PW301")["verdict"] == "pass"


def test_a_pod_that_is_being_deleted_waits_for_nothing(tenant: Tenant, api_server: ApiServer) -> None:
    """On the real server a finalizer keeps it there."""
    held = {"finalizers": ["example.com/held"]}
    tenant.pod(APP, name="old", metadata=held, waiting=WAITS)
    assert look(tenant, api_server).finding("PW301")["verdict"] == "fail"
    if api_server.real is None:
        marked = {**held, "deletionTimestamp": "2026-11-24T09:00:00Z"}
        tenant.pod(APP, name="old", metadata=marked, waiting=WAITS)
        result = look(tenant, api_server)
    else:
        api_server.real.request("DELETE", "/api/v1/namespaces/default/pods/old?gracePeriodSeconds=0")
        with running(tenant.root) as sim:
            result = scan(sim.environment)
    assert result.finding("PW301")["verdict"] == "pass"
    assert [row["registry"] for row in result.cluster()["registries"]] == ["acrone.azurecr.io"]


def test_a_hook_that_fails_before_a_container_is_made_is_no_failed_pull(tenant: Tenant, api_server: ApiServer) -> None:
    tenant.pod(APP, waiting=("PreCreateHookError", f'hook of "{APP}" failed: connection refused'))
    assert look(tenant, api_server).finding("PW301")["verdict"] == "pass"
