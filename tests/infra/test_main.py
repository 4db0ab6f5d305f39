"""What infra/main.bicep deploys: the compiler's word on the files, reviewed snapshots, what must hold in each."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from checks import settings, watchdog
from checks.history.table import keys
from checks.jobs import messages
from checks.ncrontab import longest_gap
from checks.rules.azure.clouds import CLOUDS
from checks.text import redacted
from tests.support import bicep, infra
from tests.support.sampling import sampled
from tests.tools.scripts import load

pytestmark = pytest.mark.skipif(bool(bicep.what_is_missing()), reason=bicep.what_is_missing())

Snapshot = dict[str, Any]

SAMPLES = ("dashboard", "existing-network", "private", "smallest")
REQUIRED = {"environmentName", "location", "mailRecipients", "mailSender", "mailTransport"}

# Settings that an installation in Azure never has, and why.
DEVELOPMENT_ONLY = {
    "MAIL_FOLDER": "the folder transport writes to an instance's disk, which is not kept",
    "ARM_ENDPOINT": "PULLWATCH_CLOUD says where Azure Resource Manager is",
    "GRAPH_ENDPOINT": "PULLWATCH_CLOUD says where Microsoft Graph is",
    "LOCAL_VIEWER": "people sign in there; the app does no work with it in Azure",
    "CONNECT_TO": "for the simulator; the app does not start with it in Azure",
}
PLATFORM = {
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "AZURE_CLIENT_ID",
    "AzureWebJobsStorage__blobServiceUri",
    "AzureWebJobsStorage__clientId",
    "AzureWebJobsStorage__credential",
    "AzureWebJobsStorage__queueServiceUri",
    "AzureWebJobsStorage__tableServiceUri",
}
IDENTITY_AS_SECRET = "OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID"
# Source: "App settings reference for Azure Functions", Flex Consumption plan deprecations, on Microsoft Learn.
FORBIDDEN_SITE_PROPERTIES = {
    *("alwaysOn", "containerSize", "ftpsState", "functionAppScaleLimit", "isReserved", "isXenon", "linuxFxVersion"),
    *("preWarmedInstanceCount", "pythonVersion", "use32BitWorkerProcess", "vnetRouteAllEnabled", "windowsFxVersion"),
}
ROLES = {
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
    "974c5e8b-45b9-4653-ba55-5f855dd0fb88": "Storage Queue Data Contributor",
    "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": "Storage Table Data Contributor",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
}
SECRETS_USER = "4633458b-17de-408a-b874-0445c86b69e6"

# Text for the settings that are text, where the default is not one to set.
TEXTS = {
    "REGISTRY_LOGS": "off",
    "EXCLUDE_SUBSCRIPTIONS": "00000000-0000-0000-0000-000000000005",
    "REGISTRIES": "contoso.azurecr.io",
    "DASHBOARD": "https://contoso.grafana.net/d/pullwatch?orgId=1",
    "DOCS_URL": "https://git.contoso.com/platform/pullwatch/blob/main",
    "CANARY_NAMESPACE": "pullwatch",
    "CANARY_IMAGE": "contoso.azurecr.io/pause:3.10",
    "ALERT_ON": "access,pull",
    "FAIL_AFTER": "path=3,pull=3",
    "ROUTES": "00000000-0000-0000-0000-000000000001=shop@contoso.com,on-call@contoso.com",
    "NOTIFY_DOMAINS": "contoso.com",
    "MAIL_AT_LEAST": "tags=down",
    "PASS_AFTER": "2",
}
HUB = "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/rg-network/providers/Microsoft.Network"
EVERYTHING = f"""using '../main.bicep'
param environmentName = 'prod'
param location = 'westeurope'
param mailRecipients = 'platform-team@contoso.com'
param mailSender = 'pullwatch@contoso.com'
param mailTransport = 'smtp'
param smtpHost = 'smtp.contoso.com'
param smtpUser = 'pullwatch'
param smtpPasswordSecretUri = 'https://kv-contoso.vault.azure.net/secrets/smtp-password/0123456789abcdef0123456789abcdef'
param subnetId = '{HUB}/virtualNetworks/vnet-spoke/subnets/snet-pullwatch'
param privateStorage = true
param privateEndpointSubnetId = '{HUB}/virtualNetworks/vnet-spoke/subnets/snet-endpoints'
param privateDnsZoneIds = {{
  blob: '{HUB}/privateDnsZones/privatelink.blob.core.windows.net'
  queue: '{HUB}/privateDnsZones/privatelink.queue.core.windows.net'
  table: '{HUB}/privateDnsZones/privatelink.table.core.windows.net'
}}
param settings = {{
SETTINGS
}}
"""
SECRETS = "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/rg-secrets/providers"
VAULT = f"{SECRETS}/Microsoft.KeyVault/vaults"
SMALL = """using '../main.bicep'
param environmentName = 'prod'
param location = 'westeurope'
param mailRecipients = 'platform-team@contoso.com'
param mailSender = 'pullwatch@contoso.com'
param mailTransport = 'smtp'
param smtpHost = 'smtp.contoso.com'
"""
SECRET = "https://kv-contoso.vault.azure.net/secrets/smtp-password"
LONG_ADDRESS = f"{'a' * 53}@contoso.com"  # 65 characters
# What is said of parameters, in the order of main.bicep, and parameters that it is said of, one set a compile.
SENTENCES = {
    "name": "environmentName takes letters, digits and hyphens, with a letter or digit at both ends (azd env new).",
    "recipients": "mailRecipients takes one or more addresses, separated by commas (azd env set MAIL_RECIPIENTS).",
    "watchdog": "watchdogRecipients takes one or more addresses, separated by commas.",
    "long": "Azure Monitor takes addresses of at most 64 characters: give such ones as watchdogRecipients.",
    "host": "mailTransport is smtp: give smtpHost (azd env set SMTP_HOST).",
    "password": "smtpUser signs in: give smtpPasswordSecretUri (azd env set SMTP_PASSWORD_SECRET_URI).",
    "no secret": (
        "keyVaultResourceId is for the SMTP password: give smtpPasswordSecretUri "
        "(azd env set SMTP_PASSWORD_SECRET_URI)."
    ),
    "webhook": "mailTransport is webhook: give webhookUrlSecretUri (azd env set WEBHOOK_URL_SECRET_URI).",
    "unsigned": (
        "webhookSecretUri signs what a webhook posts: give webhookUrlSecretUri (azd env set WEBHOOK_URL_SECRET_URI)."
    ),
    "secret": (
        "smtpPasswordSecretUri takes the URI of a secret: "
        "https://, the vault's host name, /secrets/ and the secret's name."
    ),
    "address": (
        "webhookUrlSecretUri takes the URI of a secret: "
        "https://, the vault's host name, /secrets/ and the secret's name."
    ),
    "signature": (
        "webhookSecretUri takes the URI of a secret: https://, the vault's host name, /secrets/ and the secret's name."
    ),
    "vault": (
        "keyVaultResourceId takes the resource ID of a Key Vault: /subscriptions/ and more, "
        "then /providers/Microsoft.KeyVault/vaults/ and its name."
    ),
    "other vault": "smtpPasswordSecretUri is not in the vault that keyVaultResourceId names.",
    "other vault of the address": "webhookUrlSecretUri is not in the vault that keyVaultResourceId names.",
    "other vault of the signature": "webhookSecretUri is not in the vault that keyVaultResourceId names.",
    "client": (
        "dashboardClientId takes the client ID of an app registration, a GUID (azd env set DASHBOARD_CLIENT_ID)."
    ),
    "tenant": "dashboardTenantId takes the ID of a tenant, a GUID.",
    "range": "networkAddressPrefix takes an IPv4 range from /8 to /26 by its first address, such as 10.20.0.0/24.",
    "two networks": "subnetId and networkAddressPrefix exclude each other.",
    "gateway": "natGateway needs networkAddressPrefix: an existing subnet is not changed.",
    "storage": "privateStorage needs subnetId or networkAddressPrefix.",
    "inbound": "privateInbound needs subnetId or networkAddressPrefix.",
    "endpoints": "Private endpoints in an existing network need privateEndpointSubnetId.",
}
REFUSED: dict[str, tuple[dict[str, str | bool], list[str]]] = {
    "contradictory": (
        {
            "smtpHost": "",
            "smtpUser": "pullwatch",
            "keyVaultResourceId": f"{VAULT}/kv-contoso",
            "natGateway": True,
            "privateStorage": True,
        },
        ["host", "password", "no secret", "gateway", "storage", "endpoints"],
    ),
    "semicolons, a name that only azd takes, a small range, two networks": (
        {
            "environmentName": "prod_eu.1",
            "mailRecipients": "platform-team@contoso.com; on-call@contoso.com",
            "networkAddressPrefix": "10.20.0.0/27",
            "subnetId": f"{HUB}/virtualNetworks/vnet-spoke/subnets/snet-pullwatch",
            "smtpPasswordSecretUri": "https://kv-contoso.vault.azure.net/",
            "keyVaultResourceId": f"{SECRETS}/Microsoft.Storage/storageAccounts/kv-contoso",
        },
        ["name", "recipients", "secret", "vault", "range", "two networks"],
    ),
    "nothing between the commas, hyphens at the end, no range": (
        {
            "environmentName": "prod-",
            "mailRecipients": " , ",
            "watchdogRecipients": " ,",
            "networkAddressPrefix": "ten/24",
            "privateInbound": True,
            "dashboardClientId": "0000000g-0000-0000-0000-000000000000",
            "dashboardTenantId": "contoso.onmicrosoft.com",
        },
        ["name", "recipients", "watchdog", "client", "tenant", "range"],
    ),
    "a long address, hyphens at the beginning, a range by another address": (
        {
            "environmentName": "-prod",
            "mailRecipients": f"platform-team@contoso.com,{LONG_ADDRESS}",
            "dashboardClientId": "000000000000-0000-0000-000000000000-",
            "networkAddressPrefix": "10.20.0.4/24",
            "smtpPasswordSecretUri": SECRET,
            "keyVaultResourceId": f"{VAULT}/kv-contos",
        },
        ["name", "long", "other vault", "client", "range"],
    ),
    "a long address of the watchdog, no way to the app": (
        {"watchdogRecipients": LONG_ADDRESS, "privateInbound": True, "smtpPasswordSecretUri": SECRET},
        ["long", "inbound", "endpoints"],
    ),
    "a webhook without its address": (
        {"mailTransport": "webhook", "webhookSecretUri": SECRET},
        ["webhook", "unsigned"],
    ),
    "a webhook by URIs of no secret": (
        {
            "webhookUrlSecretUri": "https://hooks.example.com/services/x",
            "webhookSecretUri": "https://kv-contoso.vault.azure.net/secrets",
        },
        ["address", "signature"],
    ),
    "a webhook by secrets of another vault": (
        {
            "webhookUrlSecretUri": "https://kv-other.vault.azure.net/secrets/webhook-url",
            "webhookSecretUri": "https://kv-other.vault.azure.net/secrets/webhook-secret",
            "keyVaultResourceId": f"{VAULT}/kv-contoso",
        },
        ["other vault of the address", "other vault of the signature"],
    ),
}
# The longest names, and spellings that are taken: a long address of the app's own mail, an ID that ends in a slash, the
# vault of another cloud, an empty zone, the smallest range.
LONGEST_NAME = "a" * 24
TAKEN: dict[str, str | bool] = {
    "environmentName": LONGEST_NAME,
    "mailRecipients": f"platform-team@contoso.com, {LONG_ADDRESS}",
    "watchdogRecipients": " platform-team@contoso.com ,on-call@contoso.com,",
    "smtpPasswordSecretUri": "https://KV-contoso.vault.usgovcloudapi.net/secrets/smtp-password",
    "keyVaultResourceId": f"{VAULT}/kv-contoso/",
    "networkAddressPrefix": "10.20.0.0/26",
    "natGateway": True,
    "privateStorage": True,
    "privateInbound": True,
    "dashboardClientId": "01234567-89ab-cdef-ABCD-EF0123456789",
    "dashboardTenantId": "FEDCBA98-0000-0000-0000-000000000000",
}
# The settings that are secrets, and the samples' names of these in the vault.
SECRETS_OF = {
    "PULLWATCH_SMTP_PASSWORD": "smtp-password",
    "PULLWATCH_WEBHOOK_URL": "webhook-url",
    "PULLWATCH_WEBHOOK_SECRET": "webhook-secret",
}
EMPTY_ZONES = "param privateDnsZoneIds = {\n  blob: ''\n}\n"
# Of Azure's clouds: public, operated by 21Vianet, of the United States' government.
CLOUD_DOMAINS = re.compile(
    r"\b(?:windows\.net|azure\.(?:com|net|cn|us)|azure-api\.net|azurewebsites\.\w+|azurecr\.\w+|microsoftonline\.\w+|"
    r"microsoft\.com|chinacloudapi\.cn|chinacloudsites\.cn|usgovcloudapi\.net)",
    re.IGNORECASE,
)
# Source: "Naming rules and restrictions for Azure resources" on Microsoft Learn: the longest name of a type.
LONGEST = {
    "Resources/resourceGroups": 90,
    "Insights/actionGroups": 260,
    "Insights/components": 260,
    "Insights/scheduledQueryRules": 260,
    "ManagedIdentity/userAssignedIdentities": 128,
    "Network/natGateways": 80,
    "Network/privateEndpoints": 64,
    "Network/publicIPAddresses": 80,
    "Network/virtualNetworks": 64,
    "OperationalInsights/workspaces": 63,
    "Storage/storageAccounts": 24,
    "Web/serverfarms": 60,
    "Web/sites": 60,
}


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    return bicep.build(infra.INFRA / "main.bicep")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the compiler works: a copy of infra/, made at the first snapshot."""
    return tmp_path_factory.mktemp("infra")


