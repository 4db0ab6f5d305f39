"""RBAC as Azure evaluates it: per element and scope, deny assignments first, conditions per repository."""

import fnmatch
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.collect.arm import bodies
from checks.facts import DenyAssignment, Permission, RoleAssignment, RoleDefinition
from checks.rules.access import rbac
from checks.rules.access.rbac import (
    ABAC_MODE,
    EVERYONE,
    LEGACY_MODE,
    Denied,
    Granted,
    NotGranted,
    Partial,
    Undetermined,
)

SUB = "/subscriptions/11111111-1111-4111-8111-111111111111"
REGISTRY = f"{SUB}/resourceGroups/rg/providers/Microsoft.ContainerRegistry/registries/acrone"
ME = "aaaaaaaa-0000-4000-8000-000000000001"
GROUP = "aaaaaaaa-0000-4000-8000-000000000002"
OTHER = "aaaaaaaa-0000-4000-8000-000000000003"
CONTENT, METADATA = rbac.PULL_DATA_ACTIONS
NAME = "@Request[Microsoft.ContainerRegistry/registries/repositories:name]"


def role(name: str, *permissions: Permission) -> RoleDefinition:
    return RoleDefinition(name.lower(), name, permissions)


def reader(*extra: Permission) -> Permission:
    return Permission(data_actions=rbac.PULL_DATA_ACTIONS)


ROLES = {
    definition.guid: definition
    for definition in (
        role("AcrPull", Permission((rbac.PULL_ACTION,))),
        role("Owner", Permission(("*",))),
        role("Reader", Permission(("*/read",))),
        role("Contributor", Permission(("*",), ("Microsoft.Authorization/*/Write",))),
        role("AcrDelete", Permission(("Microsoft.ContainerRegistry/registries/artifacts/delete",))),
        role("RepositoryReader", reader()),
        role("RepositoryWild", Permission(data_actions=("Microsoft.ContainerRegistry/registries/*",))),
        role("ContentOnly", Permission(data_actions=(CONTENT,))),
        role("MetadataOnly", Permission(data_actions=(METADATA,))),
        role("NotContent", Permission(data_actions=("*",), not_data_actions=(CONTENT,))),
        role("Wild", Permission(("microsoft.containerregistry/*/READ",))),
        role("Tail", Permission(("*/pull/read",))),
        role("NotPull", Permission(("*",), (rbac.PULL_ACTION,))),
        role("TakenThenGiven", Permission(("*",), ("*/pull/read",)), Permission((rbac.PULL_ACTION,))),
        role("Importer", Permission((rbac.PULL_ACTION,), data_actions=rbac.PULL_DATA_ACTIONS)),
    )
}


def held(name: str, scope: str = REGISTRY, *, who: str = ME, condition: str | None = None) -> RoleAssignment:
    return RoleAssignment(
        id=f"{scope}/{name}/{who}",
        scope=scope,
        principal_id=who,
        role_definition_id=f"{SUB}/providers/Microsoft.Authorization/roleDefinitions/{name.upper()}",
        condition=condition,
    )


def deny(*actions: str, **over: Any) -> DenyAssignment:
    base: dict[str, Any] = {
        "id": f"{SUB}/providers/Microsoft.Authorization/denyAssignments/DENY-1",
        "name": "lock",
        "scope": SUB,
        "permissions": (Permission(actions),),
        "principals": (EVERYONE,),
    }
    return DenyAssignment(**(base | over))


def named(*values: str) -> str:
    return " OR ".join(f"{NAME} StringEqualsIgnoreCase '{value}'" for value in values)


def decide(mode: str | None, *assignments: RoleAssignment, **options: Any) -> rbac.Decision:
    denies = options.pop("denies", ())
    return rbac.decide(ME, REGISTRY, mode, assignments, ROLES, denies, **options)


@pytest.mark.parametrize(
    ("name", "legacy", "abac"),
    [
        ("AcrPull", True, False),
        ("Owner", True, False),
        ("Reader", True, False),
        ("Contributor", True, False),
        ("AcrDelete", False, False),
        ("RepositoryReader", False, True),
        ("RepositoryWild", False, True),
        ("ContentOnly", False, False),
        ("NotContent", False, False),
        ("Wild", True, False),
        ("Tail", True, False),
        ("NotPull", False, False),
        ("TakenThenGiven", True, False),
        ("Importer", True, True),
    ],
)
def test_a_role_pulls_by_its_actions_in_legacy_mode_and_by_its_data_actions_in_abac_mode(
    name: str, legacy: bool, abac: bool
) -> None:
    for mode, expected in ((LEGACY_MODE, legacy), (None, legacy), (LEGACY_MODE.lower(), legacy), (ABAC_MODE, abac)):
        assert isinstance(decide(mode, held(name)), Granted if expected else NotGranted), mode


