"""Settings: defaults, values that are refused and what is said of them, and that no secret shows."""

import email
import email.policy
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Any

import msgspec
import pytest

from checks.notify.message import compose
from checks.settings import (
    MAX_ADDRESSES,
    PREFIX,
    SETTINGS,
    ConnectTo,
    SettingError,
    Settings,
    UnusableSettings,
    load,
    load_or_explain,
)
from tests.support.sample_mails import NOW, samples

GUID = "11111111-1111-4111-8111-11111111ABCD"
WORKSPACE = f"/subscriptions/{GUID}/resourceGroups/rg/providers/Microsoft.OperationalInsights/workspaces/logs-1"
PASSWORD = "hunter2-of-the-mailbox"
KEY = "c3RvcmFnZS1hY2NvdW50LWtleQ=="
STORAGE = f"DefaultEndpointsProtocol=https;AccountName=pullwatch;AccountKey={KEY}"


def loaded(**given: str) -> Settings:
    """The settings with some given, by their names without the prefix."""
    return load({PREFIX + name: value for name, value in given.items()})


def refusal(**given: str) -> str:
    """What is said of a setting that is refused."""
    with pytest.raises(SettingError) as raised:
        loaded(**given)
    return str(raised.value)


def test_without_an_environment_every_setting_has_its_documented_default() -> None:
    settings = load({})
    assert all(getattr(settings, setting.field) == setting.read(setting.default) for setting in SETTINGS)
    assert (settings.cloud.name, settings.schedule, settings.canary) == ("AzurePublic", "0 */30 * * * *", "on-demand")
    assert (settings.probe, settings.probe_others, settings.allow_run_command) == (True, False, False)
    assert (settings.storage, settings.table_endpoint, settings.queue_endpoint) == (None, None, None)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("0", "takes a whole number from 1 to 20"),
        ("path=21", "takes a whole number from 1 to 20"),
        ("path", "takes a number, or facet=number for any of access, path, pull, images; 'path' is neither"),
        ("often", "takes a number, or facet=number for any of access, path, pull, images; 'often' is neither"),
        ("dns=2", "takes a number, or facet=number for any of access, path, pull, images; 'dns=2' is neither"),
    ],
)
def test_a_threshold_that_is_none_says_what_it_takes(value: str, said: str) -> None:
    assert said in refusal(FAIL_AFTER=value)


def test_every_field_is_a_setting_or_of_the_storage() -> None:
    fields = {field.name for field in msgspec.structs.fields(Settings)}
    assert fields == {setting.field for setting in SETTINGS} | {"storage", "table_endpoint", "queue_endpoint"}


@pytest.mark.parametrize(
    ("name", "value", "field", "expected"),
    [
        ("SUBSCRIPTIONS", f" {GUID} , {GUID.lower()},", "subscriptions", (GUID.lower(),)),
        ("REGISTRIES", "Shop.azurecr.io,*.example.com", "registries", ("shop.azurecr.io", "*.example.com")),
        ("FAIL_AFTER", "3", "fail_after", {"access": 3, "path": 3, "pull": 3, "images": 3}),
        ("FAIL_AFTER", " Path = 4,pull=20 ", "fail_after", {"access": 1, "path": 4, "pull": 20, "images": 2}),
        ("PASS_AFTER", "pull=2,", "pass_after", {"access": 1, "path": 1, "pull": 2, "images": 1}),
        ("PROBE", "No", "probe", False),
        ("PROBE_OTHERS", "1", "probe_others", True),
        ("REGISTRY_METRICS", "off", "registry_metrics", False),
        ("SCHEDULE", " 0 0 6 * * MON-FRI ", "schedule", "0 0 6 * * MON-FRI"),
        ("SHARD_SIZE", " 5 ", "shard_size", 5),
        ("CANARY", "Scheduled", "canary", "scheduled"),
        ("ALERT_ON", "pull, Access", "alert_on", ("pull", "access")),
        ("MAIL_TO", "Ops.Team@Example.com, ops@example.com", "mail_to", ("Ops.Team@Example.com", "ops@example.com")),
        ("MAIL_FROM", "Pullwatch@Example.com", "mail_from", ("Pullwatch@Example.com",)),
        ("ARM_ENDPOINT", "https://localhost:8443/", "arm_endpoint", "https://localhost:8443"),
        ("DOCS_URL", " https://git.example.com/pullwatch/blob/main/ ", "docs_url",
         "https://git.example.com/pullwatch/blob/main"),
        ("CONNECT_TO", "*.azurecr.io:443=localhost:8443", "connect_to",
         (ConnectTo("*.azurecr.io", 443, "localhost", 8443),)),
        ("SMTP_PASSWORD", " kept as it is ", "smtp_password", " kept as it is "),
        ("SMTP_PASSWORD", "from a file\r\n", "smtp_password", "from a file"),
        ("SMTP_HOST", " smtp.contoso.com ", "smtp_host", "smtp.contoso.com"),
        ("SMTP_HOST", "2001:db8::25", "smtp_host", "2001:db8::25"),
    ],
)  # fmt: skip
def test_a_value_is_read_into_its_type(name: str, value: str, field: str, expected: Any) -> None:
    assert getattr(loaded(**{name: value}), field) == expected


