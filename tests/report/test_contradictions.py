"""What nodes say against what ARM and the registry say: each difference is named with its likely explanation."""

from typing import Any

import pytest

from checks.facts import ClusterFacts, ContainerImage, NotSeen, NotSeenReason
from checks.facts.pulls import Manifest
from checks.facts.registry_details import Outcome, Probe
from checks.findings import RegistryRow, word
from checks.report.cluster_report import build_report
from checks.rules import images
from tests.support import access_facts as base
from tests.support.count_facts import counted
from tests.support.image_facts import ACR, WEB, container, event, facts, pulled, secret, use_of, workloads
from tests.support.network_world import EGRESS, World
from tests.support.tenant_builder import object_id

UNAUTHORIZED = f'failed to pull image "{WEB}": failed to fetch oauth token: unexpected status: 401 Unauthorized'
DENIED = (
    "failed to fetch oauth token: unexpected status from POST request to https://acrone.azurecr.io/oauth2/token: 403 "
    "Forbidden: denied: client with IP '{}' is not allowed access. Refer https://aka.ms/acr/firewall to grant access."
)
BARE_403 = f"unexpected status from HEAD request to https://{ACR}/v2/team/web/manifests/1: 403 Forbidden"
NO_HOST = f'failed to do request: Head "https://{ACR}/v2/x": dial tcp: lookup {ACR} on 10.0.0.4:53: no such host'
TIMEOUT = f'failed to do request: Head "https://{ACR}/v2/x": dial tcp 20.1.2.3:443: i/o timeout'
UNTRUSTED = f'failed to do request: Head "https://{ACR}/v2/x": x509: certificate signed by unknown authority'
NOT_FOUND = f'failed to resolve reference "{WEB}": {WEB}: not found'


def waiting(text: str, *secrets: str, **over: Any) -> ContainerImage:
    return container(WEB, *secrets, waiting_reason="ErrImagePull", waiting_message=text, **over)


def row_of(cluster_facts: ClusterFacts) -> RegistryRow:
    return next(row for row in build_report(cluster_facts).registries if row.registry == ACR)


def sentences(cluster_facts: ClusterFacts) -> str:
    return "\n".join(row_of(cluster_facts).disagreements)


def manifest(**over: Any) -> dict[str, Any]:
    parsed = images.parse(WEB)
    assert parsed is not None
    return {images.canonical(parsed): base.seen(Manifest(**({"present": True} | over)))}


def world(there: World, *pods: ContainerImage, role: bool = True) -> ClusterFacts:
    """A world's cluster with these pods; AcrPull is held."""
    cluster_facts = there.facts()
    registry = cluster_facts.uses[0].registry
    held = base.held(base.ACR_PULL, there.registry_id, principal_id=object_id("aks-1"))
    return base.changed(
        cluster_facts,
        workloads=workloads(*pods),
        uses=(use_of(ACR, list(pods), registry),),
        authorization={base.SUBSCRIPTION: base.authorization(*((held,) if role else ()))},
    )


def test_a_refusal_although_the_role_is_held_names_the_token_cache() -> None:
    cluster_facts = facts(waiting(UNAUTHORIZED))
    assert "PW102 finds the role held" in sentences(cluster_facts)
    assert "up to 3 hours" in sentences(cluster_facts)
    assert word(row_of(cluster_facts).pull.verdict) == "fail"


def test_a_refusal_of_an_image_that_is_there_says_so() -> None:
    assert "the image is there (PW302)" in sentences(facts(waiting(UNAUTHORIZED), manifests=manifest()))


@pytest.mark.parametrize(
    "attributes",
    [{"present": False, "code": "MANIFEST_UNKNOWN"}, {"quarantine": "Quarantined"}, {"read_enabled": False}],
)
def test_a_refusal_that_the_registry_explains_is_the_images_trouble_not_the_rows(attributes: dict[str, Any]) -> None:
    cluster_facts = facts(waiting(UNAUTHORIZED), manifests=manifest(**attributes))
    assert "PW302 decides" in sentences(cluster_facts)
    assert row_of(cluster_facts).image_troubles == 1
    assert word(row_of(cluster_facts).pull.verdict) != "fail"