@pytest.fixture(scope="module")
def snapshots(folder: Path) -> dict[str, Snapshot]:
    return {sample.stem: infra.expand(sample, folder) for sample in infra.samples()}


@pytest.fixture(scope="module")
def everything(snapshots: dict[str, Snapshot], folder: Path, template: dict[str, Any]) -> Snapshot:
    """Every setting that there is, none of them at its default, and storage private in an existing network."""
    given = {name: _other_value(name, kind) for name, kind in _typed_settings(template).items()}
    lines = "\n".join(f"  {name}: {_literal(value)}" for name, value in given.items())
    return infra.expand_text(EVERYTHING.replace("SETTINGS", lines), folder)


def test_every_bicep_file_lints_without_a_word() -> None:
    assert [(file.name, bicep.lint(file)) for file in infra.roots() if bicep.lint(file)] == []


@pytest.mark.parametrize("sample", infra.samples(), ids=lambda sample: sample.stem)
def test_a_samples_parameters_build(sample: Path) -> None:
    assert bicep.build_params(sample)


def test_samples_deploy_what_their_reviewed_snapshots_say(snapshots: dict[str, Snapshot]) -> None:
    """Where one differs on purpose: `make snapshots`, and review the difference."""
    kept = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in infra.SNAPSHOTS.glob("*.json")}
    assert set(kept) == set(snapshots)
    for name, snapshot in snapshots.items():
        assert snapshot == kept[name], f"{name} deploys something else: make snapshots"