@pytest.mark.parametrize(
    ("name", "value", "takes"),
    [
        ("CLOUD", "AzureGermany", "takes one of AzurePublic, AzureChina, AzureUSGovernment"),
        ("PROBE", "maybe", "takes true or false"),
        ("SCHEDULE", "*/30 * * * *",
         "takes an NCRONTAB expression of six fields; the seconds are missing: write '0 */30 * * * *'"),
        ("SCHEDULE", "", "takes an NCRONTAB expression of six fields; write {second} {minute} {hour}"),
        ("SCHEDULE", "0 75 * * * *", "takes an NCRONTAB expression of six fields; the minute takes 0 to 59"),
        ("SHARD_SIZE", "21", "takes a whole number from 1 to 20"),
        ("SHARD_SIZE", "five", "takes a whole number from 1 to 20"),
        ("SHARD_SIZE", "-1", "takes a whole number from 1 to 20"),
        ("CANARY", "always", "takes one of off, on-demand, scheduled"),
        ("CANARY_NAMESPACE", "Not_A_Name", "takes the name of a Kubernetes namespace"),
        ("CANARY_IMAGE", "shop.azurecr.io/UPPER CASE", "takes an image reference"),
        ("SMTP_HOST", "https://smtp.contoso.com:587", "takes a host name or an address, without scheme and port"),
        ("SMTP_HOST", "smtp.contoso.com:587", "takes a host name or an address, without scheme and port"),
        ("SMTP_HOST", "a b", "takes a host name or an address, without scheme and port"),
        ("ARM_ENDPOINT", "http://localhost", "takes an https:// address"),
        ("DOCS_URL", "http://git.example.com", "takes an https:// address"),
        ("DOCS_URL", "https://git.example.com/?path=", "takes an https:// address without a query and a fragment"),
        ("DOCS_URL", "https://git.example.com/#", "takes an https:// address without a query and a fragment"),
        ("NOTIFY_DOMAINS", "none,contoso.com", "takes domains, separated by commas, or none alone"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_by_name_with_what_the_setting_takes(name: str, value: str, takes: str) -> None:
    sentence = refusal(**{name: value})
    assert sentence.startswith(f"{PREFIX}{name} {takes}")
    assert sentence.endswith(f", not {value!r}.")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SUBSCRIPTIONS", "production", "takes subscription ids, separated by commas; 'production' is none."),
        ("REGISTRIES", "a.azurecr.io,https://shop.azurecr.io",
         "takes login servers, separated by commas; 'https://shop.azurecr.io' is none."),
        ("REGISTRY_LOGS", f"{WORKSPACE}/,{WORKSPACE}/tables/a",
         f"takes auto, off, or ids of Log Analytics workspaces, separated by commas; '{WORKSPACE}/tables/a' is none."),
        ("ALERT_ON", "access,mail", "takes any of access, path, pull, images; 'mail' is none of them."),
        ("ALERT_ON", " , ",
         "takes at least one of access, path, pull, images: with none of them no mail would ever come."),
        ("MAIL_TO", "a@example.com,ops", "takes addresses, separated by commas; 'ops' is none."),
        ("MAIL_FROM", "ops", "takes one address; 'ops' is none."),
        ("MAIL_TO", ",".join(f"a{number}@example.com" for number in range(101)),
         "takes at most 100 addresses, and 101 are there: name a group's address instead."),
        ("CONNECT_TO", "localhost:443", "takes HOST:PORT=HOST:PORT, separated by commas; 'localhost:443' is none."),
        ("ROUTES", f"{GUID}=a@b.example, {GUID[:-1]}2=c@d.example",
         f"takes a semicolon between subscriptions, not a comma; see '{GUID[:-1]}2=c@d.example'."),
        ("ROUTES", f"{GUID}=" + ",".join(f"a{number}@example.com" for number in range(101)),
         "takes at most 100 addresses, and 101 are there: name a group's address instead."),
    ],
)  # fmt: skip
def test_of_a_value_with_a_wrong_part_that_part_alone_is_repeated(name: str, value: str, said: str) -> None:
    assert refusal(**{name: value}) == f"{PREFIX}{name} {said}"


def test_an_address_that_is_there_twice_counts_once_as_it_is_written_first() -> None:
    twice = "Ops@Example.com,dev@example.com,ops@example.COM"
    assert loaded(MAIL_TO=twice).mail_to == ("Ops@Example.com", "dev@example.com")
    assert loaded(ROUTES=f"{GUID}={twice}").routes == {GUID.lower(): ("Ops@Example.com", "dev@example.com")}


def test_the_most_recipients_that_are_taken_fit_the_head_of_a_message() -> None:
    longest = tuple(f"{number:064d}@{'.'.join(['e' * 60] * 3)}.com" for number in range(MAX_ADDRESSES))
    assert loaded(MAIL_TO=",".join(longest)).mail_to == longest
    assert compose(
        samples()["fail-2000-clusters"], message_id="<1@x>", sender="pw@contoso.example", recipients=longest, now=NOW
    )


def test_an_unknown_name_is_refused_with_the_nearest_known_one() -> None:
    assert refusal(SHEDULE="x").startswith("PULLWATCH_SHEDULE is no setting. Did you mean PULLWATCH_SCHEDULE?")
    assert "Did you mean" not in refusal(ZZZZZZZZZZZZZZZZZZZZZZZZ="x")
    assert load({"SHEDULE": "another program's"}) == load({})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"MAIL_TRANSPORTS": "smtp", "MAIL_TO": "ops@example.com"}, "set PULLWATCH_SMTP_HOST"),
        ({"MAIL_TRANSPORTS": "smtp", "SMTP_HOST": "mail.example.com"}, "set PULLWATCH_MAIL_TO"),
        ({"MAIL_TRANSPORTS": "graph", "MAIL_FROM": "ops@example.com"}, "names graph; set PULLWATCH_MAIL_TO"),
        ({"MAIL_TRANSPORTS": "graph", "MAIL_TO": "ops@example.com"}, "names graph; set PULLWATCH_MAIL_FROM"),
        ({"MAIL_TRANSPORTS": "folder,graph", "MAIL_TO": "ops@example.com"}, "names graph; set PULLWATCH_MAIL_FROM"),
        ({"MAIL_TRANSPORTS": "webhook"}, "names webhook; set PULLWATCH_WEBHOOK_URL"),
        ({"MAIL_TRANSPORTS": "smtp,webhook", "WEBHOOK_URL": "https://hooks.example.com/x"}, "set PULLWATCH_MAIL_TO"),
        ({"MAIL_FROM": "a@example.com,b@example.com"}, "PULLWATCH_MAIL_FROM takes exactly one address"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(given: dict[str, str], message: str) -> None:
    assert message in refusal(**given)


@pytest.mark.parametrize("marker", ["WEBSITE_SITE_NAME", "WEBSITE_INSTANCE_ID"])
def test_connections_are_not_redirected_in_azure(marker: str) -> None:
    with pytest.raises(SettingError, match="for development and refused in Azure"):
        load({"PULLWATCH_CONNECT_TO": "a.azurecr.io:443=localhost:1", marker: "app"})


SMTP = {
    "MAIL_TRANSPORTS": "smtp",
    "MAIL_TO": "ops@example.com",
    "SMTP_HOST": "mail.example.com",
    "SMTP_USER": "pullwatch",
    "SMTP_PASSWORD": PASSWORD,
}


@pytest.mark.parametrize("marker", ["WEBSITE_SITE_NAME", "WEBSITE_INSTANCE_ID"])
def test_mail_into_a_folder_alone_is_refused_in_azure_where_nobody_gets_it(marker: str) -> None:
    with pytest.raises(
        SettingError, match="names only folder, whose files nobody gets in Azure; set it to smtp or graph"
    ):
        load({marker: "app"})
    both = {PREFIX + name: value for name, value in SMTP.items()} | {"PULLWATCH_MAIL_TRANSPORTS": "folder,smtp"}
    assert load(both | {marker: "app", "AzureWebJobsStorage": STORAGE}).mail_transports == ("folder", "smtp")


@pytest.mark.parametrize(
    ("storage", "taken"),
    [
        ({}, False),
        ({"AzureWebJobsStorage__accountName": "stpullwatch"}, False),
        ({"AzureWebJobsStorage__tableServiceUri": "https://st.table.core.windows.net"}, False),
        ({"AzureWebJobsStorage__tableServiceUri": "https://st.table.core.windows.net",
          "AzureWebJobsStorage__queueServiceUri": "https://st.queue.core.windows.net"}, True),
        ({"AzureWebJobsStorage": STORAGE}, True),
    ],
)  # fmt: skip
def test_storage_by_its_account_s_name_alone_is_refused_in_azure(storage: dict[str, str], taken: bool) -> None:
    environment = {PREFIX + name: value for name, value in SMTP.items()} | {"WEBSITE_SITE_NAME": "app"} | storage
    assert isinstance(load_or_explain(environment), Settings) is taken
    if not taken:
        assert "set AzureWebJobsStorage__tableServiceUri" in str(load_or_explain(environment))


def test_storage_that_tokens_would_be_sent_to_in_the_clear_is_refused() -> None:
    uris = {
        "AzureWebJobsStorage__tableServiceUri": "http://st.table.core.windows.net",
        "AzureWebJobsStorage__queueServiceUri": "https://st.queue.core.windows.net",
    }
    with pytest.raises(SettingError, match="take https://"):
        load(uris)
    assert load(uris | {"AzureWebJobsStorage": STORAGE}).storage == STORAGE, "a connection string comes first"


def test_no_way_at_all_to_send_mail_is_refused() -> None:
    assert (
        refusal(MAIL_TRANSPORTS=" , ")
        == "PULLWATCH_MAIL_TRANSPORTS takes at least one of folder, smtp, graph, webhook."
    )


@pytest.mark.parametrize("host", ["mail.example.com", "10.0.0.25", "fd00::25"])
def test_a_sign_in_without_tls_is_refused_whose_password_others_could_read(host: str) -> None:
    sentence = refusal(**SMTP | {"SMTP_TLS": "none", "SMTP_HOST": host})
    assert "set PULLWATCH_SMTP_TLS to starttls or tls" in sentence
    assert PASSWORD not in sentence


@pytest.mark.parametrize(
    "given",
    [
        *({"SMTP_TLS": "none", "SMTP_HOST": host} for host in ("127.0.0.1", "127.1.2.3", "::1", "Localhost")),
        {"SMTP_TLS": "starttls"},
        {"SMTP_TLS": "tls"},
        {"SMTP_TLS": "none", "SMTP_USER": "", "SMTP_PASSWORD": ""},
        {"SMTP_TLS": "none", "MAIL_TRANSPORTS": "folder"},
    ],
)
def test_a_sign_in_over_tls_or_loopback_and_none_at_all_are_taken(given: dict[str, str]) -> None:
    assert loaded(**SMTP | given).mail_to == ("ops@example.com",)


WEBHOOK = "https://prod-7.westeurope.logic.azure.com:443/workflows/1/invoke?sp=%2Frun&sig=aSignatureNobodyMaySee"


@pytest.mark.parametrize("url", [WEBHOOK, "https://hooks.example.com", f" {WEBHOOK}\n", "https://xn--exmple-cua.com/a"])
def test_a_webhook_alone_needs_no_recipients_of_mail_and_keeps_its_address_as_it_is(url: str) -> None:
    settings = loaded(MAIL_TRANSPORTS="webhook", WEBHOOK_URL=url, WEBHOOK_SECRET="a secret of enough characters\n")
    assert (settings.webhook_url, settings.mail_to) == (url.strip(), ())
    assert settings.webhook_secret == "a secret of enough characters"
    assert "aSignature" not in repr(settings) and "enough" not in repr(settings)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/x",
        "hooks.example.com/x",
        "https://web:aSignatureNobodyMaySee@hooks.example.com/x",
        "https://hooks.example.com:8443/x",
        "https://hooks.example.com:port/x",
        "https://hooks.example.com/x#aSignatureNobodyMaySee",
        "https://hooks.example.com/x y",
        "https://hooks.example.com/x\r\nX: y",
        "https://hooks.exämple.com/x",
        "https://hooks/x",
        "https://localhost/x",
        "https://app.localhost/x",
        "https://metadata.google.internal/x",
        "https://printer.local/x",
        "https://hooks.corp/x",
        "https://10.0.0.4/x",
        "https://169.254.169.254/metadata",
        "https://[::1]/x",
        "https://[aSignatureNobodyMaySee/x",
        "https://2130706433/x",
        "https:///x",
        "https://hooks.example.com\\@10.0.0.4/x",
    ],
)
def test_an_address_that_no_webhook_may_have_is_refused_and_not_repeated(url: str) -> None:
    sentence = refusal(MAIL_TRANSPORTS="webhook", WEBHOOK_URL=url)
    assert sentence.startswith("PULLWATCH_WEBHOOK_URL takes an https:// address")
    assert "aSignature" not in sentence and "example" not in sentence.replace("such as hooks.example.com", "")


