"""Causes that ordinary estates do not meet: each is produced here, so that its id and its sentence stay true."""

from collections.abc import Callable
from typing import Any

import pytest

from checks import catalog
from checks.catalog import (
    pw102_pull_permission,
    pw201_registry_connectivity,
    pw301_pull_failures,
    pw303_pull_secrets,
    pw304_images_without_credentials,
    pw305_canary_pull,
    pw403_artifact_cache,
)
from checks.facts import DenyAssignment, NotSeen, NotSeenReason, Permission
from checks.facts.canary import Canaries, Canary, CanaryQuestion, CanaryReport
from checks.facts.pulls import CredentialTest
from checks.facts.registry_details import DataEndpoint, Outcome
from checks.findings import word
from checks.rules.pull.errors import PullErrorCause
from checks.rules.pull.errors.rules import RULES
from tests.support import access_facts, image_facts, performance_facts
from tests.support.access_facts import ACR_PULL, SUBSCRIPTION, held, only, seen, verdict
from tests.support.network_world import HOST, NODES, RECORDS, World, rule

CHECKS_OF_THE_PATH = ("PW202", "PW203", "PW204", "PW205", "PW206")
CLIENT_ID = "99999999-9999-4999-8999-999999999999"
AT_DATA_ENDPOINTS = [
    Outcome.ADDRESS_REFUSED,
    Outcome.NOT_CONTACTED,
    Outcome.DNS_ERROR,
    Outcome.DNS_UNANSWERED,
    Outcome.CONNECT_REFUSED,
    Outcome.CONNECT_TIMEOUT,
    Outcome.CONNECT_ERROR,
    Outcome.SSL_ERROR,
    Outcome.CERTIFICATE_EXPIRED,
]


def path_causes(world: World) -> dict[str, set[tuple[str, str]]]:
    """Verdicts with their causes of the path, by check."""
    pairs: dict[str, set[tuple[str, str]]] = {}
    for finding in catalog.judge(world.facts()):
        pairs.setdefault(finding.code, set()).add((word(finding.verdict), finding.cause))
    return pairs


def with_an_empty_pool(world: World) -> World:
    return world.pools(world.pool("system"), world.pool("empty", count=0))


@pytest.mark.parametrize("code", CHECKS_OF_THE_PATH)
def test_a_cluster_that_is_being_deleted_has_no_path_to_judge(code: str) -> None:
    assert path_causes(World().cluster(provisioningState="Deleting"))[code] == {("skipped", "cluster-deleting")}


@pytest.mark.parametrize("code", CHECKS_OF_THE_PATH)
def test_a_cluster_without_node_pools_is_unknown_once(code: str) -> None:
    expected = "unknown" if code == "PW202" else "skipped"
    assert path_causes(World().pools())[code] == {(expected, "no-pools")}


@pytest.mark.parametrize("code", CHECKS_OF_THE_PATH[1:])
def test_a_registry_that_nobody_can_reach_is_closed_even_where_the_node_network_is_not_known(code: str) -> None:
    world = World().private()
    causes = path_causes(world.pools(world.pool("system", network="vnet-of-nobody")))
    assert causes["PW202"] == {("fail", "public-access-disabled")}
    assert causes[code] == {("skipped", "closed")}


def pending() -> World:
    world = World()
    home = world.vnet("vnet-endpoints", "10.20.0.0/16", endpoints={})
    world.peer(world.vnet_id(NODES), home)
    world.endpoint(status="Pending")
    return world.private()


def unlinked() -> World:
    world = World()
    home = world.vnet("vnet-endpoints", "10.20.0.0/16", endpoints={})
    world.peer(world.vnet_id(NODES), home)
    world.endpoint()
    world.zone(RECORDS, home)
    return world.private()


def voided() -> World:
    world = World().deny("20.50.1.0/24")
    return world.nodes(serviceEndpoints=[{"service": "Microsoft.ContainerRegistry"}])


EMPTY_POOLS: list[tuple[str, Callable[[], World]]] = [
    ("PW202", lambda: World().deny("20.99.0.1")),
    ("PW203", pending),
    ("PW204", unlinked),
    ("PW205", voided),
    ("PW206", lambda: World().nsg(rule("no", 200, "Deny", "*"))),
]


@pytest.mark.parametrize(("code", "build"), EMPTY_POOLS)
def test_a_pool_without_nodes_fails_nothing(code: str, build: Callable[[], World]) -> None:
    causes = path_causes(with_an_empty_pool(build()))[code]
    assert ("skipped", "pool-without-nodes") in causes
    assert any(verdict == "fail" for verdict, _ in causes)