@pytest.mark.parametrize("case", sampled(REFUSED, 3))
def test_what_azure_would_refuse_half_way_is_refused_before_anything_is_deployed(
    snapshots: dict[str, Snapshot], folder: Path, case: str
) -> None:
    given, expected = REFUSED[case]
    with pytest.raises(AssertionError) as refused:
        infra.expand_text(_with(given), folder)
    said = " ".join(SENTENCES[name] for name in expected)
    assert f"is not valid: {said}. Please see" in str(refused.value)


def test_every_sentence_on_parameters_is_tested() -> None:
    text = (infra.INFRA / "main.bicep").read_text(encoding="utf-8")
    [problems] = re.findall(r"^var problems = filter\($(.*?)^\)$", text, re.MULTILINE | re.DOTALL)
    said = [sentence.replace("\\'", "'") for sentence in re.findall(r"\? '((?:[^'\\]|\\')+)'", problems)]
    assert said == list(SENTENCES.values())
    assert {name for _, expected in REFUSED.values() for name in expected} == set(SENTENCES)


@pytest.fixture(scope="module")
def taken(snapshots: dict[str, Snapshot], folder: Path) -> Snapshot:
    return infra.expand_text(_with(TAKEN) + EMPTY_ZONES, folder)


def test_the_watchdog_mails_its_own_recipients_where_there_are_any(taken: Snapshot) -> None:
    group = infra.only(taken, "Insights/actionGroups")["properties"]
    assert [receiver["emailAddress"] for receiver in group["emailReceivers"]] == [
        "platform-team@contoso.com",
        "on-call@contoso.com",
    ]
    assert LONG_ADDRESS in infra.app_settings(taken)["PULLWATCH_MAIL_TO"]


