"""``pull``: what access and path infer against what canaries and pods prove, and the proofs of pods themselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from checks.facts import ContainerImage, NotSeen, NotSeenReason, RegistryUse
from checks.findings import Facet, Fail, Finding, Pass, Severity, Skipped, Subject, Unknown, Verdict, word
from checks.report.pull_verdict import NodeReports, PullProofs, proofs_about, pull_facet
from checks.report.registry_row import registry_row
from checks.rules.access import rbac
from checks.rules.pull.observed_pulls import PullProof, describe_age, failed_pulls, not_found_proofs, pull_proofs
from tests.support.access_facts import READ_AT, cluster, pool, registry, seen, use
from tests.support.image_facts import ACR, WEB, container, event, pulled, workloads

CLUSTER = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/aks-1"
OPEN = Unknown("Reader")
MAY, MAY_NOT, MAYBE = (
    Facet(Pass(), "role-held", ("PW102",)),
    Facet(Fail(), "role-missing", ("PW102",)),
    Facet(Unknown("what a condition means", look_failed=False), "?"),
)
USE = RegistryUse(login_server=ACR, sources=("images",), registry=NotSeen(NotSeenReason.ERROR, "not read"))
HIDDEN = Facet(OPEN, "look-not-allowed")
PODS = PullProof(ACR, WEB, "2026-11-24T11:30:00Z", True, frozenset(), READ_AT)
LONG_AGO = PullProof(ACR, WEB, "2026-11-24T04:00:00Z", True, frozenset(), READ_AT)


def finding(code: str, verdict: Verdict, cause: str, pool: str | None = None, **over: Any) -> Finding:
    severity = Severity.ERROR if isinstance(verdict, Fail) else Severity.INFO
    given: dict[str, Any] = {
        "severity": severity,
        "summary": f"{code} {cause} {pool or 'all'}",
        "fix": (f"fix {code}",),
    }
    return Finding(code=code, subject=Subject(CLUSTER, registry=ACR, pool=pool), verdict=verdict, cause=cause,
                   **(given | over))  # fmt: skip


def canary(cause: str, pool: str = "system", **over: Any) -> Finding:
    """A canary's finding: a Pass by what it proves, a Fail by a cause, an Unknown where it is "unanswered"."""
    verdict: Verdict = Fail()
    if cause.startswith("canary-"):
        verdict = Pass() if cause != "canary-unanswered" else OPEN
    return finding("PW305", verdict, cause, pool, **over)


def path(verdict: Verdict, cause: str = "ip-not-allowed", pool: str | None = None, code: str = "PW202") -> Finding:
    """A path's finding; those of these tests that are about layers say so in their cause."""
    about = cause.startswith("data-") or cause.endswith("-layers")
    return msgspec.structs.replace(finding(code, verdict, cause, pool), about_layers=about)


OPEN_PATH = path(Pass(), "open-to-all")


@dataclass(frozen=True)
class Case:
    """What is known, and the pull that follows: verdict, cause and what each sentence that is told must hold."""

    name: str
    expected: tuple[str, str]
    decided_by: tuple[str, ...]
    access: Facet = MAY
    on_path: tuple[Finding, ...] = (OPEN_PATH,)
    canaries: tuple[Finding, ...] = ()
    proof: PullProof | None = None
    nodes: NodeReports = field(default_factory=lambda: NodeReports((), (), ()))
    says: tuple[str, ...] = ()