def test_roles_that_do_not_pull_in_this_mode_are_named() -> None:
    assert decide(ABAC_MODE, held("AcrPull"), held("AcrDelete")) == NotGranted(("AcrPull", "AcrDelete"), ("AcrPull",))
    assert decide(LEGACY_MODE, held("RepositoryReader")) == NotGranted(("RepositoryReader",), ("RepositoryReader",))


def test_a_mode_that_is_not_known_is_undetermined() -> None:
    decision = decide("SomethingNew", held("Owner"))
    assert isinstance(decision, Undetermined)
    assert decision.cause == "mode-unknown"


def test_a_role_grants_what_another_role_excludes() -> None:
    assert isinstance(decide(LEGACY_MODE, held("NotPull"), held("AcrPull")), Granted)


def test_the_two_data_actions_may_come_from_two_roles() -> None:
    granted = decide(ABAC_MODE, held("ContentOnly"), held("MetadataOnly", SUB))
    assert granted == Granted("ContentOnly and MetadataOnly", f"{REGISTRY} and {SUB}")


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (REGISTRY, True),
        (REGISTRY.upper(), True),
        (f"{SUB}/resourceGroups/RG", True),
        (f"{SUB}/resourceGroups/r", False),
        (f"{SUB}/resourceGroups/rg2", False),
        (SUB, True),
        ("/subscriptions/22222222-2222-4222-8222-222222222222", False),
        ("/providers/Microsoft.Management/managementGroups/corp", True),
        ("/", True),
        (f"{REGISTRY}/replications/x", False),
        (f"{REGISTRY}2", False),
    ],
)
def test_a_scope_reaches_the_registry_on_a_boundary(scope: str, expected: bool) -> None:
    assert rbac.reaches(scope, REGISTRY) is expected


_SEGMENTS = st.sampled_from(["a", "A", "ab", "b", "rg", "RG2"])


@given(st.lists(_SEGMENTS, max_size=4), st.lists(_SEGMENTS, max_size=5), st.booleans())
def test_the_scope_logic_agrees_with_segments_compared_one_by_one(
    scope: list[str], resource: list[str], slash: bool
) -> None:
    low_scope, low_resource = [s.lower() for s in scope], [s.lower() for s in resource]
    expected = low_resource[: len(low_scope)] == low_scope
    text = "/" + "/".join(scope)
    assert rbac.reaches(text + ("/" if slash and scope else ""), "/" + "/".join(resource)) is expected


def test_a_role_through_a_group_counts_only_with_assignments_read_through_groups() -> None:
    grant = held("AcrPull", who=GROUP)
    assert isinstance(decide(LEGACY_MODE, grant), NotGranted)
    assert decide(LEGACY_MODE, grant, via_groups=True) == Granted("AcrPull", REGISTRY, through_group=True)
    both = decide(LEGACY_MODE, grant, held("Reader", who=ME.upper()), via_groups=True)
    assert isinstance(both, Granted)


def test_a_role_whose_definition_is_unknown_is_undetermined_unless_another_grants() -> None:
    decision = decide(LEGACY_MODE, held("Unheard"))
    assert isinstance(decision, Undetermined)
    assert decision.cause == "role-definition-unreadable"
    assert isinstance(decide(LEGACY_MODE, held("Unheard"), held("AcrPull")), Granted)
    partial = decide(
        ABAC_MODE,
        held("Unheard"),
        held("RepositoryReader", condition=named("web")),
        repositories=("web", "api"),
    )
    assert isinstance(partial, Undetermined)


# Conditions


def test_a_condition_covers_the_repositories_it_holds_for_and_names_the_rest() -> None:
    grant = held("RepositoryReader", condition=named("web"))
    assert decide(ABAC_MODE, grant, repositories=("web",)) == Granted("RepositoryReader", REGISTRY, conditioned=True)
    partial = decide(ABAC_MODE, grant, repositories=("api", "web"))
    assert partial == Partial(("api",), ("web",), "RepositoryReader", REGISTRY)


def test_conditioned_assignments_add_up_per_repository() -> None:
    grants = (
        held("RepositoryReader", condition=named("web")),
        held("RepositoryReader", SUB, condition=named("api")),
    )
    assert isinstance(decide(ABAC_MODE, *grants, repositories=("api", "web")), Granted)


def test_an_unconditioned_assignment_covers_everything() -> None:
    grants = (held("RepositoryReader", condition=named("web")), held("RepositoryReader", SUB))
    assert decide(ABAC_MODE, *grants, repositories=("x",)) == Granted("RepositoryReader", SUB)