def test_an_id_may_end_in_a_slash_and_a_vault_be_in_any_cloud(taken: Snapshot) -> None:
    [on_secret] = [a for a in infra.of_type(taken, "Authorization/roleAssignments") if _role(a) == SECRETS_USER]
    assert on_secret["id"].startswith(f"[extensionResourceId('{VAULT}/kv-contoso/secrets/smtp-password', ")


def test_a_zone_whose_id_is_empty_is_made(taken: Snapshot) -> None:
    made = [zone["name"] for zone in infra.of_type(taken, "Network/privateDnsZones")]
    assert len(made) == 4
    assert any("privatelink.blob" in name for name in made)
    for records in infra.of_type(taken, "Network/privateEndpoints/privateDnsZoneGroups"):
        [config] = records["properties"]["privateDnsZoneConfigs"]
        assert "Microsoft.Network/privateDnsZones" in config["properties"]["privateDnsZoneId"]


def test_the_smallest_network_holds_both_subnets(taken: Snapshot) -> None:
    app, endpoints = infra.only(taken, "Network/virtualNetworks")["properties"]["subnets"]
    assert app["properties"]["addressPrefix"] == "10.20.0.0/27"
    assert endpoints["properties"]["addressPrefix"] == "10.20.0.32/28"


def test_names_fit_with_the_longest_environment_name(template: dict[str, Any], taken: Snapshot) -> None:
    assert template["parameters"]["environmentName"]["maxLength"] == len(LONGEST_NAME)
    for kind, longest in LONGEST.items():
        resources = infra.of_type(taken, kind)
        assert resources, kind
        for resource in resources:
            assert len(resource["name"]) <= longest, resource["name"]


def test_azd_finds_the_template_and_asks_for_what_has_no_default(template: dict[str, Any]) -> None:
    project = yaml.safe_load((infra.ROOT / "azure.yaml").read_text(encoding="utf-8"))
    assert project["infra"] == {"provider": "bicep", "path": "infra", "module": "main"}
    assert project["services"] == {"app": {"project": ".", "language": "python", "host": "function"}}
    given = json.loads((infra.INFRA / "main.parameters.json").read_text(encoding="utf-8"))["parameters"]
    required = {name for name, parameter in template["parameters"].items() if "defaultValue" not in parameter}
    assert required == REQUIRED
    assert set(given) >= required
    assert set(given) <= set(template["parameters"])
    # azd asks for a required parameter whose variable is not set; a value without a variable would be nobody's.
    assert all(re.fullmatch(r"\$\{[A-Z_]+\}", parameter["value"]) for parameter in given.values())


def test_every_parameter_and_output_is_described(template: dict[str, Any]) -> None:
    for described in (*template["parameters"].values(), *template["outputs"].values()):
        assert described["metadata"]["description"].endswith(".")


def test_the_readme_lists_the_parameters(template: dict[str, Any]) -> None:
    """Written by `make snapshots`."""
    table = load("snapshots").table(template)
    assert f"<!-- parameters -->\n{table}\n<!-- /parameters -->" in (infra.INFRA / "README.md").read_text(
        encoding="utf-8"
    )
    assert all(f"`{name}`" in table for name in template["parameters"])


@pytest.mark.parametrize("name", SAMPLES)
def test_azd_finds_the_resource_group_and_the_app_by_their_tags(snapshots: dict[str, Snapshot], name: str) -> None:
    group = infra.only(snapshots[name], "Resources/resourceGroups")
    site = infra.only(snapshots[name], "Web/sites")
    assert group["tags"]["azd-env-name"] == "prod"
    assert site["tags"]["azd-service-name"] == "app"
    assert group["name"] == "rg-pullwatch-prod" == snapshots[name]["outputs"]["AZURE_RESOURCE_GROUP"]


def test_the_template_and_the_program_know_the_same_settings(
    template: dict[str, Any], snapshots: dict[str, Snapshot], everything: Snapshot
) -> None:
    emitted = {
        name.removeprefix(settings.PREFIX)
        for snapshot in (*(snapshots[name] for name in SAMPLES), everything)
        for name in infra.app_settings(snapshot)
        if name.startswith(settings.PREFIX)
    }
    known = {setting.name for setting in settings.SETTINGS}
    assert set(DEVELOPMENT_ONLY) <= known
    assert emitted == known - set(DEVELOPMENT_ONLY)


