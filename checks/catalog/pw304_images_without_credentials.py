"""PW304: images that are pulled with another credential than the kubelet identity, or with none."""

from __future__ import annotations

from collections import Counter

from checks.catalog.check import Check, Step
from checks.causes import Cause
from checks.facts import ClusterFacts, NotSeen, RegistryUse, Seen
from checks.findings import Evidence, Finding, Severity, Subject
from checks.rules.access import rbac
from checks.rules.access.identity_resource import gets_no_token
from checks.rules.access.pull_secrets import NOT_READ, CredentialState
from checks.rules.access.pullers import PullerKind
from checks.rules.access.tenants import identity_crosses
from checks.rules.fixes import az_aks, az_roles, kubectl, service_accounts
from checks.rules.path import public_registries
from checks.rules.path.registry_firewall import PublicAccess, public_access
from checks.rules.pull import image_access
from checks.text import listed


class CredentialCause(Cause):
    """Causes of PW304."""

    IDENTITY_DECIDES = "identity-decides", "The kubelet identity is the only credential."
    ROLE_AND_OTHERS = "role-and-others", "The kubelet identity serves some images, another credential the others."
    SEVERAL_CREDENTIALS = "several-ways", "Images of the registry are pulled by several credentials."
    ANONYMOUS_PULL = "anonymous-pull", "The registry allows anonymous pulls."
    PUBLIC_REGISTRY = "public-registry", "The host is a public registry."
    THIRD_PARTY = "third-party", "The host is a registry outside Azure, whose permissions are not known."
    PULL_SECRET = "pull-secret", "A pull secret grants the pull."
    PULLED = "pulled", "A node pulled the image."
    PULL_REFUSED = "pull-refused", "A node was refused by the registry."
    NOTHING_GRANTS = "nothing-grants", "No role, no pull secret and no anonymous pull grants the image."
    SECRET_EXPIRED = "secret-expired", "The pull secret's credential has expired."
    SECRET_MISSING = "secret-missing", "The pull secret does not exist."
    SECRET_NOT_ASKED = "secret-not-asked", "The pull secret's credential was not tried."
    SECRET_REFUSED = "secret-refused", "The registry refuses the pull secret's credential."
    SECRET_REFUSED_REPOSITORY = (
        "secret-refused-repository",
        "The registry accepts the credential, but not for the repository.",
    )
    SECRET_UNDECODABLE = (
        "secret-undecodable",
        "The pull secret's data cannot be decoded, which makes kubelet give up on the pod's images.",
    )
    SECRET_WRONG_TYPE = "secret-wrong-type", "The secret is not of a type that kubelet uses for pulls."
    PULL_SECRETS_NOT_READ = "pull-secrets-not-read", "Pods name pull secrets that were not read."
    VIRTUAL_NODE_SECRETS = (
        "virtual-node-secrets",
        "Pods on virtual nodes pull with pull secrets only, and whether these hold is not known.",
    )
    VIRTUAL_NODE_NETWORK = (
        "virtual-node-network",
        "Pods on virtual nodes use a registry that is not open to everybody, and may not reach it.",
    )
    NO_IMAGE = "no-image", "No image of the registry is in use."


# What is not known of pods on virtual nodes, whatever holds for those on nodes.
ON_VIRTUAL_NODES = frozenset((CredentialCause.VIRTUAL_NODE_SECRETS, CredentialCause.VIRTUAL_NODE_NETWORK))

CHECK = Check(
    code="PW304",
    title="Registries that nothing grants",
    severity=Severity.ERROR,
    why="An image is pulled by the kubelet identity, by a pull secret or anonymously; one of the three has to hold.",
    how=(
        "For every image in use: a role of the kubelet identity that covers its repository, a pull secret of its pods"
        " that holds (PW303), or anonymous pull, which kubelet tries only where no secret offers a credential. "
        "Registries that are known to serve everybody pass; for other third-party registries, only pod events show "
        "the result. Virtual nodes pull with pull secrets only, from outside the nodes' network."
    ),
    permissions=("Reader on the registry", "Azure Kubernetes Service RBAC Reader on the cluster"),
    fix="Assign a pull role on the registry, or give the pods a pull secret.",
    article=("registry name", "third-party registry"),
    links=("https://learn.microsoft.com/azure/container-registry/anonymous-pull-access",),
    speaks_of_all_pods=True,
    step=Step.ROLE,
    causes=(CredentialCause,),
)

