"""``silence`` and ``ack`` on real storage, as somebody types them: what is kept, what is refused, and races of two."""

import asyncio
import base64
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import msgspec
import pytest

from checks import settings
from checks.cli.silences.author import claims_of, signed_in
from checks.findings import ClusterReport
from checks.history.decide import FACETS, Policy, decide
from checks.history.model import RunRef
from checks.history.table.store import open_store
from checks.silences import MAX_AUTHOR, MAX_REASON, Matchers, Silence, SilenceKind
from tests.support import said
from tests.support.broken_rows import damage_text
from tests.support.cli import command
from tests.support.reports import CLUSTER, REGISTRY, facet, report

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
GUID = CLUSTER.split("/")[2]
OTHER = f"{CLUSTER}2"
FAILING = Policy(fail_after=dict.fromkeys(FACETS, 1))
WHY = ("--reason", "maintenance", "--for", "4h")


class Said(said.Said):
    """What a command said of silences."""

    @property
    def silences(self) -> list[dict[str, Any]]:
        """The silences in its JSON."""
        listed: list[dict[str, Any]] = self.json["silences"]
        return listed


def looked(storage: str, *reports: ClusterReport) -> None:
    """Looks at clusters, committed."""

    async def commit() -> None:
        async with open_store(connection_string=storage) as store:
            await store.ensure_tables()
            for seen in reports:
                decision = decide(None, seen, RunRef("run-1", 1), FAILING, NOW)
                await store.commit(decision, seen, None)

    asyncio.run(commit())


def test_a_silence_is_made_listed_and_ended(storage: str) -> None:
    made = Said(storage, "silence", "add", "--registry", "ACROne", "--code", "pw101", *WHY, "--author", "kim",
                "--output", "json")  # fmt: skip
    assert (made.code, made.errors) == (0, "pullwatch: nothing that fails now matches it\n")
    (one,) = made.silences
    assert one["matchers"] == {"registry": REGISTRY, "code": "PW101"}
    assert (one["kind"], one["author"], one["reason"], one["state"]) == ("silence", "kim", "maintenance", "active")
    created, until = datetime.fromisoformat(one["created"]), datetime.fromisoformat(one["until"])
    assert abs(created - datetime.now(UTC)) < timedelta(minutes=1)
    assert until - created == timedelta(hours=4)

    assert Said(storage, "silence", "list", "--output", "json").silences == [one]
    table = Said(storage, "silence", "list")
    assert all(word in table.out for word in (one["id"], "kim", "maintenance", REGISTRY, f"{until:%Y-%m-%d %H:%M}"))

    ended = Said(storage, "silence", "end", one["id"].upper(), "--output", "json")
    assert (ended.code, ended.silences[0]["state"]) == (0, "over")
    assert Said(storage, "silence", "end", one["id"], "--output", "json").silences == ended.silences, "a repeat"
    assert Said(storage, "silence", "list", "--output", "json").silences == []
    assert Said(storage, "silence", "list", "--all", "--output", "json").silences == ended.silences


def test_nothing_is_there_at_first_and_nothing_else_can_be_ended(storage: str) -> None:
    assert Said(storage, "silence", "list", "--output", "json").silences == []
    unknown = Said(storage, "silence", "end", "abcdef01")
    assert (unknown.code, unknown.out, unknown.errors) == (1, "", "pullwatch: there is no silence abcdef01\n")


@pytest.mark.parametrize(("length", "span"), [
    ("1m", timedelta(minutes=1)), ("30M", timedelta(minutes=30)), ("4h", timedelta(hours=4)),
    ("720h", timedelta(days=30)), ("30d", timedelta(days=30)),
])  # fmt: skip
def test_durations(storage: str, length: str, span: timedelta) -> None:
    (one,) = Said(storage, "silence", "add", "--cluster", "aks-1", "--reason", "x", "--for", length,
                  "--output", "json").silences  # fmt: skip
    assert datetime.fromisoformat(one["expires"]) - datetime.fromisoformat(one["created"]) == span