def test_every_setting_arrives_as_it_was_given(template: dict[str, Any], everything: Snapshot) -> None:
    loaded = settings.load(_environment(everything, template))
    by_name = {setting.name: setting for setting in settings.SETTINGS}
    for name, kind in _typed_settings(template).items():
        setting = by_name[name]
        value = getattr(loaded, setting.field)
        assert value == setting.read(str(_other_value(name, kind)))
        assert value != setting.read(setting.default)


@pytest.mark.parametrize("name", SAMPLES)
def test_the_program_starts_with_what_a_sample_emits(
    template: dict[str, Any], snapshots: dict[str, Snapshot], name: str
) -> None:
    loaded = settings.load(_environment(snapshots[name], template))
    assert loaded.mail_from == ("pullwatch@contoso.com",)
    assert loaded.mail_to[0] == "platform-team@contoso.com"
    others = {"existing-network": ("graph", "webhook"), "dashboard": ("graph",)}
    assert loaded.mail_transports == others.get(name, ("smtp",))
    assert bool(loaded.smtp_host) is ("smtp" in loaded.mail_transports)
    assert bool(loaded.dashboard) is (loaded.sign_in == "entra") is (name == "dashboard")
    assert loaded.storage is None
    assert loaded.table_endpoint
    assert loaded.queue_endpoint


def test_defaults_that_stand_in_both_places_are_the_same(
    template: dict[str, Any], snapshots: dict[str, Snapshot]
) -> None:
    by_name = {setting.name: setting for setting in settings.SETTINGS}
    assert template["parameters"]["schedule"]["defaultValue"] == by_name["SCHEDULE"].default
    assert template["parameters"]["subscriptions"]["defaultValue"] == []


@pytest.mark.parametrize("name", SAMPLES)
def test_the_watchdog_waits_as_long_as_the_schedule_lets_it(snapshots: dict[str, Snapshot], name: str) -> None:
    """Two intervals of the half-hourly schedule; of any other, the app's own word that its latest run is recent."""
    schedule = infra.app_settings(snapshots[name])["PULLWATCH_SCHEDULE"]
    query = _absence(snapshots[name])["criteria"]["allOf"][0]["query"]
    window = _absence(snapshots[name])["windowSize"]
    assert window == "PT1H"
    if watchdog.RUN_COMPLETED in query:
        assert longest_gap(schedule) == timedelta(minutes=30)
    else:
        assert watchdog.RUN_RECENT in query and longest_gap(schedule) != timedelta(minutes=30)


def _absence(snapshot: Snapshot) -> dict[str, Any]:
    rules = infra.of_type(snapshot, "Insights/scheduledQueryRules")
    return next(rule["properties"] for rule in rules if rule["name"].endswith("no-completed-run"))


def test_the_watchdog_tells_those_who_get_the_mails(snapshots: dict[str, Snapshot]) -> None:
    for name in SAMPLES:
        group = infra.only(snapshots[name], "Insights/actionGroups")["properties"]
        to = infra.app_settings(snapshots[name])["PULLWATCH_MAIL_TO"]
        assert [r["emailAddress"] for r in group["emailReceivers"]] == [a.strip() for a in to.split(",")]
        (site,) = infra.of_type(snapshots[name], "Web/sites")
        queries = [
            rule["properties"]["criteria"]["allOf"][0]["query"]
            for rule in infra.of_type(snapshots[name], "Insights/scheduledQueryRules")
        ]
        assert queries and all(f'"{site["name"]}"' in query for query in queries)


def test_the_price_of_zones_is_that_of_every_function_and_the_http_group(template: dict[str, Any]) -> None:
    """Two always-ready instances each. Source: "Reliability in Azure Functions" on Microsoft Learn."""
    instances = f"{2 * (len(watchdog.TRIGGERS) + 1)} instances"
    readme = (infra.INFRA / "README.md").read_text(encoding="utf-8")
    assert instances in template["parameters"]["zoneRedundant"]["metadata"]["description"]
    assert instances in readme.split("## Availability zones")[1].split("\n## ")[0]
    assert not [sample.stem for sample in infra.samples() if "zoneRedundant" in sample.read_text(encoding="utf-8")]


def test_the_readme_lists_every_file_of_its_folder() -> None:
    readme = (infra.INFRA / "README.md").read_text(encoding="utf-8")
    files = {path.relative_to(infra.INFRA).as_posix() for path in infra.INFRA.rglob("*.bicep")}
    assert {name for name in files if f"`{name}`" not in readme} == set()


def test_a_copy_of_a_sample_is_nobody_elses(tmp_path: Path) -> None:
    """Its name in the README is one that git and the tests ignore, and beside the samples it finds its template."""
    readme = (infra.INFRA / "README.md").read_text(encoding="utf-8")
    sample, copy = re.findall(r"cp infra/samples/(\S+) infra/samples/(\S+)", readme)[0]
    ignored = subprocess.run(["git", "check-ignore", f"infra/samples/{copy}"], cwd=infra.ROOT, capture_output=True)
    assert ignored.returncode == 0
    assert f"--parameters infra/samples/{copy}" in readme
    for name in (sample, copy):
        (tmp_path / name).touch()
    assert infra.samples_in(tmp_path) == [tmp_path / sample]
    assert infra.INFRA / "samples" / sample in infra.samples()