MAX_NAMED = 5
_SETTING = "PULLWATCH_READ_PULL_SECRETS=true"


def judge(facts: ClusterFacts) -> tuple[Finding, ...]:
    """One finding per Azure registry in use, and per other registry that images come from."""
    pulls = image_access.pull_evidence(facts)
    return tuple(
        _judge_registry(facts, use, pulls) for use in facts.uses if use.acr or use.images or _serves_everybody(use)
    )


def _serves_everybody(use: RegistryUse) -> bool:
    return use.login_server in public_registries.ANONYMOUS


def _by_secrets(use: RegistryUse) -> bool:
    """Whether images are in use that come with pull secrets, of which more can be said."""
    return any(image.pull_secrets for image in use.images)


def _judge_registry(facts: ClusterFacts, use: RegistryUse, pulls: image_access.PullEvidence) -> Finding:
    subject = Subject(facts.cluster.id, registry=use.login_server)
    if isinstance(use.registry, Seen) and not use.images:
        return _no_image(use.registry.value.name, use.registry.value.anonymous_pull, subject, use.registry.evidence)
    if not use.images and _serves_everybody(use):
        summary = f"{use.login_server} serves everybody: no credential is needed."
        return CHECK.passes(subject, image_access.PUBLIC_HOST, summary)
    if isinstance(use.registry, NotSeen) and use.acr and gets_no_token(facts) and not _by_secrets(use):
        return CHECK.not_seen(subject, use.registry, f"Whether {use.login_server} allows anonymous pulls")
    items = image_access.judge_images(facts, use, pulls)
    if not items:
        return CHECK.skipped(subject, CredentialCause.NO_IMAGE, f"no image in use comes from {use.login_server}")
    evidence = (use.registry.evidence,) if isinstance(use.registry, Seen) else ()
    by_state = {state: [one for one in items if one.state is state] for state in CredentialState}
    if by_state[CredentialState.FAILS]:
        return _fails(facts, use, subject, by_state[CredentialState.FAILS], evidence)
    if by_state[CredentialState.OPEN]:
        return _open(facts, use, subject, by_state[CredentialState.OPEN], evidence)
    unreached = _closed_to_virtual_nodes(use, subject, items, evidence)
    return unreached or _holds(use, subject, by_state[CredentialState.HOLDS], evidence)


def _closed_to_virtual_nodes(
    use: RegistryUse, subject: Subject, items: tuple[image_access.ImageAccess, ...], evidence: tuple[Evidence, ...]
) -> Finding | None:
    """Credentials are not all that virtual nodes need: they come over no network of the nodes."""
    theirs = [one.use.image for one in items if one.use.puller.kind is PullerKind.VIRTUAL_NODE]
    if not theirs or not isinstance(use.registry, Seen) or public_access(use.registry.value) is PublicAccess.ALL:
        return None
    summary = (
        f"Pods on virtual nodes use {listed(theirs, MAX_NAMED)}. Azure Container Instances may not get past the "
        f"firewall or private endpoint of {use.login_server}, and Azure shows nothing of that."
    )
    missing = "a registry that is open to Azure Container Instances"
    return CHECK.unknown(subject, CredentialCause.VIRTUAL_NODE_NETWORK, summary, evidence, missing=missing)


def _no_image(name: str, anonymous: bool | None, subject: Subject, evidence: Evidence) -> Finding:
    if anonymous:
        summary = f"{name} allows anonymous pull: no credential is needed."
        return CHECK.passes(subject, image_access.ANONYMOUS, summary, (evidence,))
    return CHECK.skipped(subject, CredentialCause.NO_IMAGE, f"no image in use comes from {subject.registry}")


