"""PW305: what a canary's answer proves, what it fails by, and what it leaves open."""

from __future__ import annotations

from typing import Any

import pytest

from checks.catalog.pw305_canary_pull import judge
from checks.facts import ContainerImage, NotSeen, NotSeenReason, RegistryUse
from checks.facts.canary import Canaries, Canary, CanaryQuestion, CanaryRefusal, CanaryReport, RefusedBy
from checks.facts.outbound import NetworkAccess
from checks.facts.pulls import Manifest
from checks.findings import Finding, Severity, Unknown
from checks.rules.access import rbac
from checks.rules.pull import canaries, canary_refusals
from checks.rules.pull.canary_refusals import CanaryRefusalCause as Refusal
from checks.rules.pull.errors import PullErrorCause, affected_scope
from checks.rules.pull.errors import PullErrorCause as Cause
from checks.rules.pull.errors.rules import RULES
from tests.support import access_facts as base
from tests.support import performance_facts
from tests.support.access_facts import REFUSED, cluster, image, only, pool, registry, seen, use, verdict

ACR = "acrone.azurecr.io"
ABSENT = f"{ACR}/team/web:pullwatch-absent-1"
LAYERS = f"{ACR}/team/web:1"
WEB = image("team/web")
START = f'failed to pull and unpack image "{ABSENT}": failed to resolve reference "{ABSENT}": '
HEAD = f'{START}failed to do request: Head "https://{ACR}/v2/team/web/manifests/pullwatch-absent-1": '
NOT_FOUND = f"rpc error: code = NotFound desc = {START}{ABSENT}: not found"
TOKEN = f"https://{ACR}/oauth2/token?scope=repository%3Ateam%2Fweb%3Apull&service={ACR}"
ANONYMOUS = f"{START}failed to authorize: failed to fetch anonymous token: unexpected status from GET request to {TOKEN}: 401 Unauthorized"  # noqa: E501
OAUTH = ANONYMOUS.replace("anonymous token", "oauth token")
HEALTH = f"az acr check-health --name acrone --subscription {base.SUBSCRIPTION} --ignore-errors --yes"
LISTED = f"az role assignment list --assignee {base.ME} --scope {base.REGISTRY_ID} --include-inherited --include-groups"
EGRESS = "20.50.1.1"
DENIED = f"{START}unexpected status from HEAD request to https://{ACR}/v2/team/web/manifests/x: 403 Forbidden: denied: client with IP '{EGRESS}' is not allowed access. Refer https://aka.ms/acr/firewall to grant access."  # noqa: E501


def ask(**over: Any) -> CanaryQuestion:
    given = {"pool": "system", "login_server": ACR, "repository": "team/web", "image": ABSENT}
    return CanaryQuestion(**(given | over))


def real(**over: Any) -> CanaryQuestion:
    return ask(**({"image": LAYERS, "real": True} | over))


def report(text: str = NOT_FOUND, reason: str = "ErrImagePull", **over: Any) -> CanaryReport:
    return CanaryReport(reason=reason, text=text, **over)


def pulled() -> CanaryReport:
    return CanaryReport(pulled=True, reason="Pulled")


def judged(answer: Any, question: CanaryQuestion | None = None, **over: Any) -> tuple[Finding, ...]:
    result = answer if isinstance(answer, NotSeen) else seen(answer)
    given: dict[str, Any] = {
        "canaries": Canaries(canaries=(Canary(question or ask(), result),)),
        "uses": (use(None, WEB),),
    }
    return judge(base.facts(**(given | over)))


def in_mode(**over: Any) -> tuple[RegistryUse, ...]:
    """The registry otherwise, with one image in use."""
    return (use(seen(registry(**over)), WEB),)


ABAC = {"role_assignment_mode": rbac.ABAC_MODE}


# what an answer proves -----------------------------------------------------------------------------------------------


