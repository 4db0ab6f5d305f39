"""PW201 and the performance facts over the wire: the product against a simulated tenant's registries and ARM."""

from pathlib import Path
from typing import Any

import pytest

from simulator import Simulator, running
from tests.support.cli import Scan, scan
from tests.support.tenant_builder import ACR_PULL, REPOSITORY_READER, Tenant, guid, object_id

HOST = "acrone.azurecr.io"
IMAGE = f"{HOST}/team/web:1"
DATA = "acrone.westeurope.data.azurecr.io"
PULLWATCH = "0a5e0b1e-5f0c-4d4e-9a55-70112a7c0001"  # the app's own identity in a simulated tenant
CHILDREN = "Microsoft.ContainerRegistry/registries/acrone"


@pytest.fixture
def tenant(tmp_path: Path) -> Tenant:
    """One cluster that pulls from one registry by AcrPull, and did so just now; Pullwatch may pull too."""
    return healthy(tmp_path)


def healthy(folder: Path, **over: Any) -> Tenant:
    tenant = Tenant(folder / "tenant")
    tenant.cluster()
    registry = tenant.registry(**over)
    tenant.assign(object_id("aks-1"), ACR_PULL, registry)
    tenant.assign(PULLWATCH, ACR_PULL, registry)
    tags = {"1": {"digest": f"sha256:{'a' * 64}", "platforms": ["linux/amd64"]}}
    tenant.write("registries", {"repositories": {"team/web": tags}}, HOST)
    tenant.pulled(IMAGE)
    return tenant


def look(tenant: Tenant, **environment: str) -> tuple[Scan, Simulator]:
    with running(tenant.root) as simulator:
        return scan({**simulator.environment, **environment}), simulator


def probed(tenant: Tenant, **environment: str) -> dict[str, Any]:
    return look(tenant, **environment)[0].finding("PW201")


def registry_requests(simulator: Simulator) -> list[tuple[str, str]]:
    return [(r.host.split(":")[0], f"{r.method} {r.path}") for r in simulator.requests if r.service == "registry"]


def test_a_healthy_registry_signs_pullwatch_in_and_says_so_from_here(tenant: Tenant) -> None:
    result, simulator = look(tenant, PULLWATCH_CHECK_IMAGES="false")
    document = result.finding("PW201")
    assert (document["verdict"], document["cause"]) == ("pass", "reached")
    assert "lets it pull team/web" in document["summary"]
    assert document["evidence"][0]["source"] == "from where Pullwatch runs"
    assert "PULLWATCH_CONNECT_TO says where acrone.azurecr.io is" in document["evidence"][0]["what"]
    asked = registry_requests(simulator)
    assert asked == [(HOST, "GET /v2/"), (HOST, "POST /oauth2/exchange"), (HOST, "POST /oauth2/token")]


def test_a_registry_is_probed_once_however_many_clusters_use_it(tenant: Tenant) -> None:
    for number in range(2, 6):
        tenant.cluster(f"aks-{number}")
        tenant.pod(IMAGE, cluster=f"aks-{number}")
    result, simulator = look(tenant, PULLWATCH_CHECK_IMAGES="false")
    assert len(registry_requests(simulator)) == 3
    assert all(result.finding("PW201", f"aks-{n}")["verdict"] == "pass" for n in range(1, 6))
    usages = [r for r in simulator.requests if r.path.endswith("/listUsages")]
    assert len(usages) == 1


def test_a_firewall_that_keeps_pullwatch_out_says_nothing_about_the_nodes(tmp_path: Path) -> None:
    rules = {"defaultAction": "Deny", "ipRules": [{"action": "Allow", "value": "20.50.1.1"}]}
    document = probed(healthy(tmp_path, properties={"networkRuleSet": rules}))
    assert (document["verdict"], document["cause"], document["look_failed"]) == ("unknown", "forbidden-error", False)
    assert "it sees Pullwatch as 203.0.113.10" in document["summary"]
    assert document["evidence"][1]["what"] == "CONNECTIVITY_FORBIDDEN_ERROR"


def test_a_registry_without_public_access_is_unknown_from_here(tmp_path: Path) -> None:
    document = probed(healthy(tmp_path, properties={"publicNetworkAccess": "Disabled"}))
    assert (document["verdict"], document["cause"], document["look_failed"]) == ("unknown", "forbidden-error", False)


def test_an_identity_without_a_role_of_its_own_is_told_which_one(tmp_path: Path) -> None:
    tenant = Tenant(tmp_path / "tenant")
    tenant.cluster()
    registry = tenant.registry()
    tenant.assign(object_id("aks-1"), ACR_PULL, registry)
    tenant.pulled(IMAGE)
    tenant.caller(denied=[{"scope": registry, "actions": ["Microsoft.ContainerRegistry/registries/pull/read"]}])
    result, _ = look(tenant)
    document = result.finding("PW201")
    assert (document["verdict"], document["cause"]) == ("unknown", "refresh-token-error")
    assert document["missing"] == "AcrPull for Pullwatch's own identity (optional)"
    assert result.row()["access"]["verdict"] == "pass"