def test_unknown_where_the_state_of_the_private_endpoint_is_not_shown() -> None:
    world = World()
    home = world.vnet("vnet-endpoints", "10.20.0.0/16", endpoints={})
    world.peer(world.vnet_id(NODES), home)
    world.endpoint(status="")
    assert ("unknown", "endpoint-state-unclear") in path_causes(world.private())["PW203"]


def test_no_record_is_asked_for_where_no_endpoint_is_in_reach() -> None:
    world = World()
    home = world.vnet("vnet-endpoints", "10.20.0.0/16", endpoints={})
    world.endpoint()
    world.zone(RECORDS, home)
    assert ("skipped", "no-endpoint") in path_causes(world.private())["PW204"]


def test_unknown_where_a_route_could_not_be_read() -> None:
    world = World().routes(("10.0.0.0/8", "VnetLocal"))
    table = next(body for key, body in world.bodies.items() if "/routeTables/" in key)
    table["properties"]["routes"].append({"name": "odd", "properties": {}})
    expected = {("unknown", "routes-unreadable-login"), ("unknown", "routes-unreadable-layers")}
    assert path_causes(world)["PW206"] == expected


def test_unknown_where_the_addresses_of_the_endpoint_cannot_be_read() -> None:
    world = World().healthy_private()
    del world.bodies[next(key for key in world.bodies if key.endswith("/pe.nic"))]
    causes = path_causes(world)
    assert ("unknown", "endpoint-addresses") in causes["PW203"] & causes["PW204"]


UNSETTLED_PULLS = [
    PullErrorCause.INVALID_REFERENCE,
    PullErrorCause.UNSUPPORTED_MANIFEST,
]


@pytest.mark.parametrize("cause", UNSETTLED_PULLS)
def test_a_canary_that_settles_nothing_names_what_it_met(cause: PullErrorCause) -> None:
    text = next(rule_.example for rule_ in RULES if rule_.cause is cause)
    question = CanaryQuestion(pool="system", login_server=HOST, repository="team/web", image=f"{HOST}/team/web:none")
    answer = seen(CanaryReport(reason="ErrImagePull", text=text))
    canaries = Canaries(canaries=(Canary(question, answer),))
    finding = only(pw305_canary_pull.judge(access_facts.facts(canaries=canaries)))
    assert verdict(finding) == ("unknown", f"canary-{cause.value.replace('_', '-')}")


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome is not Outcome.REACHED])
def test_a_probes_outcome_is_the_cause(outcome: Outcome) -> None:
    probes = {performance_facts.ACR: performance_facts.probe(outcome)}
    finding = only(pw201_registry_connectivity.judge(performance_facts.facts(probes=probes)))
    assert word(finding.verdict) in ("fail", "unknown")
    assert finding.cause == outcome.value


@pytest.mark.parametrize("outcome", AT_DATA_ENDPOINTS)
def test_a_data_endpoints_outcome_is_the_cause(outcome: Outcome) -> None:
    data = (DataEndpoint(f"acrone.westeurope.data.{HOST}", outcome, "it does not answer"),)
    probes = {performance_facts.ACR: performance_facts.probe(Outcome.REACHED, data=data)}
    finding = only(pw201_registry_connectivity.judge(performance_facts.facts(probes=probes)))
    assert word(finding.verdict) in ("fail", "unknown")
    assert finding.cause == f"data-endpoint-{outcome.value}"


def test_unknown_where_a_deny_assignment_names_a_group_whose_members_were_not_read() -> None:
    deny = DenyAssignment(
        id="/x/denyAssignments/d",
        name="lock",
        scope="/",
        permissions=(Permission(("*",)),),
        principals=("group",),
        may_be_groups=("group",),
    )
    authorization = {SUBSCRIPTION: access_facts.authorization(held(ACR_PULL), denies=seen((deny,)))}
    finding = only(catalog.judge_with((pw102_pull_permission,), access_facts.facts(authorization=authorization)))
    assert verdict(finding) == ("unknown", "deny-through-group")


def test_unknown_where_the_only_role_that_is_held_has_no_readable_definition() -> None:
    authorization = {SUBSCRIPTION: access_facts.authorization(held(ACR_PULL), definitions=seen({}))}
    finding = only(catalog.judge_with((pw102_pull_permission,), access_facts.facts(authorization=authorization)))
    assert verdict(finding) == ("unknown", "role-definition-unreadable")