def test_pass_where_the_tag_is_not_found_for_only_who_may_pull_hears_that() -> None:
    finding = only(judged(report()))
    assert verdict(finding) == ("pass", "canary-not-found")
    assert (finding.subject.registry, finding.subject.pool, finding.subject.image) == (ACR, "system", None)
    assert finding.summary.startswith(f"Just now at {base.READ_AT}, a node of the pool system asked {ACR} for team/web")
    assert finding.evidence[0].what == f"ErrImagePull: {NOT_FOUND}"
    assert finding.evidence[1].what.startswith("rule not-found")


def test_pass_where_kubelet_tries_once_more_without_a_credential_and_tells_of_both() -> None:
    assert verdict(only(judged(report(f"[{NOT_FOUND}, {ANONYMOUS}]")))) == ("pass", "canary-not-found")


def test_pass_with_layers_where_a_real_image_was_pulled() -> None:
    finding = only(judged(pulled(), real()))
    assert verdict(finding) == ("pass", "canary-pulled")
    assert finding.subject.image == LAYERS
    assert finding.summary.endswith("and pulled the image with its layers.")


def test_pass_for_the_path_only_where_everybody_may_read() -> None:
    for anonymous in (True, None):
        finding = only(judged(report(), uses=in_mode(anonymous_pull=anonymous)))
        assert verdict(finding) == ("pass", "canary-path-only")
        assert "lets everybody read, or ARM does not say" in finding.summary
    assert verdict(only(judged(pulled(), real(), uses=in_mode(anonymous_pull=True)))) == ("pass", "canary-path-only")


def test_pass_for_the_path_only_where_the_identity_is_refused_and_everybody_is_let_in() -> None:
    """The pull of an image that is there would have succeeded, so it is no Fail."""
    finding = only(judged(report(f"[rpc error: code = Unknown desc = {OAUTH}, {NOT_FOUND}]"),
                        uses=in_mode(anonymous_pull=True)))  # fmt: skip
    assert verdict(finding) == ("pass", "canary-path-only")


def test_pass_for_the_path_only_where_the_service_account_gave_the_pod_pull_secrets() -> None:
    finding = only(judged(report(secrets=("regcred",))))
    assert verdict(finding) == ("pass", "canary-path-only")
    assert "gives pods pull secrets (regcred)" in finding.summary


def test_pass_for_the_path_only_where_arm_does_not_show_the_registry() -> None:
    assert verdict(only(judged(report(), uses=(use(REFUSED, WEB),)))) == ("pass", "canary-path-only")
    assert verdict(only(judged(report(), uses=()))) == ("pass", "canary-path-only")


def test_pass_by_repositories_holds_for_that_one_only() -> None:
    one = (use(seen(registry(**ABAC)), WEB),)
    two = (use(seen(registry(**ABAC)), WEB, image("team/api")),)
    none = (use(seen(registry(**ABAC))),)
    assert verdict(only(judged(report(), uses=one))) == ("pass", "canary-not-found")
    assert verdict(only(judged(report(), uses=two))) == ("pass", "canary-repository-only")
    assert verdict(only(judged(pulled(), real(), uses=two))) == ("pass", "canary-repository-only")
    assert verdict(only(judged(report(), uses=none))) == ("pass", "canary-repository-only"), (
        "what is in use is not known"
    )
    unshown = (use(seen(registry(role_assignment_mode=None)), WEB, image("team/api")),)
    assert verdict(only(judged(report(), uses=unshown))) == ("pass", "canary-repository-only")


def test_pass_for_the_path_where_a_refusal_is_due_to_a_pull_secret_that_the_canary_does_not_bring() -> None:
    for text in (ANONYMOUS, f"[rpc error: code = Unknown desc = {OAUTH}, {ANONYMOUS}]"):
        finding = only(judged(report(text), ask(with_secret=True)))
        assert verdict(finding) == ("pass", "canary-path-only")
        assert "bring a pull secret, which the canary does not" in finding.summary
    assert verdict(only(judged(report(HEAD + "dial tcp 10.20.0.4:443: i/o timeout"), ask(with_secret=True)))) == (
        "fail", "connect_timeout")  # fmt: skip


