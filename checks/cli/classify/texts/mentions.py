"""Whom a text names: the image, the container, the pod. For texts whose fields do not say it."""

from __future__ import annotations

import re

from checks.rules import images

_MAX_TEXT = 16 * 1024
_IMAGE = re.compile(
    r"(?:\b(?:image|reference|image tag|pulling|PullImage|ref) |\bimage=)"
    r"\\{0,3}[\"'](?P<quoted>[^\"'\\\s]{1,600})\\{0,3}[\"']"
    r"|\bresolve (?:reference|ref) (?P<bare>[^\s\"'\\]{1,600}):(?=\s)"
    r"|\bpull access denied for (?P<denied>[^\s,\"'\\]{1,600})"
    r"|\bmanifest for (?P<manifest>[^\s,\"'\\]{1,600}) not found"
    r"|\bImage:(?P<field>[^\s,{}\"'\\]{1,600}),"
)
_CONTAINER = re.compile(
    r"\bfor \\{0,3}\"(?P<started>[a-z0-9-]{1,63})\\{0,3}\" with |\bContainer\{Name:(?P<field>[a-z0-9-]{1,63}),"
    r"|\bcontainer \\{0,3}\"(?P<waits>[a-z0-9-]{1,63})\\{0,3}\" in pod "
)
_POD_OF_KUBELET = re.compile(r"(?<![a-z0-9.-])([a-z0-9][a-z0-9.-]{0,252})_([a-z0-9][a-z0-9-]{0,62})\([0-9a-f-]{3,36}\)")
_POD = re.compile(r"\bin pod \\{0,3}\"([a-z0-9][a-z0-9.-]{0,252})\\{0,3}\"")
_FIELD_PATH = re.compile(r"spec\.(?:initContainers|containers|ephemeralContainers)\{([^{}\s]{1,63})\}")
_REQUEST = re.compile(r"https?://([^/\s\"'\\?]{1,255})")
_STANDS_FOR = re.compile(r"[?&]ns=([^&\s\"'\\:]{1,255})")
_LOOKUP = re.compile(r"\blookup ([a-z0-9.-]{1,253})", re.IGNORECASE)


def image_in(text: str) -> str:
    """The image that a text is about; "" where it names none."""
    for found in _IMAGE.finditer(text[:_MAX_TEXT]):
        named = next(name for name in found.groups() if name is not None)
        if images.host_of(named) and not named.startswith("sha256:"):
            return named
    return ""


def image_in_lines(text: str) -> str:
    """The image that a text of several lines is about, even where its name is broken between two of them."""
    start = text[:_MAX_TEXT]
    return image_in(start.replace("\n", " ")) or image_in(start.replace("\n", ""))


def container_in(text: str) -> str:
    """The container that a text of kubelet names."""
    found = _CONTAINER.search(text[:_MAX_TEXT])
    return next(name for name in found.groups() if name is not None) if found else ""


def pod_in(text: str) -> tuple[str, str]:
    """Namespace and pod that a text of kubelet names; the namespace may be missing."""
    if found := _POD_OF_KUBELET.search(text[:_MAX_TEXT]):
        return found[2], found[1]
    named = _POD.search(text[:_MAX_TEXT])
    return "", named[1] if named else ""


def container_of_path(path: str) -> str:
    """The container of an event's field path ("spec.containers{web}")."""
    found = _FIELD_PATH.fullmatch(path)
    return found[1] if found else ""


def host_in(text: str, image: str) -> str:
    """The registry's host: the image's, else that of the first request that a text shows; "" where there is none.

    A request to a mirror says which registry it stands for.
    """
    if image:
        return images.host_of(image) or ""
    start = text[:_MAX_TEXT]
    stands_for = _STANDS_FOR.search(start)
    found = stands_for or _REQUEST.search(start) or _LOOKUP.search(start)
    return found[1].rpartition("@")[2].lower() if found else ""  # without user and password
