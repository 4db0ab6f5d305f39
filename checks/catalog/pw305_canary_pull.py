"""PW305: a canary pull on every node pool."""

from __future__ import annotations

import msgspec

from checks.catalog.check import Check, Step
from checks.causes import Cause
from checks.facts import ClusterFacts, NotSeen, Registry, RegistryUse, Seen
from checks.facts.canary import Canaries, Canary, CanaryQuestion, CanaryRefusal, CanaryReport, RefusedBy
from checks.findings import Basis, Evidence, Finding, Severity, Subject
from checks.rules import images
from checks.rules.access import identity_access, rbac
from checks.rules.access.pullers import Pullers
from checks.rules.azure import artifact_cache
from checks.rules.fixes import az_acr, az_aks, az_roles, shell
from checks.rules.pull import canaries, canary_refusals
from checks.rules.pull.canaries import CanaryProof, CanaryReading
from checks.rules.pull.canary_refusals import CanaryRefusalCause
from checks.rules.pull.errors import CREDENTIALS, PullErrorCause, affected_scope
from checks.rules.pull.remedies import open_firewall
from checks.text import listed


class CanaryCause(Cause):
    """Causes of PW305 beside those of failed pulls."""

    CANARY_PULLED = "canary-pulled", "A canary pod pulled an image."
    CANARY_NOT_FOUND = (
        "canary-not-found",
        'The registry answered "not found" to a canary pod, which proves all but the layers\' path.',
    )
    CANARY_PATH_ONLY = "canary-path-only", "The registry answered a canary pod, which proves only the network path."
    CANARY_REPOSITORY_ONLY = (
        "canary-repository-only",
        "The canary pod's answer holds for one repository; permission for the others may differ.",
    )
    CANARY_UNANSWERED = "canary-unanswered", "The canary pod got no answer in time."
    CANARY_IMPOSSIBLE = "canary-impossible", "The registry gave an image under a tag that cannot exist."
    CANARY_LEFT_BEHIND = "canary-left-behind", "A canary pod could not be deleted."
    CANARY_HELD = "canary-held", "A canary pod is deleted, but finalizers keep it in the cluster."
    CANARY_UNCERTAIN = "canary-uncertain", "The API server did not say whether it made a canary pod."
    CANARY_CAPPED = "canary-capped", "More registries are in use than one scan asks for."
    CANARY_UNAUTHORIZED = "canary-unauthorized", "The canary pod was refused, but it may be the repository's fault."
    CANARY_POLICY = "canary-policy", "A policy stopped the canary pod."
    CANARY_RATE_LIMITED = "canary-rate-limited", "The registry limited the canary pod's rate."
    CANARY_BACKOFF_ONLY = "canary-backoff-only", "Only a back-off was reported of the canary pod."
    CANARY_REGISTRY_ERROR = "canary-registry-error", "The registry answered the canary pod with an error of its own."
    CANARY_CREDENTIALS_MISSING = "canary-credentials-missing", "The canary pod's pull secret was not found."
    CANARY_CREDENTIALS_EXPIRED = "canary-credentials-expired", "The canary pod's credentials have expired."
    CANARY_INVALID_REFERENCE = (
        "canary-invalid-reference",
        "The node took the canary pod's image for no valid reference.",
    )
    CANARY_UNSUPPORTED_MANIFEST = "canary-unsupported-manifest", "The canary pod was given what is no image."
    CANARY_UNKNOWN = "canary-unknown", "The canary pod's error is not known."
    POOL_WITHOUT_NODES = "pool-without-nodes", "The node pool has no nodes."
    PROXY = "proxy", "A proxy stopped the canary pod's pull."
    NOTHING_TO_ASK = "nothing-to-ask", "No registry is in use that a canary pod could ask."
    NOT_ASKED = "not-asked", "No canary pull was asked for."
    NOT_RUNNING = "not-running", "The cluster is stopped."