def test_pass_for_the_path_where_a_real_image_that_is_not_in_use_is_refused() -> None:
    """By repositories, and at a registry that the cluster does not use, it says nothing of what is in use."""
    elsewhere = real(repository="tools/tiny", in_use=False)
    assert verdict(only(judged(report(ANONYMOUS), elsewhere, uses=in_mode(**ABAC)))) == ("pass", "canary-path-only")
    finding = only(judged(report(ANONYMOUS), elsewhere, uses=()))
    assert verdict(finding) == ("pass", "canary-path-only")
    assert "not in use" in finding.summary
    assert verdict(only(judged(report(ANONYMOUS), elsewhere))) == ("fail", "unauthorized"), "one role for the registry"


def test_pass_where_a_real_image_is_there_for_another_platform() -> None:
    text = f'failed to pull and unpack image "{LAYERS}": no match for platform in manifest sha256:5f0c: not found'
    assert verdict(only(judged(report(text), real()))) == ("pass", "canary-not-found")


# what it fails by ----------------------------------------------------------------------------------------------------

DNS = HEAD + f"dial tcp: lookup {ACR} on 168.63.129.16:53: no such host"
CAUSES: tuple[tuple[str, Cause, tuple[str, ...]], ...] = (
    (ANONYMOUS, Cause.UNAUTHORIZED, (LISTED,)),
    (f"{START}no basic auth credentials", Cause.CREDENTIALS_MISSING, (LISTED,)),
    (f"{START}denied: Your authorization token has expired.", Cause.CREDENTIALS_EXPIRED, (LISTED,)),
    (
        DENIED,
        Cause.FIREWALL_DENIED,
        (
            f"az acr network-rule add --name acrone --subscription {base.SUBSCRIPTION} --resource-group rg "
            f"--ip-address {EGRESS}",
        ),
    ),
    (DNS, Cause.DNS, (f"nslookup {ACR}",)),
    (HEAD + "dial tcp 10.20.0.4:443: i/o timeout", Cause.CONNECT_TIMEOUT, (HEALTH,)),
    (HEAD + "dial tcp 10.20.0.4:443: connect: connection refused", Cause.CONNECT_REFUSED, (HEALTH,)),
    (HEAD + "tls: failed to verify certificate: x509: certificate signed by unknown authority", Cause.TLS, (HEALTH,)),
    (HEAD + "proxyconnect tcp: dial tcp 10.0.0.9:3128: i/o timeout", Cause.PROXY, (HEALTH,)),
    (f"{START}unexpected status from HEAD request to https://{ACR}/v2/: 429 Too Many Requests", Cause.RATE_LIMITED,
     (HEALTH,)),
    (f"{START}unexpected status from HEAD request to https://{ACR}/v2/: 503 Service Unavailable", Cause.REGISTRY_ERROR,
     (HEALTH,)),
)  # fmt: skip


@pytest.mark.parametrize(("text", "cause", "fix"), CAUSES, ids=[cause for _, cause, _ in CAUSES])
def test_fail_by_each_cause_with_the_command_for_it(text: str, cause: Cause, fix: tuple[str, ...]) -> None:
    finding = only(judged(report(f"rpc error: code = Unknown desc = {text}")))
    assert verdict(finding) == ("fail", cause.value)
    assert finding.severity is Severity.ERROR
    assert finding.fix == fix
    assert "pool system" in finding.summary and cause.value.replace("_", " ") in finding.summary


def test_every_cause_that_is_the_registry_s_is_in_the_table() -> None:
    assert {cause for _, cause, _ in CAUSES} == {cause for cause in Cause if affected_scope(cause) == "registry"}


