"""A reference taken apart, and the texts that containerd and kubelet write about it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from simulator.nodes.node_network import RESOLVER
from simulator.nodes.outcomes import Failed
from simulator.registry import manifests


@dataclass(frozen=True, slots=True)
class Image:
    """A reference taken apart; `full` is how containerd writes it."""

    host: str
    repository: str
    reference: str
    full: str

    @property
    def manifest(self) -> str:
        return f"https://{self.host}/v2/{self.repository}/manifests/{self.reference}"

    def is_named(self, tag: str, entry: Any) -> bool:
        """Whether a tag's entry in a registry's file is what the reference means, by the tag or by a digest of it."""
        if self.reference == tag:
            return True
        return any(one.digest == self.reference for one in manifests.documents(self.repository, tag, entry)[0])


def parsed(reference: str) -> Image:
    rest, _, digest = reference.partition("@")
    host, slash, path = rest.partition("/")
    if not slash or not ("." in host or ":" in host or host == "localhost"):
        host, path = "docker.io", rest if slash else f"library/{rest}"
    repository, colon, tag = path.rpartition(":")
    if not colon:
        repository, tag = path, "latest"
    full = f"{host}/{repository}@{digest}" if digest else f"{host}/{repository}:{tag}"
    return Image(host.lower(), repository, digest or tag, full)


def resolving(image: Image, what: str) -> str:
    return f'failed to pull and unpack image "{image.full}": failed to resolve reference "{image.full}": {what}'


def no_such_host(image: Image, name: str) -> Failed:
    return Failed(_request(image, f"dial tcp: lookup {name} on {RESOLVER}:53: no such host"))


def timeout(image: Image, address: str) -> Failed:
    return Failed(_request(image, f"dial tcp {address}:443: i/o timeout"))


def firewall(image: Image) -> Failed:
    """An answer to HEAD has no body, so nodes never hear which address was refused."""
    return Failed(resolving(image, f"unexpected status from HEAD request to {image.manifest}: 403 Forbidden"))


def keyless(image: Image) -> Failed:
    """What is heard of a registry that cannot use its key: it gives out no token, and the last try hears the same."""
    forbidden = "403 Forbidden"
    return replace(token_refused(image, "oauth", forbidden), again=token_refused(image, "anonymous", forbidden))


def token_refused(image: Image, kind: str, answer: str = "401 Unauthorized") -> Failed:
    asked = f"unexpected status from GET request to {_token_url(image)}: {answer}"
    return Failed(resolving(image, f"failed to authorize: failed to fetch {kind} token: {asked}"))


def anonymous(image: Image) -> Failed:
    return token_refused(image, "anonymous")


def _request(image: Image, what: str) -> str:
    return resolving(image, f'failed to do request: Head "{image.manifest}": {what}')


def _token_url(image: Image) -> str:
    scope = quote(f"repository:{image.repository}:pull", safe="")
    return f"https://{image.host}/oauth2/token?scope={scope}&service={image.host}"