CHECK = Check(
    code="PW305",
    title="Canary pull",
    severity=Severity.ERROR,
    why="Only a node's own pull proves that DNS, network path, token and permission work together.",
    how=(
        "Runs only on request or when scheduled, because it creates pods. On every node pool with nodes a restricted "
        'pod asks for a tag that cannot exist, in a repository that is in use, so nothing can run. "Not found" comes '
        "after authorization: it proves DNS, TLS, the token and the permission for that repository, not the path of "
        "layers (an optional real image adds it). With anonymous pull, or pull secrets that the namespace's service "
        "account gives its pods, it proves only the network path, and so it does where other identities pull "
        "for the pods than for the canary; by repositories (ABAC) only that repository. "
        "Failures that may pass (names, connections, the registry's own errors) are asked for again by a second pod, "
        "whose answer counts. Every other text is classified like those of PW301. The pods do no harm: they name a "
        "node of the pool on which a pod is Ready (where nodes may be read, one that is not cordoned, virtual or "
        "under disk pressure) and on which two places for pods are left, so the scheduler evicts nothing for them or "
        "for whoever comes meanwhile; they request no resources and have no "
        "priority class of their own. They are deleted in any case: when the look ends or is stopped by a signal; by "
        "the cluster after their deadline; and, where a process died, by the next look or the app's sweep, which "
        "knows their names from its storage. A pod that stays is reported. Under a ResourceQuota the pools are asked "
        "one after the other. A refused pod is Unknown with its own cause; what the kubelet says on Windows is taken "
        "from its source, not from a node. Over HTTP a namespace other than `default` is needed."
    ),
    permissions=(
        "Azure Kubernetes Service Cluster User Role on the cluster",
        "Azure Kubernetes Service RBAC Reader on the cluster: its pods show which nodes can be asked",
        "Azure Kubernetes Service RBAC Writer on the namespace (or a custom role with pods/read, pods/write, "
        "pods/delete, events/read and resourcequotas/read)",
        "nodes/read on the cluster, optional: cordoned nodes and those under disk pressure are then left out",
    ),
    fix="Depends on the cause; the finding names it.",
    article=("worker nodes can pull",),
    links=(
        "https://learn.microsoft.com/troubleshoot/azure/azure-kubernetes/extensions/cannot-pull-image-from-acr-to-aks-cluster",
    ),
    basis=Basis.NODES,
    step=Step.NODES,
    causes=(CanaryCause, CanaryRefusalCause, PullErrorCause),
)

MAX_TEXT = 600
MAX_FINALIZERS = 3
ONE_MAY_COME = (
    "where something holds the request back, they still come, and the cluster ends them after their deadline."
)
_NODE = "node"
_OTHERS_ACCOUNTS = (
    "Pods pull with the identities of their service accounts, or may do so, and the canary has none of theirs."
)
_PASSED_ON = frozenset({PullErrorCause.RATE_LIMITED, PullErrorCause.REGISTRY_ERROR})


def judge(facts: ClusterFacts) -> tuple[Finding, ...]:
    """One finding per pool and registry that was asked; one for the cluster where none was."""
    subject, result = Subject(facts.cluster.id), facts.canaries
    if isinstance(result, NotSeen):
        if canaries.is_expected_gap(result):
            return (
                CHECK.skipped(
                    subject,
                    CanaryCause.NOT_ASKED if result.why.value == "off" else CanaryCause.NOT_RUNNING,
                    result.detail,
                ),
            )
        return (CHECK.not_seen(subject, result, "A canary pull"),)
    findings = [_judge_canary(facts, canary) for canary in result.canaries]
    findings += [_empty(facts, pool) for pool in result.empty_pools]
    findings += _left(facts, result)
    if result.passed_over:
        sentence = (
            f"{result.passed_over} more registries were not asked for: one scan asks for {canaries.MAX_REGISTRIES}"
        )
        findings.append(CHECK.skipped(subject, CanaryCause.CANARY_CAPPED, sentence))
    if not result.canaries and not result.empty_pools:
        findings.append(
            CHECK.skipped(
                subject, CanaryCause.NOTHING_TO_ASK, "there is no Azure registry in use with a repository to ask for"
            )
        )
    return tuple(findings)