def test_no_file_names_an_endpoint_of_one_cloud(template: dict[str, Any]) -> None:
    """What differs between clouds is environment()'s, but for the zones of function apps, which it does not know."""
    for file in infra.roots():
        texts = list(_texts(template if file.name == "main.bicep" else bicep.build(file)))
        assert texts
        named = {text for text in texts if CLOUD_DOMAINS.search(text)}
        assert named == (set(template["variables"]["siteZones"].values()) if file.name == "main.bicep" else set())


def test_every_cloud_has_its_name(template: dict[str, Any]) -> None:
    """environment().name, as `az cloud list` has it, to the program's."""
    assert template["variables"]["cloudNames"] == {
        "AzureCloud": "AzurePublic",
        "AzureChinaCloud": "AzureChina",
        "AzureUSGovernment": "AzureUSGovernment",
    }
    assert set(template["variables"]["cloudNames"].values()) == {cloud.name for cloud in CLOUDS.values()}
    assert set(template["variables"]["siteZones"]) == set(template["variables"]["cloudNames"])


@pytest.mark.parametrize("name", SAMPLES)
def test_platform_settings_are_those_of_flex_consumption_with_an_identity(
    snapshots: dict[str, Snapshot], name: str
) -> None:
    """Exactly these: no FUNCTIONS_WORKER_RUNTIME, WEBSITE_RUN_FROM_PACKAGE or WEBSITE_TIME_ZONE."""
    emitted = infra.app_settings(snapshots[name])
    more = {IDENTITY_AS_SECRET} if name == "dashboard" else set()
    assert {key for key in emitted if not key.startswith(settings.PREFIX)} == PLATFORM | more
    assert emitted["AzureWebJobsStorage__credential"] == "managedidentity"
    assert emitted["APPLICATIONINSIGHTS_AUTHENTICATION_STRING"].startswith("[format('ClientId={0};Authorization=AAD', ")
    assert emitted["AZURE_CLIENT_ID"] == emitted["AzureWebJobsStorage__clientId"]


@pytest.mark.parametrize("name", SAMPLES)
def test_the_site_is_a_python_app_on_flex_consumption(snapshots: dict[str, Snapshot], name: str) -> None:
    site = infra.only(snapshots[name], "Web/sites")["properties"]
    assert infra.only(snapshots[name], "Web/serverfarms")["sku"] == {"name": "FC1", "tier": "FlexConsumption"}
    assert site["functionAppConfig"]["runtime"] == {"name": "python", "version": "3.13"}
    assert not FORBIDDEN_SITE_PROPERTIES & {*site, *site["siteConfig"]}


@pytest.mark.parametrize("name", SAMPLES)
def test_roles_are_those_of_the_list_and_no_other(snapshots: dict[str, Snapshot], name: str) -> None:
    assignments = infra.of_type(snapshots[name], "Authorization/roleAssignments")
    granted = [assignment["properties"]["roleDefinitionId"].rpartition("/")[2] for assignment in assignments]
    secrets = {"smallest": 1, "existing-network": 2}.get(name, 0)
    expected = [*ROLES, *[SECRETS_USER] * secrets]
    assert sorted(granted) == sorted(expected)
    for assignment in assignments:
        assert assignment["properties"]["principalType"] == "ServicePrincipal"
        assert assignment["properties"]["principalId"] == "[identity.outputs.principalId]"


def test_the_vaults_role_is_for_the_secret_alone(snapshots: dict[str, Snapshot]) -> None:
    assignments = infra.of_type(snapshots["smallest"], "Authorization/roleAssignments")
    [on_secret] = [a for a in assignments if a["properties"]["roleDefinitionId"].endswith(SECRETS_USER)]
    vault = (
        "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/rg-secrets/providers/"
        "Microsoft.KeyVault/vaults/kv-contoso/secrets/smtp-password"
    )
    assert on_secret["id"].startswith(f"[extensionResourceId('{vault}', ")
    site = infra.only(snapshots["smallest"], "Web/sites")
    assert site["properties"]["keyVaultReferenceIdentity"] in site["identity"]["userAssignedIdentities"]


@pytest.mark.parametrize("name", SAMPLES)
def test_nothing_is_reached_by_key_or_without_tls(snapshots: dict[str, Snapshot], name: str) -> None:
    storage = infra.only(snapshots[name], "Storage/storageAccounts")["properties"]
    site = infra.only(snapshots[name], "Web/sites")["properties"]
    policies = infra.of_type(snapshots[name], "Web/sites/basicPublishingCredentialsPolicies")
    assert storage["allowSharedKeyAccess"] is False
    assert storage["allowBlobPublicAccess"] is False
    assert storage["minimumTlsVersion"] == "TLS1_2"
    assert storage["supportsHttpsTrafficOnly"] is True
    assert site["httpsOnly"] is True
    assert site["siteConfig"]["minTlsVersion"] == site["siteConfig"]["scmMinTlsVersion"] == "1.2"
    assert [policy["properties"]["allow"] for policy in policies] == [False, False]
    assert infra.only(snapshots[name], "Insights/components")["properties"]["DisableLocalAuth"] is True