def test_both_data_actions_have_to_be_covered() -> None:
    only_content = f"ActionMatches{{'{CONTENT}'}} AND ({named('web')})"
    assert isinstance(
        decide(ABAC_MODE, held("RepositoryReader", condition=only_content), repositories=("web",)), Partial
    )
    narrowed = f"!(ActionMatches{{'{CONTENT}'}}) OR ({named('web')})"
    grant = held("RepositoryReader", condition=narrowed)
    assert isinstance(decide(ABAC_MODE, grant, repositories=("web",)), Granted)
    assert decide(ABAC_MODE, grant, repositories=("api",)) == Partial(("api",), (), "RepositoryReader", REGISTRY)


def test_without_a_repository_in_use_a_condition_is_undetermined() -> None:
    decision = decide(ABAC_MODE, held("RepositoryReader", condition=named("web")))
    assert isinstance(decision, Undetermined)
    assert "no repository in use is known" in decision.why


def test_an_unknown_condition_is_undetermined_and_its_text_is_shown() -> None:
    text = "@Environment[isPrivateLink] BoolEquals true"
    decision = decide(ABAC_MODE, held("RepositoryReader", condition=text), repositories=("web",))
    assert isinstance(decision, Undetermined)
    assert decision.cause == "condition"
    assert text in decision.why
    mixed = (held("RepositoryReader", condition=text), held("RepositoryReader", SUB, condition=named("web")))
    assert isinstance(decide(ABAC_MODE, *mixed, repositories=("web",)), Granted)
    assert isinstance(decide(ABAC_MODE, *mixed, repositories=("api",)), Undetermined)


def test_any_condition_in_legacy_mode_is_undetermined_with_its_text() -> None:
    decision = decide(LEGACY_MODE, held("AcrPull", condition=named("web")), repositories=("web",))
    assert isinstance(decision, Undetermined)
    assert (decision.cause, "StringEqualsIgnoreCase 'web'" in decision.why) == ("condition", True)
    assert isinstance(decide(LEGACY_MODE, held("AcrPull", condition=named("web")), held("Reader")), Granted)


def test_the_condition_of_a_permissions_element_counts_too() -> None:
    conditioned = role("Odd", Permission(data_actions=rbac.PULL_DATA_ACTIONS, condition=named("web")))
    roles = ROLES | {"odd": conditioned}
    for repositories, kind in ((("web",), Granted), (("api",), Partial)):
        decision = rbac.decide(ME, REGISTRY, ABAC_MODE, [held("Odd")], roles, (), repositories=repositories)
        assert isinstance(decision, kind)


# Deny assignments


@pytest.mark.parametrize(
    ("over", "expected"),
    [
        ({}, Denied),
        ({"principals": (ME.upper(),)}, Denied),
        ({"principals": (OTHER,)}, Granted),
        ({"exclude_principals": (ME,)}, Granted),
        ({"exclude_principals": (OTHER,)}, Denied),
        ({"principals": (GROUP,), "may_be_groups": (GROUP,)}, Undetermined),
        ({"exclude_principals": (GROUP,), "may_be_groups": (GROUP,)}, Undetermined),
        ({"not_child_scopes": True}, Granted),
        ({"not_child_scopes": True, "scope": REGISTRY}, Denied),
        ({"scope": f"{SUB}/resourceGroups/rg2"}, Granted),
        ({"scope": "/providers/Microsoft.Management/managementGroups/corp"}, Denied),
        ({"effect": "audit"}, Granted),
        ({"effect": "Enforced"}, Denied),
        ({"effect": "somethingNew"}, Undetermined),
        ({"condition": "ActionMatches{'x'}"}, Undetermined),
        ({"permissions": (Permission(("*",), ("*/read",)),)}, Granted),
        ({"permissions": (Permission(("*/write",)),)}, Granted),
        ({"permissions": (Permission(data_actions=("*",)),)}, Granted),
        ({"permissions": (Permission(("*/write",)), Permission(("*/PULL/read",)))}, Denied),
    ],
)
def test_a_deny_assignment_in_legacy_mode(over: dict[str, Any], expected: type) -> None:
    assert isinstance(decide(LEGACY_MODE, held("AcrPull"), denies=[deny("*", **over)]), expected)


