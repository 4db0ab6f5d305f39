"""How each image in use gets permission: the kubelet identity, a pull secret, or anonymous pull.

Kubelet tries every pull secret of the pod that matches the image, then the kubelet identity; only if none of them
supplies a credential does it pull anonymously. So a secret that is refused does no harm if the identity has a role, but
prevents anonymous pull; and a secret that cannot be parsed makes every pull of the pod fail.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from checks.facts import ClusterFacts, ContainerImage, NotSeen, PodEvent, RegistryUse, Seen
from checks.rules import images
from checks.rules.access import identity_access, rbac
from checks.rules.access.identity_resource import gets_no_token
from checks.rules.access.pull_secrets import CredentialResult, CredentialState, judge_secret, names_of
from checks.rules.access.pullers import KUBELET, Puller, PullerKind, Pullers
from checks.rules.path import public_registries
from checks.rules.pull import observed_pulls
from checks.rules.pull.errors import CREDENTIALS

ROLE, SECRET, ANONYMOUS, PUBLIC_HOST, PULLED = "role", "pull-secret", "anonymous-pull", "public-registry", "pulled"
NOTHING, ROLE_OPEN, THIRD_PARTY, REFUSED = "nothing-grants", "identity-open", "third-party", "pull-refused"
_OFFERED = frozenset({"secret-expired", "secret-refused", "secret-refused-repository"})
# Why no identity pulls for a pod.
_WITHOUT = {
    PullerKind.NOBODY: "its service account names no identity, and the cluster has no default one",
    PullerKind.VIRTUAL_NODE: "a virtual node pulls with the pod's pull secrets only, never with the kubelet identity",
}
_MISSING = re.compile(r"image pull secrets? \(([^)]{1,4096})\)", re.IGNORECASE)


class PullEvidence(msgspec.Struct, frozen=True):
    """What events and waiting containers show.

    ``missing``: secrets that kubelet could not retrieve ("namespace/name"); ``pulled``: images that a node pulled
    recently; ``refused``: images of other registries whose pull was refused for lack of credentials.
    """

    missing: frozenset[str] = frozenset()
    pulled: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()


class ImageUse(msgspec.Struct, frozen=True):
    """One image, the pull secrets of the pods that use it, and who pulls for them."""

    image: str
    secrets: tuple[str, ...]
    puller: Puller = KUBELET


class ImageAccess(msgspec.Struct, frozen=True):
    """Whether one image may be pulled, what grants it or is missing, and the pull secret concerned."""

    use: ImageUse
    state: CredentialState
    cause: str
    why: str
    secret: str | None = None


def image_uses(containers: Iterable[ContainerImage], pullers: Pullers | None = None) -> tuple[ImageUse, ...]:
    """The distinct combinations of image, pull secrets and puller (without ``pullers``: the kubelet identity)."""
    found: dict[tuple[str, str, tuple[str, ...], str], ImageUse] = {}
    for one, puller in _pulled_alike(containers, pullers):
        who = f"{puller.kind.value} {puller.object_id}{puller.why}"
        key = (one.image, one.namespace if one.pull_secrets else "", one.pull_secrets, who)
        if key not in found:
            found[key] = ImageUse(one.image, names_of(one), puller)
    return tuple(use for _, use in sorted(found.items(), key=lambda item: item[0]))


def _pulled_alike(
    containers: Iterable[ContainerImage], pullers: Pullers | None
) -> Iterable[tuple[ContainerImage, Puller]]:
    """The first of the containers that have image, namespace, secrets and puller in common, with that puller."""
    first: dict[tuple[str, str, tuple[str, ...], int], tuple[ContainerImage, Puller]] = {}
    for one in containers:
        puller = KUBELET if pullers is None else pullers.of(one)
        # By identity, as comparing pullers costs more than the rest: the same object is given to all that are alike.
        key = (one.image, one.namespace, one.pull_secrets, id(puller))
        if key not in first:
            first[key] = one, puller
    return first.values()


def missing_secrets(events: Iterable[PodEvent]) -> frozenset[str]:
    """The secrets that kubelet's FailedToRetrieveImagePullSecret events name, as "namespace/name"."""
    names = set()
    for event in events:
        match = _MISSING.search(event.message) if event.reason == "FailedToRetrieveImagePullSecret" else None
        for name in match[1].split(",") if match else ():
            if name.strip():
                names.add(f"{event.namespace}/{name.strip()}")
    return frozenset(names)


