"""Canary pulls: which images nodes are to pull, and what the result proves.

A tag that cannot exist runs nothing. A registry answers "not found" only if the caller may read the repository, so that
result proves name resolution, the connection, TLS, the token and the permission, for that repository; never the network
path of the layers. With anonymous pull anyone may read; with ABAC one repository proves nothing about another. Kubelet
tries every credential it has and reports all attempts: first with the kubelet identity, then without credentials.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum

import msgspec

from checks.facts import Cluster, NotSeen, NotSeenReason, Registry, RegistryUse, Seen
from checks.facts.canary import CanaryQuestion, CanaryReport
from checks.rules import images, registry_names
from checks.rules.access import identity_access, rbac
from checks.rules.azure.node_pools import has_nodes
from checks.rules.pull.errors import CREDENTIALS, Classified, PullErrorCause, affected_scope, classify

ABSENT_TAG = "pullwatch-absent-"
POD_PREFIX = "pullwatch-canary-"
POOL_LABEL = "kubernetes.azure.com/agentpool"
NO_REPOSITORY = "pullwatch/absent"  # if no image of the registry is in use
MAX_REGISTRIES = 10
# Causes that may be gone a moment later: one such failure is not a result yet.
TRANSIENT = frozenset(
    {
        PullErrorCause.DNS,
        PullErrorCause.CONNECT_TIMEOUT,
        PullErrorCause.CONNECT_REFUSED,
        PullErrorCause.PROXY,
        PullErrorCause.RATE_LIMITED,
        PullErrorCause.REGISTRY_ERROR,
    }
)
_ANSWERED = frozenset({PullErrorCause.IMAGE_NOT_FOUND, PullErrorCause.PLATFORM_MISMATCH})
_NEXT_ATTEMPT = re.compile(r", (?=rpc error: |failed to pull )")


class CanaryProof(StrEnum):
    """How much a result proves. The value is the cause of a Finding."""

    LAYERS = "canary-pulled"
    ACCESS = "canary-not-found"
    REPOSITORY = "canary-repository-only"
    PATH = "canary-path-only"


# What proves that nodes may pull; the others prove only that there is a network path.
PROVES_PULL = frozenset({CanaryProof.LAYERS.value, CanaryProof.ACCESS.value})


class CanaryReading(msgspec.Struct, frozen=True):
    """What a canary's result means: what it proves, or the cause of its failure (both None: nothing)."""

    proves: CanaryProof | None
    classified: Classified | None = None

    @property
    def failed(self) -> bool:
        """The pull failed with a known cause that is not about the image."""
        known = self.classified is not None and affected_scope(self.classified.cause) in ("registry", "node")
        return self.proves is None and known


def is_transient(ask: CanaryQuestion, result: CanaryReport) -> bool:
    """Whether a result is a failure that may be gone a moment later."""
    return not result.pulled and classify(split_attempts(result.text)[0], result.reason, ask.image).cause in TRANSIENT


def plan_canaries(
    cluster: Cluster, uses: Iterable[RegistryUse], nonce: str, real_image: str = ""
) -> tuple[tuple[CanaryQuestion, ...], tuple[str, ...], int]:
    """The canaries for every node pool with nodes, the pools without nodes, and how many registries are skipped."""
    uses = tuple(uses)
    possible = [canary for use in uses if use.acr and (canary := _absent_tag(use, nonce)) is not None]
    chosen, skipped = possible[:MAX_REGISTRIES], max(0, len(possible) - MAX_REGISTRIES)
    parsed = images.parse(real_image) if real_image else None
    if parsed is not None:
        login_server = registry_names.login_server_of(parsed.host)
        used = next((use for use in uses if use.login_server == login_server), None)
        chosen.append(_real_image(parsed, real_image, used))
    pools = [pool.name for pool in cluster.pools if has_nodes(pool)]
    empty = tuple(pool.name for pool in cluster.pools if not has_nodes(pool))
    return tuple(msgspec.structs.replace(ask, pool=pool) for pool in pools for ask in chosen), empty, skipped