def test_fail_without_a_role_names_the_command_that_grants_it() -> None:
    none = {base.SUBSCRIPTION: base.authorization()}
    legacy = only(judged(report(ANONYMOUS), authorization=none))
    assert legacy.fix == (
        f"az role assignment create --assignee-object-id {base.ME} --assignee-principal-type ServicePrincipal "
        f"--role AcrPull --scope {base.REGISTRY_ID}",
        "# or, with the same effect:",
        f"az aks update --subscription {base.SUBSCRIPTION} --resource-group rg --name aks-1 "
        f"--attach-acr {base.REGISTRY_ID}",
    )
    by_repository = only(judged(report(ANONYMOUS), authorization=none, uses=in_mode(**ABAC)))
    assert by_repository.fix == (
        f"az role assignment create --assignee-object-id {base.ME} --assignee-principal-type ServicePrincipal "
        f"--role 'Container Registry Repository Reader' --scope {base.REGISTRY_ID}",
    )


def test_fail_whose_identity_is_not_known_asks_for_the_registry_s_health() -> None:
    assert only(judged(report(ANONYMOUS), principal=REFUSED)).fix == (HEALTH,)


def test_fail_by_the_firewall_adds_no_rule_where_none_would_help() -> None:
    endpoints = f"az network private-endpoint-connection list --id {base.REGISTRY_ID} --output table"
    private = DENIED.replace(EGRESS, "10.10.0.4")
    assert only(judged(report(private))).fix == (endpoints,)
    assert only(
        judged(report(DENIED), uses=in_mode(network_access=NetworkAccess(public_network_access="Disabled")))
    ).fix == (endpoints,)
    untold = f"{START}unexpected status from HEAD request to https://{ACR}/v2/team/web/manifests/x: 403 Forbidden"
    rules = f"az acr network-rule list --name acrone --subscription {base.SUBSCRIPTION} --resource-group rg"
    assert only(judged(report(untold))).fix == (rules, endpoints)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("failed to copy: write /var/lib/containerd/x: no space left on device", Cause.NODE_DISK),
        (f"{START}failed to copy: unexpected EOF", Cause.CORRUPT_OR_INTERRUPTED),
    ],
)
def test_fail_of_the_node_only_warns_and_leads_to_its_nodes(text: str, cause: Cause) -> None:
    finding = only(judged(report(text)))
    assert verdict(finding) == ("fail", cause.value)
    assert finding.severity is Severity.WARNING
    assert "the node, not the registry" in finding.summary
    assert finding.fix == ("kubectl describe nodes --selector kubernetes.azure.com/agentpool=system",)


# what it leaves open -------------------------------------------------------------------------------------------------


def test_unknown_where_kubelet_said_nothing_in_time() -> None:
    gap = NotSeen(NotSeenReason.NOT_FOUND, "kubelet reported nothing within 120 s", "an answer in time")
    finding = only(judged(gap))
    assert verdict(finding) == ("unknown", "canary-unanswered")
    assert finding.verdict == Unknown("an answer in time", look_failed=False)
    assert finding.subject.pool == "system" and "120 s" in finding.summary


def test_unknown_where_pods_may_not_be_made_names_the_role() -> None:
    gap = NotSeen(
        NotSeenReason.NOT_ALLOWED, "403", "Azure Kubernetes Service RBAC Writer", ("az role assignment create …",)
    )
    for finding in (only(judged(gap)), only(judge(base.facts(canaries=gap)))):
        assert verdict(finding) == ("unknown", "look-not-allowed")
        assert finding.verdict == Unknown("Azure Kubernetes Service RBAC Writer")
        assert finding.fix == gap.fix


def test_unknown_where_the_text_settles_nothing() -> None:
    for text, cause in (("", "canary-backoff-only"), ("something new", "canary-unknown")):
        assert verdict(only(judged(report(text, "ImagePullBackOff")))) == ("unknown", cause)
    assert verdict(only(judged(report("source image rejected")))) == ("unknown", "canary-policy")