def test_a_secret_that_could_be_guessed_is_refused_and_not_repeated() -> None:
    sentence = refusal(WEBHOOK_SECRET="too short")
    assert sentence == "PULLWATCH_WEBHOOK_SECRET takes a secret of at least 16 characters."


def test_a_user_without_a_password_is_refused_for_it_would_not_sign_in() -> None:
    assert "set PULLWATCH_SMTP_PASSWORD too" in refusal(**SMTP | {"SMTP_PASSWORD": ""})


@pytest.mark.parametrize(
    "reference",
    [
        "@Microsoft.KeyVault(SecretUri=https://kv-a.vault.azure.net/secrets/smtp-password)",
        " @microsoft.keyvault(VaultName=kv-a;SecretName=smtp-password)",
    ],
)
@pytest.mark.parametrize("name", ["SMTP_PASSWORD", "SMTP_USER", "MAIL_TO", "WEBHOOK_URL", "WEBHOOK_SECRET"])
def test_a_key_vault_reference_that_azure_did_not_resolve_is_named_with_its_fix(name: str, reference: str) -> None:
    sentence = refusal(**SMTP | {name: reference})
    assert sentence.startswith(f"PULLWATCH_{name} is a Key Vault reference that Azure could not resolve")
    assert "Key Vault Secrets User" in sentence and "keyVaultReferenceIdentity" in sentence
    assert "kv-a" not in sentence


