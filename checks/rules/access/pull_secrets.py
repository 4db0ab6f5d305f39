"""Pull secrets as kubelet uses them: which entry matches which image, and whether one secret lets it be pulled.

Source: kubernetes/pkg/credentialprovider (keyring.go: Add, Lookup, URLsMatch; config.go) and its secrets package
(MakeDockerKeyring). Kubelet tries every matching entry of every secret, then the kubelet identity; only if
nothing matches does it pull without credentials. A secret that it cannot parse makes every pull of the pod fail.
"""

from __future__ import annotations

import fnmatch
from enum import StrEnum

import msgspec

from checks.facts import ContainerImage, NotSeen, Seen
from checks.facts.pulls import CredentialTest, PullSecret, SecretEntry, UserKind
from checks.rules import images

# The key of Docker Hub's entries: kubelet looks it up by name if no other entry matches an image of docker.io.
DOCKER_HUB_KEY = "index.docker.io"
NOT_READ = "secret-not-read"  # of a secret: the checks say why it was not read
_HUB_HOSTS = ("docker.io", "index.docker.io")


class CredentialState(StrEnum):
    """Whether a credential lets an image be pulled. ``BREAKS``: every pull of the pod fails, whatever else holds."""

    HOLDS = "holds"
    OPEN = "open"
    FAILS = "fails"
    ELSEWHERE = "elsewhere"
    BREAKS = "breaks"


class CredentialResult(msgspec.Struct, frozen=True):
    """What one credential does for one image: the state, a stable cause, and an explanation to end a sentence with."""

    state: CredentialState
    cause: str
    why: str


def names_of(container: ContainerImage) -> tuple[str, ...]:
    """The pull secrets of a container's pod as "namespace/name"."""
    return tuple(dict.fromkeys(f"{container.namespace}/{name}" for name in container.pull_secrets))


def matching_entries(secret: PullSecret, image: str) -> tuple[SecretEntry, ...]:
    """The entries of a secret that kubelet uses for an image."""
    target = match_target(image)
    if target is None:
        return ()
    entries = tuple(entry for entry in secret.entries if key_matches(entry.key, target))
    if not entries and target.partition("/")[0] in _HUB_HOSTS:
        return tuple(entry for entry in secret.entries if entry.key == DOCKER_HUB_KEY)
    return entries


def match_target(image: str) -> str | None:
    """ "host/repository" as kubelet compares it with keys: the host as written, without tag and digest."""
    parsed = images.parse(image)
    if parsed is None:
        return None
    written = image[: len(parsed.host)]
    host = written if written.lower() == parsed.host and image[len(written) : len(written) + 1] == "/" else parsed.host
    return f"{host}/{parsed.repository}"


def key_matches(key: str, target: str) -> bool:
    """Whether an entry's key matches "host/repository": label by label with globs, equal port, path as a prefix."""
    host, _, path = key.partition("/")
    wanted, _, repository = target.partition("/")
    labels, port = _split(host)
    wanted_labels, wanted_port = _split(wanted)
    if port != wanted_port or len(labels) != len(wanted_labels) or not f"/{repository}".startswith(f"/{path}"):
        return False
    return all(fnmatch.fnmatchcase(other, label) for label, other in zip(labels, wanted_labels, strict=True))


def _split(host: str) -> tuple[list[str], str]:
    name, colon, port = host.rpartition(":")
    return (name.split("."), port) if colon else (host.split("."), "")


def judge_secret(
    secret: Seen[PullSecret] | NotSeen | None, image: str, *, reported_missing: bool = False
) -> CredentialResult:
    """Judges what a secret does for an image. ``None``: pull secrets are not read.

    ``reported_missing``: a kubelet event says that it could not be retrieved; it counts if Pullwatch did not read it.
    """
    if secret is None or isinstance(secret, NotSeen):
        if reported_missing:
            return CredentialResult(
                CredentialState.FAILS, "secret-missing", "kubelet reports that it could not retrieve it"
            )
        why = "it was not read" if secret is None else f"it could not be read ({secret.detail})"
        return CredentialResult(CredentialState.OPEN, NOT_READ, why)
    unusable = _judge_whole(secret.value)
    if unusable is not None:
        return unusable
    entries = matching_entries(secret.value, image)
    if not entries:
        keys = ", ".join(entry.key for entry in secret.value.entries[:5]) or "no host at all"
        return CredentialResult(CredentialState.ELSEWHERE, "secret-host-mismatch", f"it is for {keys}")
    host, parsed = images.host_of(image), images.parse(image)
    repository = parsed.repository if parsed else ""
    results = [_judge_entry(entry, host or "", repository, secret.evidence.read_at or "") for entry in entries]
    return min(results, key=lambda result: list(CredentialState).index(result.state))


def _judge_whole(secret: PullSecret) -> CredentialResult | None:
    """The result that is the same for every image, if there is one."""
    if not secret.exists:
        return CredentialResult(CredentialState.FAILS, "secret-missing", "it does not exist")
    if not secret.right_type:
        kind = secret.type or "without a type"
        return CredentialResult(
            CredentialState.FAILS, "secret-wrong-type", f"its type is {kind}, which kubelet ignores"
        )
    if secret.problem:
        return CredentialResult(
            CredentialState.BREAKS, "secret-undecodable", f"kubelet cannot parse it: {secret.problem}"
        )
    if secret.empty:
        return CredentialResult(CredentialState.FAILS, "secret-empty", "the data that its type requires is missing")
    return None


def _judge_entry(entry: SecretEntry, host: str, repository: str, read_at: str) -> CredentialResult:
    if entry.user is UserKind.NONE or not entry.has_password:
        return CredentialResult(
            CredentialState.FAILS,
            "secret-without-credentials",
            f"its entry for {entry.key} has no user name and password",
        )
    if entry.expires is not None and read_at and entry.expires <= read_at:
        return CredentialResult(
            CredentialState.FAILS, "secret-expired", f"its token for {entry.key} expired at {entry.expires}"
        )
    test = next((test for test in entry.asked if test.registry == host), None)
    if test is None or test.accepted is None:
        why = test.detail if test else "it was not tried at the registry"
        return CredentialResult(
            CredentialState.OPEN, "secret-not-asked", f"it is not known whether {host} accepts it: {why}"
        )
    return _judge_test(test, host, repository)


def _judge_test(test: CredentialTest, host: str, repository: str) -> CredentialResult:
    if not test.accepted:
        return CredentialResult(CredentialState.FAILS, "secret-refused", f"{host} does not accept it ({test.detail})")
    if repository in test.refused:
        return CredentialResult(
            CredentialState.FAILS,
            "secret-refused-repository",
            f"{host} accepts it, but not for pulls from {repository}",
        )
    return CredentialResult(CredentialState.HOLDS, "secret-accepted", f"{host} accepts it")