def _empty(facts: ClusterFacts, pool: str) -> Finding:
    subject = Subject(facts.cluster.id, pool=pool)
    return CHECK.skipped(subject, CanaryCause.POOL_WITHOUT_NODES, f"the pool {pool} has no node that could pull")


def _left(facts: ClusterFacts, left: Canaries) -> list[Finding]:
    others = [_held(facts, left)] if left.held else []
    others += [_uncertain(facts, left)] if left.uncertain else []
    if not left.left:
        return others
    why = left.left_why
    return [
        CHECK.unknown(
            Subject(facts.cluster.id),
            CanaryCause.CANARY_LEFT_BEHIND,
            f"{len(left.left)} canary pod(s) could not be deleted: {why.detail if why else 'no reason was given'}",
            missing=(why.role if why else None) or "pods/delete",
            look_failed=True,
            fix=(*(_delete(pod) for pod in left.left[:5]), *(why.fix if why else ())),
        ),
        *others,
    ]


def _held(facts: ClusterFacts, left: Canaries) -> Finding:
    names = listed(left.finalizers, MAX_FINALIZERS)
    return CHECK.unknown(
        Subject(facts.cluster.id),
        CanaryCause.CANARY_HELD,
        f"{len(left.held)} canary pod(s) were deleted and are still there: finalizers keep them ({names}).",
        missing=f"what takes the finalizers off: {names}",
        look_failed=True,
        fix=tuple(_show(pod) for pod in left.held[:5]),
    )


def _uncertain(facts: ClusterFacts, left: Canaries) -> Finding:
    return CHECK.unknown(
        Subject(facts.cluster.id),
        CanaryCause.CANARY_UNCERTAIN,
        f"The creation of {len(left.uncertain)} canary pod(s) was not answered, and they are not there: {ONE_MAY_COME}",
        missing="an answer of the API server",
        look_failed=True,
        fix=tuple(_delete(pod) for pod in left.uncertain[:5]),
    )


def _show(pod: str) -> str:
    namespace, _, name = pod.partition("/")
    return shell.command("kubectl", "get", "pod", "--namespace", namespace, name, "--output", "yaml")


def _delete(pod: str) -> str:
    namespace, _, name = pod.partition("/")
    return shell.command("kubectl", "delete", "pod", "--namespace", namespace, name)


class _Answered(msgspec.Struct, frozen=True):
    """One canary's answer, gathered."""

    facts: ClusterFacts
    canary: Canary
    report: CanaryReport
    use: RegistryUse | None
    reading: CanaryReading
    subject: Subject
    evidence: tuple[Evidence, ...]

    @property
    def registry(self) -> Registry | None:
        """What ARM says of the registry."""
        return self.use.registry.value if self.use is not None and isinstance(self.use.registry, Seen) else None

    @property
    def where(self) -> str:
        """The pool and what was asked of it, in words."""
        ask = self.canary.ask
        return f"a node of the pool {ask.pool} asked {ask.login_server} for {ask.repository}"


def _judge_canary(facts: ClusterFacts, canary: Canary) -> Finding:
    ask, result = canary.ask, canary.result
    subject = Subject(facts.cluster.id, registry=ask.login_server, pool=ask.pool, image=ask.image if ask.real else None)
    if isinstance(result, NotSeen) and canary.refusal is not None:
        return _refused(subject, ask.pool, result, canary.refusal)
    if isinstance(result, NotSeen):
        if result.why.value == "not-found":
            summary = f"The canary on the pool {ask.pool} got no answer: {result.detail}"
            missing = result.role or result.detail
            return CHECK.unknown(subject, CanaryCause.CANARY_UNANSWERED, summary, missing=missing)
        return CHECK.not_seen(subject, result, f"The canary pull on the pool {ask.pool}")
    use = next((use for use in facts.uses if use.login_server == ask.login_server), None)
    reading, report = canaries.interpret_result(ask, result.value, use), result.value
    if _pulls_as_another(facts, ask, use):
        reading = canaries.of_one_account(reading)
    reported = Evidence(f"{report.reason}: {report.text}"[:MAX_TEXT], result.evidence.source, result.evidence.read_at)
    evidence: tuple[Evidence, ...] = (reported,)
    if reading.classified is not None:
        rule = f"rule {reading.classified.rule}: {reading.classified.evidence}"
        evidence = (reported, Evidence(rule, "pull error classifier"))
    answered = _Answered(facts, canary, report, use, reading, subject, evidence)
    if reading.proves is not None:
        return CHECK.passes(subject, reading.proves.value, _proof(answered, reading.proves), evidence)
    return _failed(answered) if reading.failed and not _of_the_repository(answered) else _unsettled(answered)


