"""PW102: an effective pull permission on each registry the cluster uses."""

import json
import shlex
from functools import partial
from typing import Any

import pytest

from checks.catalog import judge_with, pw102_pull_permission
from checks.facts import DenyAssignment, NotSeen, NotSeenReason, Permission
from checks.rules.access import abac_conditions, rbac
from tests.support.access_facts import (
    ACR_PULL,
    ME,
    OWNER,
    READER,
    REFUSED,
    REGISTRY_ID,
    SUBSCRIPTION,
    authorization,
    facts,
    held,
    image,
    look_failed,
    only,
    registry,
    seen,
    service_principal_cluster,
    use,
    verdict,
)

judge = partial(judge_with, (pw102_pull_permission,))

ABAC = seen(registry(role_assignment_mode=rbac.ABAC_MODE))
NAME = "@Request[Microsoft.ContainerRegistry/registries/repositories:name]"
WEB = f"{NAME} StringEqualsIgnoreCase 'team/web'"


def judged(*assignments: Any, uses: Any = None, **over: Any) -> Any:
    known = authorization(*assignments, **over.pop("authorization", {}))
    return only(judge(facts(uses=(uses or use(),), authorization={SUBSCRIPTION: known}, **over)))


def test_pass_for_a_role_at_the_registry_or_above_it() -> None:
    for scope in (
        REGISTRY_ID,
        f"/subscriptions/{SUBSCRIPTION}",
        "/",
        "/providers/Microsoft.Management/managementGroups/m",
    ):
        finding = judged(held(ACR_PULL, scope))
        assert verdict(finding) == ("pass", "role-held")
        assert scope in finding.summary


def test_pass_through_a_group_says_that_it_may_lag() -> None:
    groups = {SUBSCRIPTION: seen((held(ACR_PULL, principal_id="group"),))}
    finding = judged(through_groups=groups)
    assert verdict(finding) == ("pass", "role-through-group")
    assert "up to a day" in finding.summary


def test_pass_where_a_condition_holds_for_every_repository_in_use() -> None:
    finding = judged(held(READER, condition=WEB), uses=use(ABAC, image("team/web")))
    assert verdict(finding) == ("pass", "role-held")
    assert "condition holds" in finding.summary


def test_an_absent_mode_counts_as_legacy_and_the_evidence_says_so() -> None:
    finding = judged(held(ACR_PULL), uses=use(seen(registry(role_assignment_mode=None))))
    assert verdict(finding) == ("pass", "role-held")
    assert any("counts as LegacyRegistryPermissions" in e.what and e.api_version for e in finding.evidence)


def test_fail_without_a_role_has_the_commands_and_the_bicep() -> None:
    finding = judged()
    assert verdict(finding) == ("fail", "role-missing")
    create, alternative, attach, bicep = finding.fix
    assert alternative == "# or, with the same effect:"
    assert shlex.split(create)[-4:] == ["--role", "AcrPull", "--scope", REGISTRY_ID]
    assert f"--assignee-object-id {ME}" in create
    assert "--attach-acr" in attach
    assert bicep.startswith("// Bicep:")
    assert rbac.ACR_PULL in bicep


def test_fail_on_an_abac_registry_says_that_the_role_grants_nothing_and_does_not_attach() -> None:
    for role in (ACR_PULL, OWNER):
        finding = judged(held(role), uses=use(ABAC))
        assert verdict(finding) == ("fail", "role-not-honoured")
        assert f"{role.name} grants nothing there" in finding.summary
        assert "Container Registry Repository Reader" in finding.fix[0]
        assert not any("attach-acr" in line for line in finding.fix)
        assert rbac.REPOSITORY_READER in finding.fix[-1]


def test_fail_on_a_legacy_registry_where_only_a_repository_role_is_held() -> None:
    finding = judged(held(READER))
    assert verdict(finding) == ("fail", "role-missing")
    assert "pulls in ABAC mode only" in finding.summary


def test_fail_names_the_repositories_that_a_condition_leaves_out() -> None:
    uses = use(ABAC, image("team/web"), *(image(f"team/api{i}") for i in range(30)))
    finding = judged(held(READER, f"/subscriptions/{SUBSCRIPTION}", condition=WEB), uses=uses)
    assert verdict(finding) == ("fail", "repositories-left-out")
    assert "team/api0" in finding.summary
    assert "and 20 more" in finding.summary
    command = shlex.split(finding.fix[0])
    written = command[command.index("--condition") + 1]
    for action in rbac.PULL_DATA_ACTIONS:
        assert abac_conditions.evaluate(written, action, "team/api29") is True
        assert abac_conditions.evaluate(written, action, "team/web") is False


