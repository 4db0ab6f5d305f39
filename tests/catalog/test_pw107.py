"""PW107: the registry's admin user, an account with one password for everybody, is enabled."""

from typing import Any

import pytest

from checks import catalog
from checks.catalog import pw107_registry_admin_user as pw107
from checks.collect.arm import bodies
from checks.findings import Evidence, Finding, Severity
from tests.support.access_facts import REFUSED, REGISTRY_ID, facts, only, registry, seen, use, verdict


def judged(admin_user_enabled: bool | None) -> Finding:
    """The finding about a registry with this property."""
    uses = (use(seen(registry(admin_user_enabled=admin_user_enabled))),)
    return only(catalog.judge_with((pw107,), facts(uses=uses)))


def test_pass_where_it_is_disabled() -> None:
    assert verdict(judged(False)) == ("pass", "admin-user-disabled")


def test_fail_is_a_warning_whose_command_says_first_what_it_ends() -> None:
    finding = judged(True)
    assert verdict(finding) == ("fail", "admin-user-enabled")
    assert finding.severity is Severity.WARNING
    assert finding.fix[0].startswith("# This ends the access")
    assert finding.fix[1].startswith("az acr update --subscription ")
    assert finding.fix[1].endswith(" --name acrone --admin-enabled false")


def test_unknown_where_it_is_not_shown() -> None:
    assert verdict(judged(None)) == ("unknown", "admin-user-not-shown")


def test_unknown_where_the_registry_could_not_be_read() -> None:
    finding = only(catalog.judge_with((pw107,), facts(uses=(use(REFUSED),))))
    assert verdict(finding) == ("unknown", "look-not-allowed")


def test_nothing_there_without_a_registry() -> None:
    assert catalog.judge_with((pw107,), facts(uses=())) == ()


@pytest.mark.parametrize(("shown", "expected"), [(True, True), (False, False), ("true", None), (1, None), (..., None)])
def test_the_reader_guesses_nothing(shown: Any, expected: bool | None) -> None:
    properties = {"loginServer": "acrone.azurecr.io"} | ({} if shown is ... else {"adminUserEnabled": shown})
    body = {"id": REGISTRY_ID, "name": "acrone", "properties": properties}
    read = bodies.registry(body, Evidence("registries", "Azure Resource Manager"))
    assert read is not None
    assert read.admin_user_enabled is expected