def _refused(subject: Subject, pool: str, gap: NotSeen, refusal: CanaryRefusal) -> Finding:
    """A pod that was not taken, which says nothing of the registry."""
    cause = canary_refusals.cause_of(refusal)
    summary = f"The pool {pool} was not asked. {cause.sentence}"
    if refusal.message:
        summary += f" {refusal.by.value[0].upper()}{refusal.by.value[1:]} says: {refusal.message}"
    evidence = (Evidence(f"{refusal.reason}: {refusal.message}"[:MAX_TEXT], refusal.by.value),)
    seen = () if refusal.by is RefusedBy.PULLWATCH else evidence
    missing = canary_refusals.missing_of(refusal)
    return CHECK.unknown(subject, cause, summary, seen, missing=missing, look_failed=True, fix=gap.fix)


def _of_the_repository(answered: _Answered) -> bool:
    """Whether the repository's own state explains the answer, which then says nothing of other images.

    A cache rule passes on what its upstream says of a tag that was never cached; a registry by repositories refuses
    one that does not exist any more like one that may not be read.
    """
    assert answered.reading.classified is not None
    facts, ask, cause = answered.facts, answered.canary.ask, answered.reading.classified.cause
    if cause in _PASSED_ON:
        performance = facts.performance.get(ask.login_server)
        rules = performance.cache_rules if performance is not None else None
        return isinstance(rules, Seen) and artifact_cache.rule_for(rules.value, ask.repository) is not None
    if cause not in CREDENTIALS or canaries.grants_whole_registry(answered.use):
        return False
    used = [parsed for image in (answered.use.images if answered.use else ()) if (parsed := images.parse(image.image))]
    keys = [images.canonical(one) for one in used if one.repository == ask.repository]
    known = [facts.manifests.get(key) for key in keys]
    return bool(known) and all(isinstance(one, Seen) and not one.value.present for one in known)


def _proof(answered: _Answered, proves: CanaryProof) -> str:
    at = next((f" at {e.read_at}" for e in answered.evidence if e.read_at), "")
    ask, report = answered.canary.ask, answered.report
    if proves is CanaryProof.LAYERS:
        return f"Just now{at}, {answered.where} and pulled the image with its layers."
    got = "and was pulled" if report.pulled else 'and heard "not found"'
    start = f"Just now{at}, {answered.where} {got}"
    if proves is CanaryProof.ACCESS:
        return f"{start}, which it gives only to identities that may pull: name, connection, token and permission hold."
    if proves is CanaryProof.REPOSITORY:
        return (
            f"{start}: name, connection and token hold, and the permission for this one repository; others may differ."
        )
    if _pulls_as_another(answered.facts, ask, answered.use):
        start = start if report.pulled or not _was_refused(answered) else f"Just now{at}, {answered.where}, was refused"
        return f"{start}: name and connection hold. {_OTHERS_ACCOUNTS}"
    if _was_refused(answered):
        other = (
            "The pods that use it bring a pull secret, which the canary does not."
            if ask.with_secret
            else "It is not in use, so this proves nothing about the images that are."
        )
        return f"Just now{at}, {answered.where} and was refused: name and connection hold. {other}"
    if report.secrets:
        named = ", ".join(report.secrets[:3])
        return (
            f"{start}: name and connection hold. The namespace's service account gives pods pull secrets ({named}), so "
            "this may be theirs, and not the nodes' permission."
        )
    return (
        f"{start}: name and connection hold. The registry lets everybody read, or ARM does not say, so no permission."
    )


