"""Canary pulls: which images to ask nodes for, and what an answer proves.

A tag that cannot exist lets nothing run. The registry says "not found" only to who may read the repository, so that
answer proves the name, the connection, its TLS, the token and the permission, for that repository; never the way of
the layers. With anonymous pull everybody may read; by repositories (ABAC) one repository says nothing of another. A
kubelet tries every credential it has and tells of all its tries: the identity's first, then without any.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum

import msgspec

from checks.facts import Cluster, NotSeen, Registry, RegistryUse, Seen, Why
from checks.facts.canary import CanaryAsk, CanarySaid
from checks.rules import images
from checks.rules.access import identity_access, rbac
from checks.rules.azure.node_pools import has_nodes
from checks.rules.pull.errors import CREDENTIALS, Cause, Classified, affected_scope, classify

ABSENT_TAG = "pullwatch-absent-"
POD_PREFIX = "pullwatch-canary-"
POOL_LABEL = "kubernetes.azure.com/agentpool"
NO_REPOSITORY = "pullwatch/absent"  # where no image of the registry is in use
MAX_REGISTRIES = 10
# What may be gone a moment later: asked once, it is no answer yet.
PASSING = frozenset(
    {
        Cause.DNS,
        Cause.CONNECT_TIMEOUT,
        Cause.CONNECT_REFUSED,
        Cause.PROXY,
        Cause.RATE_LIMITED,
        Cause.REGISTRY_ERROR,
    }
)
_ANSWERED = frozenset({Cause.IMAGE_NOT_FOUND, Cause.PLATFORM_MISMATCH})
_NEXT_TRY = re.compile(r", (?=rpc error: |failed to pull )")


class Proves(StrEnum):
    """How much an answer proves. A Finding's cause is this value."""

    LAYERS = "canary-pulled"
    ACCESS = "canary-not-found"
    REPOSITORY = "canary-repository-only"
    PATH = "canary-path-only"


# What settles that nodes may pull; the others prove that there is a way.
FULL = frozenset({Proves.LAYERS.value, Proves.ACCESS.value})


class Reading(msgspec.Struct, frozen=True):
    """An answer as it is read: what it proves, or the cause it fails by (None: the answer settles nothing)."""

    proves: Proves | None
    classified: Classified | None = None

    @property
    def failed(self) -> bool:
        """The pull failed by a cause that is known and not the image's own."""
        known = self.classified is not None and affected_scope(self.classified.cause) in ("registry", "node")
        return self.proves is None and known


def may_pass(ask: CanaryAsk, said: CanarySaid) -> bool:
    """Whether an answer is a failure that may be gone a moment later."""
    return not said.pulled and classify(tries(said.text)[0], said.reason, ask.image).cause in PASSING


def asks(
    cluster: Cluster, uses: Iterable[RegistryUse], nonce: str, real_image: str = ""
) -> tuple[tuple[CanaryAsk, ...], tuple[str, ...], int]:
    """The questions to every pool with nodes, the pools without, and how many registries are passed over."""
    uses = tuple(uses)
    found = [question for use in uses if use.acr and (question := _question(use, nonce)) is not None]
    chosen, passed_over = found[:MAX_REGISTRIES], max(0, len(found) - MAX_REGISTRIES)
    parsed = images.parse(real_image) if real_image else None
    if parsed is not None:
        chosen.append(_real(parsed, real_image, next((use for use in uses if use.login_server == parsed.host), None)))
    pools = [pool.name for pool in cluster.pools if has_nodes(pool)]
    empty = tuple(pool.name for pool in cluster.pools if not has_nodes(pool))
    return tuple(msgspec.structs.replace(ask, pool=pool) for pool in pools for ask in chosen), empty, passed_over


def _question(use: RegistryUse, nonce: str) -> CanaryAsk | None:
    """The repository of an image that needs the nodes' own permission, if there is one."""
    own = identity_access.repositories_of(image for image in use.images if not image.pull_secrets)
    others = identity_access.repositories_of(use.images)
    mode = use.registry.value.role_assignment_mode if isinstance(use.registry, Seen) else None
    if not others and (mode or "").lower() != rbac.LEGACY_MODE.lower():
        return None  # by repositories, one that does not exist is refused like one that may not be read
    repository = next(iter(own or others), NO_REPOSITORY)
    return CanaryAsk(
        pool="",
        login_server=use.login_server,
        repository=repository,
        image=f"{use.login_server}/{repository}:{ABSENT_TAG}{nonce}",
        in_use=bool(others),
        with_secret=bool(others) and not own,
    )


def _real(parsed: images.ImageReference, text: str, use: RegistryUse | None) -> CanaryAsk:
    used = use.images if use is not None else ()
    own = any(not image.pull_secrets for image in used)
    return CanaryAsk(
        pool="",
        login_server=parsed.host,
        repository=parsed.repository,
        image=text,
        real=True,
        in_use=parsed.repository in identity_access.repositories_of(used),
        with_secret=bool(used) and not own,
    )


def read(ask: CanaryAsk, said: CanarySaid, use: RegistryUse | None) -> Reading:
    """What an answer means for one registry. ``use`` None: a host that the cluster's pods do not use."""
    if said.pulled:
        return Reading(_narrowed(Proves.LAYERS, ask, said, use) if ask.real else None)
    heard = [classify(text, said.reason, ask.image) for text in tries(said.text)]
    first = heard[0]
    if first.cause in _ANSWERED:
        return Reading(_narrowed(Proves.ACCESS, ask, said, use), first)
    if first.cause not in CREDENTIALS:
        return Reading(None, first)
    let_in = next((one for one in heard if one.cause in _ANSWERED), None)
    if let_in is not None:
        return Reading(Proves.PATH, let_in)  # the identity was refused, and somebody else would not be
    return Reading(Proves.PATH if ask.with_secret or _elsewhere(ask, use) else None, first)


def tries(text: str) -> list[str]:
    """What kubelet tells of each of its tries, in their order; the text as it is where it tells of one."""
    return _NEXT_TRY.split(text)


def _elsewhere(ask: CanaryAsk, use: RegistryUse | None) -> bool:
    """Whether a refusal of a real image says nothing of the images in use: by repositories, or nothing is in use."""
    if ask.in_use:
        return False
    return _registry(use) is None or not by_registry(use)


def _registry(use: RegistryUse | None) -> Registry | None:
    return use.registry.value if use is not None and isinstance(use.registry, Seen) else None


def by_registry(use: RegistryUse | None) -> bool:
    """Whether a permission holds for the whole registry, as far as ARM tells."""
    registry = _registry(use)
    return registry is not None and (registry.role_assignment_mode or "").lower() == rbac.LEGACY_MODE.lower()


def _narrowed(proves: Proves, ask: CanaryAsk, said: CanarySaid, use: RegistryUse | None) -> Proves:
    """What is left of a proof where others than the nodes' identity are let in, or it into some repositories only."""
    registry = _registry(use)
    if registry is None or use is None or registry.anonymous_pull is not False or said.secrets:
        return Proves.PATH
    if by_registry(use):
        return proves
    return proves if set(identity_access.repositories_of(use.images)) == {ask.repository} else Proves.REPOSITORY


def not_run(gap: NotSeen) -> bool:
    """Whether canaries were not wanted, or have nothing to run on: nothing is wrong then.

    A setting that is missing (``role`` names it) is another matter: they were wanted.
    """
    return gap.why is Why.NOT_APPLICABLE or (gap.why is Why.OFF and gap.role is None)
