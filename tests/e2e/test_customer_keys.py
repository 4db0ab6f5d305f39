"""Registries with customer-managed keys over the wire: what is read, how often, and what nodes hear."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from simulator import Simulator, running
from tests.support import customer_key as own
from tests.support.access_facts import GROUP
from tests.support.cli import Scan, scan
from tests.support.network_world import HOST, World
from tests.support.tenant_builder import ACR_PULL, SUBSCRIPTION, Tenant, guid, merged, object_id

IMAGE = f"{HOST}/team/web:1"
OTHER = guid("a subscription of vaults")
QUICK = {"PULLWATCH_CANARY_SECONDS": "5", "PULLWATCH_PROBE": "false"}
ENCRYPTION_USER = own.ENCRYPTION_USER.guid
ELSEWHERE = own.VAULT_ID.replace(SUBSCRIPTION, OTHER)
# What a registry costs whose key is in order: its identity, its subscription's vaults, its key.
CALLS = {"userAssignedIdentities/key-user": 1, "Microsoft.KeyVault/vaults": 1, f"versions/{own.VERSION}": 1}


class Estate:
    """A cluster with a Ready pod, its registry with a key of its own, and all that this takes."""

    def __init__(self, root: Path, **registry: Any) -> None:
        world = World().registry(anonymousPullEnabled=False)
        assert world.registry_id.startswith(GROUP)
        world.bodies[world.registry_id] = merged(world.bodies[world.registry_id], own.encrypted(**registry))
        self.tenant = world.into(Tenant(root))
        self.cluster_id = world.cluster_id
        self.tenant.add_subscription(OTHER)
        self.tenant.reachable()
        self.tenant.ready_pods(IMAGE, "system")
        self.tenant.write("registries", {"repositories": {"team/web": {"1": {"platforms": ["linux/amd64"]}}}}, HOST)
        self.tenant.assign(object_id("aks-1"), ACR_PULL, world.registry_id)
        self.put("identity", own.identity_body())
        self.put("vault", own.vault_body())
        self.put("version", own.key_body())
        self.put("key", own.key_body(""))

    def put(self, name: str, body: Any) -> None:
        """A body in place of the one of that name; None takes it away."""
        self.tenant.write("arm", body or {}, f"cmk-{name}")

    def look(self, *arguments: str, **environment: str) -> tuple[Scan, Simulator]:
        with running(self.tenant.root, kubelet_delay=0.02) as sim:
            return scan(sim.environment | QUICK | environment, "--quiet", *arguments), sim

    def judged(self, *arguments: str) -> tuple[str, str]:
        finding = self.look(*arguments)[0].finding("PW108")
        return finding["verdict"], finding["cause"]


@pytest.fixture
def estate(tmp_path: Path) -> Estate:
    return Estate(tmp_path / "tenant")


def asked(sim: Simulator) -> Counter[str]:
    """The requests to Azure Resource Manager that are about keys, by how their paths end."""
    paths = [r.path for r in sim.requests if r.service == "arm"]
    about = [p for p in paths if "keyvault" in p.lower() or p.endswith("/key-user")]
    return Counter(next((end for end in CALLS if p.endswith(end)), p) for p in about)


# what is read --------------------------------------------------------------------------------------------------------


def test_a_key_that_is_in_order_costs_three_calls(estate: Estate) -> None:
    result, sim = estate.look()
    assert result.finding("PW108")["cause"] == "key-usable"
    assert asked(sim) == CALLS
    assert result.verdicts() == ("pass", "pass", "pass")


def test_a_vault_that_goes_by_roles_costs_one_more(estate: Estate) -> None:
    estate.put("vault", own.vault_body(enableRbacAuthorization=True))
    result, before = estate.look()
    assert (result.finding("PW108")["cause"], result.code) == ("key-permission-missing", 1)
    estate.tenant.assign(own.PRINCIPAL, ENCRYPTION_USER, own.VAULT_ID)
    result, sim = estate.look()
    assert result.finding("PW108")["cause"] == "key-usable"
    assert sum(own.PRINCIPAL in r.query for r in sim.requests) == 1
    assert asked(sim) == asked(before) == CALLS


def test_a_registry_without_a_key_of_its_own_costs_nothing(tmp_path: Path) -> None:
    estate = Estate(tmp_path / "tenant", properties={"encryption": {"status": "disabled"}})
    result, sim = estate.look()
    assert result.finding("PW108")["cause"] == "no-own-key"
    assert asked(sim) == {}


def test_it_is_read_once_for_all_clusters(estate: Estate) -> None:
    estate.tenant.cluster("aks-2")
    estate.tenant.pod(IMAGE, cluster="aks-2")
    result, sim = estate.look()
    assert [result.finding("PW108", name)["cause"] for name in ("aks-1", "aks-2")] == ["key-usable"] * 2
    assert asked(sim) == CALLS


def test_a_vault_in_another_subscription_is_found_by_its_name(estate: Estate) -> None:
    move(estate)
    result, sim = estate.look()
    assert result.finding("PW108")["cause"] == "key-usable"
    assert sum("ResourceGraph" in r.path for r in sim.requests) == 1
    assert asked(sim) == CALLS | {ELSEWHERE: 1}


def move(estate: Estate) -> None:
    """The vault and its key lie in another subscription."""
    for name, body in (("vault", own.vault_body()), ("version", own.key_body()), ("key", own.key_body(""))):
        estate.put(name, body | {"id": body["id"].replace(SUBSCRIPTION, OTHER)})


@pytest.mark.parametrize("roles", [False, True], ids=["policies", "roles"])
def test_a_check_of_one_cluster_says_the_same(estate: Estate, roles: bool) -> None:
    move(estate)
    if roles:
        body = own.vault_body(enableRbacAuthorization=True)
        estate.put("vault", body | {"id": ELSEWHERE})
    whole, near = estate.look()[0], estate.look("--cluster", estate.cluster_id)[0]
    expected = "key-permission-missing" if roles else "key-usable"
    assert [one.finding("PW108")["cause"] for one in (whole, near)] == [expected] * 2
    assert whole.verdicts() == near.verdicts()


# what breaks ---------------------------------------------------------------------------------------------------------


def test_a_key_that_is_disabled_is_why_nodes_are_answered_403(estate: Estate) -> None:
    estate.put("version", own.key_body(enabled=False))
    result, _ = estate.look("--canary")
    row = result.row()
    assert [f["cause"] for f in result.findings("PW305")] == ["firewall_denied"]
    assert (row["access"]["cause"], row["path"]["verdict"]) == ("key-disabled", "pass")
    assert (row["pull"]["verdict"], row["pull"]["cause"]) == ("fail", "key-disabled")
    assert row["pull"]["decided_by"] == ["PW108", "PW305"]
    assert row["pull"]["fix"][0].startswith("az keyvault key set-attributes")
    assert result.code == 1


def test_the_text_that_a_node_heard_is_explained_by_the_key(estate: Estate) -> None:
    token = f"https://{HOST}/oauth2/token?scope=repository%3Ateam%2Fweb%3Apull&service={HOST}: 403 Forbidden"
    heard = f"failed to authorize: failed to fetch oauth token: unexpected status from GET request to {token}"
    estate.put("version", own.key_body(enabled=False))
    estate.tenant.pod(IMAGE, name="waits", waiting=("ErrImagePull", heard))
    row = estate.look()[0].row()
    assert (row["pull"]["cause"], row["pull"]["decided_by"]) == ("key-disabled", ["PW108", "PW301"])
    assert "PW108 explains it" in row["disagreements"][0]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"identity": None}, ("fail", "key-identity-deleted")),
        ({"identity": own.identity_body(clientId=guid("new"))}, ("fail", "key-identity-replaced")),
        ({"version": None, "key": None}, ("fail", "key-deleted")),
        ({"version": None}, ("fail", "key-version-missing")),
        ({"version": own.key_body(exp=1)}, ("fail", "key-expired")),
        ({"vault": own.vault_body(accessPolicies=[])}, ("fail", "key-permission-missing")),
        (
            {"vault": own.vault_body(networkAcls={"defaultAction": "Deny", "bypass": "None"})},
            ("fail", "key-vault-closed"),
        ),
        (
            {"vault": own.vault_body(networkAcls={"defaultAction": "Deny", "bypass": "AzureServices"})},
            ("unknown", "key-vault-trust"),
        ),
        ({"vault": None, "version": None, "key": None}, ("unknown", "key-vault-not-seen")),
        ({"vault": own.vault_body(vaultUri="https://kv-images.vault.azure.cn/")}, ("unknown", "key-vault-not-seen")),
        ({"version": {"id": f"{own.KEY_ID}/versions/{own.VERSION}", "properties": []}}, ("unknown", "look-error")),
        ({"vault": own.vault_body(accessPolicies=[{"objectId": 5}] * 2000)}, ("unknown", "key-permission-not-known")),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else "",
)
def test_each_thing_that_may_break(estate: Estate, change: dict[str, Any], expected: tuple[str, str]) -> None:
    for name, body in change.items():
        estate.put(name, body)
    assert estate.judged() == expected


def test_a_vault_that_was_deleted_is_found_among_the_deleted_ones(estate: Estate) -> None:
    for name in ("vault", "version", "key"):
        estate.put(name, None)
    home = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults/{own.VAULT}"
    properties = {"vaultId": own.VAULT_ID, "location": "westeurope", "deletionDate": "2026-11-20T08:00:00Z"}
    body = {"id": home, "name": own.VAULT, "type": "Microsoft.KeyVault/deletedVaults", "properties": properties}
    estate.put("deleted", body)
    finding = estate.look()[0].finding("PW108")
    assert (finding["verdict"], finding["cause"]) == ("fail", "key-vault-deleted")
    assert finding["fix"][0].startswith("az keyvault recover ")


# what may not be seen ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scope", "action", "cause"),
    [
        (f"/subscriptions/{OTHER}", "Microsoft.Resources/subscriptions/read", "key-vault-not-seen"),
        (f"/subscriptions/{OTHER}", "Microsoft.KeyVault/vaults/read", "key-vault-not-seen"),
        (f"/subscriptions/{OTHER}", "Microsoft.KeyVault/vaults/keys/versions/read", "look-not-allowed"),
        (f"/subscriptions/{SUBSCRIPTION}", "Microsoft.ManagedIdentity/*", "look-not-allowed"),
    ],
)
def test_what_may_not_be_read_leaves_the_row_as_it_is(estate: Estate, scope: str, action: str, cause: str) -> None:
    move(estate)
    estate.tenant.caller(denied=[{"scope": scope, "actions": [action]}])
    result, _ = estate.look("--canary")
    assert (result.finding("PW108")["verdict"], result.finding("PW108")["cause"]) == ("unknown", cause)
    assert result.verdicts()[0::2] == ("pass", "pass")


@pytest.mark.parametrize(
    "identifier",
    [
        "https://127.0.0.1:1/keys/k",
        "https://kv-images.vault.azure.net.evil.example/keys/k",
        "https://hsm.managedhsm.azure.net/keys/k",
    ],
)
def test_nothing_connects_to_what_an_identifier_names(tmp_path: Path, identifier: str) -> None:
    named = {"keyIdentifier": identifier, "versionedKeyIdentifier": identifier}
    estate = Estate(tmp_path / "tenant", properties={"encryption": {"keyVaultProperties": named}})
    result, sim = estate.look()
    assert result.finding("PW108")["verdict"] == "unknown"
    assert asked(sim) == {"userAssignedIdentities/key-user": 1}
    assert result.verdicts() == ("pass", "pass", "pass")


def test_a_huge_list_of_vaults_is_read(estate: Estate) -> None:
    bodies = [own.vault_body() | {"id": f"{own.VAULT_ID}{i}", "name": f"{own.VAULT}{i}"} for i in range(300)]
    estate.put("vaults", [*bodies, {"id": 5}, "x"])
    assert estate.judged() == ("pass", "key-usable")