def _was_refused(answered: _Answered) -> bool:
    return answered.reading.classified is not None and answered.reading.classified.cause in CREDENTIALS


def _pulls_as_another(facts: ClusterFacts, ask: CanaryQuestion, use: RegistryUse | None) -> bool:
    """Whether other identities pull for the registry's pods, or may do so, than for the canary."""
    if facts.image_pull is None or not facts.image_pull.possible or use is None or not use.acr:
        return False
    pullers = Pullers(facts)
    return pullers.of_registry(use) != (pullers.of_canary(ask.pool),)


def _failed(answered: _Answered) -> Finding:
    classified, ask = answered.reading.classified, answered.canary.ask
    assert classified is not None
    node = affected_scope(classified.cause) == _NODE
    why = f"{classified.cause.value.replace('_', ' ')}{' (the node, not the registry)' if node else ''}"
    return CHECK.fails(
        answered.subject,
        classified.cause.value,
        f"{answered.where[0].upper()}{answered.where[1:]} and could not pull: {why}.",
        answered.evidence,
        fix=_fix(answered, classified.cause, ask.login_server),
        severity=Severity.WARNING if node else None,
    )


def _unsettled(answered: _Answered) -> Finding:
    if answered.report.pulled:
        sentence = (
            f"{answered.where[0].upper()}{answered.where[1:]} and was given an image under a tag that cannot exist."
        )
        return CHECK.unknown(answered.subject, CanaryCause.CANARY_IMPOSSIBLE, sentence, answered.evidence,
                             missing="a registry that does not answer for every tag")  # fmt: skip
    cause = answered.reading.classified.cause if answered.reading.classified else PullErrorCause.UNKNOWN
    return CHECK.unknown(
        answered.subject,
        f"canary-{cause.value.replace('_', '-')}",
        f"{answered.where[0].upper()}{answered.where[1:]}; its answer does not show whether nodes can pull.",
        answered.evidence,
        missing="an answer that settles it",
    )


def _fix(answered: _Answered, cause: PullErrorCause, host: str) -> tuple[str, ...]:
    registry = answered.registry
    if affected_scope(cause) == _NODE:
        return (_describe_nodes(answered.canary.ask.pool),)
    if cause is PullErrorCause.DNS:
        return (shell.look_up_host(host),)
    if registry is None:
        return (shell.command("nslookup", host),)
    if cause in CREDENTIALS:
        return _grant(answered, registry)
    if cause is PullErrorCause.FIREWALL_DENIED:
        return open_firewall(registry, answered.report.text)
    return (az_acr.check_health(registry),)


def _describe_nodes(pool: str) -> str:
    return shell.command("kubectl", "describe", "nodes", "--selector", f"{canaries.POOL_LABEL}={pool}")


def _grant(answered: _Answered, registry: Registry) -> tuple[str, ...]:
    """The role, where it is not held; where ARM shows it as held, the list of what reaches the identity."""
    if answered.facts.image_pull is not None and answered.facts.image_pull.enabled:
        return (shell.note("PW102 says which identity pulls for the pods, and which role it lacks."),)
    principal, asked = answered.facts.principal, identity_access.authorization_reads(answered.facts, registry)
    if isinstance(principal, NotSeen):
        return (az_acr.check_health(registry),)
    who, repository = principal.value.object_id, answered.canary.ask.repository
    decision = identity_access.decide(who, registry, asked, (repository,)) if asked is not None else None
    if isinstance(decision, rbac.Granted | rbac.Denied):
        listed = ("az", "role", "assignment", "list", "--assignee", who, "--scope", registry.id, "--include-inherited")
        denies = (az_roles.list_deny_assignments(registry.id),) if isinstance(decision, rbac.Denied) else ()
        return (*denies, shell.command(*listed, "--include-groups"))
    if (registry.role_assignment_mode or "").lower() == rbac.ABAC_MODE.lower():
        return (az_roles.assign_role(who, "Container Registry Repository Reader", registry.id),)
    return az_aks.grant_pull(answered.facts.cluster, who, registry.id)
