"""Canary pulls: which images to ask nodes for, and what an answer proves.

A tag that cannot exist lets nothing run. The registry says "not found" only to who may read the repository, so that
answer proves the name, the connection, its TLS, the token and the permission, for that repository; never the way of
the layers. With anonymous pull everybody may read; by repositories (ABAC) one repository says nothing of another.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec

from checks.facts import Cluster, ContainerImage, NotSeen, Registry, RegistryUse, Seen
from checks.facts_canary import CanaryAsk, CanarySaid
from checks.rules import access, images, rbac
from checks.rules.pools import has_nodes
from checks.rules.pull_errors import Cause, Classified, classify, scope_of

ABSENT_TAG = "pullwatch-absent-"
POD_PREFIX = "pullwatch-canary-"
NO_REPOSITORY = "pullwatch/absent"  # where no image of the registry is in use
MAX_REGISTRIES = 10
CREDENTIALS = frozenset({Cause.UNAUTHORIZED, Cause.CREDENTIALS_EXPIRED, Cause.CREDENTIALS_MISSING})


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
        known = self.classified is not None and scope_of(self.classified.cause) in ("registry", "node")
        return self.proves is None and known


def asks(
    cluster: Cluster, uses: Iterable[RegistryUse], nonce: str, real_image: str = ""
) -> tuple[tuple[CanaryAsk, ...], tuple[str, ...], int]:
    """The questions to every pool with nodes, the pools without, and how many registries are passed over."""
    found = [question for use in uses if use.acr and (question := _question(use, nonce)) is not None]
    chosen, passed_over = found[:MAX_REGISTRIES], max(0, len(found) - MAX_REGISTRIES)
    parsed = images.parse(real_image) if real_image else None
    if parsed is not None:
        chosen.append(CanaryAsk(pool="", login_server=parsed.host, repository=parsed.repository, image=real_image,
                                real=True))  # fmt: skip
    pools = [pool.name for pool in cluster.pools if has_nodes(pool)]
    empty = tuple(pool.name for pool in cluster.pools if not has_nodes(pool))
    return tuple(msgspec.structs.replace(ask, pool=pool) for pool in pools for ask in chosen), empty, passed_over


def _question(use: RegistryUse, nonce: str) -> CanaryAsk | None:
    """The repository of an image that needs the nodes' own permission, if there is one."""
    own = access.repositories_of(image for image in use.images if not image.pull_secrets)
    others = access.repositories_of(use.images)
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


def read(ask: CanaryAsk, said: CanarySaid, use: RegistryUse | None) -> Reading:
    """What an answer means for one registry. ``use`` None: a host that the cluster's pods do not use."""
    registry = use.registry.value if use is not None and isinstance(use.registry, Seen) else None
    if said.pulled:
        shown = Proves.LAYERS if ask.real else None
        proves = _narrowed(shown, ask, registry, use.images if use else ()) if shown else None
        return Reading(proves)
    classified = classify(said.text, said.reason, ask.image)
    if classified.cause in (Cause.IMAGE_NOT_FOUND, Cause.PLATFORM_MISMATCH):
        return Reading(_narrowed(Proves.ACCESS, ask, registry, use.images if use else ()), classified)
    if ask.with_secret and classified.cause in CREDENTIALS:
        return Reading(Proves.PATH, classified)  # the registry answered; whether a secret holds is another question
    return Reading(None, classified)


def _narrowed(proves: Proves, ask: CanaryAsk, registry: Registry | None, used: tuple[ContainerImage, ...]) -> Proves:
    """What is left of a proof where the registry lets everybody in, or each identity into some repositories."""
    if registry is None or registry.anonymous_pull is not False:
        return Proves.PATH
    mode = (registry.role_assignment_mode or "").lower()
    if mode == rbac.LEGACY_MODE.lower():
        return proves
    return proves if set(access.repositories_of(used)) <= {ask.repository} else Proves.REPOSITORY


def not_run(gap: NotSeen) -> bool:
    """Whether canaries were not wanted, or have nothing to run on: nothing is wrong then."""
    return gap.why.value in ("off", "not-applicable")