@pytest.mark.parametrize(("arguments", "wrong"), [
    (["--cluster", "a", "--reason", "x", "--for", "31d"], "'31d' is longer than a silence may last: at most 30d"),
    (["--cluster", "a", "--reason", "x", "--for", "721h"], "'721h' is longer than"),
    (["--cluster", "a", "--reason", "x", "--for", "999999d"], "'999999d' is longer than"),
    (["--cluster", "a", "--reason", "x", "--for", "0h"], "'0h' is no duration: 30m, 4h and 2d are"),
    (["--cluster", "a", "--reason", "x", "--for", "4"], "'4' is no duration"),
    (["--cluster", "a", "--reason", "x", "--for", "4h30m"], "'4h30m' is no duration"),
    (["--cluster", "a", "--reason", "x", "--for=-4h"], "'-4h' is no duration"),
    (["--cluster", "a", "--reason", "x"], "the following arguments are required: --for"),
    (["--cluster", "a", "--for", "4h"], "the following arguments are required: --reason"),
    (["--cluster", "a", "--for", "4h", "--reason", " "], f"--reason: takes 1 to {MAX_REASON} characters"),
    (["--cluster", "a", "--for", "4h", "--reason", "x" * 301], f"--reason: takes 1 to {MAX_REASON} characters"),
    ([*WHY, "--cluster", "a", "--author", "x" * 101], f"--author: takes 1 to {MAX_AUTHOR} characters"),
    ([*WHY], "name what it is of: --cluster, --registry, --subscription, --code or --cause."),
    ([*WHY, "--cluster", "a/b"], "'a/b' is neither the name nor the ARM id of a cluster"),
    ([*WHY, "--cluster", "/subscriptions/x"], "is neither the name nor the ARM id of a cluster"),
    ([*WHY, "--cluster", "aks-*"],
     "'aks-*' is no cluster: there are no wildcards, and --registry, --subscription or --cause match many clusters"),
    ([*WHY, "--registry", "acr*"], "'acr*' is no registry's name or login server"),
    ([*WHY, "--cluster", ""], "'' is neither the name nor the ARM id of a cluster"),
    ([*WHY, "--subscription", "prod"], "'prod' is no subscription id"),
    ([*WHY, "--registry", "https://acr.example"], "is no registry's name or login server"),
    ([*WHY, "--code", "PW999"], "'PW999' is no check: `pullwatch list` shows them"),
    ([*WHY, "--cause", "a b"], "'a b' is no cause"),
    ([*WHY, "--cluster", "\x1b[31m/x"], "'[31m/x' is neither"),
])  # fmt: skip
@pytest.mark.parametrize("verb", [["silence", "add"], ["ack"]], ids=["silence", "ack"])
def test_what_cannot_be_meant_is_refused(storage: str, verb: list[str], arguments: list[str], wrong: str) -> None:
    said = Said(storage, *verb, *arguments)
    assert said.code == 64
    assert wrong in said.errors
    assert "\x1b" not in said.errors
    assert Said(storage, "silence", "list", "--output", "json").silences == []


def test_without_a_storage_it_says_which_settings_name_it() -> None:
    said = Said(None, "silence", "list")
    assert said.code == 64
    assert "set AzureWebJobsStorage, or AzureWebJobsStorage__tableServiceUri" in said.errors


@pytest.mark.parametrize(("environment", "said"), [
    ({"AzureWebJobsStorage": "hunter2"}, "AzureWebJobsStorage is no connection string of a storage account."),
    ({"AzureWebJobsStorage": "AccountName=hunter2"},
     "AzureWebJobsStorage is no connection string of a storage account."),
    ({"AzureWebJobsStorage": "DefaultEndpointsProtocol=https;AccountName=st;AccountKey=hunter2"},
     "AzureWebJobsStorage has a malformed AccountKey: it is not base64"),
    ({"AzureWebJobsStorage": "DefaultEndpointsProtocol=https;AccountName=st;AccountKey=hunter2!; EndpointSuffix=x"},
     "AzureWebJobsStorage has a malformed AccountKey: it is not base64"),
    ({"AzureWebJobsStorage__tableServiceUri": "https:///hunter2"},
     "AzureWebJobsStorage__tableServiceUri is not the address of a storage account."),
])  # fmt: skip
def test_a_malformed_setting_of_the_storage_is_wrong_usage_and_not_repeated(
    environment: dict[str, str], said: str
) -> None:
    for arguments in (["silence", "list"], ["silence", "end", "abcdef01"], ["silence", "add", "--cluster", "a", *WHY]):
        told = Said(None, *arguments, **environment)
        assert (told.code, told.out) == (64, "")
        assert told.errors.startswith(f"pullwatch: {said}")
        assert "hunter2" not in told.errors


@pytest.mark.parametrize(("cause", "said"), [
    ("role_missing", "no cause is called role_missing: did you mean role-missing?\n"),
    ("zzz", "no cause is called zzz: docs/causes.md lists them all\n"),
    ("role-missing", ""), ("look-not-allowed", ""), ("more-registries", ""), ("not-listed", ""),
    ("image_not_found", ""),
])  # fmt: skip
def test_of_a_cause_that_is_none_it_is_said_with_the_nearest_that_is(storage: str, cause: str, said: str) -> None:
    added = Said(storage, "silence", "add", "--cause", cause, *WHY)
    assert (added.code, added.errors.partition("\n")[2]) == (0, f"pullwatch: {said}" if said else "")
    acknowledged = Said(storage, "ack", "--cause", cause, *WHY)
    assert (acknowledged.code, acknowledged.errors.partition("\n")[2]) == (1, f"pullwatch: {said}" if said else "")


