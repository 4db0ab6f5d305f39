"""A registry that cannot use its key: what its row says, beside roles, secrets, paths, pulls and canaries."""

from __future__ import annotations

from typing import Any

import pytest

from checks.facts import ClusterFacts, NotSeen, NotSeenReason, Registry
from checks.facts.encryption import EncryptionReads
from checks.facts.registry_log import LoggedCall, RegistryLog
from checks.findings import ClusterReport, Fail, Finding, RegistryRow, word
from checks.report.chain.build import chain_of_row
from checks.report.cluster_report import build_report
from checks.report.outcome import outcome_of
from checks.report.pull_verdict import NodeReports, proofs_about, pull_facet
from tests.report.test_pull_verdict import canary
from tests.support import access_facts as base
from tests.support import customer_key as own
from tests.support.chain_properties import agreeing_chain
from tests.support.image_facts import ACR, NO_ROLE, WEB, container, entry, pulled, secret, use_of, workloads
from tests.support.logged_calls import UNTIL, Place
from tests.support.logged_calls import entry as logged
from tests.support.network_world import HOST, World
from tests.support.tenant_builder import object_id

TOKEN_403 = (
    f"failed to authorize: failed to fetch oauth token: unexpected status from GET request to https://{ACR}/oauth2/token"
    f"?scope=repository%3Ateam%2Fweb%3Apull&service={ACR}: 403 Forbidden"
)
BY_ADDRESS = (
    f"{TOKEN_403}: denied: client with IP '20.50.60.70' is not allowed access. Refer https://aka.ms/acr/firewall"
)
UNAUTHORIZED = TOKEN_403.replace("403 Forbidden", "401 Unauthorized")
DISABLED = own.reads(key=own.key(enabled=False))
EXPIRED = own.reads(key=own.key(exp=1))
NOT_FOUND = NotSeen(NotSeenReason.NOT_FOUND, "no key vault kv-images is in the subscriptions that can be seen")
UNSEEN = own.reads(vault=NOT_FOUND, key=None)


def facts(encryption: EncryptionReads, *pods: Any, shown: Registry | None = None, world: World | None = None,
          events: Any = (), **over: Any) -> ClusterFacts:  # fmt: skip
    """A world's cluster that uses the encrypted registry; AcrPull is held."""
    there = (world or World()).facts()
    registry = there.uses[0].registry
    assert not isinstance(registry, NotSeen) and HOST == ACR
    encrypted = shown or own.registry()
    mixed = base.changed(registry.value, encryption=encrypted.encryption, identity=encrypted.identity)
    mixed = base.changed(mixed, anonymous_pull=encrypted.anonymous_pull or False)
    held = base.held(base.ACR_PULL, mixed.id, principal_id=object_id("aks-1"))
    given: dict[str, Any] = {
        "workloads": workloads(*pods, events=events),
        "uses": (use_of(ACR, list(pods), base.seen(mixed)),),
        "authorization": {base.SUBSCRIPTION: base.authorization(held)},
        "encryption": {ACR: encryption},
    }
    return base.changed(there, **(given | over))


def waiting(text: str, **over: Any) -> Any:
    return container(WEB, waiting_reason="ErrImagePull", waiting_message=text, **over)


def reported(shown: ClusterFacts) -> tuple[ClusterReport, RegistryRow]:
    """The report and the registry's row, whose chain agrees with it."""
    report = build_report(shown)
    row = next(row for row in report.registries if row.registry == ACR)
    agreeing_chain(report, row)
    return report, row


def of(shown: ClusterFacts) -> tuple[str, str, str, str]:
    """Verdict and cause of access and pull."""
    row = reported(shown)[1]
    return word(row.access.verdict), row.access.cause, word(row.pull.verdict), row.pull.cause


# access --------------------------------------------------------------------------------------------------------------


def test_a_key_that_is_disabled_fails_access_and_pull_with_its_command() -> None:
    shown = facts(DISABLED, container())
    assert of(shown) == ("fail", "key-disabled", "fail", "key-disabled")
    row = reported(shown)[1]
    assert row.pull.decided_by == ("PW108",)
    assert row.fix[0].startswith("az keyvault key set-attributes")


def test_the_chain_breaks_at_the_registry() -> None:
    report, row = reported(facts(DISABLED, container()))
    assert [link.step.value for link in chain_of_row(report, row).broken] == ["registry"]


@pytest.mark.parametrize("encryption", [UNSEEN, own.reads(vault=base.REFUSED, key=None), own.reads(key=base.REFUSED)])
def test_what_is_not_known_of_a_key_leaves_the_row_as_it_is(encryption: EncryptionReads) -> None:
    shown = facts(encryption, container(), events=[pulled()])
    assert of(shown) == ("pass", "role-held", "pass", "pulled")
    report, _ = reported(shown)
    assert "unknown" in {word(one.verdict) for one in report.findings if one.code == "PW108"}
    without = facts(own.reads(), container(), events=[pulled()])
    assert outcome_of(report) == outcome_of(reported(without)[0])


def test_a_warning_of_a_key_fails_no_row() -> None:
    assert of(facts(EXPIRED, container()))[:2] == ("pass", "role-held")