def pull_evidence(facts: ClusterFacts) -> PullEvidence:
    """The evidence in a cluster's events and waiting containers."""
    if isinstance(facts.workloads, NotSeen):
        return PullEvidence()
    workloads = facts.workloads.value
    events = () if isinstance(workloads.events, NotSeen) else workloads.events.value
    other_images = {container.image for use in facts.uses if not use.acr for container in use.images}
    waiting_containers = [c for c in workloads.containers if c.waiting_reason in observed_pulls.WAITING_FOR_IMAGE]
    waiting = tuple(c for c in waiting_containers if c.image in other_images)
    failed = observed_pulls.failed_pulls(msgspec.structs.replace(workloads, containers=waiting)) if waiting else ()
    return PullEvidence(
        missing=missing_secrets(events),
        pulled=observed_pulls.pulled_images(workloads),
        refused=frozenset(p.container.image for p in failed if p.classified.cause in CREDENTIALS and not p.mirror),
    )


def judge_images(facts: ClusterFacts, use: RegistryUse, evidence: PullEvidence) -> tuple[ImageAccess, ...]:
    """Judges every distinct use of a registry's images."""
    identities: dict[Puller, _IdentityAccess] = {}
    judged = []
    for image_use in image_uses(use.images, Pullers(facts)):
        puller = image_use.puller
        if puller not in identities:
            identities[puller] = _IdentityAccess(facts, use, puller)
        judged.append(_judge_image(facts, use, image_use, identities[puller].judge(image_use.image), evidence))
    return tuple(judged)


class _IdentityAccess:
    """What one identity, mostly the kubelet identity, may pull from a registry: decided once for all repositories."""

    def __init__(self, facts: ClusterFacts, use: RegistryUse, puller: Puller) -> None:
        self._decision: rbac.Decision | NotSeen | None = None
        self._third_party = not use.acr
        self._puller = puller
        kubelet = puller.kind is PullerKind.KUBELET
        self._noun = puller.name or identity_access.identity_noun(facts.cluster)
        self._gone = kubelet and gets_no_token(facts)
        if isinstance(use.registry, NotSeen) or puller.kind not in (PullerKind.KUBELET, PullerKind.ACCOUNT):
            return
        if kubelet and isinstance(facts.principal, NotSeen):
            return
        who = facts.principal.value.object_id if kubelet and isinstance(facts.principal, Seen) else puller.object_id
        reads = identity_access.authorization_reads(facts, use.registry.value, puller.object_id)
        if reads is not None:
            repositories = identity_access.repositories_of(use.images)
            self._decision = identity_access.decide(who, use.registry.value, reads, repositories)

    def judge(self, image: str) -> CredentialResult:
        decision = self._decision
        if self._gone:
            return CredentialResult(CredentialState.FAILS, NOTHING, f"nodes get no token for the {self._noun}")
        if self._third_party:
            return CredentialResult(CredentialState.FAILS, NOTHING, f"the {self._noun} has no access to it")
        if self._puller.kind in _WITHOUT:
            return CredentialResult(CredentialState.FAILS, NOTHING, _WITHOUT[self._puller.kind])
        if isinstance(decision, rbac.Granted):
            return CredentialResult(CredentialState.HOLDS, ROLE, f"the {self._noun} has the role {decision.role}")
        if isinstance(decision, rbac.Partial):
            parsed = images.parse(image)
            covered = parsed is not None and parsed.repository in decision.covered
            why = f"the conditions of {decision.role} {'include' if covered else 'exclude'} the repository"
            return CredentialResult(
                CredentialState.HOLDS if covered else CredentialState.FAILS, ROLE if covered else NOTHING, why
            )
        if isinstance(decision, rbac.Denied | rbac.NotGranted):
            return CredentialResult(CredentialState.FAILS, NOTHING, f"the {self._noun} may not pull it")
        return CredentialResult(
            CredentialState.OPEN, ROLE_OPEN, f"it could not be determined whether the {self._noun} may pull it"
        )