def test_a_storage_that_does_not_answer_is_no_traceback() -> None:
    dead = (
        "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;"
        f"AccountKey={base64.b64encode(b'k' * 64).decode()};TableEndpoint=http://127.0.0.1:9/devstoreaccount1;"
    )
    said = Said(dead, "silence", "end", "abcdef01")
    assert said.code == 2
    assert said.errors.startswith("pullwatch: the storage did not answer: ")
    assert "Traceback" not in said.errors


def test_hostile_words_are_kept_as_one_line_without_secrets_and_shown_as_text(storage: str) -> None:
    key = "AccountKey=" + "Q" * 86 + "=="
    made = Said(storage, "silence", "add", "--cluster", "aks-1", "--for", "4h", "--author", "[red]kim\x1b[2J",
                "--reason", f"<b>[bold]\r\nBcc: x@evil.example {key}\u202e")  # fmt: skip
    assert made.code == 0
    assert "\x1b" not in made.out
    assert "\u202e" not in made.out
    assert "[red]kim" in made.out
    (one,) = Said(storage, "silence", "list", "--output", "json").silences
    assert one["reason"].startswith("<b>[bold]  Bcc: x@evil.example ")
    assert "QQQQ" not in made.out + json.dumps(one)


def test_a_row_that_cannot_be_read_is_said(storage: str) -> None:
    (one,) = Said(storage, "silence", "add", "--cluster", "aks-1", *WHY, "--output", "json").silences
    Said(storage, "silence", "add", "--cluster", "aks-2", *WHY)
    damage_text(storage, "silence", "silence", f"silence|{one['id']}")
    listed = Said(storage, "silence", "list", "--output", "json")
    assert listed.code == 2
    assert f"silence|{one['id']} cannot be read, and silences nothing" in listed.errors
    assert [row["row"] for row in json.loads(listed.out)["unreadable"]] == [f"silence|{one['id']}"]
    assert [kept["matchers"] for kept in listed.silences] == [{"cluster": "aks-2"}]
    assert Said(storage, "silence", "end", one["id"]).code == 2


# ---- who asks ----------------------------------------------------------------------------------------------------


def token(claims: object) -> str:
    return ".".join(["e30", base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("="), "s"])


@pytest.mark.parametrize(("text", "claims"), [
    (token({"upn": "kim@contoso.example", "oid": "o"}), {"upn": "kim@contoso.example", "oid": "o"}),
    (token([1]), {}), ("", {}), ("a.b", {}), ("a.!.c", {}), ("a.//8.c", {}), ("a.äöü.c", {}),
])  # fmt: skip
def test_a_token_says_who_it_was_given_to_or_nothing(text: str, claims: dict[str, Any]) -> None:
    assert claims_of(text) == claims


class SignedIn:
    """The part of ``Azure`` that says who asks."""

    def __init__(self, text: str) -> None:
        self.scopes: list[str] = []
        self._text = text

    async def token(self, scope: str) -> str:
        """The token that was given."""
        self.scopes.append(scope)
        return self._text


@pytest.mark.parametrize(("claims", "who"), [
    ({"upn": "kim@contoso.example", "unique_name": "other", "oid": "o"}, "kim@contoso.example"),
    ({"unique_name": "kim@contoso.example", "appid": "a"}, "kim@contoso.example"),
    ({"appid": "a-b", "oid": "o"}, "a-b"),
    ({"upn": "", "oid": "o"}, "o"),
    ({"upn": "k" * 500}, "k" * MAX_AUTHOR),
    ({"aud": "x"}, "user-of-the-system"),
])  # fmt: skip
def test_with_an_identity_the_author_is_whom_its_token_was_given_to(claims: dict[str, str], who: str) -> None:
    loaded = settings.load({"AzureWebJobsStorage__tableServiceUri": "https://x.table.core.windows.net"})
    azure = SignedIn(token(claims))
    with mock.patch("getpass.getuser", return_value="user-of-the-system"):
        assert asyncio.run(signed_in(loaded, azure)) == who  # type: ignore[arg-type]
    assert azure.scopes == ["https://storage.azure.com/.default"]


def test_with_a_connection_string_the_author_is_who_is_signed_in_to_the_system(storage: str) -> None:
    arguments = ("silence", "add", "--cluster", "aks-1", *WHY, "--output", "json")
    with mock.patch("getpass.getuser", return_value="kim"):
        assert Said(storage, *arguments).silences[0]["author"] == "kim"
    with mock.patch("getpass.getuser", side_effect=KeyError("no name")):
        assert Said(storage, *arguments).silences[0]["author"] == "unknown"


