"""Pull secrets as kubelet uses them: which entry is for which image, and what one secret does for it.

Source: kubernetes/pkg/credentialprovider (keyring.go: Add, Lookup, URLsMatch; config.go) and its secrets package
(MakeDockerKeyring). Kubelet tries every matching entry of every secret, then the nodes' own identity; only where
nothing matches does it pull without credentials. A secret that it cannot parse costs the pod all its pulls.
"""

from __future__ import annotations

import fnmatch
from enum import StrEnum

import msgspec

from checks.facts import ContainerImage, NotSeen, Seen
from checks.facts.pulls import CredentialTest, PullSecret, SecretEntry, UserKind
from checks.rules import images

# The key of Docker Hub's entries: it is looked up by name where no other entry matches an image of docker.io.
DOCKER_HUB_KEY = "index.docker.io"
_HUB_HOSTS = ("docker.io", "index.docker.io")


class CredentialState(StrEnum):
    """What a way to authenticate does for an image. ``BREAKS``: it costs the pod every pull, whatever else holds."""

    HOLDS = "holds"
    OPEN = "open"
    FAILS = "fails"
    ELSEWHERE = "elsewhere"
    BREAKS = "breaks"


class CredentialResult(msgspec.Struct, frozen=True):
    """What one secret does for one image: the state, a stable cause and a sentence's end ("… ``why``")."""

    state: CredentialState
    cause: str
    why: str


def names_of(container: ContainerImage) -> tuple[str, ...]:
    """The pull secrets of a container's pod as "namespace/name"."""
    return tuple(dict.fromkeys(f"{container.namespace}/{name}" for name in container.pull_secrets))


def matching(secret: PullSecret, image: str) -> tuple[SecretEntry, ...]:
    """The entries of a secret that kubelet offers for an image."""
    target = target_of(image)
    if target is None:
        return ()
    found = tuple(entry for entry in secret.entries if covers(entry.key, target))
    if not found and target.partition("/")[0] in _HUB_HOSTS:
        return tuple(entry for entry in secret.entries if entry.key == DOCKER_HUB_KEY)
    return found


def target_of(image: str) -> str | None:
    """ "host/repository" as kubelet compares it with keys: the host as it is written, no tag, no digest."""
    parsed = images.parse(image)
    if parsed is None:
        return None
    written = image[: len(parsed.host)]
    host = written if written.lower() == parsed.host and image[len(written) : len(written) + 1] == "/" else parsed.host
    return f"{host}/{parsed.repository}"


def covers(key: str, target: str) -> bool:
    """Whether an entry's key matches "host/repository": label by label with globs, equal port, path as a prefix."""
    host, _, path = key.partition("/")
    wanted, _, repository = target.partition("/")
    labels, port = _split(host)
    others, other_port = _split(wanted)
    if port != other_port or len(labels) != len(others) or not f"/{repository}".startswith(f"/{path}"):
        return False
    return all(fnmatch.fnmatchcase(other, label) for label, other in zip(labels, others, strict=True))


def _split(host: str) -> tuple[list[str], str]:
    name, colon, port = host.rpartition(":")
    return (name.split("."), port) if colon else (host.split("."), "")


def judge_secret(
    secret: Seen[PullSecret] | NotSeen | None, image: str, *, reported_missing: bool = False
) -> CredentialResult:
    """What a secret does for an image. ``None``: pull secrets are not read.

    ``reported_missing``: kubelet said in an event that it could not retrieve it, which counts where it was not read.
    """
    if secret is None or isinstance(secret, NotSeen):
        if reported_missing:
            return CredentialResult(
                CredentialState.FAILS, "secret-missing", "kubelet reports that it cannot retrieve it"
            )
        why = "it was not read" if secret is None else f"it could not be read ({secret.detail})"
        return CredentialResult(CredentialState.OPEN, "secret-not-read", why)
    whole = _whole(secret.value)
    if whole is not None:
        return whole
    entries = matching(secret.value, image)
    if not entries:
        keys = ", ".join(entry.key for entry in secret.value.entries[:5]) or "no host at all"
        return CredentialResult(CredentialState.ELSEWHERE, "secret-host-mismatch", f"it is for {keys}")
    host, parsed = images.host_of(image), images.parse(image)
    repository = parsed.repository if parsed else ""
    answers = [_entry(entry, host or "", repository, secret.evidence.read_at or "") for entry in entries]
    return min(answers, key=lambda one: list(CredentialState).index(one.state))


def _whole(secret: PullSecret) -> CredentialResult | None:
    """What already the secret as such settles."""
    if not secret.exists:
        return CredentialResult(CredentialState.FAILS, "secret-missing", "it does not exist")
    if not secret.right_type:
        kind = secret.type or "without a type"
        return CredentialResult(
            CredentialState.FAILS, "secret-wrong-type", f"its type is {kind}, which kubelet passes over"
        )
    if secret.trouble:
        return CredentialResult(
            CredentialState.BREAKS, "secret-undecodable", f"kubelet cannot parse it: {secret.trouble}"
        )
    if secret.empty:
        return CredentialResult(CredentialState.FAILS, "secret-empty", "the data that its type calls for is missing")
    return None


def _entry(entry: SecretEntry, host: str, repository: str, read_at: str) -> CredentialResult:
    if entry.user is UserKind.NONE or not entry.has_password:
        return CredentialResult(
            CredentialState.FAILS, "secret-without-credentials", f"its entry for {entry.key} holds no user and password"
        )
    if entry.expires is not None and read_at and entry.expires <= read_at:
        return CredentialResult(
            CredentialState.FAILS, "secret-expired", f"its token for {entry.key} expired at {entry.expires}"
        )
    asked = next((one for one in entry.asked if one.registry == host), None)
    if asked is None or asked.accepted is None:
        why = asked.detail if asked else "the registry was not asked"
        return CredentialResult(
            CredentialState.OPEN, "secret-not-asked", f"whether {host} accepts it is not known: {why}"
        )
    return _told(asked, host, repository)


def _told(asked: CredentialTest, host: str, repository: str) -> CredentialResult:
    if not asked.accepted:
        return CredentialResult(CredentialState.FAILS, "secret-refused", f"{host} does not accept it ({asked.detail})")
    if repository in asked.refused:
        return CredentialResult(
            CredentialState.FAILS, "secret-refused-repository", f"{host} accepts it, but not for pulling {repository}"
        )
    return CredentialResult(CredentialState.HOLDS, "secret-accepted", f"{host} accepts it")