@pytest.mark.parametrize("name", ["MAIL_TO", "MAIL_FROM"])
@pytest.mark.parametrize(
    "address",
    [
        "ops",
        "ops@",
        "@example.com",
        "ops@@example.com",
        "ops@example..com",
        "ops@.example.com",
        "ops@-example.com",
        ".ops@example.com",
        "ops.@example.com",
        "o..ps@example.com",
        "öps@example.com",
        "ops@exämple.com",
        "Ops <ops@example.com>",
        "ops@example.com;dev@example.com",
        "ops@example.com\r\nBcc: x@example.com",
        "ops@[127.0.0.1]",
        f"{'o' * 65}@example.com",
        f"ops@{'e' * 64}.com",
        f"ops@{'.'.join(['e' * 60] * 5)}",
    ],
)
def test_an_address_that_would_fail_every_mail_is_refused(name: str, address: str) -> None:
    assert f"PULLWATCH_{name} takes " in refusal(**{name: address})


@pytest.mark.parametrize(
    "address",
    ["o'neil+k8s@example.com", "a.b-c_d@xn--exmple-cua.com", "root@localhost", "A@1.example", "x!#$%&*/=?^`{|}~@b"],
)
def test_an_address_of_any_form_that_mail_servers_take_is_one_that_a_mail_can_carry(address: str) -> None:
    settings = loaded(MAIL_FROM=address, MAIL_TO=address)
    message = EmailMessage()
    message["From"] = Address("Pullwatch", addr_spec=settings.mail_from[0])
    message["To"] = ", ".join(settings.mail_to)
    read = email.message_from_bytes(message.as_bytes(), policy=email.policy.default)
    assert [one.addr_spec for one in (*read["From"].addresses, *read["To"].addresses)] == [address, address]


