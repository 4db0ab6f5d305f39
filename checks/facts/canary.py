"""Facts about canary pulls: pods that ask a node for an image, and what kubelet said of it."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from checks.facts.observation import NotSeen, Seen


class CanaryReport(msgspec.Struct, frozen=True, kw_only=True):
    """What kubelet said of one image: ``pulled``, or the waiting reason and the text it passed on.

    ``secrets`` are pull secrets that the namespace's service account gave the pod: it may be they that were let in.
    """

    pulled: bool = False
    reason: str = ""
    text: str = ""
    node: str | None = None
    secrets: tuple[str, ...] = ()


class CanaryQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """One question to one pool: an image of a registry (login server).

    ``real``: an image that exists, so that its layers are pulled too; else a tag that cannot exist, in a repository
    that is in use (``in_use``) or not. ``with_secret``: the pods that use the repository bring pull secrets, which the
    canary does not.
    """

    pool: str
    login_server: str
    repository: str
    image: str
    real: bool = False
    in_use: bool = True
    with_secret: bool = False


class CanaryNode(msgspec.Struct, frozen=True, kw_only=True):
    """A node as far as it matters whether a canary may go there.

    ``pressure`` are its conditions that make the kubelet refuse pods (DiskPressure, PIDPressure).
    """

    name: str
    pool: str
    ready: bool = False
    cordoned: bool = False
    virtual: bool = False
    pressure: tuple[str, ...] = ()


class RefusedBy(StrEnum):
    """Who refused a canary pod: the API server at admission, the node's kubelet, or Pullwatch, which found no node."""

    API_SERVER = "the API server"
    KUBELET = "the kubelet"
    PULLWATCH = "Pullwatch"


class CanaryRefusal(msgspec.Struct, frozen=True):
    """A canary pod that was not taken: by whom, the status's reason where it has one, and the words."""

    by: RefusedBy
    reason: str
    message: str


class Canary(msgspec.Struct, frozen=True):
    """A question with its answer, or why there is none; ``refusal`` where its pod was not taken."""

    ask: CanaryQuestion
    result: Seen[CanaryReport] | NotSeen
    refusal: CanaryRefusal | None = None


class Canaries(msgspec.Struct, frozen=True, kw_only=True):
    """All canary pulls of one look at one cluster.

    ``empty_pools`` have no node to ask; ``left`` are pods ("namespace/name") that could not be deleted, ``left_why``
    says why; ``held`` are pods whose deletion the API server accepted and that are still there, because of
    ``finalizers``; ``uncertain`` are pods whose creation the API server did not answer and that are not there (yet);
    ``passed_over`` counts registries beyond what one look asks for.
    """

    canaries: tuple[Canary, ...] = ()
    empty_pools: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    left_why: NotSeen | None = None
    held: tuple[str, ...] = ()
    finalizers: tuple[str, ...] = ()
    uncertain: tuple[str, ...] = ()
    passed_over: int = 0
