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
from checks.rules.access.pull_secrets import Answer, State, answer, names_of
from checks.rules.pull import observed_pulls
from checks.rules.pull.errors import CREDENTIALS

# Registries that serve everybody without credentials.
PUBLIC = frozenset({"mcr.microsoft.com", "registry.k8s.io", "public.ecr.aws"})
ROLE, SECRET, ANONYMOUS, PUBLIC_HOST, PULLED = "role", "pull-secret", "anonymous-pull", "public-registry", "pulled"
NOTHING, ROLE_OPEN, THIRD_PARTY, REFUSED = "nothing-grants", "identity-open", "third-party", "pull-refused"
_OFFERED = frozenset({"secret-expired", "secret-refused", "secret-refused-repository"})
_MISSING = re.compile(r"image pull secrets? \(([^)]{1,4096})\)", re.IGNORECASE)


class Signs(msgspec.Struct, frozen=True):
    """What events and waiting containers tell.

    ``missing``: secrets that kubelet could not retrieve ("namespace/name"); ``pulled``: images that a node pulled just
    now; ``refused``: images of other registries whose pull was refused for want of credentials.
    """

    missing: frozenset[str] = frozenset()
    pulled: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()


class Use(msgspec.Struct, frozen=True):
    """One image as pods with the same pull secrets use it."""

    image: str
    secrets: tuple[str, ...]


class Access(msgspec.Struct, frozen=True):
    """Whether one image may be pulled, by what (or for want of what), and the secret that this is about."""

    use: Use
    state: State
    cause: str
    why: str
    secret: str | None = None


def uses_of(containers: Iterable[ContainerImage]) -> tuple[Use, ...]:
    """The distinct uses, in a stable order."""
    listed = tuple(containers)
    plain = {(image, "", ()): Use(image, ()) for image in {c.image for c in listed if not c.pull_secrets}}
    with_secrets = {(c.image, c.namespace, c.pull_secrets): Use(c.image, names_of(c)) for c in listed if c.pull_secrets}
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


def signs_of(facts: ClusterFacts) -> Signs:
    """The signs in a cluster's events and waiting containers."""
    if isinstance(facts.workloads, NotSeen):
        return Signs()
    workloads = facts.workloads.value
    events = () if isinstance(workloads.events, NotSeen) else workloads.events.value
    others = {container.image for use in facts.uses if not use.acr for container in use.images}
    waits = [c for c in workloads.containers if c.waiting_reason in observed_pulls.WAITING_FOR_IMAGE]
    waiting = tuple(c for c in waits if c.image in others)
    failed = observed_pulls.failed_pulls(msgspec.structs.replace(workloads, containers=waiting)) if waiting else ()
    return Signs(
        missing=missing_secrets(events),
        pulled=observed_pulls.pulled_images(workloads),
        refused=frozenset(p.container.image for p in failed if p.classified.cause in CREDENTIALS),
    )


def accesses(facts: ClusterFacts, use: RegistryUse, signs: Signs) -> tuple[Access, ...]:
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
        asked = identity_access.asked_of(facts, use.registry.value)
        if asked is not None:
            repositories = identity_access.repositories_of(use.images)
            self._decision = identity_access.decide(
                facts.principal.value.object_id, use.registry.value, asked, repositories
            )

    def answer(self, image: str) -> Answer:
        decision = self._decision
        if self._third_party:
            return Answer(State.FAILS, NOTHING, "the nodes' identity says nothing to it")
        if isinstance(decision, rbac.Granted):
            return Answer(State.HOLDS, ROLE, f"the nodes' identity holds {decision.role}")
        if isinstance(decision, rbac.Partial):
            parsed = images.parse(image)
            covered = parsed is not None and parsed.repository in decision.covered
            why = f"the conditions on {decision.role} {'cover' if covered else 'leave out'} the repository"
            return Answer(State.HOLDS if covered else State.FAILS, ROLE if covered else NOTHING, why)
        if isinstance(decision, rbac.Denied | rbac.NotGranted):
            return Answer(State.FAILS, NOTHING, "the nodes' identity may not pull it")
        return Answer(State.OPEN, ROLE_OPEN, "whether the nodes' identity may pull it is not settled")


def _one(facts: ClusterFacts, use: RegistryUse, one: Use, role: Answer, signs: Signs) -> Access:
    answers = [
        (name, answer(facts.pull_secrets.get(name), one.image, reported_missing=name in signs.missing))
        for name in one.secrets
    ]
    for name, told in answers:
        if told.state is State.BREAKS:
            return Access(one, State.FAILS, told.cause, told.why, name)
    if role.state is State.HOLDS:
        return Access(one, State.HOLDS, ROLE, role.why)
    for wanted in (State.HOLDS, State.OPEN):
        for name, told in (pair for pair in answers if pair[1].state is wanted):
            if wanted is State.HOLDS:
                return Access(one, State.HOLDS, SECRET, told.why, name)
            return _open(one, told.cause, told.why, signs, name)
    left = _without(use, one, answers, signs)
    if role.state is State.OPEN and left.state is not State.HOLDS:
        return _open(one, role.cause, role.why, signs)
    return left


def _open(one: Use, cause: str, why: str, signs: Signs, secret: str | None = None) -> Access:
    """Not settled by what was read: a pull that just succeeded settles it for this very image."""
    if one.image in signs.pulled:
        return Access(one, State.HOLDS, PULLED, "a node pulled it just now", secret)
    return Access(one, State.OPEN, cause, why, secret)


def _without(use: RegistryUse, one: Use, answers: list[tuple[str, Answer]], signs: Signs) -> Access:
    """Neither identity nor secret holds: anonymous pull is left, unless a secret's credentials are tried instead."""
    failing = [(name, told) for name, told in answers if told.state is State.FAILS]
    offered = [pair for pair in failing if pair[1].cause in _OFFERED]
    named = failing[0] if failing else None
    if offered:
        name, told = offered[0]
        return Access(one, State.FAILS, told.cause, told.why, name)
    anonymous = _anonymous(use)
    if anonymous.state is State.HOLDS:
        return Access(one, State.HOLDS, anonymous.cause, anonymous.why)
    if anonymous.state is State.OPEN:
        if one.image in signs.refused:
            cause, why = (named[1].cause, named[1].why) if named else (REFUSED, "its pull was refused")
            return Access(one, State.FAILS, cause, why, named[0] if named else None)
        return _open(one, anonymous.cause, anonymous.why, signs)
    if named:
        return Access(one, State.FAILS, named[1].cause, named[1].why, named[0])
    elsewhere = next((pair for pair in answers if pair[1].state is State.ELSEWHERE), None)
    if elsewhere:
        return Access(one, State.FAILS, elsewhere[1].cause, elsewhere[1].why, elsewhere[0])
    return Access(one, State.FAILS, NOTHING, "no role, no pull secret and no anonymous pull grants it")


def _anonymous(use: RegistryUse) -> Answer:
    if not use.acr:
        if use.login_server in PUBLIC:
            return Answer(State.HOLDS, PUBLIC_HOST, f"{use.login_server} serves everybody")
        return Answer(State.OPEN, THIRD_PARTY, f"whether {use.login_server} serves it to everybody is not known here")
    registry = use.registry.value if isinstance(use.registry, Seen) else None
    if registry is None or registry.anonymous_pull is None:
        return Answer(State.OPEN, ROLE_OPEN, "whether anonymous pull is on was not seen")
    if registry.anonymous_pull:
        return Answer(State.HOLDS, ANONYMOUS, f"{registry.name} allows anonymous pull")
    return Answer(State.FAILS, NOTHING, f"{registry.name} does not allow anonymous pull")