@pytest.mark.parametrize("name", SAMPLES)
def test_no_secret_is_in_settings_or_outputs(snapshots: dict[str, Snapshot], name: str) -> None:
    text = infra.text_of(snapshots[name])
    assert not re.search(r"\blist\w*\(|AccountKey|SharedAccess|InstrumentationKey|\bsig=", text, re.IGNORECASE)
    given = infra.app_settings(snapshots[name])
    for setting, secret in SECRETS_OF.items():
        reference = f"@Microsoft.KeyVault(SecretUri=https://kv-contoso.vault.azure.net/secrets/{secret})"
        assert given.get(setting) in (None, reference)
    outputs = snapshots[name]["outputs"]
    assert not [key for key, value in outputs.items() if "ConnectionString" in str(value)]
    for value in (*infra.app_settings(snapshots[name]).values(), *outputs.values()):
        assert redacted(str(value)) == str(value)


@pytest.mark.parametrize("name", SAMPLES)
def test_queues_and_the_table_are_the_programs(snapshots: dict[str, Snapshot], name: str) -> None:
    names = (messages.PLAN, messages.SCAN, messages.CLOSE, messages.DELIVER)
    made = infra.of_type(snapshots[name], "Storage/storageAccounts/queueServices/queues")
    assert sorted(queue["name"].rpartition("/")[2] for queue in made) == sorted(
        [*names, *(queue + messages.POISON for queue in names)]
    )
    table = infra.only(snapshots[name], "Storage/storageAccounts/tableServices/tables")
    assert table["name"].rpartition("/")[2] == keys.TABLE


@pytest.mark.parametrize("name", SAMPLES)
def test_the_package_goes_to_the_container_that_is_made(snapshots: dict[str, Snapshot], name: str) -> None:
    container = infra.only(snapshots[name], "Storage/storageAccounts/blobServices/containers")
    deployment = infra.only(snapshots[name], "Web/sites")["properties"]["functionAppConfig"]["deployment"]["storage"]
    account, _, package = container["name"].split("/")
    assert container["properties"]["publicAccess"] == "None"
    assert f"/storageAccounts/{account}', " in deployment["value"]
    assert deployment["value"].endswith(f".primaryEndpoints.blob, '{package}')]")
    assert deployment["authentication"]["type"] == "UserAssignedIdentity"


def test_the_app_comes_after_what_it_needs_to_start(template: dict[str, Any]) -> None:
    """The container, its roles and the way to storage; its own private endpoint comes after it."""
    resources = template["resources"]
    needed = {"identity", "monitoring", "storage", "roleAssignments", "secretAccess", "network", "storageEndpoints"}
    assert set(resources["app"]["dependsOn"]) >= needed
    assert set(resources["storageEndpoints"]["dependsOn"]) >= {"storage", "network", "zones"}
    assert set(resources["zones"]["dependsOn"]) >= {"network"}
    assert set(resources["roleAssignments"]["dependsOn"]) >= {"identity", "storage", "monitoring"}
    assert set(resources["siteEndpoint"]["dependsOn"]) >= {"app", "zones"}


def test_without_a_network_nothing_of_one_is_made(snapshots: dict[str, Snapshot]) -> None:
    assert _network_types(snapshots["smallest"]) == set()
    site = infra.only(snapshots["smallest"], "Web/sites")["properties"]
    assert site["publicNetworkAccess"] == "Enabled"
    assert not site.get("virtualNetworkSubnetId")
    assert "STATIC_OUTBOUND_ADDRESS" in snapshots["smallest"]["outputs"]
    assert snapshots["smallest"]["outputs"]["STATIC_OUTBOUND_ADDRESS"] == ""


def test_an_existing_subnet_is_used_as_it_is(snapshots: dict[str, Snapshot]) -> None:
    assert _network_types(snapshots["existing-network"]) == set()
    site = infra.only(snapshots["existing-network"], "Web/sites")["properties"]
    assert site["virtualNetworkSubnetId"] == f"{HUB}/virtualNetworks/vnet-spoke/subnets/snet-pullwatch"
    assert site["outboundVnetRouting"] == {"applicationTraffic": True}
    assert site["siteConfig"]["ipSecurityRestrictionsDefaultAction"] == "Deny"
    assert site["siteConfig"]["scmIpSecurityRestrictionsUseMain"] is True
    assert [(rule["action"], rule["ipAddress"]) for rule in site["siteConfig"]["ipSecurityRestrictions"]] == [
        ("Allow", "203.0.113.0/24")
    ]


def test_private_means_storage_and_app_answer_private_endpoints_only(snapshots: dict[str, Snapshot]) -> None:
    private = snapshots["private"]
    storage = infra.only(private, "Storage/storageAccounts")["properties"]
    assert storage["publicNetworkAccess"] == "Disabled"
    assert storage["networkAcls"] == {"bypass": "None", "defaultAction": "Deny"}
    assert infra.only(private, "Web/sites")["properties"]["publicNetworkAccess"] == "Disabled"
    endpoints = infra.of_type(private, "Network/privateEndpoints")
    groups = [_connection(endpoint)["groupIds"] for endpoint in endpoints]
    assert groups == [["blob"], ["queue"], ["sites"], ["table"]]
    records = infra.of_type(private, "Network/privateEndpoints/privateDnsZoneGroups")
    assert [record["name"].split("/")[0] for record in records] == [endpoint["name"] for endpoint in endpoints]
    assert all(record["properties"]["privateDnsZoneConfigs"][0]["properties"]["privateDnsZoneId"] for record in records)