def test_a_refusal_of_an_absent_image_stays_the_rows_where_the_role_is_missing_too() -> None:
    absent = manifest(present=False, code="MANIFEST_UNKNOWN")
    cluster_facts = facts(
        waiting(UNAUTHORIZED), manifests=absent, authorization={base.SUBSCRIPTION: base.authorization()}
    )
    assert word(row_of(cluster_facts).pull.verdict) == "fail"


def test_a_refusal_of_a_pod_with_a_failing_secret_names_the_secret() -> None:
    cluster_facts = facts(waiting(UNAUTHORIZED, "regcred"), pull_secrets=secret(exists=False))
    assert "default/regcred, secret-missing" in sentences(cluster_facts)


MIRRORED = f'failed to do request: Head "{{}}/v2/team/web/manifests/1?ns={ACR}": '
REFUSED_BY = "dial tcp 127.0.0.1:8578: connect: connection refused"


def test_a_mirror_on_the_node_that_fails_is_the_nodes_trouble_not_the_rows() -> None:
    cluster_facts = world(World(), waiting(MIRRORED.format("http://localhost:8578") + REFUSED_BY))
    assert "What failed is the mirror localhost:8578, on the node itself" in sentences(cluster_facts)
    assert word(row_of(cluster_facts).pull.verdict) == "pass"
    finding = next(f for f in build_report(cluster_facts).findings if f.code == "PW301")
    assert "a mirror that nodes ask before acrone.azurecr.io" in finding.summary
    assert "either replace the node" in finding.fix[0]


def test_a_mirror_that_refuses_is_named_and_no_cached_token_is_blamed() -> None:
    text = f"{MIRRORED.format('https://mirror.corp.example')}unexpected status: 401 Unauthorized"
    cluster_facts = world(World(), waiting(text))
    assert "What failed is the mirror mirror.corp.example, which nodes are set up to ask first" in sentences(
        cluster_facts
    )
    assert "3 hours" not in sentences(cluster_facts)
    assert word(row_of(cluster_facts).pull.verdict) == "fail", "the nodes cannot pull, whoever refuses"
    finding = next(f for f in build_report(cluster_facts).findings if f.code == "PW301")
    assert "Either repair the mirror mirror.corp.example" in finding.fix[0]


@pytest.mark.parametrize("mirror", ["http://localhost:8578", "http://127.0.0.1:65001", "http://10.224.0.4:30020"])
def test_a_mirrors_refusal_fails_no_access(mirror: str) -> None:
    text = f"{MIRRORED.format(mirror)}unexpected status: 401 Unauthorized"
    row = row_of(world(World(), waiting(text)))
    assert (word(row.access.verdict), row.access.cause) == ("pass", "role-held")
    assert "role assignment" not in " ".join(row.fix) and "attach-acr" not in " ".join(row.fix)


UNSEEN = NotSeen(NotSeenReason.NOT_FOUND, f"{ACR} is in none of the 2 subscriptions that were read", "Reader")


@pytest.mark.parametrize("text", [UNAUTHORIZED, DENIED.format("20.1.2.3"), BARE_403, TIMEOUT, NOT_FOUND])
def test_somebody_elses_registry_is_not_visible_and_no_role_on_it_is_proposed(text: str) -> None:
    pod = waiting(text)
    cluster_facts = facts(pod, uses=(use_of(ACR, [pod], UNSEEN),))
    row = row_of(cluster_facts)
    assert (word(row.access.verdict), row.access.cause) == ("unknown", "look-not-found")
    fixes = [line for finding in build_report(cluster_facts).findings for line in finding.fix]
    assert not [line for line in (*row.fix, *fixes) if "role assignment create" in line or "attach-acr" in line]


ACR_MIRROR = "acrmir.azurecr.io"