@pytest.mark.parametrize(
    "over",
    [
        {"authorization": NO_ROLE},
        {"pull_secrets": secret(entry())},
        {"authorization": NO_ROLE, "pull_secrets": secret(entry())},
    ],
    ids=["no role", "a secret", "a secret alone"],
)
def test_a_registry_that_cannot_use_its_key_refuses_whoever_asks(over: dict[str, Any]) -> None:
    assert of(facts(DISABLED, container(WEB, "regcred"), **over))[:2] == ("fail", "key-disabled")


def test_it_refuses_even_where_everybody_may_pull() -> None:
    shown = base.changed(own.registry(), anonymous_pull=True)
    assert of(facts(own.reads(), container(), shown=shown, authorization=NO_ROLE))[0] == "pass"
    assert of(facts(DISABLED, container(), shown=shown, authorization=NO_ROLE))[:2] == ("fail", "key-disabled")


# pulls that fail -----------------------------------------------------------------------------------------------------


def test_a_403_without_an_address_is_the_keys() -> None:
    shown = facts(DISABLED, waiting(TOKEN_403))
    assert of(shown) == ("fail", "key-disabled", "fail", "key-disabled")
    row = reported(shown)[1]
    assert row.pull.decided_by == ("PW108", "PW301")
    assert any("PW108 explains it: acrone is encrypted with the key registry-key" in one for one in row.disagreements)


def test_a_403_that_names_an_address_is_the_firewalls() -> None:
    assert of(facts(DISABLED, waiting(BY_ADDRESS)))[2:] == ("fail", "firewall_denied")


def test_a_403_where_the_path_fails_too_is_not_settled_by_the_key() -> None:
    shown = facts(DISABLED, waiting(TOKEN_403), world=World().deny("192.0.2.1"))
    assert of(shown)[2:] == ("fail", "firewall_denied")


def test_a_401_is_not_the_keys() -> None:
    assert of(facts(DISABLED, waiting(UNAUTHORIZED)))[2:] == ("fail", "unauthorized")


@pytest.mark.parametrize(
    ("encryption", "words"),
    [
        (UNSEEN, "PW108 says of the key: Whether acrone can use the key registry-key"),
        (EXPIRED, "PW108 says of the key: The key registry-key of the vault kv-images expired"),
    ],
)
def test_a_403_names_the_doubt_about_the_key(encryption: EncryptionReads, words: str) -> None:
    row = reported(facts(encryption, waiting(TOKEN_403)))[1]
    (sentence,) = row.disagreements
    assert "or a registry that cannot use its customer-managed key, answers so too" in sentence
    assert words in sentence


def test_a_403_of_a_registry_whose_key_is_in_order_is_not_the_keys() -> None:
    (sentence,) = reported(facts(own.reads(), waiting(TOKEN_403)))[1].disagreements
    assert "key" not in sentence


@pytest.mark.parametrize(
    ("encryption", "words"),
    [
        (own.reads(), "or a condition keeps it from this repository."),
        (UNSEEN, "or the registry cannot use its key, of which PW108 says: Whether acrone can use the key"),
        (EXPIRED, "or a condition keeps it from this repository."),
        (DISABLED, "PW108 explains a 403: acrone is encrypted with the key registry-key"),
    ],
    ids=["in order", "unseen", "expired", "disabled"],
)
def test_a_logged_refusal_names_the_key_only_where_it_may_be_out_of_use(
    encryption: EncryptionReads, words: str
) -> None:
    place = Place(name="aks-1", number=1, exit="balancer")
    refused = logged(place, 403, kind="pull", repository="team/web", tag="1")
    calls = (LoggedCall(refused, "its kubelet identity"),)
    log = {ACR: base.seen(RegistryLog("2026-11-29T06:00:00Z", UNTIL, calls))}
    row = reported(facts(encryption, registry_logs=log, workloads=base.REFUSED))[1]
    (sentence,) = (one for one in row.disagreements if "although PW102 finds its role" in one)
    assert words in sentence
    assert ("key" in sentence) == (encryption in (UNSEEN, DISABLED))


# proofs --------------------------------------------------------------------------------------------------------------


def test_a_pull_within_the_hour_contradicts_a_key_that_is_disabled() -> None:
    shown = facts(DISABLED, container(), events=[pulled(last_seen="2026-11-24T11:30:00Z")])
    assert of(shown)[2:] == ("fail", "key-disabled")
    assert "goes on for up to an hour after it lost its key" in "".join(reported(shown)[1].disagreements)


def test_an_older_pull_says_nothing_of_it() -> None:
    shown = facts(DISABLED, container(), events=[pulled(last_seen="2026-11-24T10:30:00Z")])
    assert of(shown)[2:] == ("fail", "key-disabled")
    assert reported(shown)[1].disagreements == ()


def canaries(*findings: Finding) -> Any:
    report, row = reported(facts(DISABLED, container()))
    on_path = [one for one in report.findings if one.code in row.path.decided_by]
    return pull_facet(row.access, row.path, on_path, NodeReports((), (), ()), proofs_about(findings, ACR, None))[0]


def test_a_canary_that_is_answered_403_fails_for_the_key() -> None:
    pull = canaries(canary("firewall_denied"))
    assert (word(pull.verdict), pull.cause, pull.decided_by) == ("fail", "key-disabled", ("PW108", "PW305"))


def test_a_canary_that_gets_no_connection_does_not() -> None:
    pull = canaries(canary("connect_timeout"))
    assert isinstance(pull.verdict, Fail) and pull.cause == "connect_timeout"