def _absent_tag(use: RegistryUse, nonce: str) -> CanaryQuestion | None:
    """A canary for a tag that does not exist, preferably in the repository of an image without pull secrets."""
    own = identity_access.repositories_of(image for image in use.images if not image.pull_secrets)
    in_use = identity_access.repositories_of(use.images)
    mode = use.registry.value.role_assignment_mode if isinstance(use.registry, Seen) else None
    if not in_use and (mode or "").lower() != rbac.LEGACY_MODE.lower():
        return None  # with ABAC, a missing repository is refused like one that may not be read
    repository = next(iter(own or in_use), NO_REPOSITORY)
    return CanaryQuestion(
        pool="",
        login_server=use.login_server,
        repository=repository,
        image=f"{use.login_server}/{repository}:{ABSENT_TAG}{nonce}",
        in_use=bool(in_use),
        with_secret=bool(in_use) and not own,
    )


def _real_image(parsed: images.ImageReference, text: str, use: RegistryUse | None) -> CanaryQuestion:
    used = use.images if use is not None else ()
    own = any(not image.pull_secrets for image in used)
    return CanaryQuestion(
        pool="",
        login_server=registry_names.login_server_of(parsed.host),
        repository=parsed.repository,
        image=text,
        real=True,
        in_use=parsed.repository in identity_access.repositories_of(used),
        with_secret=bool(used) and not own,
    )


def interpret_result(ask: CanaryQuestion, result: CanaryReport, use: RegistryUse | None) -> CanaryReading:
    """Interprets a result for one registry. ``use`` None: a host that the cluster's pods do not use."""
    if result.pulled:
        return CanaryReading(_narrowed(CanaryProof.LAYERS, ask, result, use) if ask.real else None)
    attempts = [classify(text, result.reason, ask.image) for text in split_attempts(result.text)]
    first = attempts[0]
    if first.cause in _ANSWERED:
        return CanaryReading(_narrowed(CanaryProof.ACCESS, ask, result, use), first)
    if first.cause not in CREDENTIALS:
        return CanaryReading(None, first)
    accepted = next((attempt for attempt in attempts if attempt.cause in _ANSWERED), None)
    if accepted is not None:
        return CanaryReading(CanaryProof.PATH, accepted)  # the kubelet identity was refused, another attempt was not
    return CanaryReading(CanaryProof.PATH if ask.with_secret or _not_about_images_in_use(ask, use) else None, first)


def of_one_account(reading: CanaryReading) -> CanaryReading:
    """What a canary proves of pods for which other identities pull than for itself: the path."""
    refused = reading.classified is not None and reading.classified.cause in CREDENTIALS
    return CanaryReading(CanaryProof.PATH, reading.classified) if reading.proves or refused else reading


def split_attempts(text: str) -> list[str]:
    """The errors of kubelet's attempts, in order; the whole text if there was one attempt."""
    return _NEXT_ATTEMPT.split(text)


def _not_about_images_in_use(ask: CanaryQuestion, use: RegistryUse | None) -> bool:
    """Whether a refusal of a real image says nothing about the images in use: ABAC, or no image is in use."""
    if ask.in_use:
        return False
    return _registry(use) is None or not grants_whole_registry(use)


def _registry(use: RegistryUse | None) -> Registry | None:
    return use.registry.value if use is not None and isinstance(use.registry, Seen) else None


def grants_whole_registry(use: RegistryUse | None) -> bool:
    """Whether permissions apply to the whole registry, as far as Azure Resource Manager shows."""
    registry = _registry(use)
    return registry is not None and (registry.role_assignment_mode or "").lower() == rbac.LEGACY_MODE.lower()


def _narrowed(proves: CanaryProof, ask: CanaryQuestion, result: CanaryReport, use: RegistryUse | None) -> CanaryProof:
    """What a result proves if the registry admits others too, or the kubelet identity to some repositories only."""
    registry = _registry(use)
    if registry is None or use is None or registry.anonymous_pull is not False or result.secrets:
        return CanaryProof.PATH
    if grants_whole_registry(use):
        return proves
    return proves if set(identity_access.repositories_of(use.images)) == {ask.repository} else CanaryProof.REPOSITORY


def is_expected_gap(gap: NotSeen) -> bool:
    """Whether canaries are turned off or have no nodes to run on, which is not an error.

    A missing setting (``role`` names it) is an error, because canaries were requested.
    """
    return gap.why is NotSeenReason.NOT_APPLICABLE or (gap.why is NotSeenReason.OFF and gap.role is None)
