"""Image references as containerd reads them: ``[host[:port]/]repository[:tag][@digest]`` (distribution/reference)."""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

DOCKER_HUB = "docker.io"
MAX_LENGTH = 2048
_HOST = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?::[0-9]{1,5})?", re.I
)
_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"[a-z0-9]+(?:[+._-][a-z0-9]+)*:[0-9a-fA-F]{32,}", re.I)


class ImageReference(msgspec.Struct, frozen=True):
    """A parsed reference. ``host`` is lower case and includes the port; without tag and digest the tag is latest."""

    host: str
    repository: str
    tag: str | None = None
    digest: str | None = None


def parse(text: str) -> ImageReference | None:
    """The parsed reference, or None if kubelet rejects it (upper-case repository, invalid characters, too long)."""
    return _parsed(text) if text and len(text) <= MAX_LENGTH else None


@lru_cache(maxsize=4096)  # every check of a cluster parses its images
def _parsed(text: str) -> ImageReference | None:
    rest, _, digest = text.partition("@")
    if "@" in text and not _DIGEST.fullmatch(digest):
        return None
    host, rest = _split_host(rest)
    repository, tag = _split_tag(rest)
    if not _HOST.fullmatch(host) or not _REPOSITORY.fullmatch(repository):
        return None
    if tag is not None and not _TAG.fullmatch(tag):
        return None
    if host == DOCKER_HUB and "/" not in repository:
        repository = f"library/{repository}"
    return ImageReference(host.lower(), repository, tag or (None if digest else "latest"), digest or None)


def canonical(reference: ImageReference) -> str:
    """The reference in its canonical form. A digest determines what is pulled, so a tag beside it is left out."""
    version = f"@{reference.digest}" if reference.digest else f":{reference.tag}"
    return f"{reference.host}/{reference.repository}{version}"


def one_spelling(text: str) -> str:
    """An image in its canonical form; one that no node can parse as it is.

    Pods write "nginx" what runtimes write "docker.io/library/nginx:latest".
    """
    reference = parse(text)
    return canonical(reference) if reference else text


def host_of(text: str) -> str | None:
    """The registry host of an image, even if the rest of the reference is invalid; None if there is none."""
    if not text or len(text) > MAX_LENGTH:
        return None
    host, _ = _split_host(text.partition("@")[0])
    return host.lower() if _HOST.fullmatch(host) else None


def _split_host(text: str) -> tuple[str, str]:
    first, slash, rest = text.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return ("docker.io" if first in ("index.docker.io", "registry-1.docker.io") else first), rest
    return DOCKER_HUB, text


def _split_tag(text: str) -> tuple[str, str | None]:
    head, colon, tail = text.rpartition(":")
    return (head, tail) if colon and "/" not in tail else (text, None)