def test_unknown_where_a_tag_that_cannot_exist_was_given() -> None:
    assert verdict(only(judged(pulled()))) == ("unknown", "canary-impossible")


def test_unknown_where_a_cache_rule_passes_on_what_its_upstream_says() -> None:
    text = f"{START}unexpected status from HEAD request to https://{ACR}/v2/: 429 Too Many Requests"
    rules = performance_facts.performance(cache_rules=seen((performance_facts.rule("team/*"),)))
    assert verdict(only(judged(report(text), performance={ACR: rules}))) == ("unknown", "canary-rate-limited")
    broken = next(rule.example for rule in RULES if rule.cause is PullErrorCause.REGISTRY_ERROR)
    assert verdict(only(judged(report(broken), performance={ACR: rules}))) == ("unknown", "canary-registry-error")
    other = performance_facts.performance(cache_rules=seen((performance_facts.rule("hub/*"),)))
    assert verdict(only(judged(report(text), performance={ACR: other}))) == ("fail", "rate_limited")
    assert verdict(only(judged(report(ANONYMOUS), performance={ACR: rules}))) == ("fail", "unauthorized")


def test_unknown_by_repositories_where_the_repository_is_gone() -> None:
    """The images run from the nodes' caches; a registry by repositories refuses what does not exist."""
    gone = {f"{ACR}/team/web:1": seen(Manifest(present=False, code="NAME_UNKNOWN"))}
    there = {f"{ACR}/team/web:1": seen(Manifest(present=True))}
    abac = in_mode(**ABAC)
    assert verdict(only(judged(report(ANONYMOUS), uses=abac, manifests=gone))) == ("unknown", "canary-unauthorized")
    assert verdict(only(judged(report(ANONYMOUS), uses=abac, manifests=there))) == ("fail", "unauthorized")
    for cause in (PullErrorCause.CREDENTIALS_MISSING, PullErrorCause.CREDENTIALS_EXPIRED):
        text = next(rule.example for rule in RULES if rule.cause is cause)
        expected = ("unknown", f"canary-{cause.value.replace('_', '-')}")
        assert verdict(only(judged(report(text), uses=abac, manifests=gone))) == expected
    assert verdict(only(judged(report(ANONYMOUS), manifests=gone))) == ("fail", "unauthorized"), "one role for all"


def test_unknown_where_pods_were_left_behind_with_the_commands_that_delete_them() -> None:
    names = tuple(f"default/pullwatch-canary-system-{n}" for n in range(7))
    gap = NotSeen(NotSeenReason.NOT_ALLOWED, "delete: 403", "Azure Kubernetes Service RBAC Writer", ("az role …",))
    asked_for = (Canary(ask(), seen(report())),)
    passed, finding = judge(base.facts(canaries=Canaries(canaries=asked_for, left=names, left_why=gap)))
    assert passed.cause == "canary-not-found"
    assert verdict(finding) == ("unknown", "canary-left-behind")
    assert finding.verdict == Unknown("Azure Kubernetes Service RBAC Writer")
    assert "7 canary pod(s)" in finding.summary
    assert finding.fix[0] == "kubectl delete pod --namespace default pullwatch-canary-system-0"
    assert len(finding.fix) == 6 and finding.fix[-1] == "az role …"


def test_unknown_where_a_pod_may_come_yet_with_the_command_that_deletes_it() -> None:
    asked_for = (Canary(ask(), seen(report())),)
    (_, finding) = judge(base.facts(canaries=Canaries(canaries=asked_for, uncertain=("canaries/pullwatch-canary-a",))))
    assert verdict(finding) == ("unknown", "canary-uncertain")
    assert finding.fix == ("kubectl delete pod --namespace canaries pullwatch-canary-a",)