def test_what_is_wrong_is_told_in_place_of_settings_by_whoever_has_to_go_on() -> None:
    assert load_or_explain({}) == load({})
    assert load_or_explain({"PULLWATCH_SHARD_SIZE": "21"}) == UnusableSettings(
        "PULLWATCH_SHARD_SIZE takes a whole number from 1 to 20, not '21'."
    )


def test_no_secret_shows_in_a_representation() -> None:
    settings = load({"PULLWATCH_SMTP_PASSWORD": PASSWORD, "AzureWebJobsStorage": STORAGE})
    assert (settings.smtp_password, settings.storage) == (PASSWORD, STORAGE)
    for shown in (repr(settings), str(settings), f"{[settings]}", str(settings.__rich_repr__())):
        assert PASSWORD not in shown
        assert KEY not in shown
        assert "smtp_port" in shown


def test_a_secret_that_is_not_set_shows_as_not_set() -> None:
    assert "smtp_password=''" in repr(load({}))
    assert "storage=None" in repr(load({}))


def test_the_value_of_a_secret_setting_is_in_no_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(value: str) -> str:
        raise SettingError("takes something else")

    secret = next(setting for setting in SETTINGS if setting.name == "SMTP_PASSWORD")
    monkeypatch.setattr("checks.settings.SETTINGS", (msgspec.structs.replace(secret, read=refuse),))
    assert refusal(SMTP_PASSWORD=PASSWORD) == "PULLWATCH_SMTP_PASSWORD takes something else."


@pytest.mark.parametrize("name", ["ARM_ENDPOINT", "GRAPH_ENDPOINT", "CLOUD", "SCHEDULE", "CONNECT_TO", "REGISTRIES"])
@pytest.mark.parametrize(
    "value",
    [
        f"https://web:{PASSWORD}@contoso.example",
        f"https://:{PASSWORD}@contoso.example",
        f"https://[web:{PASSWORD}@contoso.example",
        f"https://web:{PASSWORD * 9}@contoso.example",
        f"password={PASSWORD}",
        STORAGE,
    ],
)
def test_a_refusal_repeats_no_secret(name: str, value: str) -> None:
    text = refusal(**{name: value})
    assert text.startswith(PREFIX + name) and "hunter2" not in text and KEY not in text


def test_a_service_uri_with_a_signature_does_not_show_it() -> None:
    given = {"AzureWebJobsStorage__tableServiceUri": f"https://x.table.core.windows.net/?sv=2024&sig={KEY}"}
    settings = load(given)
    assert settings.table_endpoint == given["AzureWebJobsStorage__tableServiceUri"]
    assert KEY not in repr(settings) and "x.table.core.windows.net" in repr(settings)
