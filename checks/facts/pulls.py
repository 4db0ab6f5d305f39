"""Facts about pulls: pull secrets without their values, manifests of images in use, how long pulls took.

Like ``facts``: frozen plain data, None for what the wire did not carry. Times are ISO 8601, UTC.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

DOCKER_CONFIG_JSON = "kubernetes.io/dockerconfigjson"
DOCKER_CONFIG = "kubernetes.io/dockercfg"
PULL_SECRET_TYPES = frozenset({DOCKER_CONFIG_JSON, DOCKER_CONFIG})


class UserKind(StrEnum):
    """What a pull secret's user name is, which says what its password is: never the name itself."""

    NONE = "none"
    REFRESH_TOKEN = "refresh-token"
    APPLICATION = "application"
    NAMED = "named"


class CredentialTest(msgspec.Struct, frozen=True, kw_only=True):
    """What a registry's token endpoint said to a secret's user name and password.

    ``accepted`` None: it was not asked, or no answer came; ``detail`` says why. ``pulls`` are the repositories that the
    token it gave may pull from, ``refused`` those it may not.
    """

    registry: str
    accepted: bool | None = None
    detail: str = ""
    pulls: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


class SecretEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One host's entry of a pull secret, without its values.

    ``key`` is what kubelet matches images with (host, port and path of the entry, no scheme). ``expires`` is the end
    that the password tells of itself, where it is a JSON web token.
    """

    key: str
    user: UserKind = UserKind.NONE
    has_password: bool = False
    expires: str | None = None
    asked: tuple[CredentialTest, ...] = ()


class PullSecret(msgspec.Struct, frozen=True, kw_only=True):
    """A secret that pods name in imagePullSecrets (``name`` is "namespace/name"), without its values.

    ``trouble`` is what makes kubelet give up on the whole secret (and with it on every image of the pod), or "".
    ``empty``: the data that belongs to its type is missing, which kubelet passes over.
    """

    name: str
    exists: bool = True
    type: str | None = None
    problem: str = ""
    empty: bool = False
    entries: tuple[SecretEntry, ...] = ()

    @property
    def right_type(self) -> bool:
        """Whether kubelet takes it as a pull secret at all."""
        return self.type in PULL_SECRET_TYPES


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a registry has under an image's reference, asked with Pullwatch's own identity.

    ``code`` is the registry's word where it has nothing ("MANIFEST_UNKNOWN", "NAME_UNKNOWN"). ``platforms`` are
    "os/architecture" of an index, or of the one image where the registry tells; empty: not shown. ``quarantine`` is the
    registry's quarantineState, ``read_enabled`` false where reading the image is switched off.
    """

    present: bool
    code: str = ""
    digest: str | None = None
    platforms: tuple[str, ...] = ()
    quarantine: str | None = None
    read_enabled: bool | None = None


class PullTimeBaseline(msgspec.Struct, frozen=True):
    """How long pulls from one registry to one pool took in earlier runs: each run's median, the latest last.

    ``latest`` is the time of the newest pull that was counted, so that no pull is counted twice.
    """

    medians: tuple[float, ...] = ()
    latest: str = ""