def test_a_deny_for_a_group_is_settled_by_what_azure_says_reaches_the_identity() -> None:
    group = deny("*", principals=(GROUP,), may_be_groups=(GROUP,))
    unread = decide(LEGACY_MODE, held("AcrPull"), denies=[group])
    assert isinstance(unread, Undetermined)
    assert unread.cause == rbac.DENY_THROUGH_GROUP
    reached = decide(LEGACY_MODE, held("AcrPull"), denies=[group], reaching_denies=frozenset({"deny-1"}))
    assert isinstance(reached, Denied)
    spared = decide(LEGACY_MODE, held("AcrPull"), denies=[group], reaching_denies=frozenset())
    assert isinstance(spared, Granted)


@pytest.mark.parametrize(
    ("permission", "expected"),
    [
        (Permission(data_actions=("*",)), Denied),
        (Permission(data_actions=(METADATA,)), Denied),
        (Permission(data_actions=("*",), not_data_actions=("*/read",)), Granted),
        (Permission(("*",)), Granted),
    ],
)
def test_a_deny_assignment_in_abac_mode_denies_data_actions(permission: Permission, expected: type) -> None:
    denies = [deny(permissions=(permission,))]
    assert isinstance(decide(ABAC_MODE, held("RepositoryReader"), denies=denies, repositories=("web",)), expected)


def test_a_deny_with_a_condition_denies_where_it_holds_for_a_repository_in_use() -> None:
    denies = [deny(permissions=(Permission(data_actions=("*",)),), condition=named("web"))]
    for repositories, kind in ((("web", "api"), Denied), (("api",), Granted), ((), Undetermined)):
        decision = decide(ABAC_MODE, held("RepositoryReader"), denies=denies, repositories=repositories)
        assert isinstance(decision, kind)


def test_without_a_grant_deny_assignments_do_not_matter() -> None:
    assert isinstance(decide(LEGACY_MODE, denies=[deny("*")]), NotGranted)


# Every recorded role definition, if the recordings are available


def _recorded() -> Iterator[dict[str, Any]]:
    folder = Path(__file__).resolve().parents[2].parent / "shared" / "arm-samples" / "authorization" / "roleDefinitions"
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        body = json.loads(path.read_text())
        yield from body["value"] if isinstance(body.get("value"), list) else [body]


def _plain(patterns: list[str], action: str) -> bool:
    """Wildcards by the standard library; "[" and "?" are not Azure wildcards and do not occur."""
    return any(fnmatch.fnmatchcase(action.lower(), re.sub(r"[\[\]?]", "", p).lower()) for p in patterns)


def _naive(body: dict[str, Any], actions: tuple[str, ...], key: str) -> bool:
    taken = f"not{key[0].upper()}{key[1:]}"
    return all(
        any(
            _plain(p.get(key) or [], action) and not _plain(p.get(taken) or [], action)
            for p in body.get("properties", body)["permissions"]
        )
        for action in actions
    )


def test_every_recorded_role_definition_gets_the_plain_answer_in_both_modes() -> None:
    for body in _recorded():
        definition = bodies.role_definition(body)
        assert definition is not None
        assignment = held(definition.guid)
        for mode, actions, key in (
            (LEGACY_MODE, (rbac.PULL_ACTION,), "actions"),
            (ABAC_MODE, rbac.PULL_DATA_ACTIONS, "dataActions"),
        ):
            decision = rbac.decide(ME, REGISTRY, mode, [assignment], {definition.guid: definition}, ())
            if isinstance(decision, Undetermined):
                assert any(p.condition for p in definition.permissions)
            else:
                assert isinstance(decision, Granted) is _naive(body, actions, key), (definition.name, mode)


# Malformed ARM bodies: never part of a role, never a silently lost deny assignment


@pytest.mark.parametrize("permissions", ["*", [{"actions": "*"}], [{"actions": ["*"], "notActions": [1]}], ["x"], None])
def test_a_role_with_malformed_permissions_is_not_decoded(permissions: Any) -> None:
    assert bodies.role_definition({"id": "/x/y", "properties": {"permissions": permissions}}) is None


@pytest.mark.parametrize("principals", ["x", ["x"], [{"type": "User"}]])
def test_a_deny_assignment_with_malformed_principals_is_not_decoded(principals: Any) -> None:
    body = {"id": "/x/y", "properties": {"scope": "/", "permissions": [], "principals": principals}}
    assert bodies.deny_assignment(body) is None


def test_a_condition_of_a_wrong_type_is_not_dropped() -> None:
    properties = {
        "scope": REGISTRY,
        "principalId": ME,
        "roleDefinitionId": "/x/repositoryreader",
        "condition": {"a": 1},
    }
    assignment = bodies.role_assignment({"id": "/x/y", "properties": properties})
    assert assignment is not None
    assert isinstance(decide(ABAC_MODE, assignment, repositories=("web",)), Undetermined)
