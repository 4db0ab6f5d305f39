"""PW303: the secrets that pods name in imagePullSecrets."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from checks.catalog.capped import capped
from checks.catalog.check import Check, Step
from checks.causes import Cause
from checks.facts import ClusterFacts, NotSeen, Seen
from checks.findings import Evidence, Fail, Finding, Severity, Subject
from checks.rules import images, registry_names
from checks.rules.access.pull_secrets import NOT_READ, CredentialResult, CredentialState, judge_secret
from checks.rules.fixes import kubectl
from checks.rules.pull.image_access import ImageAccess, ImageUse, PullEvidence, judge_images, pull_evidence


class PullSecretCause(Cause):
    """Causes of PW303."""

    SECRET_ACCEPTED = "secret-accepted", "The registry accepts the pull secret's credential."
    SECRET_REFUSED = "secret-refused", "The registry refuses the pull secret's credential."
    SECRET_REFUSED_REPOSITORY = (
        "secret-refused-repository",
        "The registry accepts the credential, but not for the repository.",
    )
    SECRET_EXPIRED = "secret-expired", "The pull secret's credential has expired."
    SECRET_MISSING = "secret-missing", "The pull secret does not exist."
    SECRET_EMPTY = "secret-empty", "The pull secret has no data of its type."
    SECRET_WRONG_TYPE = "secret-wrong-type", "The secret is not of a type that kubelet uses for pulls."
    SECRET_UNDECODABLE = (
        "secret-undecodable",
        "The pull secret's data cannot be decoded, which makes kubelet give up on the pod's images.",
    )
    SECRET_HOST_MISMATCH = "secret-host-mismatch", "The pull secret has no entry for the image's host."
    SECRET_WITHOUT_CREDENTIALS = "secret-without-credentials", "The pull secret's entry has no user name or password."
    SECRET_NOT_ASKED = "secret-not-asked", "The pull secret's credential was not tried."
    SECRET_NOT_NEEDED = "secret-not-needed", "The pull secret has no entry for the image, which is pulled otherwise."
    SECRETS_NOT_READ = "secrets-not-read", "A setting turns the reading of pull secrets off."
    NO_PULL_SECRET = "no-pull-secret", "No pod names a pull secret."
    PODS_NOT_READ = "pods-not-read", "The pods were not read, so pull secrets in use are not known."
    CAPPED = "capped", "More pull secrets are in use than one scan reads."


CHECK = Check(
    code="PW303",
    title="Pull secrets",
    severity=Severity.ERROR,
    why=(
        "An image that the kubelet identity may not pull comes by the pod's imagePullSecrets. One that is missing, of "
        "another type, for another host, expired or refused grants nothing, and one that kubelet cannot parse costs "
        "the pod all its pulls."
    ),
    how=(
        "Only with PULLWATCH_READ_PULL_SECRETS: each secret that pods or their service accounts name is read, parsed "
        "as kubelet parses it, matched with images as kubelet matches them (globs, ports, paths, Docker Hub's names), "
        "its tokens' own expiry compared with the time of reading, and its credentials tried at the registry's token "
        "endpoint (login servers that Azure Resource Manager returned; others with PULLWATCH_PROBE_OTHERS). No value "
        "is kept. Without it, kubelet's FailedToRetrieveImagePullSecret events still report missing ones. One that "
        "fails is a warning where another credential grants every image it is for."
    ),
    permissions=(
        "get on the secrets (Microsoft.ContainerService/managedClusters/secrets/read), optional",
        "Azure Kubernetes Service RBAC Reader on the cluster",
    ),
    fix="Create the secret anew with `kubectl create secret docker-registry`, for the host that the images name.",
    article=("third-party registry", "docker configuration"),
    links=("https://kubernetes.io/docs/tasks/configure-pod-container/pull-image-private-registry/",),
    step=Step.ROLE,
    causes=(PullSecretCause,),
)

MAX_SECRETS = 50
_SECRET_AS_A_WHOLE = frozenset(
    {
        PullSecretCause.SECRET_MISSING,
        PullSecretCause.SECRET_WRONG_TYPE,
        PullSecretCause.SECRET_UNDECODABLE,
        PullSecretCause.SECRET_EMPTY,
        NOT_READ,
    }
)


class _Secret(msgspec.Struct, frozen=True):
    """One named secret: its facts, the images that its pods want, and those of them that no way grants."""

    name: str
    facts: Seen | NotSeen | None  # type: ignore[type-arg]
    reported: bool
    images: tuple[str, ...]
    needing: frozenset[str]


def judge(facts: ClusterFacts) -> tuple[Finding, ...]:
    """One finding per secret and registry it is for; one for the cluster where no pod names any, or none is read."""
    subject = Subject(facts.cluster.id)
    if isinstance(facts.workloads, NotSeen):
        return (
            CHECK.skipped(
                subject, PullSecretCause.PODS_NOT_READ, "the cluster's pods were not read, which name the secrets"
            ),
        )
    named = any(container.pull_secrets for use in facts.uses for container in use.images)
    secrets = _secrets(facts, pull_evidence(facts)) if named else ()
    if not secrets:
        return (CHECK.skipped(subject, PullSecretCause.NO_PULL_SECRET, "no pod names a pull secret"),)
    findings = [finding for secret in secrets for finding in _judged(facts, secret)]
    findings.sort(key=lambda f: (not isinstance(f.verdict, Fail), f.severity is not Severity.ERROR))
    unread = sum(not facts.pull_secrets and not secret.reported for secret in secrets)
    if unread:
        because = f"{unread} pull secrets are named and not read: PULLWATCH_READ_PULL_SECRETS is off"
        findings.append(CHECK.skipped(subject, PullSecretCause.SECRETS_NOT_READ, because))
    what = "findings about pull secrets are not shown"
    return capped(CHECK, findings, MAX_SECRETS, subject, PullSecretCause.CAPPED, what)


def _secrets(facts: ClusterFacts, pulls: PullEvidence) -> tuple[_Secret, ...]:
    wanted: dict[str, set[str]] = {}
    needing: dict[str, set[str]] = {}
    for use in facts.uses:
        for access in judge_images(facts, use, pulls):
            _note(access, wanted, needing)
    return tuple(
        _Secret(
            name, facts.pull_secrets.get(name), name in pulls.missing, tuple(sorted(secrets)), frozenset(needing[name])
        )
        for name, secrets in sorted(wanted.items())
    )


def _note(access: ImageAccess, wanted: dict[str, set[str]], needing: dict[str, set[str]]) -> None:
    use: ImageUse = access.use
    for name in use.secrets:
        wanted.setdefault(name, set()).add(use.image)
        needed = needing.setdefault(name, set())
        if access.state is not CredentialState.HOLDS:
            needed.add(use.image)


def _judged(facts: ClusterFacts, secret: _Secret) -> list[Finding]:
    if not facts.pull_secrets and not secret.reported:
        return []
    answers = {image: judge_secret(secret.facts, image, reported_missing=secret.reported) for image in secret.images}
    first = next(iter(answers.values()))
    if first.cause in _SECRET_AS_A_WHOLE:
        return [_whole(facts, secret, first)]
    by_host: dict[str, list[tuple[str, CredentialResult]]] = {}
    for image, result in answers.items():
        host = registry_names.login_server_of(images.host_of(image) or "")
        if host and result.state is not CredentialState.ELSEWHERE:
            by_host.setdefault(host, []).append((image, result))
    if not by_host:
        return [_mismatch(facts, secret, first)]
    return [_host(facts, secret, host, results) for host, results in sorted(by_host.items())]


def _registries(used: Iterable[str]) -> set[str]:
    """The login servers of images."""
    return {registry_names.login_server_of(host) for image in used if (host := images.host_of(image))}


def _whole(facts: ClusterFacts, secret: _Secret, result: CredentialResult) -> Finding:
    hosts = _registries(secret.needing or secret.images)
    subject = Subject(facts.cluster.id, registry=hosts.pop() if len(hosts) == 1 else None, secret=secret.name)
    if result.state is CredentialState.OPEN and isinstance(secret.facts, NotSeen):
        return CHECK.not_seen(subject, secret.facts, f"The pull secret {secret.name}")
    return _fails(subject, secret, result, secret.needing)


def _host(facts: ClusterFacts, secret: _Secret, host: str, results: list[tuple[str, CredentialResult]]) -> Finding:
    """What the secret does for one registry's images: one that fails fails it, one that is open leaves it open."""
    subject = Subject(facts.cluster.id, registry=host, secret=secret.name)
    for state in (CredentialState.FAILS, CredentialState.OPEN, CredentialState.HOLDS):
        images_so = [(image, result) for image, result in results if result.state is state]
        if not images_so:
            continue
        result = images_so[0][1]
        if state is CredentialState.FAILS:
            return _fails(subject, secret, result, secret.needing & {image for image, _ in images_so})
        if state is CredentialState.OPEN:
            summary = f"The pull secret {secret.name} is there for {host}; {result.why}."
            return CHECK.unknown(subject, result.cause, summary, _evidence(secret), missing=f"an answer of {host}")
    summary = f"The pull secret {secret.name} is of the right type and for {host}, and {results[0][1].why}."
    return CHECK.passes(subject, PullSecretCause.SECRET_ACCEPTED, summary, _evidence(secret))