def mirrored(text: str) -> dict[str, RegistryRow]:
    """The rows where an Azure registry is the mirror of docker.io."""
    image = "docker.io/library/nginx:1"
    pod = container(image, waiting_reason="ErrImagePull", waiting_message=text)
    known = base.seen(base.registry(name="acrmir", login_server=ACR_MIRROR))
    mirror = use_of(ACR_MIRROR, [], known)
    uses = (
        use_of("docker.io", [pod]),
        base.changed(mirror, sources=("mirror of docker.io in pull errors",)),
    )
    cluster_facts = facts(pod, uses=uses, authorization={base.SUBSCRIPTION: base.authorization()})
    return {row.registry: row for row in build_report(cluster_facts).registries}


ASKED_AS_MIRROR = f'failed to do request: Head "https://{ACR_MIRROR}/v2/library/nginx/manifests/1?ns=docker.io": '


def test_an_azure_registry_that_refuses_as_a_mirror_has_the_row_and_no_role_is_proposed() -> None:
    rows = mirrored(f"{ASKED_AS_MIRROR}unexpected status: 401 Unauthorized")
    assert word(rows["docker.io"].access.verdict) == "skipped"
    assert word(rows["docker.io"].pull.verdict) != "fail"
    row = rows[ACR_MIRROR]
    assert (word(row.pull.verdict), row.pull.cause) == ("fail", "unauthorized")
    assert "with the credentials for docker.io" in " ".join(row.disagreements)
    assert "role assignment" not in " ".join(row.fix)
    assert "a pull secret for docker.io that holds a token of acrmir.azurecr.io" in row.fix[0]


def test_the_firewall_of_an_azure_registry_that_is_a_mirror_is_opened_there() -> None:
    row = mirrored(ASKED_AS_MIRROR + DENIED.format("20.1.2.3").split("Forbidden: ")[1])[ACR_MIRROR]
    assert row.pull.cause == "firewall_denied"
    assert any("network-rule add --name acrmir" in command and "20.1.2.3" in command for command in row.fix)


ROUTED = World().routes(("0.0.0.0/0", "VirtualAppliance"))
BROKEN_OFF = f'failed to do request: Head "https://{ACR}/v2/team/web/manifests/1": EOF'


@pytest.mark.parametrize("text", [BROKEN_OFF, TIMEOUT, UNTRUSTED])
def test_connections_that_break_off_are_joined_with_the_appliance_on_the_route(text: str) -> None:
    cluster_facts = world(ROUTED, waiting(text))
    assert "PW206 shows what they pass through" in sentences(cluster_facts)
    assert word(row_of(cluster_facts).pull.verdict) != "pass"


def test_connections_that_break_off_without_an_appliance_say_nothing_of_one() -> None:
    assert "pass through" not in sentences(world(World(), waiting(BROKEN_OFF)))


def test_nodes_and_azure_agree_where_the_role_is_missing() -> None:
    cluster_facts = facts(waiting(UNAUTHORIZED), authorization={base.SUBSCRIPTION: base.authorization()})
    assert sentences(cluster_facts) == ""


def test_a_firewall_that_refused_an_address_it_allows_now_was_changed() -> None:
    assert "its IP rules allow it now" in sentences(world(World().deny(EGRESS), waiting(DENIED.format(EGRESS))))


def test_a_firewall_that_refused_and_is_open_now_was_changed() -> None:
    assert "is open to all now" in sentences(world(World(), waiting(DENIED.format(EGRESS))))


def test_an_address_that_nodes_are_not_known_to_leave_with_is_named() -> None:
    text = sentences(world(World().deny(EGRESS), waiting(DENIED.format("198.51.100.7"))))
    assert "saw 198.51.100.7, which is none of the addresses" in text
    assert EGRESS in text


def test_an_address_that_the_rules_do_not_allow_is_no_disagreement() -> None:
    assert sentences(world(World().deny("192.0.2.1"), waiting(DENIED.format(EGRESS)))) == ""


def test_a_public_address_seen_where_names_lead_to_an_endpoint_is_named() -> None:
    cluster_facts = world(World().healthy_private(), waiting(DENIED.format(EGRESS)))
    assert "the nodes resolve the public name" in sentences(cluster_facts)


def test_a_403_without_the_firewalls_words_names_the_endpoint() -> None:
    text = sentences(world(World(), waiting(BARE_403)))
    assert "private endpoint that is missing for the layers answers so too" in text
    assert "key" not in text  # the registry has none of its own