# ---- acknowledgements --------------------------------------------------------------------------------------------


def test_what_fails_now_is_acknowledged_for_each_cause(storage: str) -> None:
    both = msgspec.structs.replace(report("fail").registries[0], pull=facet("fail", "image-pull-401"))
    looked(storage, msgspec.structs.replace(report("fail"), registries=(both,)), report("fail", cluster=OTHER))
    made = Said(storage, "ack", "--cluster", "AKS-1", *WHY, "--output", "json")
    assert made.code == 0
    assert {json.dumps(one["matchers"]) for one in made.silences} == {
        json.dumps({"cluster": CLUSTER, "registry": REGISTRY, "cause": cause})
        for cause in ("role-missing", "image-pull-401")
    }
    assert {one["kind"] for one in made.silences} == {"ack"}


@pytest.mark.parametrize(("arguments", "expected"), [
    (["--registry", REGISTRY], {"registry": REGISTRY, "cause": "role-missing"}),
    (["--registry", "acrone", "--subscription", GUID],
     {"subscription": GUID, "registry": REGISTRY, "cause": "role-missing"}),
    (["--cause", "Role-Missing"], {"registry": REGISTRY, "cause": "role-missing"}),
    (["--code", "PW102", "--cluster", CLUSTER.upper()],
     {"cluster": CLUSTER, "registry": REGISTRY, "cause": "role-missing"}),
])  # fmt: skip
def test_an_acknowledgement_is_of_exactly_what_fails(
    storage: str, arguments: list[str], expected: dict[str, str]
) -> None:
    looked(storage, report("fail"), report("fail", cluster=OTHER), report("pass", cluster=f"{CLUSTER}3"))
    (one,) = Said(storage, "ack", *arguments, *WHY, "--output", "json").silences
    assert one["matchers"] == expected


@pytest.mark.parametrize("arguments", [
    ["--cluster", "aks-3"], ["--cluster", f"{CLUSTER}3"], ["--cluster", f"{CLUSTER}4"], ["--registry", "acrtwo"],
    ["--cause", "another"], ["--code", "PW101"], ["--subscription", GUID.replace("1", "2")],
])  # fmt: skip
def test_what_does_not_fail_cannot_be_acknowledged(storage: str, arguments: list[str]) -> None:
    looked(storage, report("fail"), report("pass", cluster=f"{CLUSTER}3"))
    said = Said(storage, "ack", *arguments, *WHY)
    assert said.code == 1
    assert said.errors.startswith("pullwatch: nothing fails now that matches ")
    assert Said(storage, "silence", "list", "--output", "json").silences == []


def test_more_than_anybody_can_mean_is_not_acknowledged(storage: str) -> None:
    looked(storage, *(report("fail", cause=f"cause-{n}", cluster=f"{CLUSTER}{n}") for n in range(21)))
    said = Said(storage, "ack", "--registry", REGISTRY, *WHY)
    assert said.code == 64
    assert "21 failures match, and 20 at once may be: say more precisely." in said.errors
    assert Said(storage, "silence", "list", "--output", "json").silences == []


def test_a_silence_says_how_much_it_matches_now(storage: str) -> None:
    looked(storage, report("fail"), report("fail", cluster=OTHER))
    said = Said(storage, "silence", "add", "--registry", REGISTRY, *WHY)
    assert said.errors == "pullwatch: 4 answers that fail now match it\n"


# ---- two at once -------------------------------------------------------------------------------------------------


async def test_two_processes_that_end_one_silence_both_find_it_over(storage: str) -> None:
    async with open_store(connection_string=storage) as store:
        await store.ensure_tables()
        now = datetime.now(UTC)
        made = Silence(id="abcdef01", kind=SilenceKind.SILENCE, matchers=Matchers(registry=REGISTRY), author="kim",
                       reason="why", created=now, expires=now + timedelta(hours=4))  # fmt: skip
        await store.add_silence(made)
        arguments = ("silence", "end", "abcdef01", "--output", "json")
        with ThreadPoolExecutor(4) as pool:
            done = list(pool.map(lambda _: command({"AzureWebJobsStorage": storage}, *arguments), range(4)))
        assert [one.returncode for one in done] == [0] * 4, [one.stderr for one in done]
        untils = {json.loads(one.stdout)["silences"][0]["until"] for one in done}
        stored = await store.load_silence("abcdef01")
        assert stored is not None
        assert {datetime.fromisoformat(until) for until in untils} == {stored.silence.ended}
