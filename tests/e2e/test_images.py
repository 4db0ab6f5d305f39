"""Images, pull secrets and their registries over the wire: real tokens, manifests and secrets of a simulated tenant."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from checks.collect.registry import manifests
from simulator import running
from simulator.entra.app_permissions import DEFAULT_PRINCIPAL
from tests.support.cli import Scan, scan
from tests.support.real_kubernetes.roles import READER, SECRET_READER
from tests.support.real_kubernetes.served import ApiServer
from tests.support.tenant_builder import ACR_PULL, Tenant, object_id

ACR = "acrone.azurecr.io"
WEB = f"{ACR}/team/web:1"
SECRETS = {"PULLWATCH_READ_PULL_SECRETS": "true"}
USER, PASSWORD = "puller", "hunter2-hunter2"


def dockerconfig(auths: Any) -> str:
    return base64.b64encode(json.dumps({"auths": auths}).encode()).decode()


def auth(user: str = USER, password: str = PASSWORD) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def add_secret(tenant: Tenant, name: str = "regcred", value: str | None = None, **over: Any) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/dockerconfigjson",
        "metadata": {"name": name, "namespace": "default"},
        "data": {".dockerconfigjson": value or dockerconfig({ACR: auth()})},
    }
    tenant.write("kubernetes/aks-1", body | over, f"secret-{name}")


def holds(tenant: Tenant, repositories: Any, **over: Any) -> None:
    tenant.write("registries", {"repositories": repositories} | over, ACR)


@pytest.fixture
def tenant(tmp_path: Path) -> Tenant:
    """A cluster without a role whose pod brings a pull secret that the registry takes."""
    tenant = Tenant(tmp_path / "tenant")
    tenant.cluster()
    tenant.registry()
    holds(tenant, {"team/web": {"1": {"platforms": ["linux/amd64", "linux/arm64"]}}}, credentials={USER: PASSWORD})
    tenant.pod(WEB, spec={"imagePullSecrets": [{"name": "regcred"}]})
    return tenant


def look(tenant: Tenant, api_server: ApiServer | None = None, **settings: str) -> Scan:
    """A scan that may read pull secrets."""
    with (api_server or ApiServer(None)).running(tenant, roles=(READER, SECRET_READER)) as simulator:
        return scan(simulator.environment | SECRETS | settings)


def words(finding: dict[str, Any]) -> tuple[str, str]:
    return finding["verdict"], finding["cause"]


def test_a_secret_that_the_registry_takes_grants_what_no_role_does(tenant: Tenant, api_server: ApiServer) -> None:
    add_secret(tenant)
    result = look(tenant, api_server)
    assert words(result.finding("PW303")) == ("pass", "secret-accepted")
    assert words(result.row()["access"]) == ("pass", "pull-secret")


def test_a_password_that_was_changed_is_refused(tenant: Tenant, api_server: ApiServer) -> None:
    add_secret(tenant, value=dockerconfig({f"https://{ACR}": auth(password="old")}))
    result = look(tenant, api_server)
    assert words(result.finding("PW303")) == ("fail", "secret-refused")
    assert words(result.row()["access"]) == ("fail", "secret-refused")
    assert result.row()["access"]["decided_by"] == ["PW303", "PW304"]
    assert result.code == 1


def test_a_secret_that_is_not_there_is_named(tenant: Tenant, api_server: ApiServer) -> None:
    result = look(tenant, api_server)
    finding = result.finding("PW303")
    assert words(finding) == ("fail", "secret-missing")
    assert finding["subject"]["secret"] == "default/regcred"


def test_the_secrets_of_the_service_account_count_for_its_pods(tmp_path: Path, api_server: ApiServer) -> None:
    tenant = Tenant(tmp_path / "tenant")
    tenant.cluster()
    tenant.registry()
    holds(tenant, {"team/web": {"1": {}}}, credentials={USER: PASSWORD})
    tenant.pod(WEB, spec={"serviceAccountName": "builder"})
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "builder", "namespace": "default"},
        "imagePullSecrets": [{"name": "regcred"}],
    }
    tenant.write("kubernetes/aks-1", account, "account")
    add_secret(tenant)
    assert words(look(tenant, api_server).finding("PW303")) == ("pass", "secret-accepted")


def test_a_legacy_dockercfg_secret_is_read_too(tenant: Tenant, api_server: ApiServer) -> None:
    legacy = base64.b64encode(json.dumps({ACR: {"username": USER, "password": PASSWORD}}).encode()).decode()
    add_secret(tenant, type="kubernetes.io/dockercfg", data={".dockercfg": legacy})
    assert words(look(tenant, api_server).finding("PW303")) == ("pass", "secret-accepted")


def test_a_password_goes_to_no_host_that_only_pods_name(tenant: Tenant) -> None:
    tenant.pod("evil.azurecr.io/x/y:1", name="evil", spec={"imagePullSecrets": [{"name": "regcred"}]})
    add_secret(tenant, value=dockerconfig({"*.azurecr.io": auth()}))
    with running(tenant.root) as simulator:
        result = scan(simulator.environment | SECRETS)
        asked = [r for r in simulator.requests if r.service == "registry" and "token" in r.path]
    pairs = {f["subject"]["registry"]: words(f) for f in result.findings("PW303")}
    assert pairs == {ACR: ("pass", "secret-accepted"), "evil.azurecr.io": ("unknown", "secret-not-asked")}
    assert asked


def test_nothing_secret_is_requested_unless_the_setting_is_on(tenant: Tenant, api_server: ApiServer) -> None:
    add_secret(tenant)
    with api_server.running(tenant) as simulator:
        result = scan(simulator.environment)
        assert (api_server.count("pods"), api_server.count("secrets"), api_server.count("serviceaccounts")) == (1, 0, 0)
    assert words(result.finding("PW303")) == ("skipped", "secrets-not-read")
    assert words(result.row()["access"]) == ("unknown", "pull-secrets-not-read")


def test_secrets_that_may_not_be_read_are_unknown_with_the_permission(tenant: Tenant, api_server: ApiServer) -> None:
    add_secret(tenant)
    cluster = f"{tenant.group()}/providers/Microsoft.ContainerService/managedClusters/aks-1"
    read = "Microsoft.ContainerService/managedClusters/secrets/read"
    tenant.caller(denied=[{"scope": cluster, "actions": [read]}])
    with api_server.running(tenant) as simulator:
        finding = scan(simulator.environment | SECRETS).finding("PW303")
        assert api_server.count("secrets") == 1
    assert (finding["verdict"], finding["missing"], finding["look_failed"]) == ("unknown", read, True)
    assert read in finding["fix"][0]
    assert finding["fix"][1].endswith("/namespaces/default")


def granted(tenant: Tenant) -> Tenant:
    """Pullwatch's own identity and the nodes' hold AcrPull."""
    for principal in (DEFAULT_PRINCIPAL, object_id("aks-1")):
        tenant.assign(principal, ACR_PULL, tenant.group())
    return tenant


def test_an_image_that_is_there_passes(tenant: Tenant) -> None:
    result = look(granted(tenant))
    assert words(result.finding("PW302")) == ("pass", "images-exist")


@pytest.mark.parametrize(
    ("image", "cause"),
    [
        (f"{ACR}/team/web:2", "tag-absent"),
        (f"{ACR}/team/gone:1", "repository-absent"),
        (f"{ACR}/team/web@sha256:{'0' * 64}", "digest-absent"),
    ],
)
def test_what_the_registry_does_not_have_is_a_fail_that_leaves_its_row_alone(
    tenant: Tenant, image: str, cause: str
) -> None:
    tenant.pod(image, name="gone")
    result = look(granted(tenant))
    pairs = [words(f) for f in result.findings("PW302")]
    assert pairs == [("fail", cause), ("pass", "images-exist")]
    assert result.row()["access"]["verdict"] == "pass"
    assert result.row()["image_troubles"] == 1


@pytest.mark.parametrize("platforms", [["linux/arm64"], ["linux/arm64", "windows/amd64"]])
def test_an_image_without_the_nodes_platform_is_a_fail(tenant: Tenant, platforms: list[str]) -> None:
    holds(tenant, {"team/web": {"1": {"platforms": platforms}}})
    tenant.pod(WEB, name="placed", spec={"nodeName": "aks-system-12345678-vmss000000"})
    assert words(look(granted(tenant)).finding("PW302")) == ("fail", "platform-missing")


def test_an_image_in_quarantine_is_a_fail(tenant: Tenant) -> None:
    holds(tenant, {"team/web": {"1": {"attributes": {"quarantineState": "Quarantined"}}}})
    assert words(look(granted(tenant)).finding("PW302")) == ("fail", "quarantined")


def test_a_registry_that_denies_pullwatch_is_unknown(tenant: Tenant) -> None:
    finding = look(tenant).finding("PW302")
    assert words(finding) == ("unknown", "look-not-allowed")
    assert "AcrPull" in finding["missing"]


def test_a_registry_whose_firewall_keeps_pullwatch_out_is_unknown(tenant: Tenant) -> None:
    granted(tenant).registry(properties={"networkRuleSet": {"defaultAction": "Deny", "ipRules": []}})
    assert words(look(tenant).finding("PW302")) == ("unknown", "look-unreachable")


def throttle(tenant: Tenant, path: str, **over: Any) -> None:
    rule = {"service": "registry", "path": path, "effect": {"status": 429, "retry_after": 1}, **over}
    tenant.write(".", [rule], "faults")


@pytest.mark.parametrize("path", ["*/manifests/*", "/oauth2/token", "/v2/"])
def test_a_registry_that_throttles_is_waited_for(tenant: Tenant, path: str) -> None:
    throttle(granted(tenant), path, times=2)
    assert words(look(tenant, PULLWATCH_PROBE="false").finding("PW302")) == ("pass", "images-exist")


def test_a_registry_that_does_not_stop_throttling_in_time_is_unknown(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifests, "HOST_SECONDS", 3.0)
    throttle(granted(tenant), "*/manifests/*")
    assert words(look(tenant, PULLWATCH_PROBE="false").finding("PW302")) == ("unknown", "look-throttled")


def test_a_secret_is_tried_again_where_the_registry_throttles(tenant: Tenant) -> None:
    add_secret(tenant)
    throttle(tenant, "/v2/", times=1)
    result = look(tenant, PULLWATCH_PROBE="false", PULLWATCH_CHECK_IMAGES="false")
    assert words(result.finding("PW303")) == ("pass", "secret-accepted")


def test_images_are_asked_for_once_with_one_token_a_repository(tenant: Tenant) -> None:
    granted(tenant)
    tenant.cluster("aks-2")
    for number in range(6):
        tenant.pod(WEB, name=f"more-{number}")
        tenant.pod(WEB, name=f"other-{number}", cluster="aks-2")
    with running(tenant.root) as simulator:
        scan(simulator.environment | {"PULLWATCH_PROBE": "false"})
        heads = simulator.count("registry", containing="/manifests/", method="HEAD")
        tokens = simulator.count("registry", containing="/oauth2/token")
        exchanges = simulator.count("registry", containing="/oauth2/exchange")
    assert (heads, tokens, exchanges) == (1, 1, 1)


def test_images_are_not_asked_for_where_the_setting_is_off(tenant: Tenant) -> None:
    with running(granted(tenant).root) as simulator:
        result = scan(simulator.environment | {"PULLWATCH_CHECK_IMAGES": "false"})
        assert simulator.count("registry", containing="/manifests/") == 0
    assert words(result.finding("PW302")) == ("skipped", "images-not-checked")