def _mismatch(facts: ClusterFacts, secret: _Secret, result: CredentialResult) -> Finding:
    """No image of its pods comes from a host it is for: trouble only where one of them comes by nothing else."""
    subject = Subject(facts.cluster.id, secret=secret.name)
    if not secret.needing:
        because = f"the pull secret {secret.name} is for other hosts than its pods' images, which come without it"
        return CHECK.skipped(subject, PullSecretCause.SECRET_NOT_NEEDED, because)
    hosts = _registries(secret.needing)
    subject = Subject(facts.cluster.id, registry=hosts.pop() if len(hosts) == 1 else None, secret=secret.name)
    return _fails(subject, secret, result, secret.needing)


def _fails(subject: Subject, secret: _Secret, result: CredentialResult, needing: frozenset[str]) -> Finding:
    host = subject.registry or next((h for image in secret.images if (h := images.host_of(image))), "<registry>")
    some = sorted(needing or secret.images)
    wanted = f"{some[0]}{f' and {len(some) - 1} more images' if len(some) > 1 else ''}"
    other = "" if needing else " Another credential grants these images."
    namespace, _, name = secret.name.partition("/")
    return CHECK.fails(
        subject,
        result.cause,
        f"The pull secret {secret.name} does not grant {wanted}: {result.why}.{other}",
        _evidence(secret),
        fix=kubectl.create_pull_secret(namespace, name, host, replace=result.cause != PullSecretCause.SECRET_MISSING),
        severity=Severity.ERROR if needing else Severity.WARNING,
    )


def _evidence(secret: _Secret) -> tuple[Evidence, ...]:
    if isinstance(secret.facts, Seen):
        return (secret.facts.evidence,)
    return (Evidence("FailedToRetrieveImagePullSecret", "events of the cluster"),) if secret.reported else ()