def test_an_abac_registry_lets_pullwatch_in_by_the_repository_role_only(tmp_path: Path) -> None:
    mode = {"roleAssignmentMode": "AbacRepositoryPermissions"}
    tenant = Tenant(tmp_path / "tenant")
    tenant.cluster()
    registry = tenant.registry(properties=mode)
    tenant.assign(object_id("aks-1"), REPOSITORY_READER, registry)
    tenant.pulled(IMAGE)
    actions = [f"Microsoft.ContainerRegistry/registries/repositories/{part}/read" for part in ("content", "metadata")]
    tenant.caller(denied=[{"scope": registry, "actions": actions}])
    document = probed(tenant)
    assert (document["verdict"], document["cause"]) == ("unknown", "access-token-error")
    assert document["missing"].startswith("Container Registry Repository Reader for")
    tenant.caller()
    tenant.assign(PULLWATCH, REPOSITORY_READER, registry)
    assert probed(tenant)["verdict"] == "pass"


def test_data_endpoints_are_looked_at_as_far_as_tls(tmp_path: Path) -> None:
    tenant = healthy(tmp_path, properties={"dataEndpointEnabled": True, "dataEndpointHostNames": [DATA]})
    document = probed(tenant)
    assert (document["verdict"], document["cause"]) == ("pass", "reached")
    assert "its 1 data endpoints answer" in document["summary"]


@pytest.mark.parametrize(
    ("effect", "verdict", "cause"),
    [
        ({"status": 429, "retry_after": 7}, "unknown", "too-many-requests-error"),
        ({"status": 500}, "unknown", "challenge-error"),
        ({"status": 302, "headers": {"Location": "https://169.254.169.254/"}}, "unknown", "challenge-error"),
        ({"garbage": True}, "unknown", "challenge-error"),
        ({"close": True}, "unknown", "challenge-error"),
        ({"hang": True}, "unknown", "challenge-error"),
    ],
)
def test_what_goes_wrong_on_the_way_is_unknown_and_fails_no_row(
    tenant: Tenant, effect: dict[str, Any], verdict: str, cause: str
) -> None:
    tenant.write(".", [{"service": "registry", "path": "/v2/", "effect": effect}], "faults")
    result, _ = look(tenant, PULLWATCH_CALL_SECONDS="3", PULLWATCH_CHECK_IMAGES="false")
    document = result.finding("PW201")
    assert (document["verdict"], document["cause"]) == (verdict, cause)
    assert result.verdicts()[2] == "pass"
    if cause == "too-many-requests-error":
        assert result.finding("PW402")["cause"] == "rate-limited"
        assert result.finding("PW402")["severity"] == "warning"


def test_probing_can_be_switched_off(tenant: Tenant) -> None:
    result, simulator = look(tenant, PULLWATCH_PROBE="false", PULLWATCH_CHECK_IMAGES="false")
    assert (result.finding("PW201")["verdict"], result.finding("PW201")["cause"]) == ("skipped", "probe-off")
    assert registry_requests(simulator) == []


def test_other_registries_are_asked_only_where_a_setting_says_so_and_without_credentials(tenant: Tenant) -> None:
    tenant.write("registries", {"repositories": {"acme/tool": {"1": {}}}}, "ghcr.io")
    tenant.pod("ghcr.io/acme/tool:1")
    off, quiet = look(tenant, PULLWATCH_CHECK_IMAGES="false")
    assert {f["subject"]["registry"] for f in off.findings("PW201")} == {HOST}
    assert not [host for host, _ in registry_requests(quiet) if host == "ghcr.io"]
    on, simulator = look(tenant, PULLWATCH_CHECK_IMAGES="false", PULLWATCH_PROBE_OTHERS="true")
    document = next(f for f in on.findings("PW201") if f["subject"]["registry"] == "ghcr.io")
    assert (document["verdict"], document["cause"]) == ("pass", "reached")
    assert [what for host, what in registry_requests(simulator) if host == "ghcr.io"] == ["GET /v2/"]


@pytest.mark.parametrize(
    "host", ["127.0.0.1:5000", "169.254.169.254", "localhost:443", "10.0.0.4", "registry.example.com:5000"]
)
def test_what_a_pod_names_that_is_no_registry_s_public_name_is_not_contacted(tenant: Tenant, host: str) -> None:
    tenant.pod(f"{host}/x/y:1")
    result, _ = look(tenant, PULLWATCH_PROBE_OTHERS="true")
    document = next(f for f in result.findings("PW201") if f["subject"]["registry"] == host)
    assert (document["verdict"], document["cause"]) == ("unknown", "not-contacted")


