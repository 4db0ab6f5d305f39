"""PW108: whether a registry can use the customer-managed key that it is encrypted with."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from checks import catalog
from checks.catalog import pw108_customer_managed_key as pw108
from checks.collect.arm.registries import key_vault_bodies
from checks.facts import NotSeen, NotSeenReason, Registry, RoleDefinition
from checks.facts.authorization import Permission
from checks.facts.encryption import AssignedIdentity, DeletedVault, Encryption, EncryptionReads, KeyFound
from checks.findings import Finding, Severity
from checks.rules.customer_key import identifiers
from tests.support import customer_key as own
from tests.support.access_facts import READ_AT, REFUSED, SUBSCRIPTION, changed, facts, look_failed, only, seen, verdict
from tests.support.readable import readable
from tests.support.tenant_builder import guid

HOUR = 3600
NOW = int(datetime.fromisoformat(READ_AT).astimezone(UTC).timestamp())
NOWHERE = NotSeen(NotSeenReason.NOT_FOUND, "no key vault kv-images is in the subscriptions", "Reader")
READ_ONLY = RoleDefinition("read", "Reads keys", (Permission(data_actions=("Microsoft.KeyVault/vaults/keys/read",)),))
UNWRAPS = RoleDefinition(
    "unwraps",
    "Unwraps",
    (Permission(data_actions=("Microsoft.KeyVault/vaults/keys/read", "Microsoft.KeyVault/vaults/keys/unwrap/action")),),
)


def judged(shown: Registry | None = None, encryption: EncryptionReads | None = None, **reads: Any) -> Finding:
    """The only finding, where something differs from a key that is in order."""
    return only(catalog.judge_with((pw108,), own.facts(encryption or own.reads(**reads), shown)))


def with_key(**properties: Any) -> Registry:
    """The registry with other properties of its key."""
    return own.registry(properties={"encryption": {"keyVaultProperties": properties}})


def policies(*keys: str, object_id: str = own.PRINCIPAL, **more: Any) -> dict[str, Any]:
    return {"accessPolicies": [{"objectId": object_id, "permissions": {"keys": list(keys)}}], **more}


SYSTEM = guid("system principal")
BY_SYSTEM = own.registry(
    identity={"type": "SystemAssigned", "principalId": SYSTEM, "userAssignedIdentities": None},
    properties={"encryption": {"keyVaultProperties": {"identity": "system"}}},
)
OF_SYSTEM = policies("get", "wrapKey", "unwrapKey", object_id=SYSTEM)
TRUSTED = (
    f"az keyvault update --subscription {SUBSCRIPTION} --resource-group rg --name kv-images --bypass AzureServices"
)
CLOSED = {"defaultAction": "Deny", "bypass": "None"}
ONLY_TRUSTED = (
    {"networkAcls": {"defaultAction": "Deny", "bypass": "AzureServices"}, "publicNetworkAccess": "Disabled"},
    {"networkAcls": {"defaultAction": "Allow"}, "publicNetworkAccess": "Disabled"},
    {"networkAcls": {"defaultAction": "Deny", "bypass": "AzureServices", "ipRules": [{"value": "1.2.3.4"}]}},
    {"networkAcls": {"defaultAction": "Deny"}},
)
COMPOUND = {"objectId": own.PRINCIPAL, "applicationId": guid("an application"), "permissions": {"keys": ["all"]}}

# in order, or nothing to look at -------------------------------------------------------------------------------------


def test_pass_where_everything_is_in_order() -> None:
    finding = judged()
    assert verdict(finding) == ("pass", "key-usable")
    assert {one.source for one in finding.evidence} == {"a test"}


def test_pass_where_a_role_allows_it_through_a_group_above_the_vault() -> None:
    held = own.held(scope=f"/subscriptions/{SUBSCRIPTION}", principal_id="a group")
    assert verdict(judged(**own.roles(held))) == ("pass", "key-usable")


def test_pass_by_the_built_in_role_whose_definition_was_not_read() -> None:
    assert verdict(judged(**own.roles(own.held(), definitions=REFUSED))) == ("pass", "key-usable")


def test_pass_with_the_registrys_own_identity() -> None:
    principal = guid("system")
    shown = own.registry(
        identity={"type": "SystemAssigned, UserAssigned", "principalId": principal},
        properties={"encryption": {"keyVaultProperties": {"identity": ...}}},
    )
    vault = own.vault(**policies("get", "wrapKey", "unwrapKey", object_id=principal.upper()))
    assert verdict(judged(shown, identity=None, vault=vault)) == ("pass", "key-usable")


@pytest.mark.parametrize(
    "encryption", [..., {"status": "disabled"}, {"status": "disabled", "keyVaultProperties": None}]
)
def test_nothing_there_where_microsoft_keeps_the_keys(encryption: Any) -> None:
    shown = own.read_registry({"properties": {"encryption": encryption}})
    assert verdict(judged(shown)) == ("skipped", "no-own-key")


def test_nothing_there_without_a_registry_that_could_be_read() -> None:
    assert verdict(only(catalog.judge_with((pw108,), own.facts(shown=REFUSED)))) == ("skipped", "registry-not-seen")
    assert catalog.judge_with((pw108,), facts(uses=())) == ()


# the identity --------------------------------------------------------------------------------------------------------


def test_fail_where_the_identity_is_not_the_registrys_any_more() -> None:
    finding = judged(own.registry(identity={"type": "None", "userAssignedIdentities": ...}), identity=None)
    assert verdict(finding) == ("fail", "key-identity-unassigned")
    assert finding.severity is Severity.ERROR
    assert finding.fix[1].startswith("az acr identity assign --name acrone --subscription")


def test_fail_where_the_registry_lost_its_system_assigned_identity() -> None:
    finding = judged(with_key(identity="[system]"), identity=None)
    assert verdict(finding) == ("fail", "key-identity-unassigned")
    assert "support request" in finding.fix[0]


def test_fail_where_the_identity_was_deleted_gives_another_one_its_place() -> None:
    finding = judged(identity=seen(None))
    assert verdict(finding) == ("fail", "key-identity-deleted")
    words = [step.split(" --")[0] for step in finding.fix if not step.startswith("#")]
    assert words == [
        "az identity create",
        "PRINCIPAL=$(az identity show",
        "az keyvault set-policy",
        "az acr identity assign",
        "az acr encryption rotate-key",
    ]
    assert any('--object-id "$PRINCIPAL" --key-permissions get wrapKey unwrapKey' in step for step in finding.fix)


def test_fail_where_a_deleted_identity_is_shown_without_its_ids() -> None:
    shown = own.registry(identity={"userAssignedIdentities": {own.IDENTITY_ID: {"clientId": ..., "principalId": ...}}})
    assert verdict(judged(shown, identity=seen(None))) == ("fail", "key-identity-deleted")


def test_fail_where_the_identity_was_made_anew() -> None:
    other = AssignedIdentity(id=own.IDENTITY_ID, principal_id=guid("new"), client_id=guid("new client"))
    finding = judged(identity=seen(other), **own.roles(own.held()))
    assert verdict(finding) == ("fail", "key-identity-replaced")
    assert not any(step.startswith("az identity create") for step in finding.fix)
    assert any('--assignee-object-id "$PRINCIPAL"' in step for step in finding.fix)


def test_the_vault_that_was_not_seen_is_granted_by_hand() -> None:
    finding = judged(identity=seen(None), vault=REFUSED, key=None)
    assert any("In the vault kv-images, let it get the key" in step for step in finding.fix)


@pytest.mark.parametrize(
    "shown",
    [
        own.registry(identity={"userAssignedIdentities": "all"}),
        own.registry(identity={"userAssignedIdentities": {own.IDENTITY_ID: "mine"}}),
        with_key(identity=7),
        with_key(identity=""),
        own.registry(identity={"userAssignedIdentities": {own.IDENTITY_ID: {"clientId": ...}, "/another": {}}}),
    ],
    ids=["no table", "no body", "a number", "nobody", "two without ids"],
)
def test_unknown_where_the_identity_is_not_shown(shown: Registry) -> None:
    finding = judged(shown, identity=None)
    assert verdict(finding) == ("unknown", "key-identity-not-shown")
    assert not look_failed(finding)


def test_unknown_where_the_identity_may_not_be_read() -> None:
    finding = judged(identity=REFUSED)
    assert verdict(finding) == ("unknown", "look-not-allowed")
    assert finding.fix


# the vault -----------------------------------------------------------------------------------------------------------


def test_unknown_where_no_vault_of_that_name_can_be_seen() -> None:
    finding = judged(vault=NOWHERE, key=None)
    assert verdict(finding) == ("unknown", "key-vault-not-seen")
    assert not look_failed(finding)


def test_unknown_where_vaults_may_not_be_listed() -> None:
    assert verdict(judged(vault=REFUSED, key=None)) == ("unknown", "look-not-allowed")


def test_unknown_where_nothing_was_read() -> None:
    assert verdict(judged(encryption=EncryptionReads())) == ("unknown", "look-not-asked")


def test_fail_where_the_vault_was_deleted_recovers_it() -> None:
    deleted = DeletedVault(name=own.VAULT, id=own.VAULT_ID, location="westeurope")
    finding = judged(vault=NOWHERE, key=None, deleted=deleted)
    assert verdict(finding) == ("fail", "key-vault-deleted")
    assert finding.fix[0] == (
        f"az keyvault recover --subscription {SUBSCRIPTION} --name kv-images --location westeurope"
    )


@pytest.mark.parametrize(
    "closed",
    [
        {"networkAcls": {"defaultAction": "Deny", "bypass": "None"}},
        {"networkAcls": {"defaultAction": "Deny", "bypass": "None", "ipRules": [], "virtualNetworkRules": []}},
        {"networkAcls": {"defaultAction": "Allow", "bypass": "None"}, "publicNetworkAccess": "Disabled"},
        {"networkAcls": {"defaultAction": "deny", "bypass": "none", "ipRules": [{"value": "1.2.3.4"}]},
         "publicNetworkAccess": "disabled"},
    ],
)  # fmt: skip
def test_fail_where_the_firewall_lets_nobody_in(closed: dict[str, Any]) -> None:
    finding = judged(BY_SYSTEM, vault=own.vault(**closed, **OF_SYSTEM))
    assert verdict(finding) == ("fail", "key-vault-closed")
    assert finding.fix == (TRUSTED,)
    assert verdict(judged(vault=own.vault(**closed))) == ("fail", "key-vault-closed")


@pytest.mark.parametrize("roles", [False, True], ids=["policies", "roles"])
def test_a_registry_with_a_user_assigned_identity_gets_its_system_assigned_one_first(roles: bool) -> None:
    """Trusted services alone may not let it in, and a change of identity before it has access would cost the key."""
    finding = judged(
        vault=own.vault(networkAcls=CLOSED, enableRbacAuthorization=roles), assignments=seen((own.held(),))
    )
    where = f"--name acrone --subscription {SUBSCRIPTION} --resource-group rg"
    assert finding.fix[:2] == (
        f"az acr identity assign {where} --identities '[system]'",
        f"PRINCIPAL=$(az acr identity show {where} --query principalId --output tsv)",
    )
    assert ("az role assignment create" if roles else "az keyvault set-policy") in finding.fix[2]
    assert '"$PRINCIPAL"' in finding.fix[2] and finding.fix[3] == TRUSTED
    assert finding.fix[4].startswith("# Last, and only when") and len(finding.fix) == 5
    assert not any(step.startswith("az acr encryption") for step in finding.fix)


def test_a_system_assigned_identity_that_is_there_keeps_what_it_may() -> None:
    both = own.registry(identity={"type": "SystemAssigned, UserAssigned", "principalId": SYSTEM})
    given = policies("decrypt", object_id=SYSTEM)["accessPolicies"] + policies("all")["accessPolicies"]
    finding = judged(both, vault=own.vault(networkAcls=CLOSED, accessPolicies=given))
    assert finding.fix[0].endswith(f"--object-id {SYSTEM} --key-permissions get wrapKey unwrapKey decrypt")
    assert finding.fix[1] == TRUSTED


@pytest.mark.parametrize(
    "opened", [{"networkAcls": None}, {"networkAcls": {"defaultAction": "Allow", "bypass": "None"}}]
)
def test_pass_where_everybody_comes_in(opened: dict[str, Any]) -> None:
    assert verdict(judged(vault=own.vault(**opened))) == ("pass", "key-usable")


@pytest.mark.parametrize("only_trusted", ONLY_TRUSTED)
def test_pass_where_trusted_services_come_in_and_the_registry_is_one(only_trusted: dict[str, Any]) -> None:
    assert verdict(judged(BY_SYSTEM, vault=own.vault(**only_trusted, **OF_SYSTEM))) == ("pass", "key-usable")


@pytest.mark.parametrize("only_trusted", ONLY_TRUSTED)
def test_unknown_where_trusted_services_come_in_and_the_registry_may_be_none(only_trusted: dict[str, Any]) -> None:
    finding = judged(vault=own.vault(**only_trusted))
    assert verdict(finding) == ("unknown", "key-vault-trust")
    assert finding.fix[0].startswith("az acr encryption show ")
    assert all(step.startswith("#") for step in finding.fix[1:]), "nothing that changes anything"


def test_what_fails_comes_before_a_vault_that_may_not_let_the_registry_in() -> None:
    assert verdict(judged(vault=own.vault(**ONLY_TRUSTED[0], accessPolicies=[]))) == ("fail", "key-permission-missing")


@pytest.mark.parametrize(
    "doubtful",
    [
        {"networkAcls": {"defaultAction": "Deny", "bypass": "None", "ipRules": [{"value": "1.2.3.4"}]}},
        {"networkAcls": {"defaultAction": 5, "bypass": "None"}},
        {"networkAcls": {"defaultAction": "Deny", "bypass": ["None"]}},
        {"networkAcls": {"defaultAction": "Deny", "bypass": "None"}, "publicNetworkAccess": "SecuredByPerimeter"},
    ],
)
def test_unknown_where_rules_decide(doubtful: dict[str, Any]) -> None:
    assert verdict(judged(vault=own.vault(**doubtful))) == ("unknown", "key-vault-rules")


# the key -------------------------------------------------------------------------------------------------------------


def test_fail_where_the_key_is_disabled_enables_the_version_in_use() -> None:
    finding = judged(key=own.key(enabled=False))
    assert verdict(finding) == ("fail", "key-disabled")
    assert finding.fix == (
        f"az keyvault key set-attributes --subscription {SUBSCRIPTION} --vault-name kv-images --name registry-key "
        f"--version {own.VERSION} --enabled true",
    )


def test_fail_where_the_key_is_gone_recovers_it() -> None:
    finding = judged(key=seen(KeyFound(None)))
    assert verdict(finding) == ("fail", "key-deleted")
    assert finding.fix[0].startswith("az keyvault key recover --subscription ")


def test_fail_where_another_key_took_its_name() -> None:
    assert verdict(judged(key=seen(KeyFound(None, others=True)))) == ("fail", "key-version-missing")


def test_fail_is_a_warning_where_the_key_has_expired() -> None:
    finding = judged(key=own.key(exp=NOW - HOUR))
    assert (*verdict(finding), finding.severity) == ("fail", "key-expired", Severity.WARNING)
    assert "2026-11-24" in finding.summary
    assert finding.fix[0].endswith("--expires '<YYYY-MM-DDThh:mm:ssZ>'")


def test_fail_is_a_warning_where_the_key_is_not_valid_yet() -> None:
    finding = judged(key=own.key(nbf=NOW + HOUR))
    assert (*verdict(finding), finding.severity) == ("fail", "key-not-yet-valid", Severity.WARNING)
    assert finding.fix[0].endswith("--not-before 2026-11-24T12:00:00Z")


def test_pass_within_the_keys_dates() -> None:
    assert verdict(judged(key=own.key(nbf=NOW - HOUR, exp=NOW + HOUR))) == ("pass", "key-usable")
    assert verdict(judged(key=own.key(exp=10**30))) == ("pass", "key-usable")


def test_unknown_where_it_is_not_shown_whether_the_key_is_enabled() -> None:
    assert verdict(judged(key=own.key(enabled="yes"))) == ("unknown", "key-state-not-shown")


def test_unknown_where_the_key_may_not_be_read() -> None:
    finding = judged(key=REFUSED)
    assert verdict(finding) == ("unknown", "look-not-allowed")
    assert finding.summary.startswith("The key registry-key of the vault kv-images could not be read")


# who may use it ------------------------------------------------------------------------------------------------------


def test_fail_where_no_access_policy_lets_the_identity_unwrap() -> None:
    finding = judged(vault=own.vault(**policies("Get", "List", "WrapKey")))
    assert verdict(finding) == ("fail", "key-permission-missing")
    assert "no access policy of the vault allows unwrapKey" in finding.summary


def test_the_policy_that_is_written_keeps_what_it_allows_so_far() -> None:
    finding = judged(vault=own.vault(**policies("get", "rotate", "list")))
    assert finding.fix[0].endswith(f"--object-id {own.PRINCIPAL} --key-permissions get wrapKey unwrapKey rotate list")


def test_fail_without_any_access_policy() -> None:
    assert verdict(judged(vault=own.vault(accessPolicies=[]))) == ("fail", "key-permission-missing")


def test_fail_is_a_warning_where_only_wrapping_is_missing() -> None:
    finding = judged(vault=own.vault(**policies("get", "unwrapKey")))
    assert (*verdict(finding), finding.severity) == ("fail", "key-wrapping-missing", Severity.WARNING)


def test_fail_where_no_role_lets_the_identity_unwrap() -> None:
    definitions = seen({READ_ONLY.guid: READ_ONLY})
    finding = judged(**own.roles(own.held(READ_ONLY), definitions=definitions))
    assert verdict(finding) == ("fail", "key-permission-missing")
    assert finding.fix[0].startswith(f"az role assignment create --assignee-object-id {own.PRINCIPAL}")
    assert "'Key Vault Crypto Service Encryption User'" in finding.fix[0]


def test_fail_where_the_role_is_held_on_another_key() -> None:
    finding = judged(**own.roles(own.held(scope=f"{own.VAULT_ID}/keys/another")))
    assert verdict(finding) == ("fail", "key-permission-missing")


def test_fail_is_a_warning_where_no_role_lets_the_identity_wrap() -> None:
    finding = judged(**own.roles(own.held(UNWRAPS), definitions=seen({UNWRAPS.guid: UNWRAPS})))
    assert verdict(finding) == ("fail", "key-wrapping-missing")


@pytest.mark.parametrize(
    "reads",
    [
        {"vault": own.vault(**policies("all", object_id=guid("a group, perhaps")))},
        {"vault": own.vault(accessPolicies=[COMPOUND])},
        {"vault": own.vault(accessPolicies="none")},
        {"vault": own.vault(accessPolicies=[{"objectId": 1}])},
        {"vault": own.vault(accessPolicies=[{"objectId": "x"}] * 1025)},
        {"vault": own.vault(enableRbacAuthorization="true")},
        own.roles(own.held(READ_ONLY)),
        own.roles(own.held(condition="a condition")),
        own.roles(assignments=None),
        own.roles(assignments=seen((), "1 of 1 bodies could not be read")),
    ],
    ids=[
        "a group",
        "of an application",
        "no list",
        "no object id",
        "too many",
        "no word",
        "no definition",
        "a condition",
        "unasked",
        "cut",
    ],
)
def test_unknown_where_something_else_may_allow_it(reads: dict[str, Any]) -> None:
    finding = judged(**reads)
    assert verdict(finding) == ("unknown", "key-permission-not-known")
    assert not look_failed(finding)


def test_unknown_where_the_list_of_roles_may_lack_one() -> None:
    assert verdict(judged(**own.roles(assignments=REFUSED))) == ("unknown", "look-not-allowed")
    hiding = readable(SUBSCRIPTION, without=("Microsoft.Authorization/*/read",))
    shown = own.facts(own.reads(**own.roles()), visibility=hiding)
    assert verdict(only(catalog.judge_with((pw108,), shown))) == ("unknown", "look-not-allowed")
    delegated = changed(readable(SUBSCRIPTION), delegated=frozenset({SUBSCRIPTION}))
    shown = own.facts(own.reads(**own.roles()), visibility=delegated)
    assert verdict(only(catalog.judge_with((pw108,), shown))) == ("unknown", "key-permission-not-known")


def test_what_has_to_be_repaired_first_leads() -> None:
    broken = own.reads(key=own.key(enabled=False), vault=own.vault(accessPolicies=[]), identity=REFUSED)
    assert verdict(judged(encryption=broken)) == ("fail", "key-disabled")


def test_warnings_are_said_beside_what_is_not_known() -> None:
    doubtful = own.vault(**policies("all", object_id=guid("a group, perhaps")))
    found = catalog.judge_with((pw108,), own.facts(own.reads(key=own.key(exp=1), vault=doubtful)))
    assert [verdict(one) for one in found] == [("fail", "key-expired"), ("unknown", "key-permission-not-known")]


# hostile bodies ------------------------------------------------------------------------------------------------------

FOREIGN = [
    "https://kv-images.vault.azure.net.evil.example/keys/registry-key",
    "https://evil.example/keys/registry-key",
    "https://kv-images.vault.azure.net@evil.example/keys/registry-key",
    "http://kv-images.vault.azure.net/keys/registry-key",
    "https://kv-images.vault.azure.net:8443/keys/registry-key",
    "https://kv-images.vault.azure.net/secrets/registry-key",
    "https://kv-images.vault.azure.net/keys/../secrets/x",
    "https://kv-images.vault.azure.net/keys/a/b/c",
    "https://kv-images.vault.azure.net/keys/a'b",
    "x" * 1_000_000,
    "",
]


@pytest.mark.parametrize("identifier", FOREIGN)
def test_unknown_where_the_identifier_names_no_key_of_azure(identifier: str) -> None:
    assert identifiers.parsed(identifier) is None
    finding = judged(with_key(keyIdentifier=identifier, versionedKeyIdentifier=identifier))
    assert verdict(finding) == ("unknown", "key-not-understood")
    assert len(finding.summary) < 400


def test_a_foreign_version_of_the_identifier_is_not_believed() -> None:
    told = Encryption(key=own.IDENTIFIER, versioned_key="https://other.vault.azure.net/keys/registry-key/" + "0" * 32)
    assert identifiers.in_use(told) == identifiers.parsed(own.IDENTIFIER)


def test_a_version_that_was_configured_is_the_one_in_use() -> None:
    pinned = Encryption(key=f"{own.IDENTIFIER}/{'a' * 32}", versioned_key=f"{own.IDENTIFIER}/{'b' * 32}")
    name = identifiers.in_use(pinned)
    assert name is not None and name.version == "a" * 32


@pytest.mark.parametrize("suffix", ["managedhsm.azure.net", "managedhsm.azure.cn", "managedhsm.usgovcloudapi.net"])
def test_unknown_where_the_key_lies_in_a_managed_hsm(suffix: str) -> None:
    finding = judged(with_key(keyIdentifier=f"https://hsm.{suffix}/keys/k", versionedKeyIdentifier=None), vault=None)
    assert verdict(finding) == ("unknown", "key-in-managed-hsm")
    assert not look_failed(finding)


@pytest.mark.parametrize("suffix", ["vault.azure.net", "vault.azure.cn", "vault.usgovcloudapi.net"])
def test_identifiers_of_each_cloud_are_understood(suffix: str) -> None:
    name = identifiers.parsed(f"https://KV-Images.{suffix}:443/keys/Registry-Key/{own.VERSION.upper()}/")
    assert name is not None
    assert (name.host, name.name, name.version) == (f"kv-images.{suffix}", "Registry-Key", own.VERSION)


@pytest.mark.parametrize("encryption", [7, [], "on", {"status": 1}, {"status": "enabled"}, {"keyVaultProperties": [1]}])
def test_the_reader_guesses_nothing(encryption: Any) -> None:
    shown = own.read_registry({"properties": {"encryption": encryption}})
    assert shown.encryption == Encryption(key=None)
    assert verdict(judged(shown)) == ("unknown", "key-not-understood")


@pytest.mark.parametrize("attributes", [{"exp": "soon"}, {"nbf": 1.5}, {"exp": True}, {"exp": -1}])
def test_a_key_whose_dates_make_no_sense_is_not_read(attributes: dict[str, Any]) -> None:
    assert key_vault_bodies.key(own.key_body(**attributes)) is None


def test_no_word_of_a_body_becomes_a_command() -> None:
    hostile = own.registry(
        identity={"userAssignedIdentities": ...},
        properties={"encryption": {"keyVaultProperties": {"identity": "x\n; rm -rf / #"}}},
    )
    finding = judged(hostile, identity=None)
    assert all("\n" not in step for step in finding.fix)
    assert all(step.startswith(("# ", "az ")) for step in finding.fix)