NODES_FAIL = NodeReports((finding("PW301", Fail(), "unauthorized"),), (), ())
NODES_VAGUE = NodeReports((), (), (finding("PW301", Fail(), "backoff_only"),))
LAYERS, FOUND, REPOSITORY, ONLY_PATH = "canary-pulled", "canary-not-found", "canary-repository-only", "canary-path-only"
CASES = (
    # Inference alone.
    Case("both hold", ("pass", "role-held"), ("PW102", "PW202")),
    Case("access fails", ("fail", "role-missing"), ("PW102",), MAY_NOT),
    Case("access open", ("unknown", "?"), (), MAYBE),
    # A proof settles what is open.
    Case("a canary settles access", ("pass", "pulled"), ("PW305",), MAYBE, canaries=(canary(FOUND),)),
    Case("pods settle access", ("pass", "pulled"), ("PW301",), MAYBE, proof=PODS),
    Case("pods do not settle an access that may not be read", ("unknown", "look-not-allowed"), ("PW301",), HIDDEN,
         proof=PODS, says=("a token outlives a role by up to 3 hours",)),
    Case("a canary settles an access that may not be read", ("pass", "pulled"), ("PW305",), HIDDEN,
         canaries=(canary(FOUND),)),
    Case("a canary settles the path", ("pass", "pulled"), ("PW305",), on_path=(path(OPEN, "udr"),),
         canaries=(canary(FOUND),)),
    Case("a proof settles what nodes say vaguely", ("pass", "pulled"), ("PW305",), nodes=NODES_VAGUE,
         canaries=(canary(FOUND),)),
    # The way alone never settles access.
    *(
        Case(f"{cause} leaves access open", ("unknown", "?"), (), MAYBE, canaries=(canary(cause),))
        for cause in (REPOSITORY, ONLY_PATH)
    ),
    Case("the way alone settles the path", ("pass", "role-held"), ("PW102", "PW305"), on_path=(path(OPEN, "udr"),),
         canaries=(canary(ONLY_PATH),)),
    Case("the way alone does not refute access", ("fail", "role-missing"), ("PW102",), MAY_NOT,
         canaries=(canary(ONLY_PATH),)),
    Case("the way alone refutes a path", ("pass", "role-held"), ("PW102", "PW305"), on_path=(path(Fail()),),
         canaries=(canary(ONLY_PATH),), says=("contradicts the path",)),
    Case("the way alone refutes a path and leaves access open", ("unknown", "?"), (), MAYBE, (path(Fail()),),
         canaries=(canary(ONLY_PATH),), says=("contradicts the path",)),
    Case("the way of one pool says nothing of another", ("fail", "ip-not-allowed"), ("PW202",),
         on_path=(path(Fail(), pool="gpu"),), canaries=(canary(ONLY_PATH),), says=("the pool gpu, of which",)),
    Case("the way of one pool leaves another open", ("unknown", "udr"), ("PW202",),
         on_path=(path(OPEN, "udr", "gpu"),), canaries=(canary(ONLY_PATH),)),
    # A proof against an inferred Fail.
    Case("access fails although a canary may", ("fail", "role-missing"), ("PW102",), MAY_NOT,
         canaries=(canary(FOUND),), says=("outlives a removed role by up to 3 hours",)),
    Case("access fails although pods pulled", ("fail", "role-missing"), ("PW102",), MAY_NOT, proof=PODS,
         says=("A node pulled acrone.azurecr.io/team/web:1 at 2026-11-24T11:30:00Z (30 minutes before this scan).",)),
    Case("the path fails and a canary refutes it", ("pass", "pulled-against-path"), ("PW305",),
         on_path=(path(Fail()),), canaries=(canary(FOUND),), says=("contradicts the path",)),
    Case("the path fails and pods refute it", ("pass", "pulled-against-path"), ("PW301",), on_path=(path(Fail()),),
         proof=PODS, says=("This contradicts the path",)),
    Case("the path fails and pods refute what it was long before", ("pass", "pulled-against-path"), ("PW301",),
         on_path=(path(Fail()),), proof=LONG_AGO, says=("8 hours before this scan). If the path was changed after",)),
    Case("nodes fail although a canary may", ("fail", "unauthorized"), ("PW301",), nodes=NODES_FAIL,
         canaries=(canary(FOUND),), says=("nodes still try and fail",)),
    # Layers come another way.
    Case("not found proves no layers", ("fail", "data-record-missing"), ("PW204",),
         on_path=(path(Fail(), "data-record-missing", code="PW204"),), canaries=(canary(FOUND),), says=("the layers",)),
    Case("pulled layers refute it", ("pass", "pulled-against-path"), ("PW305",),
         on_path=(path(Fail(), "nsg-closes-layers"),), canaries=(canary(FOUND), canary(LAYERS)), says=("contradicts",)),
    Case("pods that ran refute it", ("pass", "pulled-against-path"), ("PW301",),
         on_path=(path(Fail(), "nsg-closes-layers"),), proof=PODS, says=("contradicts",)),
    Case("layers of one pool say nothing of another's", ("fail", "nsg-closes-layers"), ("PW202",),
         on_path=(path(Fail(), "nsg-closes-layers", "gpu"),),
         canaries=(canary(LAYERS), canary(FOUND), canary(FOUND, "gpu")), says=("the layers",)),
    Case("layers of some pools say nothing of all", ("fail", "nsg-closes-layers"), ("PW202",),
         on_path=(path(Fail(), "nsg-closes-layers"),), canaries=(canary(LAYERS), canary(FOUND, "gpu")),
         says=("the layers",)),
    Case("open layers stay open", ("unknown", "proxy-decides-layers"), ("PW206",),
         on_path=(path(OPEN, "udr"), path(OPEN, "proxy-decides-layers", code="PW206")), canaries=(canary(FOUND),),
         says=("leaves open what PW206 says",)),
    Case("open layers are settled by layers", ("pass", "pulled"), ("PW305",),
         on_path=(path(OPEN, "proxy-decides-layers"),), canaries=(canary(LAYERS),)),
    # Several pools.
    Case("another pool stays open", ("unknown", "udr"), ("PW202",), on_path=(path(OPEN, "udr", "gpu"),),
         canaries=(canary(FOUND), canary("canary-unanswered", "gpu")), says=("of the pool gpu",)),
    Case("another pool's Fail stands", ("fail", "ip-not-allowed"), ("PW202",), on_path=(path(Fail(), pool="gpu"),),
         canaries=(canary(FOUND),), says=("the pool gpu, of which this says nothing",)),
    Case("one pool's Fail is refuted and another stays open", ("unknown", "udr"), ("PW202",),
         on_path=(path(Fail()), path(OPEN, "udr", "gpu")), canaries=(canary(FOUND),),
         says=("contradicts", "leaves open what PW202 says of the pool gpu")),
    Case("pods of one pool say nothing of another", ("fail", "ip-not-allowed"), ("PW202",),
         on_path=(path(Fail(), pool="gpu"),), proof=PullProof(ACR, WEB, None, True, frozenset({"system"})),
         says=("the pool gpu",)),
    Case("pods whose pool is not known speak for any", ("pass", "pulled-against-path"), ("PW301",),
         on_path=(path(Fail(), pool="gpu"),), proof=PODS, says=("contradicts",)),
    Case("pods prove one pool and a canary another's way", ("pass", "pulled-against-path"), ("PW301",),
         on_path=(path(Fail(), pool="gpu"),), canaries=(canary(ONLY_PATH, "gpu"),),
         proof=PullProof(ACR, WEB, None, True, frozenset({"system"})), says=("contradicts",)),
    Case("every pool's canary settles every pool", ("pass", "pulled-against-path"), ("PW305",),
         on_path=(path(Fail(), pool="gpu"), path(OPEN, "udr", "system")),
         canaries=(canary(FOUND), canary(FOUND, "gpu")), says=("So did the pools system.",)),
    # A canary that fails.
    Case("a canary fails and nothing else does", ("fail", "dns"), ("PW305",), canaries=(canary("dns"),),
         says=("(pools: system) although Azure Resource Manager shows that nodes have a network path: a DNS server",)),
    Case("a canary is refused and the role is held", ("fail", "unauthorized"), ("PW305",),
         canaries=(canary("unauthorized"),), says=("shows that nodes may pull: a role, or a group's member",)),
    Case("a canary is refused and the role is missing", ("fail", "role-missing"), ("PW102", "PW305"), MAY_NOT,
         canaries=(canary("unauthorized"),)),
    Case("a canary fails where the path is open", ("fail", "dns"), ("PW305",), on_path=(path(OPEN, "udr"),),
         canaries=(canary("dns"),)),
    Case("a canary fails and the path says why", ("fail", "ip-not-allowed"), ("PW202", "PW305"),
         on_path=(path(Fail()),), canaries=(canary("firewall_denied"),)),
    Case("one pool of two fails", ("fail", "firewall_denied"), ("PW305",),
         canaries=(canary(FOUND), canary("firewall_denied", "gpu")), says=("(pools: gpu)",)),
    Case("the path of another pool explains nothing", ("fail", "dns"), ("PW305",),
         on_path=(path(Fail(), pool="system"),), canaries=(canary(FOUND), canary("dns", "gpu"))),
    Case("pools fail for two reasons and both are named", ("fail", "dns"), ("PW305",),
         canaries=(canary("dns"), canary("unauthorized", "gpu")),
         says=("(pools: gpu) although Azure Resource Manager shows that nodes may pull",
               "(pools: system) although Azure Resource Manager shows that nodes have a network path")),
    Case("of two reasons one is explained", ("fail", "dns"), ("PW305",), on_path=(path(OPEN, "udr"),),
         canaries=(canary("dns"), canary("unauthorized", "gpu")), says=("(pools: gpu) although",)),
    Case("a canary fails although pods pulled", ("fail", "dns"), ("PW305",), canaries=(canary("dns"),), proof=PODS,
         says=("30 minutes before this scan). The failure stands all the same: the canary fails now", "although")),
    Case("nodes and a canary fail", ("fail", "unauthorized"), ("PW301", "PW305"), nodes=NODES_FAIL,
         canaries=(canary("unauthorized"),), says=("although",)),
    # What a canary's finding is not.
    Case("a node's own trouble fails no row", ("pass", "pulled"), ("PW305",), MAYBE,
         canaries=(canary("node_disk", severity=Severity.WARNING), canary(FOUND, "gpu"))),
    Case("no answer is no proof", ("unknown", "?"), (), MAYBE, canaries=(canary("canary-unanswered"),)),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_pull_by_what_is_inferred_and_what_is_proven(case: Case) -> None:
    failed = [f for f in case.on_path if isinstance(f.verdict, Fail)]
    unknown = [f for f in case.on_path if isinstance(f.verdict, Unknown)]
    first = (failed or unknown or list(case.on_path))[0]
    inferred = Facet(first.verdict, first.cause, (first.code,), first.summary)
    proven = proofs_about(case.canaries, ACR, case.proof)
    facet, names = pull_facet(case.access, inferred, list(case.on_path), case.nodes, proven)
    assert (word(facet.verdict), facet.cause) == case.expected
    assert facet.decided_by == case.decided_by
    assert len(names) == len(case.says), names
    for sentence, expected in zip(names, case.says, strict=True):
        assert expected in sentence


def test_a_canary_of_another_registry_proves_and_fails_nothing() -> None:
    others = [canary(FOUND), canary("dns", "gpu")]
    assert proofs_about(others, "other.azurecr.io", None) == proofs_about((), ACR, None)


def test_the_row_of_a_failing_canary_has_its_fix_and_names_the_pool() -> None:
    findings = [finding("PW102", Pass(), "role-held"), OPEN_PATH, canary(FOUND), canary("dns", "gpu")]
    row = registry_row(USE, findings, None)
    assert (word(row.access.verdict), word(row.path.verdict), word(row.pull.verdict)) == ("pass", "pass", "fail")
    assert row.fix == ("fix PW305",)
    assert "(pools: gpu)" in row.disagreements[0]
    assert row.pull.summary == "PW305 dns gpu"


def test_a_skipped_canary_changes_nothing() -> None:
    findings = [finding("PW102", Pass(), "role-held"), OPEN_PATH]
    skipped = finding("PW305", Skipped("no canary was asked for"), "not-asked")
    assert registry_row(USE, [*findings, skipped], None) == registry_row(USE, findings, None)


# the proofs of pods ---------------------------------------------------------------------------------------------------

IDENTITY = f'failed to pull and unpack image "{WEB}": failed to resolve reference "{WEB}": {WEB}: not found'
WITHOUT = f"failed to authorize: failed to fetch anonymous token: unexpected status from GET request to https://{ACR}/oauth2/token: 401 Unauthorized"  # noqa: E501
BOTH = f"[rpc error: code = NotFound desc = {IDENTITY}, failed to pull and unpack image: {WITHOUT}]"


def waiting(text: str, *secrets: str, **over: Any) -> ContainerImage:
    return container(WEB, *secrets, waiting_reason="ErrImagePull", waiting_message=text, **over)


def refused(image: ContainerImage, used: RegistryUse | None = None) -> dict[str, PullProof]:
    pulls = failed_pulls(workloads(image).value)
    return not_found_proofs(pulls, (used or use(),), (pool("system"), pool("gpu")), READ_AT)


@pytest.mark.parametrize("text", [IDENTITY, BOTH])
def test_a_tag_that_is_not_there_proves_access_for_the_pool_and_no_layers(text: str) -> None:
    assert refused(waiting(text)) == {ACR: PullProof(ACR, WEB, READ_AT, False, frozenset({"system"}), READ_AT)}


@pytest.mark.parametrize(
    ("container", "used"),
    [
        (waiting(IDENTITY, "regcred"), None),
        (waiting(WITHOUT), None),
        (waiting(BOTH.replace("anonymous", "oauth")), None),
        (waiting(IDENTITY), use(seen(registry(anonymous_pull=True)))),
        (waiting(IDENTITY), use(seen(registry(anonymous_pull=None)))),
        (waiting(IDENTITY), use(seen(registry(role_assignment_mode=rbac.ABAC_MODE)))),
        (waiting(IDENTITY), use(seen(registry(role_assignment_mode=None)))),
        (waiting(IDENTITY), use(NotSeen(NotSeenReason.NOT_ALLOWED, "403"))),
        (waiting(IDENTITY), use(login_server="other.azurecr.io")),
    ],
)
def test_a_tag_that_is_not_there_proves_nothing_where_another_may_have_heard_it(
    container: ContainerImage, used: RegistryUse | None
) -> None:
    assert refused(container, used) == {}


def test_the_pools_of_several_pods_count_together() -> None:
    pods = (waiting(IDENTITY), waiting(IDENTITY, pod="web-2", node="aks-gpu-12345678-vmss000001"))
    result = not_found_proofs(failed_pulls(workloads(*pods).value), (use(),), (pool("system"), pool("gpu")), READ_AT)
    assert result[ACR].pools == {"system", "gpu"}


def test_the_latest_pull_per_host_is_the_proof_and_a_cached_image_is_none() -> None:
    other = "other.azurecr.io/a:1"
    events = (
        pulled(WEB, last_seen="2026-11-24T11:00:00Z"),
        pulled(f"{ACR}/team/api:2", last_seen="2026-11-24T11:40:00Z", pod="api-1"),
        pulled(other, last_seen="2026-11-24T09:00:00Z", pod="lost"),
    )
    seen_pods = workloads(container(), container(f"{ACR}/team/api:2", pod="api-1"), events=events).value
    result = pull_proofs(seen_pods, cluster(pools=(pool(),)).pools, READ_AT)
    system = frozenset({"system"})
    assert result[ACR] == PullProof(ACR, f"{ACR}/team/api:2", "2026-11-24T11:40:00Z", True, system, READ_AT)
    assert result["other.azurecr.io"].pools == frozenset(), "its pod is gone, so its pool is not known"
    cached = pulled(WEB)
    text = f'Container image "{WEB}" already present on machine'
    assert pull_proofs(workloads(container(), events=(type(cached)(reason="Pulled", message=text, namespace="default",
                                                              pod="web-1"),)).value) == {}  # fmt: skip


def test_an_image_that_a_pod_may_use_from_the_node_proves_nothing_about_the_registry() -> None:
    text = f'Container image "{WEB}" already present on machine and can be accessed by the pod'
    allowed = event("Pulled", text)
    assert pull_proofs(workloads(container(), events=(allowed,)).value) == {}


@pytest.mark.parametrize(
    ("when", "read_at", "says"),
    [
        ("2026-11-24T11:59:30Z", READ_AT, ""),
        ("2026-11-24T11:59:00Z", READ_AT, " (1 minute before this scan)"),
        ("2026-11-24T10:01:00Z", READ_AT, " (119 minutes before this scan)"),
        ("2026-11-24T10:00:00Z", READ_AT, " (2 hours before this scan)"),
        ("2026-11-24T12:05:00Z", READ_AT, ""),
        ("2026-11-24T10:00:00", READ_AT, ""),
        ("yesterday", READ_AT, ""),
        (None, READ_AT, ""),
        ("2026-11-24T10:00:00Z", None, ""),
    ],
)
def test_the_age_of_a_proof(when: str | None, read_at: str | None, says: str) -> None:
    assert describe_age(PullProof(ACR, WEB, when, True, frozenset(), read_at)) == says


@pytest.mark.parametrize(
    ("verdict", "cause"), [(Fail(), "endpoint-out-of-reach"), (Unknown("it"), "replica-data-record-missing")]
)
def test_a_canary_that_asked_for_no_layers_settles_nothing_about_them(verdict: Any, cause: str) -> None:
    about = msgspec.structs.replace(path(verdict, cause, code="PW204"), about_layers=True)
    proven = proofs_about([canary(FOUND)], ACR, None)
    facet, _ = pull_facet(
        Facet(Pass(), "role-held"),
        Facet(verdict, cause, ("PW204",), "the layers"),
        [about],
        NodeReports((), (), ()),
        proven,
    )
    assert word(facet.verdict) == word(verdict)


@pytest.mark.parametrize(
    ("cause", "when", "says"),
    [
        ("role-missing", "2026-11-24T11:30:00Z", True),
        ("role-missing", "2026-11-17T11:30:00Z", False),
        ("identity-deleted", "2026-11-24T11:30:00Z", False),
        ("tenants-differ", "2026-11-24T11:30:00Z", False),
    ],
)
def test_a_cached_token_is_spoken_of_only_beside_a_role_and_a_recent_pull(cause: str, when: str, says: bool) -> None:
    proven = proofs_about([], ACR, msgspec.structs.replace(PODS, when=when))
    access, open_path = Facet(Fail(), cause, ("PW102",), "it may not"), Facet(Pass(), "open-to-all")
    facet, sentences = pull_facet(access, open_path, [], NodeReports((), (), ()), proven)
    assert (word(facet.verdict), facet.cause) == ("fail", cause)
    assert any("cached token" in sentence for sentence in sentences) is says
    assert bool(sentences) is says


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (f'Failed to pull image "{WEB}": not found', True),
        (f'Failed to pull image "{WEB}0": not found', False),
        (f"Failed to pull image {WEB}: not found", True),
        (f"{WEB}0 and {WEB} differ", True),
        (f"it was {WEB}", True),
    ],
)
def test_an_event_is_about_the_image_it_names_and_no_longer_one(text: str, names: bool) -> None:
    waiting = container(WEB, waiting_reason="ImagePullBackOff", waiting_message=f'Back-off pulling image "{WEB}"')
    (pull,) = failed_pulls(workloads(waiting, events=(event("Failed", text),)).value)
    assert bool(pull.events) is names


def test_what_a_node_heard_has_the_time_at_which_its_pods_were_read_not_one_at_which_it_asked() -> None:
    asked = PullProofs(PullProof(ACR, WEB, READ_AT, False, frozenset(), READ_AT))
    assert asked.description.startswith(f"A node asked for {WEB}, as its pods said at {READ_AT}, and heard")