def test_fail_widens_the_condition_of_an_assignment_that_stands_at_the_registry_already() -> None:
    finding = judged(held(READER, condition=WEB), uses=use(ABAC, image("team/web"), image("api")))
    command = shlex.split(finding.fix[0])
    assert command[:4] == ["az", "rest", "--method", "put"]
    wider = json.loads(command[-1])["properties"]["condition"]
    assert f"  name: '{rbac.REPOSITORY_READER}'" in finding.fix[-1]  # the name the assignment has in this test
    assert [abac_conditions.evaluate(wider, rbac.PULL_DATA_ACTIONS[0], name) for name in ("team/web", "api", "db")] == [
        True,
        True,
        False,
    ]


def test_fail_for_a_deny_assignment_whatever_is_held() -> None:
    deny = DenyAssignment(
        id="/x/denyAssignments/d",
        name="lock",
        scope="/",
        permissions=(Permission(("*",)),),
        principals=(rbac.EVERYONE,),
    )
    finding = judged(held(OWNER), authorization={"denies": seen((deny,))})
    assert verdict(finding) == ("fail", "denied")
    assert "'lock'" in finding.summary


@pytest.mark.parametrize("part", ["assignments", "definitions", "denies"])
def test_unknown_where_a_read_was_refused_names_the_role(part: str) -> None:
    finding = judged(held(ACR_PULL), authorization={part: REFUSED})
    assert verdict(finding) == ("unknown", "look-not-allowed")
    assert finding.verdict.missing == "Reader"
    assert look_failed(finding)


def test_a_refused_read_of_deny_assignments_does_not_hide_a_missing_role() -> None:
    assert verdict(judged(authorization={"denies": REFUSED})) == ("fail", "role-missing")


def test_unknown_where_groups_could_not_be_asked() -> None:
    assert verdict(judged(through_groups={SUBSCRIPTION: REFUSED})) == ("unknown", "look-not-allowed")


def test_unknown_where_bodies_that_could_matter_were_garbled() -> None:
    garbled = "1 of 2 bodies could not be read"
    nothing = judged(authorization={"assignments": seen((), garbled)})
    assert verdict(nothing) == ("unknown", "assignments-unreadable")
    denies = judged(held(ACR_PULL), authorization={"denies": seen((), garbled)})
    assert verdict(denies) == ("unknown", "deny-undetermined")


def test_unknown_for_a_condition_that_cannot_be_evaluated_keeps_its_text() -> None:
    for uses in (use(), use(ABAC), use(ABAC, image("team/web"))):
        role = READER if uses.registry is ABAC else ACR_PULL
        text = WEB if not uses.images else "@Resource[x:y] StringEquals 'z'"
        finding = judged(held(role, condition=text), uses=uses)
        assert verdict(finding) == ("unknown", "condition")
        assert text in finding.summary
        assert not look_failed(finding)


def test_unknown_where_left_out_repositories_are_used_with_pull_secrets_only() -> None:
    uses = use(ABAC, image("team/web"), image("api", secrets=("regcred",)))
    assert verdict(judged(held(READER, condition=WEB), uses=uses)) == ("unknown", "pull-secrets-not-read")


def test_unknown_for_a_mode_that_is_not_known() -> None:
    uses = use(seen(registry(role_assignment_mode="unreadable (int)")))
    assert verdict(judged(held(OWNER), uses=uses)) == ("unknown", "mode-unknown")


def test_unknown_where_the_identity_or_the_registry_is_not_known() -> None:
    assert verdict(judged(principal=REFUSED)) == ("unknown", "look-not-allowed")
    assert verdict(judged(uses=use(REFUSED))) == ("unknown", "look-not-allowed")
    assert verdict(only(judge(facts(authorization={})))) == ("unknown", "assignments-not-read")


def test_skipped_where_images_come_another_way() -> None:
    anonymous = judged(uses=use(seen(registry(anonymous_pull=True))))
    assert verdict(anonymous) == ("skipped", "anonymous-pull")
    secrets = judged(uses=use(None, image("web", secrets=("regcred",))))
    assert verdict(secrets) == ("skipped", "pull-secrets")


def test_nothing_there_without_an_azure_registry() -> None:
    elsewhere = use(NotSeen(NotSeenReason.NOT_APPLICABLE, "no registry of Azure"), acr=False, login_server="docker.io")
    assert judge(facts(uses=(elsewhere,))) == ()
    assert judge(facts(uses=())) == ()


def test_a_service_principal_is_called_one() -> None:
    finding = judged(cluster=service_principal_cluster())
    assert verdict(finding) == ("fail", "role-missing")
    assert "The service principal" in finding.summary
    assert "kubelet identity" not in finding.summary