def test_names_that_are_right_in_arm_and_do_not_resolve_are_named() -> None:
    assert "PW204 finds the path right" in sentences(world(World().healthy_private(), waiting(NO_HOST)))


def test_no_connection_on_a_way_that_passes_is_named() -> None:
    assert "something that ARM does not show" in sentences(world(World(), waiting(TIMEOUT)))


def test_no_connection_on_a_way_that_fails_is_no_disagreement() -> None:
    assert sentences(world(World().private(), waiting(TIMEOUT))) == ""


def test_an_image_that_is_found_now_is_named() -> None:
    assert "PW302 finds it now" in sentences(facts(waiting(NOT_FOUND), manifests=manifest()))


def test_a_certificate_that_holds_elsewhere_is_named() -> None:
    probe = base.seen(Probe(host=ACR, outcome=Outcome.REACHED, detail="reached", signed_in=True))
    assert "intercepts TLS" in sentences(facts(waiting(UNTRUSTED), probes={ACR: probe}))


def test_nothing_is_said_where_no_pod_waits() -> None:
    assert sentences(facts(container(), events=[pulled()])) == ""


def test_a_rise_that_no_pod_of_the_cluster_shows_is_somebody_elses() -> None:
    risen = {ACR: counted((200, 180), (200, 180), (200, 180))}
    healthy = base.changed(world(World(), container()), pull_counts=risen)
    assert "more failed pulls than usually (PW307)" in sentences(healthy)
    assert "another cluster, a pipeline or somebody by hand is likely" in sentences(healthy)
    assert word(row_of(healthy).pull.verdict) == "pass", "it warns, and decides nothing"


@pytest.mark.parametrize(
    "changes",
    [
        {"pull_counts": {ACR: counted((200, 4), (200, 4), (200, 4))}},
        {"authorization": {base.SUBSCRIPTION: base.authorization()}},
        {"workloads": base.REFUSED},
    ],
    ids=["no rise", "no role", "pods not seen"],
)
def test_a_rise_is_nobody_elses_where_the_cluster_is_not_known_to_be_right(changes: dict[str, Any]) -> None:
    risen = {ACR: counted((200, 180), (200, 180), (200, 180))}
    cluster_facts = base.changed(world(World(), container()), pull_counts=risen)
    assert "somebody by hand" not in sentences(base.changed(cluster_facts, **changes))


@pytest.mark.parametrize("text", [UNAUTHORIZED, DENIED.format(EGRESS)])
def test_refusals_of_which_the_registry_counted_no_pull_are_not_its_pulls(text: str) -> None:
    said = sentences(base.changed(world(World(), waiting(text)), pull_counts={ACR: counted()}))
    assert "in the last 3 hours the registry counted no pull at all" in said
    assert "a mirror, a proxy, or a name that leads elsewhere" in said


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (UNAUTHORIZED, counted((0, 0), (0, 0), (1, 1))),
        (UNAUTHORIZED, counted(earlier=())),
        (UNAUTHORIZED, counted(partial="1 hour could not be read")),
        (UNAUTHORIZED, base.REFUSED),
        (TIMEOUT, counted()),
    ],
    ids=["one pull", "a registry that never counted", "in part", "not read", "no connection"],
)
def test_nothing_is_said_of_no_pulls_where_that_is_no_news(text: str, part: Any) -> None:
    cluster_facts = base.changed(world(World(), waiting(text)), pull_counts={ACR: part})
    assert "no pull at all" not in sentences(cluster_facts)


def test_findings_tell_windows_nodes_and_how_often_since_when() -> None:
    pod = waiting("", os="windows", node="akswin000001")
    failed = event(
        "Failed", f'Failed to pull image "{WEB}": {UNAUTHORIZED}', count=7, first_seen="2026-11-24T09:00:00Z"
    )
    report = build_report(facts(pod, events=[failed]))
    finding = next(f for f in report.findings if f.code == "PW301")
    assert "Windows: akswin000001" in finding.summary
    assert any(e.what == "reported 7 times since 2026-11-24T09:00:00Z" for e in finding.evidence)