def test_zones_that_are_given_are_not_made(snapshots: dict[str, Snapshot], everything: Snapshot) -> None:
    made = "".join(zone["name"] for zone in infra.of_type(snapshots["private"], "Network/privateDnsZones"))
    assert "privatelink.queue" in made
    assert "privatelink.table" in made
    assert "privatelink.azurewebsites" in made
    assert "privatelink.blob" not in made
    assert _network_types(everything) == {"privateEndpoints", "privateEndpoints/privateDnsZoneGroups"}
    subnets = {e["properties"]["subnet"]["id"] for e in infra.of_type(everything, "Network/privateEndpoints")}
    assert subnets == {f"{HUB}/virtualNetworks/vnet-spoke/subnets/snet-endpoints"}


def test_the_network_that_is_made_is_delegated_and_has_a_static_address(snapshots: dict[str, Snapshot]) -> None:
    private = snapshots["private"]
    network = infra.only(private, "Network/virtualNetworks")
    app, endpoints = network["properties"]["subnets"]
    gateway = infra.only(private, "Network/natGateways")
    assert app["properties"]["delegations"][0]["properties"]["serviceName"] == "Microsoft.App/environments"
    assert app["properties"]["natGateway"] == {"id": gateway["id"]}
    assert app["properties"]["addressPrefix"] == "10.20.0.0/25"
    assert endpoints["properties"]["addressPrefix"] == "10.20.0.128/26"
    assert "_" not in app["name"]
    site = infra.only(private, "Web/sites")["properties"]
    assert site["virtualNetworkSubnetId"] == f"{network['id']}/subnets/{app['name']}"
    assert infra.only(private, "Network/publicIPAddresses")["properties"]["publicIPAllocationMethod"] == "Static"
    assert private["outputs"]["STATIC_OUTBOUND_ADDRESS"] == "[network.outputs.staticAddress]"


def _typed_settings(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    kind = template["definitions"]["checkSettings"]
    assert kind["additionalProperties"] is False
    properties: dict[str, dict[str, Any]] = kind["properties"]
    return properties


def _other_value(name: str, kind: dict[str, Any]) -> bool | int | str:
    """A value of the type that is not the setting's default."""
    default = next(setting.default for setting in settings.SETTINGS if setting.name == name)
    if kind["type"] == "bool":
        return default != "true"
    if kind["type"] == "int":
        return int(default) - 1 if int(default) > 1 else int(default) + 1
    if "allowedValues" in kind:
        # None as SMTP_TLS is refused with a sign-in.
        return next(str(value) for value in kind["allowedValues"] if value not in (default, "none"))
    return TEXTS[name]


def _literal(value: bool | int | str) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value).lower()


def _texts(part: Any) -> Iterator[str]:
    """Every text of a template but descriptions, schemas and what the compiler says of itself."""
    if isinstance(part, dict):
        for key, value in part.items():
            if key not in ("metadata", "$schema"):
                yield from _texts(value)
    elif isinstance(part, list):
        for value in part:
            yield from _texts(value)
    elif isinstance(part, str):
        yield part


def _with(given: dict[str, str | bool]) -> str:
    """The parameters of a small installation, and others besides or instead."""
    kept = [line for line in SMALL.splitlines() if line.split()[1] not in given]
    return "\n".join([*kept, *(f"param {name} = {_literal(value)}" for name, value in given.items()), ""])


def _role(assignment: dict[str, Any]) -> str:
    role: str = assignment["properties"]["roleDefinitionId"]
    return role.rpartition("/")[2]


def _environment(snapshot: Snapshot, template: dict[str, Any]) -> dict[str, str]:
    """The environment of the app in Azure's public cloud, which an expansion does not know."""
    cloud = template["variables"]["cloudNames"]["AzureCloud"]
    given = {**infra.app_settings(snapshot), "PULLWATCH_CLOUD": cloud, "WEBSITE_SITE_NAME": "func-pullwatch-prod"}
    zone = template["variables"]["siteZones"]["AzureCloud"].removeprefix("privatelink.")
    link = given.get("PULLWATCH_DASHBOARD", "")
    if link.startswith("[format('https://{0}/api/dashboard', "):
        given["PULLWATCH_DASHBOARD"] = f"https://{infra.only(snapshot, 'Web/sites')['name']}.{zone}/api/dashboard"
    for service in ("table", "queue"):
        # Known once the account is there: an address of its own.
        assert f"primaryEndpoints.{service}" in given[f"AzureWebJobsStorage__{service}ServiceUri"]
        given[f"AzureWebJobsStorage__{service}ServiceUri"] = f"https://stpullwatch.{service}.core.windows.net/"
    for setting in SECRETS_OF.keys() & given.keys():
        # The platform puts the secret in place of its reference.
        assert re.fullmatch(
            r"@Microsoft\.KeyVault\(SecretUri=https://[a-z.-]+/secrets/[a-z-]+(/[0-9a-f]{32})?\)", given[setting]
        )
        given[setting] = "https://hooks.contoso.com/resolved"
    return given


def _network_types(snapshot: Snapshot) -> set[str]:
    prefix = "Microsoft.Network/"
    kinds = {resource["type"] for resource in snapshot["predictedResources"]}
    return {kind.removeprefix(prefix) for kind in kinds if kind.startswith(prefix)}


def _connection(endpoint: dict[str, Any]) -> dict[str, Any]:
    [connection] = endpoint["properties"]["privateLinkServiceConnections"]
    properties: dict[str, Any] = connection["properties"]
    return properties