def needing(secrets: dict[str, Any]) -> Any:
    """A pod whose image only its pull secret can grant."""
    pod = image_facts.container(image_facts.WEB, "regcred")
    return image_facts.facts(pod, authorization=image_facts.NO_ROLE, pull_secrets=secrets)


REFUSED_FOR_IT = CredentialTest(registry=image_facts.ACR, accepted=True, refused=("team/web",))


@pytest.mark.parametrize(
    ("secrets", "cause"),
    [
        (image_facts.secret(exists=False), "secret-missing"),
        (image_facts.secret(type="Opaque"), "secret-wrong-type"),
        (image_facts.secret(image_facts.entry(asked=(REFUSED_FOR_IT,))), "secret-refused-repository"),
    ],
)
def test_fail_of_an_image_by_what_is_wrong_with_its_only_secret(secrets: dict[str, Any], cause: str) -> None:
    result = needing(secrets)
    assert verdict(only(pw304_images_without_credentials.judge(result))) == ("fail", cause)
    assert cause in {finding.cause for finding in pw303_pull_secrets.judge(result)}


def test_unknown_of_a_cache_rule_whose_credential_set_may_be_among_the_unreadable() -> None:
    rules = seen((performance_facts.rule(credential_set_id=performance_facts.CREDENTIALS),))
    sets = seen((), "1 of 1 bodies could not be read")
    performance = performance_facts.performance(cache_rules=rules, credential_sets=sets)
    facts = performance_facts.facts(
        images=(access_facts.image("hub/nginx"),),
        workloads=seen(None),
        performance={performance_facts.ACR: performance},
    )
    assert verdict(only(catalog.judge_with((pw403_artifact_cache,), facts))) == (
        "unknown",
        "credential-sets-unreadable",
    )


def test_nothing_is_said_of_a_cache_that_was_not_read_on_purpose() -> None:
    gap = NotSeen(NotSeenReason.NOT_APPLICABLE, "no cluster in scope uses it")
    performance = performance_facts.performance(cache_rules=gap)
    facts = performance_facts.facts(workloads=seen(None), performance={performance_facts.ACR: performance})
    assert verdict(only(catalog.judge_with((pw403_artifact_cache,), facts))) == ("skipped", "cache-not-read")


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("no match for platform in manifest sha256:5f0c: not found", PullErrorCause.PLATFORM_MISMATCH),
        ("unsupported schema version 7", PullErrorCause.UNSUPPORTED_MANIFEST),
        ("image verification failed for digest sha256:5f0c", PullErrorCause.POLICY),
        ("couldn't parse image name: invalid reference format", PullErrorCause.INVALID_REFERENCE),
        ("something that nobody has seen yet", PullErrorCause.UNKNOWN),
    ],
)
def test_a_pod_that_waits_says_the_cause_of_its_text(text: str, cause: PullErrorCause) -> None:
    pod = image_facts.container(waiting_reason="ErrImagePull", waiting_message=text)
    assert cause.value in {finding.cause for finding in pw301_pull_failures.judge(image_facts.facts(pod))}


def test_unknown_where_a_private_zone_answers_with_a_public_address() -> None:
    world = World()
    world.zone({"acrone": "20.1.2.3"}, world.vnet_id(NODES), name=HOST.partition(".")[2])
    assert ("unknown", "record-not-private") in path_causes(world)["PW204"]


def test_unknown_where_a_zone_has_records_and_no_endpoint_is_approved() -> None:
    world = World()
    home = world.vnet("vnet-endpoints", "10.20.0.0/16", endpoints={})
    world.peer(world.vnet_id(NODES), home)
    world.endpoint(status="Pending")
    world.zone(RECORDS, world.vnet_id(NODES))
    assert ("unknown", "no-approved-endpoint") in path_causes(world)["PW204"]


def test_unknown_where_virtual_network_rules_could_not_be_understood() -> None:
    world = voided()
    world.registry(networkRuleSet={"defaultAction": "Deny", "virtualNetworkRules": "garbage"})
    assert ("unknown", "rules-unreadable") in path_causes(world)["PW205"]


def test_unknown_whether_a_service_principal_can_sign_in() -> None:
    world = World().cluster(identityProfile=..., servicePrincipalProfile={"clientId": CLIENT_ID})
    world.bodies[world.cluster_id].pop("identity")
    world.nsg(rule("no", 200, "Deny", "AzureActiveDirectory", sourceAddressPrefix="10.10.0.0/24"))
    assert ("unknown", "nsg-unclear-sign-in") in path_causes(world)["PW206"]
