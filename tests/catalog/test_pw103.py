"""PW103: the kubelet identity may do more with a registry than pull from it."""

from functools import partial

import pytest

from checks.catalog import judge_with, pw103_excess_permissions
from checks.catalog.pw103_excess_permissions import CHECK
from checks.facts import Permission, RoleDefinition
from checks.findings import ClusterReport, Severity
from checks.report.outcome import unsettled
from checks.rules.access import rbac
from tests.support.access_facts import (
    ACR_PULL,
    ME,
    OWNER,
    PUSH,
    READER,
    REFUSED,
    ROLES,
    SUBSCRIPTION,
    authorization,
    facts,
    held,
    only,
    registry,
    seen,
    use,
    verdict,
)

judge = partial(judge_with, (pw103_excess_permissions,))

_ACR = "Microsoft.ContainerRegistry/registries/"
DELETE = RoleDefinition("delete", "AcrDelete", (Permission((f"{_ACR}artifacts/delete",)),))
CONTRIBUTOR = RoleDefinition("contributor", "Contributor", (Permission(("*",), ("Microsoft.Authorization/*/Write",)),))
WRITER = RoleDefinition("writer", "Repository Writer", (Permission(data_actions=(f"{_ACR}repositories/content/*",)),))
BROAD_READER = RoleDefinition("reader", "Reader", (Permission(("*/read",)),))
ALL = ROLES | {role.guid: role for role in (DELETE, CONTRIBUTOR, WRITER, BROAD_READER)}


def known(*roles: RoleDefinition) -> dict[str, object]:
    return {SUBSCRIPTION: authorization(*(held(role) for role in roles), definitions=seen(ALL))}


@pytest.mark.parametrize("role", [ACR_PULL, READER, BROAD_READER, WRITER])
def test_pass_where_no_role_allows_more_than_pulling(role: RoleDefinition) -> None:
    assert verdict(only(judge(facts(authorization=known(role))))) == ("pass", "pull-only")


@pytest.mark.parametrize(
    ("role", "cause"),
    [
        (PUSH, "may-push-images"),
        (DELETE, "may-delete-images"),
        (CONTRIBUTOR, "may-manage-registry"),
        (OWNER, "may-assign-roles"),
    ],
)
def test_fail_is_a_warning_that_names_role_and_scope(role: RoleDefinition, cause: str) -> None:
    finding = only(judge(facts(authorization=known(role))))
    assert verdict(finding) == ("fail", cause)
    assert finding.severity is Severity.WARNING
    assert f"{role.name} at {held(role).scope}" in finding.summary
    assert finding.fix == (
        f"az role assignment create --assignee-object-id {ME} --assignee-principal-type ServicePrincipal "
        f"--role AcrPull --scope {held(role).scope}",
        f"az role assignment delete --ids {held(role).id}",
    )


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        (WRITER, ("fail", "may-delete-images")),
        (PUSH, ("pass", "pull-only")),
        (CONTRIBUTOR, ("fail", "may-manage-registry")),
    ],
)
def test_in_abac_mode_images_are_pushed_by_data_actions(role: RoleDefinition, expected: tuple[str, str]) -> None:
    abac = use(seen(registry(role_assignment_mode=rbac.ABAC_MODE)))
    assert verdict(only(judge(facts(uses=(abac,), authorization=known(role))))) == expected


def test_fail_through_a_group_leaves_the_group_alone() -> None:
    groups = {SUBSCRIPTION: seen((held(PUSH, principal_id="group-1"),))}
    finding = only(judge(facts(authorization=known(), through_groups=groups)))
    assert "through a group" in finding.summary
    assert finding.fix[1] == f"az ad group member remove --group group-1 --member-id {ME}"


def test_fail_once_per_broad_role() -> None:
    assert len(judge(facts(authorization=known(OWNER, PUSH, ACR_PULL)))) == 2


@pytest.mark.parametrize("part", ["assignments", "definitions"])
def test_unknown_where_roles_could_not_be_read(part: str) -> None:
    refused = {SUBSCRIPTION: authorization(held(OWNER), **{part: REFUSED})}
    assert verdict(only(judge(facts(authorization=refused)))) == ("unknown", "look-not-allowed")


def test_nothing_there_without_a_registry_or_an_identity() -> None:
    assert judge(facts(uses=())) == ()
    assert verdict(only(judge(facts(principal=REFUSED))))[0] == "skipped"
    assert verdict(only(judge(facts(uses=(use(REFUSED),)))))[0] == "skipped"
    assert verdict(only(judge(facts(authorization={}))))[0] == "skipped"


def test_unknown_for_a_role_that_could_not_be_read_which_leaves_no_row_and_no_exit_code_open() -> None:
    unheard = RoleDefinition("unheard", "Unheard")
    finding = only(judge(facts(authorization=known(ACR_PULL, unheard))))
    assert verdict(finding) == ("unknown", "role-definition-unreadable")
    assert "unheard" in finding.summary
    assert CHECK.decides is None
    assert not unsettled(ClusterReport(id=finding.subject.cluster, findings=(finding,)))
