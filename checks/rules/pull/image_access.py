"""How each image in use gets permission: the nodes' identity, a pull secret, or nobody's (anonymous pull).

Kubelet tries every pull secret of the pod that matches the image, then the nodes' identity; only where none of them
offers a credential does it pull anonymously. So a secret that does not hold hurts nothing where the identity holds, but
keeps anonymous pull from being tried; and one that cannot be parsed costs the pod all its pulls.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from checks.facts import ClusterFacts, ContainerImage, NotSeen, PodEvent, RegistryUse, Seen
from checks.rules import images
from checks.rules.access import identity_access, rbac
from checks.rules.access.pull_secrets import CredentialResult, CredentialState, judge_secret, names_of
from checks.rules.pull import observed_pulls
from checks.rules.pull.errors import CREDENTIALS

# Registries that serve everybody without credentials.
PUBLIC = frozenset({"mcr.microsoft.com", "registry.k8s.io", "public.ecr.aws"})
ROLE, SECRET, ANONYMOUS, PUBLIC_HOST, PULLED = "role", "pull-secret", "anonymous-pull", "public-registry", "pulled"
NOTHING, ROLE_OPEN, THIRD_PARTY, REFUSED = "nothing-grants", "identity-open", "third-party", "pull-refused"
_OFFERED = frozenset({"secret-expired", "secret-refused", "secret-refused-repository"})
_MISSING = re.compile(r"image pull secrets? \(([^)]{1,4096})\)", re.IGNORECASE)


class PullEvidence(msgspec.Struct, frozen=True):
    """What events and waiting containers tell.

    ``missing``: secrets that kubelet could not retrieve ("namespace/name"); ``pulled``: images that a node pulled just
    now; ``refused``: images of other registries whose pull was refused for want of credentials.
    """

    missing: frozenset[str] = frozenset()
    pulled: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()


class ImageUse(msgspec.Struct, frozen=True):
    """One image as pods with the same pull secrets use it."""

    image: str
    secrets: tuple[str, ...]


class ImageAccess(msgspec.Struct, frozen=True):
    """Whether one image may be pulled, by what (or for want of what), and the secret that this is about."""

    use: ImageUse
    state: CredentialState
    cause: str
    why: str
    secret: str | None = None


def uses_of(containers: Iterable[ContainerImage]) -> tuple[ImageUse, ...]:
    """The distinct uses, in a stable order."""
    listed = tuple(containers)
    plain = {(image, "", ()): ImageUse(image, ()) for image in {c.image for c in listed if not c.pull_secrets}}
    with_secrets = {
        (c.image, c.namespace, c.pull_secrets): ImageUse(c.image, names_of(c)) for c in listed if c.pull_secrets
    }
    return tuple(use for _, use in sorted((plain | with_secrets).items()))


def missing_secrets(events: Iterable[PodEvent]) -> frozenset[str]:
    """The secrets that kubelet's FailedToRetrieveImagePullSecret events name, as "namespace/name"."""
    found = set()
    for event in events:
        match = _MISSING.search(event.message) if event.reason == "FailedToRetrieveImagePullSecret" else None
        for name in match[1].split(",") if match else ():
            if name.strip():
                found.add(f"{event.namespace}/{name.strip()}")
    return frozenset(found)


def pull_evidence(facts: ClusterFacts) -> PullEvidence:
    """The signs in a cluster's events and waiting containers."""
    if isinstance(facts.workloads, NotSeen):
        return PullEvidence()
    workloads = facts.workloads.value
    events = () if isinstance(workloads.events, NotSeen) else workloads.events.value
    others = {container.image for use in facts.uses if not use.acr for container in use.images}
    waits = [c for c in workloads.containers if c.waiting_reason in observed_pulls.WAITING_FOR_IMAGE]
    waiting = tuple(c for c in waits if c.image in others)
    failed = observed_pulls.failed_pulls(msgspec.structs.replace(workloads, containers=waiting)) if waiting else ()
    return PullEvidence(
        missing=missing_secrets(events),
        pulled=observed_pulls.pulled_images(workloads),
        refused=frozenset(p.container.image for p in failed if p.classified.cause in CREDENTIALS),
    )


def judge_images(facts: ClusterFacts, use: RegistryUse, signs: PullEvidence) -> tuple[ImageAccess, ...]:
    """Every distinct use of a registry's images, judged."""
    by_role = _Role(facts, use)
    return tuple(_one(facts, use, one, by_role.answer(one.image), signs) for one in uses_of(use.images))