def test_a_registry_in_another_region_warns_and_fails_neither_row_nor_scan(tmp_path: Path) -> None:
    tenant = healthy(tmp_path, location="northeurope")
    result, _ = look(tenant)
    document = result.finding("PW401")
    assert (document["verdict"], document["cause"], document["severity"]) == ("fail", "no-replica-in-region", "warning")
    assert document["fix"][0].endswith("--location westeurope")
    assert result.row()["pull"]["verdict"] == "pass"
    assert result.code == 0


def test_replicas_usage_cache_and_credentials_are_read_from_arm(tmp_path: Path) -> None:
    tenant = healthy(tmp_path, location="northeurope")
    ready = {"provisioningState": "Succeeded", "status": {"displayStatus": "Ready"}, "regionEndpointEnabled": True}
    tenant.resource(f"{CHILDREN}/replications", "westeurope", {"properties": ready})
    credentials = tenant.resource(
        f"{CHILDREN}/credentialSets",
        "hub",
        {
            "identity": {"type": "systemAssigned", "principalId": guid("credentials")},
            "properties": {
                "loginServer": "docker.io",
                "authCredentials": [
                    {
                        "name": "Credential1",
                        "passwordSecretIdentifier": "https://kv-one.vault.azure.net/secrets/password",
                        "credentialHealth": {"status": "Unhealthy", "errorCode": "Forbidden", "errorMessage": "no get"},
                    }
                ],
            },
        },
    )
    rule = {
        "sourceRepository": "docker.io/library/*",
        "targetRepository": "team/*",
        "credentialSetResourceId": credentials,
        "provisioningState": "Succeeded",
    }
    tenant.resource(f"{CHILDREN}/cacheRules", "hub-rule", {"properties": rule})
    result, _ = look(tenant)
    assert result.finding("PW401")["cause"] == "replica-in-region"
    assert result.finding("PW402")["cause"] == "within-limits"
    cached = result.finding("PW403")
    assert (cached["verdict"], cached["cause"], cached["severity"]) == ("fail", "credentials-unhealthy", "warning")
    assert cached["fix"][0].startswith(f"az keyvault set-policy --name kv-one --object-id {guid('credentials')}")
    assert result.row()["pull"]["verdict"] == "pass"
    assert result.code == 0


@pytest.mark.parametrize(
    ("code", "child"), [("PW401", "replications"), ("PW402", "listUsages"), ("PW403", "cacheRules")]
)
def test_a_read_that_is_refused_is_unknown_and_names_the_role(tenant: Tenant, code: str, child: str) -> None:
    scope, action = f"/subscriptions/{tenant.subscription}", f"Microsoft.ContainerRegistry/registries/{child}/read"
    tenant.caller(denied=[{"scope": scope, "actions": [action]}])
    document = look(tenant)[0].finding(code)
    assert (document["verdict"], document["cause"], document["missing"]) == ("unknown", "look-not-allowed", "Reader")


def test_bodies_of_wrong_types_lose_nothing_else(tenant: Tenant) -> None:
    tenant.resource(f"{CHILDREN}/replications", "eastus", {"location": 5, "properties": {"status": "x"}})
    tenant.resource(f"{CHILDREN}/cacheRules", "bad", {"properties": {"targetRepository": ["x"]}})
    tenant.resource(f"{CHILDREN}/listUsages", "x", {})
    result, _ = look(tenant)
    assert result.finding("PW401")["verdict"] == "pass"
    assert result.finding("PW403")["verdict"] in ("skipped", "unknown")
    assert result.row()["pull"]["verdict"] == "pass"


def test_a_host_that_only_a_request_or_a_tag_names_is_never_connected_to(tmp_path: Path) -> None:
    tenant = Tenant(tmp_path / "tenant")
    tenant.cluster(tags={"pullwatch-registries": "tagged777.azurecr.io"})
    tenant.registry()
    tenant.reachable()
    with running(tenant.root) as simulator:
        chosen = {**simulator.environment, "PULLWATCH_PROBE_OTHERS": "true"}
        result = scan(chosen, "--cluster", "aks-1", "--registry", "attacker777.azurecr.io")
        tagged = scan(chosen)
        asked = [request.path for request in simulator.requests if request.service == "registry"]
    assert asked == []
    assert result.row("attacker777.azurecr.io")["pull"]["verdict"] == "unknown"
    assert {f["cause"] for f in (*result.findings("PW201"), *tagged.findings("PW201"))} == {"not-probed"}
