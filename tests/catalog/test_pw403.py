"""PW403: cache rules that the cluster's images come by, and the health of their credentials."""

from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.catalog import judge_with, pw403_artifact_cache
from checks.catalog.pw403_artifact_cache import vault_of
from checks.facts import NotSeen, NotSeenReason
from checks.findings import Finding, Severity
from checks.rules.azure import artifact_cache
from tests.support import access_facts as base
from tests.support.access_facts import REFUSED, only, seen, verdict
from tests.support.performance_facts import ACR, CREDENTIALS, NONE, credentials, facts, performance, rule, unseen

judge = partial(judge_with, (pw403_artifact_cache,))

IMAGES = (base.image("hub/nginx"), base.image("team/web"))
FORBIDDEN = {
    "error_code": "Forbidden",
    "error": "The identity does not have secrets get permission on key vault 'kv-one'.",
    "secret": "https://kv-one.vault.azure.net/secrets/password",
}


def judged(*rules: Any, sets: Any = NONE, images: Any = IMAGES, **over: Any) -> Finding:
    own_registry_performance = performance(cache_rules=seen(rules), credential_sets=sets)
    given_ = {"workloads": seen(None), "performance": {ACR: own_registry_performance}}
    return only(judge(facts(images=images, **(given_ | over))))


def test_pass_by_a_rule_without_credentials_names_what_is_cached() -> None:
    finding = judged(rule())
    assert verdict(finding) == ("pass", "cache-healthy")
    assert "Cached in acrone and in use: hub/nginx;" in finding.summary
    assert "Without credentials: rule hub/*" in finding.summary


def test_pass_by_healthy_credentials_however_the_id_is_spelt() -> None:
    finding = judged(rule(credential_set_id=CREDENTIALS.upper()), sets=seen((credentials(),)))
    assert verdict(finding) == ("pass", "cache-healthy")


def test_fail_of_unhealthy_credentials_is_a_warning_with_the_error_text() -> None:
    finding = judged(rule(credential_set_id=CREDENTIALS), sets=seen((credentials("Unhealthy", **FORBIDDEN),)))
    assert verdict(finding) == ("fail", "credentials-unhealthy")
    assert finding.severity is Severity.WARNING
    assert "Forbidden: The identity does not have secrets get permission" in finding.summary
    assert finding.fix[0] == (
        f"az keyvault set-policy --name kv-one --object-id {base.CLIENT} --secret-permissions get"
    )
    assert finding.fix[1].startswith("az acr credential-set show --registry acrone")


def test_fail_of_a_rule_that_names_credentials_which_are_not_there() -> None:
    finding = judged(rule(credential_set_id=CREDENTIALS), sets=seen(()))
    assert verdict(finding) == ("fail", "credential-set-absent")


def test_pass_where_only_a_rule_that_is_not_used_has_unhealthy_credentials() -> None:
    unused = rule("quay/*", credential_set_id=CREDENTIALS)
    assert verdict(judged(rule(), unused, sets=seen((credentials("Unhealthy"),)))) == ("pass", "cache-healthy")


def test_unknown_where_something_may_not_be_read() -> None:
    rules = performance(cache_rules=REFUSED, credential_sets=REFUSED)
    assert verdict(only(judge(facts(performance={ACR: rules})))) == ("unknown", "look-not-allowed")
    assert verdict(judged(rule(credential_set_id=CREDENTIALS), sets=REFUSED)) == ("unknown", "look-not-allowed")
    assert verdict(judged(rule(), workloads=REFUSED, images=())) == ("unknown", "look-not-allowed")


@pytest.mark.parametrize("health", [None, "Unsure"])
def test_unknown_where_the_health_is_not_told(health: str | None) -> None:
    finding = judged(rule(credential_set_id=CREDENTIALS), sets=seen((credentials(health),)))
    assert verdict(finding) == ("unknown", "health-not-told")


def test_nothing_there_without_rules_or_without_images_that_come_by_one() -> None:
    assert verdict(judged()) == ("skipped", "no-cache-rule")
    assert verdict(judged(rule("quay/*"))) == ("skipped", "cache-not-used")
    stopped = NotSeen(NotSeenReason.NOT_APPLICABLE, "the cluster is stopped")
    assert verdict(judged(rule(), workloads=stopped)) == ("skipped", "images-not-read")
    assert verdict(only(judge(facts(uses=(unseen(),), performance={})))) == ("skipped", "registry-not-seen")


@pytest.mark.parametrize(
    ("repository", "target"),
    [("hub/nginx", "hub/nginx"), ("hub/redis", "hub/*"), ("hub/a/b", "hub/a/*"), ("x", "*"), ("hub", "*")],
)
def test_an_exact_target_goes_before_a_wildcard_and_the_longer_before_the_shorter(repository: str, target: str) -> None:
    rules = [rule(one) for one in ("*", "hub/*", "hub/nginx", "hub/a/*")]
    cache_rule = artifact_cache.rule_for(rules, repository)
    assert cache_rule is not None and cache_rule.target == target


@given(st.from_regex(r"[a-z]{1,5}(/[a-z]{1,5}){0,2}", fullmatch=True), st.text(max_size=12))
def test_a_target_without_a_wildcard_fills_that_repository_and_no_other(repository: str, other: str) -> None:
    assert artifact_cache.caches_repository(rule(repository), repository)
    assert artifact_cache.caches_repository(rule(repository), other) == (other.lower() == repository)


@pytest.mark.parametrize(
    "secret", [None, "", "https://[", "https://kv.example.com/secrets/x", "https://vault.azure.net/secrets/x"]
)
def test_a_vault_is_named_only_where_the_secret_lies_in_one(secret: str | None) -> None:
    assert vault_of(secret) is None