def test_unknown_where_a_setting_is_missing_although_canaries_were_wanted() -> None:
    gap = NotSeen(NotSeenReason.OFF, "the cluster has no Entra ID", "PULLWATCH_ALLOW_LOCAL_ACCOUNTS=true")
    finding = only(judge(base.facts(canaries=gap)))
    assert verdict(finding) == ("unknown", "look-off")
    assert finding.verdict == Unknown("PULLWATCH_ALLOW_LOCAL_ACCOUNTS=true", look_failed=False)


# pods that were not taken --------------------------------------------------------------------------------------------

POD = 'pods "pullwatch-canary-system-1" is forbidden: '
OS = "Pod was rejected: Failed to admit pod as the OS field doesn't match node OS"
ADMISSION = {
    f"{POD}exceeded quota: few, requested: pods=1, used: pods=10, limited: pods=10": Refusal.QUOTA,
    f"{POD}failed quota: few: must specify limits.ephemeral-storage for: ask-0": Refusal.QUOTA,
    f"{POD}status unknown for quota: few, resources: pods": Refusal.QUOTA,
    f"{POD}minimum cpu usage per Container is 10m, but request is 0": Refusal.LIMIT_RANGE,
    f"{POD}cpu max limit to request ratio per Container is 2, but no request is specified": Refusal.LIMIT_RANGE,
    f'{POD}violates PodSecurity "restricted:latest": runAsNonRoot != true': Refusal.POD_SECURITY,
    f'{POD}error looking up service account watch/default: serviceaccount "default" not found': Refusal.SERVICE_ACCOUNT,
    f"{POD}unable to create new content in namespace watch because it is being terminated": Refusal.NAMESPACE_ENDING,
    'namespaces "watch" not found': Refusal.NAMESPACE_MISSING,
    f'{POD}pod rejected: RuntimeClass "kata" not found': Refusal.RUNTIME_CLASS,
    f"{POD}no PriorityClass with name low was found": Refusal.PRIORITY,
    f"{POD}ValidatingAdmissionPolicy 'probes' with binding 'probes' denied request: no probes": Refusal.ADMISSION,
    'admission webhook "validation.gatekeeper.sh" denied the request: [azurepolicy-x] no probe': Refusal.ADMISSION,
    'Pod "x" is invalid: spec.os: Forbidden': Refusal.INVALID,
}
KUBELET = {
    ("OutOfcpu", "Pod was rejected: Node didn't have enough resource: cpu"): Refusal.NODE_RESOURCES,
    ("OutOfpods", "Pod was rejected: Node didn't have enough resource: pods"): Refusal.NODE_PODS,
    ("TaintToleration", "Pod was rejected: Predicate TaintToleration failed"): Refusal.TAINT,
    ("NodeAffinity", "Pod was rejected: Predicate NodeAffinity failed"): Refusal.NODE_AFFINITY,
    ("PodOSNotSupported", OS): Refusal.OS,
    ("PodOSSelectorNodeLabelDoesNotMatch", "Failed to admit pod as the `kubernetes.io/os` label …"): Refusal.OS,
    ("Evicted", "Pod was rejected: The node had condition: [DiskPressure]. "): Refusal.NODE_PRESSURE,
    ("NodeShutdown", "Pod was rejected as the node is shutting down."): Refusal.NODE_SHUTDOWN,
    (
        "FailedCreatePodSandBox",
        'Failed to create pod sandbox: rpc error: failed to get sandbox runtime: no runtime for "kata" is configured',
    ): Refusal.RUNTIME_CLASS,
    ("FailedCreatePodSandBox", "Failed to create pod sandbox: no address left"): Refusal.NODE_REFUSED,
    ("UnexpectedAdmissionError", "Allocate failed"): Refusal.NODE_REFUSED,
}


@pytest.mark.parametrize(("message", "cause"), ADMISSION.items())
def test_unknown_where_the_api_server_does_not_take_the_pod(message: str, cause: Refusal) -> None:
    finding = refused(CanaryRefusal(RefusedBy.API_SERVER, "403", message))
    assert verdict(finding) == ("unknown", cause.value)
    assert finding.summary == f"The pool system was not asked. {cause.sentence} The API server says: {message}"
    assert isinstance(finding.verdict, Unknown) and finding.verdict.look_failed