class _Role:
    """What the nodes' identity may do at one registry, asked once for all its repositories."""

    def __init__(self, facts: ClusterFacts, use: RegistryUse) -> None:
        self._decision: rbac.Decision | NotSeen | None = None
        self._third_party = not use.acr
        if isinstance(use.registry, NotSeen) or isinstance(facts.principal, NotSeen):
            return
        asked = identity_access.authorization_reads(facts, use.registry.value)
        if asked is not None:
            repositories = identity_access.repositories_of(use.images)
            self._decision = identity_access.decide(
                facts.principal.value.object_id, use.registry.value, asked, repositories
            )

    def answer(self, image: str) -> CredentialResult:
        decision = self._decision
        if self._third_party:
            return CredentialResult(CredentialState.FAILS, NOTHING, "the nodes' identity says nothing to it")
        if isinstance(decision, rbac.Granted):
            return CredentialResult(CredentialState.HOLDS, ROLE, f"the nodes' identity holds {decision.role}")
        if isinstance(decision, rbac.Partial):
            parsed = images.parse(image)
            covered = parsed is not None and parsed.repository in decision.covered
            why = f"the conditions on {decision.role} {'cover' if covered else 'leave out'} the repository"
            return CredentialResult(
                CredentialState.HOLDS if covered else CredentialState.FAILS, ROLE if covered else NOTHING, why
            )
        if isinstance(decision, rbac.Denied | rbac.NotGranted):
            return CredentialResult(CredentialState.FAILS, NOTHING, "the nodes' identity may not pull it")
        return CredentialResult(
            CredentialState.OPEN, ROLE_OPEN, "whether the nodes' identity may pull it is not settled"
        )


def _one(
    facts: ClusterFacts, use: RegistryUse, one: ImageUse, role: CredentialResult, signs: PullEvidence
) -> ImageAccess:
    answers = [
        (name, judge_secret(facts.pull_secrets.get(name), one.image, reported_missing=name in signs.missing))
        for name in one.secrets
    ]
    for name, told in answers:
        if told.state is CredentialState.BREAKS:
            return ImageAccess(one, CredentialState.FAILS, told.cause, told.why, name)
    if role.state is CredentialState.HOLDS:
        return ImageAccess(one, CredentialState.HOLDS, ROLE, role.why)
    for wanted in (CredentialState.HOLDS, CredentialState.OPEN):
        for name, told in (pair for pair in answers if pair[1].state is wanted):
            if wanted is CredentialState.HOLDS:
                return ImageAccess(one, CredentialState.HOLDS, SECRET, told.why, name)
            return _open(one, told.cause, told.why, signs, name)
    left = _without(use, one, answers, signs)
    if role.state is CredentialState.OPEN and left.state is not CredentialState.HOLDS:
        return _open(one, role.cause, role.why, signs)
    return left


def _open(one: ImageUse, cause: str, why: str, signs: PullEvidence, secret: str | None = None) -> ImageAccess:
    """Not settled by what was read: a pull that just succeeded settles it for this very image."""
    if one.image in signs.pulled:
        return ImageAccess(one, CredentialState.HOLDS, PULLED, "a node pulled it just now", secret)
    return ImageAccess(one, CredentialState.OPEN, cause, why, secret)


def _without(
    use: RegistryUse, one: ImageUse, answers: list[tuple[str, CredentialResult]], signs: PullEvidence
) -> ImageAccess:
    """Neither identity nor secret holds: anonymous pull is left, unless a secret's credentials are tried instead."""
    failing = [(name, told) for name, told in answers if told.state is CredentialState.FAILS]
    offered = [pair for pair in failing if pair[1].cause in _OFFERED]
    named = failing[0] if failing else None
    if offered:
        name, told = offered[0]
        return ImageAccess(one, CredentialState.FAILS, told.cause, told.why, name)
    anonymous = _anonymous(use)
    if anonymous.state is CredentialState.HOLDS:
        return ImageAccess(one, CredentialState.HOLDS, anonymous.cause, anonymous.why)
    if anonymous.state is CredentialState.OPEN:
        if one.image in signs.refused:
            cause, why = (named[1].cause, named[1].why) if named else (REFUSED, "its pull was refused")
            return ImageAccess(one, CredentialState.FAILS, cause, why, named[0] if named else None)
        return _open(one, anonymous.cause, anonymous.why, signs)
    if named:
        return ImageAccess(one, CredentialState.FAILS, named[1].cause, named[1].why, named[0])
    elsewhere = next((pair for pair in answers if pair[1].state is CredentialState.ELSEWHERE), None)
    if elsewhere:
        return ImageAccess(one, CredentialState.FAILS, elsewhere[1].cause, elsewhere[1].why, elsewhere[0])
    return ImageAccess(one, CredentialState.FAILS, NOTHING, "no role, no pull secret and no anonymous pull grants it")


def _anonymous(use: RegistryUse) -> CredentialResult:
    if not use.acr:
        if use.login_server in PUBLIC:
            return CredentialResult(CredentialState.HOLDS, PUBLIC_HOST, f"{use.login_server} serves everybody")
        return CredentialResult(
            CredentialState.OPEN, THIRD_PARTY, f"whether {use.login_server} serves it to everybody is not known here"
        )
    registry = use.registry.value if isinstance(use.registry, Seen) else None
    if registry is None or registry.anonymous_pull is None:
        return CredentialResult(CredentialState.OPEN, ROLE_OPEN, "whether anonymous pull is on was not seen")
    if registry.anonymous_pull:
        return CredentialResult(CredentialState.HOLDS, ANONYMOUS, f"{registry.name} allows anonymous pull")
    return CredentialResult(CredentialState.FAILS, NOTHING, f"{registry.name} does not allow anonymous pull")
