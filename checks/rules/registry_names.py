"""What an image's name says of its registry, and where it is not the name that nodes can pull by.

Sources: ACR documentation ("get started", domain name labels: ``<name>-<hash>``; "geo-replication": data and regional
hosts; kubelet's matchImages globs go label by label, so ``*.azurecr.io`` does not cover a regional host).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from checks.rules import images
from checks.rules.azure.clouds import CLOUDS

SUFFIXES = (*(cloud.acr_suffix for cloud in CLOUDS.values()), "azurecr.de")


class Oddity(StrEnum):
    """What is odd about an image's registry name: the causes of PW306."""

    DATA_HOST = "data-endpoint"
    REGIONAL_HOST = "regional-host"
    UPPER_CASE_REPOSITORY = "upper-case-repository"
    UPPER_CASE_HOST = "upper-case-host"
    OTHER_LOGIN_SERVER = "other-login-server"
    HOST_LEFT_OUT = "host-left-out"


class Named(msgspec.Struct, frozen=True):
    """An oddity and the reference that would be right, where one can be told."""

    oddity: Oddity
    right: str | None = None


def odd(image: str, known: Mapping[str, tuple[str, ...]]) -> Named | None:
    """What is odd about an image, or None. ``known`` are the login servers ARM has by registry name (lower case)."""
    host = images.host_of(image)
    if host is None:
        return None
    if images.parse(image) is None:
        lowered = images.parse(image.lower()) if image != image.lower() else None
        return Named(Oddity.UPPER_CASE_REPOSITORY, image.lower()) if lowered is not None else None
    if host == images.DOCKER_HUB:
        return _left_out(image, known)
    name, kind = _parts(host)
    if name is None:
        return None
    servers = known.get(name, ())
    if kind == "data":
        return Named(Oddity.DATA_HOST, _at(image, servers))
    if kind == "geo":
        return Named(Oddity.REGIONAL_HOST, _at(image, servers))
    if servers and host not in servers:
        return Named(Oddity.OTHER_LOGIN_SERVER, _at(image, servers))
    if not image.startswith(host):
        return Named(Oddity.UPPER_CASE_HOST, f"{host}{image[len(host) :]}")
    return None


def _parts(host: str) -> tuple[str | None, str]:
    """The registry's name in a host of Azure's ("data", "geo" or "" for a login server); (None, "") elsewhere."""
    for suffix in SUFFIXES:
        if host.endswith(f".{suffix}"):
            labels = host.removesuffix(f".{suffix}").split(".")
            name = labels[0].partition("-")[0]
            if len(labels) == 1:
                return name, ""
            if len(labels) == 3 and labels[2] in ("data", "geo"):
                return name, labels[2]
    return None, ""


def _at(image: str, servers: tuple[str, ...]) -> str | None:
    """The same image at the registry's login server, where ARM knows one and only one."""
    _, _, rest = image.partition("/")
    return f"{servers[0]}/{rest}" if len(servers) == 1 else None


def _left_out(image: str, known: Mapping[str, tuple[str, ...]]) -> Named | None:
    """An image that Docker Hub is asked for and that carries the name of a registry of ours in the place of a user."""
    first, slash, _ = image.partition("/")
    servers = known.get(first.lower(), ()) if slash and "." not in first and ":" not in first else ()
    return Named(Oddity.HOST_LEFT_OUT, _at(image, servers)) if servers else None