@pytest.mark.parametrize(("said", "cause"), KUBELET.items())
def test_unknown_where_the_kubelet_does_not_take_the_pod(said: tuple[str, str], cause: Refusal) -> None:
    finding = refused(CanaryRefusal(RefusedBy.KUBELET, *said))
    assert verdict(finding) == ("unknown", cause.value)
    assert f"The kubelet says: {said[1].strip()}" in finding.summary
    assert finding.evidence[0].what.startswith(f"{said[0]}: ")


def test_unknown_where_no_node_can_be_named() -> None:
    detail = "no node of the pool system can be named: pods could not be read (HTTP 403)"
    role = "Azure Kubernetes Service RBAC Reader"
    gap = NotSeen(NotSeenReason.NOT_ALLOWED, detail, role, ("az role …",))
    finding = refused(CanaryRefusal(RefusedBy.PULLWATCH, role, detail), gap)
    assert verdict(finding) == ("unknown", "canary-no-node")
    assert finding.verdict == Unknown(role, look_failed=True)
    assert (finding.fix, finding.evidence) == (("az role …",), ())
    assert detail in finding.summary


def refused(refusal: CanaryRefusal, gap: NotSeen | None = None) -> Finding:
    """The finding about a pod that was not taken."""
    result = gap or NotSeen(NotSeenReason.ERROR, "create a canary pod: the Kubernetes API answered 403")
    return only(judge(base.facts(canaries=Canaries(canaries=(Canary(ask(), result, refusal),)))))


def test_every_refusal_names_something_of_its_own_that_cures_it() -> None:
    refusals = [CanaryRefusal(RefusedBy.API_SERVER, "403", message) for message in ADMISSION]
    refusals += [CanaryRefusal(RefusedBy.KUBELET, *said) for said in KUBELET]
    cures = {canary_refusals.cause_of(one): canary_refusals.missing_of(one) for one in refusals}
    assert len(set(cures.values())) >= len(cures) - 1, "the two sides of a runtime class have one each"


def test_unknown_where_finalizers_keep_pods_that_were_deleted() -> None:
    held = ("watch/pullwatch-canary-system-1", "watch/pullwatch-canary-user-1")
    canaries = Canaries(
        canaries=(Canary(ask(), seen(report())),), held=held, finalizers=("audit.contoso.example/keep",)
    )
    passed, finding = judge(base.facts(canaries=canaries))
    assert passed.cause == "canary-not-found"
    assert verdict(finding) == ("unknown", "canary-held")
    assert finding.summary.startswith("2 canary pod(s) were deleted and are still there")
    assert "audit.contoso.example/keep" in finding.summary
    assert finding.fix[0] == "kubectl get pod --namespace watch pullwatch-canary-system-1 --output yaml"


# nothing to ask ------------------------------------------------------------------------------------------------------


def test_nothing_there_where_canaries_are_off_or_the_cluster_does_not_run() -> None:
    off = only(judge(base.facts(canaries=NotSeen(NotSeenReason.OFF, "no canary was asked for"))))
    assert (verdict(off), off.summary) == (("skipped", "not-asked"), "No canary was asked for")
    stopped = only(judge(base.facts(canaries=NotSeen(NotSeenReason.NOT_APPLICABLE, "the cluster is stopped"))))
    assert verdict(stopped) == ("skipped", "not-running")
    assert verdict(only(judge(base.facts()))) == ("skipped", "not-asked"), "off unless it is asked for"


def test_nothing_there_in_a_pool_without_nodes() -> None:
    finding = only(judge(base.facts(canaries=Canaries(empty_pools=("gpu",)))))
    assert verdict(finding) == ("skipped", "pool-without-nodes")
    assert finding.subject.pool == "gpu"