def _holds(
    use: RegistryUse, subject: Subject, accesses: list[image_access.ImageAccess], evidence: tuple[Evidence, ...]
) -> Finding:
    """Every image has a credential or needs none. Where it is the kubelet identity for all, this is no alternative."""
    by = Counter(one.cause for one in accesses)
    if set(by) == {image_access.ROLE}:
        return CHECK.skipped(
            subject, CredentialCause.IDENTITY_DECIDES, "the kubelet identity grants every image in use"
        )
    description = ", ".join(f"{count} by {_WORDS[cause]}" for cause, count in sorted(by.items()))
    cause = (
        next(iter(by))
        if len(by) == 1
        else (CredentialCause.ROLE_AND_OTHERS if image_access.ROLE in by else CredentialCause.SEVERAL_CREDENTIALS)
    )
    return CHECK.passes(
        subject,
        cause,
        f"Every image in use of {use.login_server} has a credential or needs none: {description}.",
        evidence,
    )


_WORDS = {
    image_access.ROLE: "the kubelet identity",
    image_access.SECRET: "a pull secret",
    image_access.ANONYMOUS: "anonymous pull",
    image_access.PUBLIC_HOST: "a registry that serves everybody",
    image_access.PULLED: "whatever a node just pulled it with",
}


def _open(
    facts: ClusterFacts,
    use: RegistryUse,
    subject: Subject,
    items: list[image_access.ImageAccess],
    evidence: tuple[Evidence, ...],
) -> Finding:
    by_secret = [one for one in items if one.secret is not None]
    if not by_secret:
        if any(one.cause == image_access.ROLE_OPEN for one in items):
            return CHECK.skipped(
                subject, CredentialCause.IDENTITY_DECIDES, "only the kubelet identity is left to grant the images"
            )
        because = f"whether {use.login_server} serves these images to everybody is not known from here"
        return CHECK.skipped(subject, image_access.THIRD_PARTY, because)
    first = by_secret[0]
    missing = f"the pull secret {first.secret}" if facts.pull_secrets else _SETTING
    summary = (
        f"{len(by_secret)} of the images in use of {use.login_server} depend on pull secrets: {first.use.image} on "
        f"{first.secret}; {first.why}."
    )
    cause = CredentialCause.PULL_SECRETS_NOT_READ if first.cause == NOT_READ else first.cause
    if any(one.use.puller.kind is PullerKind.VIRTUAL_NODE for one in by_secret):
        cause = CredentialCause.VIRTUAL_NODE_SECRETS
    return CHECK.unknown(subject, cause, summary, evidence, missing=missing)


def _fails(
    facts: ClusterFacts,
    use: RegistryUse,
    subject: Subject,
    accesses: list[image_access.ImageAccess],
    evidence: tuple[Evidence, ...],
) -> Finding:
    cause = Counter(one.cause for one in accesses).most_common(1)[0][0]
    first = next(one for one in accesses if one.cause == cause)
    names = sorted({one.use.image for one in accesses})
    about = f"The pull secret {first.secret}" if first.secret else f"For {first.use.image}"
    return CHECK.fails(
        subject,
        cause,
        f"Nothing grants {listed(names, MAX_NAMED)}. {about}: {first.why}.",
        evidence,
        fix=_fix(facts, use, first),
    )


def _fix(facts: ClusterFacts, use: RegistryUse, first: image_access.ImageAccess) -> tuple[str, ...]:
    puller = first.use.puller
    if first.secret is not None:
        namespace, _, name = first.secret.partition("/")
        return kubectl.create_pull_secret(
            namespace, name, use.login_server, replace=first.cause != CredentialCause.SECRET_MISSING
        )
    if puller.kind is PullerKind.NOBODY:
        return service_accounts.name_an_identity(facts.cluster)
    virtual = puller.kind is PullerKind.VIRTUAL_NODE
    if virtual or not isinstance(use.registry, Seen) or not isinstance(facts.principal, Seen):
        return kubectl.create_pull_secret("<namespace>", "<name>", use.login_server, replace=False)
    registry, who = use.registry.value, puller.object_id or facts.principal.value.object_id
    if (not puller.object_id and gets_no_token(facts)) or identity_crosses(facts, registry):
        return ()  # PW101 and PW105 say what has to be repaired first: a role would grant nothing
    if rbac.is_abac(registry.role_assignment_mode):
        return (az_roles.assign_role(who, "Container Registry Repository Reader", registry.id),)
    if puller.object_id:
        return (az_roles.assign_role(who, "AcrPull", registry.id),)
    return az_aks.grant_pull(facts.cluster, who, registry.id)