def _judge_image(
    facts: ClusterFacts, use: RegistryUse, image_use: ImageUse, role: CredentialResult, evidence: PullEvidence
) -> ImageAccess:
    results = [
        (name, judge_secret(facts.pull_secrets.get(name), image_use.image, reported_missing=name in evidence.missing))
        for name in image_use.secrets
    ]
    for name, result in results:
        if result.state is CredentialState.BREAKS:
            return ImageAccess(image_use, CredentialState.FAILS, result.cause, result.why, name)
    if role.state is CredentialState.HOLDS:
        return ImageAccess(image_use, CredentialState.HOLDS, ROLE, role.why)
    for wanted in (CredentialState.HOLDS, CredentialState.OPEN):
        for name, result in (pair for pair in results if pair[1].state is wanted):
            if wanted is CredentialState.HOLDS:
                return ImageAccess(image_use, CredentialState.HOLDS, SECRET, result.why, name)
            return _undetermined(image_use, result.cause, result.why, evidence, name)
    anonymous = _judge_without(use, image_use, results, evidence)
    if role.state is CredentialState.OPEN and anonymous.state is not CredentialState.HOLDS:
        # A node's token outlives a role by hours: that it pulled settles nothing of the role.
        return ImageAccess(image_use, CredentialState.OPEN, role.cause, role.why)
    return anonymous


def _undetermined(
    image_use: ImageUse, cause: str, why: str, evidence: PullEvidence, secret: str | None = None
) -> ImageAccess:
    """What was read does not decide it; a recent successful pull of this image does."""
    if image_use.image in evidence.pulled and image_use.puller.kind is not PullerKind.VIRTUAL_NODE:
        return ImageAccess(image_use, CredentialState.HOLDS, PULLED, "a node pulled it recently", secret)
    return ImageAccess(image_use, CredentialState.OPEN, cause, why, secret)


def _judge_without(
    use: RegistryUse, image_use: ImageUse, results: list[tuple[str, CredentialResult]], evidence: PullEvidence
) -> ImageAccess:
    """Neither identity nor secret grants the pull: anonymous pull remains, unless kubelet sends credentials."""
    failing = [(name, result) for name, result in results if result.state is CredentialState.FAILS]
    offered = [pair for pair in failing if pair[1].cause in _OFFERED]
    first = failing[0] if failing else None
    if offered:
        name, result = offered[0]
        return ImageAccess(image_use, CredentialState.FAILS, result.cause, result.why, name)
    anonymous = _judge_anonymous(use)
    if anonymous.state is CredentialState.HOLDS:
        return ImageAccess(image_use, CredentialState.HOLDS, anonymous.cause, anonymous.why)
    if anonymous.state is CredentialState.OPEN:
        if image_use.image in evidence.refused:
            cause, why = (first[1].cause, first[1].why) if first else (REFUSED, "its pull was refused")
            return ImageAccess(image_use, CredentialState.FAILS, cause, why, first[0] if first else None)
        if use.acr:  # the pull may have been by a role that is gone: a token outlives it by hours
            return ImageAccess(image_use, CredentialState.OPEN, anonymous.cause, anonymous.why)
        return _undetermined(image_use, anonymous.cause, anonymous.why, evidence)
    if first:
        return ImageAccess(image_use, CredentialState.FAILS, first[1].cause, first[1].why, first[0])
    elsewhere = next((pair for pair in results if pair[1].state is CredentialState.ELSEWHERE), None)
    if elsewhere:
        return ImageAccess(image_use, CredentialState.FAILS, elsewhere[1].cause, elsewhere[1].why, elsewhere[0])
    nothing = _WITHOUT.get(image_use.puller.kind, "no role, no pull secret and no anonymous pull grants it")
    return ImageAccess(image_use, CredentialState.FAILS, NOTHING, nothing)


def _judge_anonymous(use: RegistryUse) -> CredentialResult:
    if not use.acr:
        if use.login_server in public_registries.ANONYMOUS:
            return CredentialResult(
                CredentialState.HOLDS, PUBLIC_HOST, f"{use.login_server} allows pulls without credentials"
            )
        return CredentialResult(
            CredentialState.OPEN,
            THIRD_PARTY,
            f"it is not known whether {use.login_server} allows pulls of it without credentials",
        )
    registry = use.registry.value if isinstance(use.registry, Seen) else None
    if registry is None or registry.anonymous_pull is None:
        return CredentialResult(
            CredentialState.OPEN, ROLE_OPEN, "it could not be read whether anonymous pull is enabled"
        )
    if registry.anonymous_pull:
        return CredentialResult(CredentialState.HOLDS, ANONYMOUS, f"{registry.name} allows anonymous pull")
    return CredentialResult(CredentialState.FAILS, NOTHING, f"{registry.name} does not allow anonymous pull")
