"""Settings: defaults, values that are refused and what is said of them, and that no secret shows."""

from typing import Any

import msgspec
import pytest

from checks.settings import PREFIX, SETTINGS, ConnectTo, SettingError, Settings, load

GUID = "11111111-1111-4111-8111-11111111ABCD"
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


def test_every_field_is_a_setting_or_of_the_storage() -> None:
    fields = {field.name for field in msgspec.structs.fields(Settings)}
    assert fields == {setting.field for setting in SETTINGS} | {"storage", "table_endpoint", "queue_endpoint"}


@pytest.mark.parametrize(
    ("name", "value", "field", "expected"),
    [
        ("SUBSCRIPTIONS", f" {GUID} , {GUID.lower()},", "subscriptions", (GUID.lower(),)),
        ("REGISTRIES", "Shop.azurecr.io,*.example.com", "registries", ("shop.azurecr.io", "*.example.com")),
        ("PROBE", "No", "probe", False),
        ("PROBE_OTHERS", "1", "probe_others", True),
        ("SCHEDULE", " 0 0 6 * * MON-FRI ", "schedule", "0 0 6 * * MON-FRI"),
        ("SHARD_SIZE", " 5 ", "shard_size", 5),
        ("CANARY", "Scheduled", "canary", "scheduled"),
        ("ALERT_ON", "pull, Access", "alert_on", ("pull", "access")),
        ("MAIL_TO", "Ops.Team@Example.com, ops@example.com", "mail_to", ("Ops.Team@Example.com", "ops@example.com")),
        ("MAIL_FROM", "Pullwatch@Example.com", "mail_from", ("Pullwatch@Example.com",)),
        ("ARM_ENDPOINT", "https://localhost:8443/", "arm_endpoint", "https://localhost:8443"),
        ("CONNECT_TO", "*.azurecr.io:443=localhost:8443", "connect_to",
         (ConnectTo("*.azurecr.io", 443, "localhost", 8443),)),
        ("SMTP_PASSWORD", " kept as it is ", "smtp_password", " kept as it is "),
    ],
)  # fmt: skip
def test_a_value_is_read_into_its_type(name: str, value: str, field: str, expected: Any) -> None:
    assert getattr(loaded(**{name: value}), field) == expected


@pytest.mark.parametrize(
    ("name", "value", "takes"),
    [
        ("CLOUD", "AzureGermany", "takes one of AzurePublic, AzureChina, AzureUSGovernment"),
        ("SUBSCRIPTIONS", "production", "takes subscription ids, separated by commas; 'production' is none"),
        ("REGISTRIES", "https://shop.azurecr.io", "takes login servers"),
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
        ("ALERT_ON", "access,mail", "takes any of access, path, pull, images; 'mail' is none of them"),
        ("MAIL_TO", "ops", "takes addresses, separated by commas; 'ops' is none"),
        ("ARM_ENDPOINT", "http://localhost", "takes an https:// address"),
        ("CONNECT_TO", "localhost:443", "takes HOST:PORT=HOST:PORT"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_by_name_with_what_the_setting_takes(name: str, value: str, takes: str) -> None:
    sentence = refusal(**{name: value})
    assert sentence.startswith(f"{PREFIX}{name} {takes}")
    assert sentence.endswith(f", not {value!r}.")


def test_an_unknown_name_is_refused_with_the_nearest_known_one() -> None:
    assert refusal(SHEDULE="x").startswith("PULLWATCH_SHEDULE is no setting. Did you mean PULLWATCH_SCHEDULE?")
    assert "Did you mean" not in refusal(ZZZZZZZZZZZZZZZZZZZZZZZZ="x")
    assert load({"SHEDULE": "another program's"}) == load({})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"MAIL_TRANSPORTS": "smtp", "MAIL_TO": "ops@example.com"}, "set PULLWATCH_SMTP_HOST"),
        ({"MAIL_TRANSPORTS": "smtp", "SMTP_HOST": "mail.example.com"}, "set PULLWATCH_MAIL_TO"),
        ({"MAIL_FROM": "a@example.com,b@example.com"}, "PULLWATCH_MAIL_FROM takes exactly one address"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(given: dict[str, str], message: str) -> None:
    assert message in refusal(**given)


def test_connections_are_not_redirected_in_azure() -> None:
    with pytest.raises(SettingError, match="does not start with it in Azure"):
        load({"PULLWATCH_CONNECT_TO": "a.azurecr.io:443=localhost:1", "WEBSITE_SITE_NAME": "app"})


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
