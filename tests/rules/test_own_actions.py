"""The actions that the app reads by are those of the role that infra/ makes."""

from __future__ import annotations

from checks import catalog
from checks.facts import Permission
from checks.rules.own_actions import READER_ACTIONS, checks_of, lacking
from tests.support.scan_access import scan_roles


def test_they_are_those_of_the_custom_role_each_with_checks_that_there_are() -> None:
    assert list(READER_ACTIONS) == list(scan_roles()["reader"]["actions"])
    codes = {check.code for check in catalog.checks()}
    assert {code for named in READER_ACTIONS.values() for code in named.split()} <= codes


def test_reader_lacks_none_and_a_narrower_role_what_it_does_not_name() -> None:
    assert lacking([Permission(actions=("*/read",))]) == ()
    assert lacking([]) == tuple(READER_ACTIONS)
    narrow = Permission(actions=("*/read",), not_actions=("Microsoft.Network/privateDnsZones/*",))
    missing = lacking([narrow])
    assert len(missing) == 4 and checks_of(missing) == ("PW204",)
    assert lacking([narrow, Permission(actions=("microsoft.network/PRIVATEDNSZONES/*",))]) == ()