def test_nothing_there_without_a_repository_to_ask_for() -> None:
    assert verdict(only(judge(base.facts(canaries=Canaries())))) == ("skipped", "nothing-to-ask")


def test_nothing_there_beyond_the_cap_is_counted() -> None:
    findings = judge(base.facts(canaries=Canaries(canaries=(Canary(ask(), seen(report())),), passed_over=3)))
    assert [f.cause for f in findings] == ["canary-not-found", "canary-capped"]
    assert findings[1].summary.startswith("3 more registries were not asked for")


# which questions are asked ------------------------------------------------------------------------------------------


def asked(*uses: RegistryUse, pools: tuple[Any, ...] = (), real_image: str = "") -> tuple[CanaryQuestion, ...]:
    return canaries.plan_canaries(cluster(pools=pools or (pool(),)), uses, "n0nce", real_image)[0]


def of_host(host: str, *used: ContainerImage, **over: Any) -> RegistryUse:
    return use(seen(registry(login_server=host, **over)), *used, login_server=host)


def test_every_pool_with_nodes_is_asked_for_every_registry() -> None:
    pools = (pool("system"), pool("gpu", count=0), pool("spot", power_state="Stopped"), pool("win"))
    canary_questions, empty, over = canaries.plan_canaries(
        cluster(pools=pools), (of_host("a.azurecr.io"), of_host("b.azurecr.io")), "n"
    )
    assert [(a.pool, a.login_server) for a in canary_questions] == [
        ("system", "a.azurecr.io"), ("system", "b.azurecr.io"), ("win", "a.azurecr.io"), ("win", "b.azurecr.io")
    ]  # fmt: skip
    assert (empty, over) == (("gpu", "spot"), 0)


def test_a_repository_whose_images_need_the_nodes_own_permission_is_asked_for_first() -> None:
    (canary_question,) = asked(use(None, image("a/first", secrets=("regcred",)), image("b/own")))
    assert (canary_question.repository, canary_question.with_secret, canary_question.in_use) == ("b/own", False, True)
    assert canary_question.image == f"{ACR}/b/own:pullwatch-absent-n0nce"
    (canary_question,) = asked(use(None, image("a/first", secrets=("regcred",))))
    assert (canary_question.repository, canary_question.with_secret) == ("a/first", True)


def test_a_registry_without_images_in_use_is_asked_only_where_one_role_holds_for_all_of_it() -> None:
    (canary_question,) = asked(use())
    assert (canary_question.repository, canary_question.in_use) == ("pullwatch/absent", False)
    assert asked(of_host(ACR, **ABAC)) == ()
    assert asked(use(REFUSED)) == ()


def test_other_registries_are_not_asked_and_more_than_ten_are_counted() -> None:
    hub = use(NotSeen(NotSeenReason.NOT_APPLICABLE, "no registry of this cloud"), login_server="docker.io", acr=False)
    many = [of_host(f"r{n}.azurecr.io") for n in range(13)]
    canary_questions, _, over = canaries.plan_canaries(cluster(pools=(pool(),)), (hub, *many), "n")
    assert len(canary_questions) == canaries.MAX_REGISTRIES == 10
    assert over == 3
    assert "docker.io" not in {a.login_server for a in canary_questions}


def test_a_real_image_is_asked_for_besides_and_knows_how_its_registry_is_used() -> None:
    first, second = asked(use(None, image("a/first", secrets=("regcred",))), real_image=f"{ACR}/tools/tiny:1")
    assert not first.real
    assert (second.real, second.image, second.repository) == (True, f"{ACR}/tools/tiny:1", "tools/tiny")
    assert (second.in_use, second.with_secret) == (False, True)
    (own,) = asked(real_image="mcr.microsoft.com/oss/tiny:1")
    assert (own.login_server, own.in_use, own.with_secret) == ("mcr.microsoft.com", False, False)
