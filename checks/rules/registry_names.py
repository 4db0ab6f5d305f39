"""The names of a registry, and which of them nodes cannot pull from, or should not.

Sources: ACR documentation ("get started", domain name labels: ``<name>-<hash>``; "geo-replication": data and regional
hosts; kubelet's matchImages globs go label by label, so ``*.azurecr.io`` does not cover a regional host).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum

import msgspec

from checks.rules import images
from checks.rules.azure.clouds import CLOUDS
from checks.rules.patterns import is_pattern

SUFFIXES = (*(cloud.acr_suffix for cloud in CLOUDS.values()), "azurecr.de")


MAX_HOST = 255
PRIVATE_LINK = "privatelink"
_DOCKER_HUB = dict.fromkeys(("index.docker.io", "registry-1.docker.io"), images.DOCKER_HUB)
_LABEL = "[a-z0-9]([a-z0-9-]*[a-z0-9])?"
_NAME = re.compile("[a-z0-9]{5,50}")
_PORT = re.compile("[0-9]{1,5}")
_PATTERN = re.compile(r"[a-z0-9.:*?\[\]!-]+", re.IGNORECASE)
_HOST_OR_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*", re.IGNORECASE)


class Oddity(StrEnum):
    """What is wrong with the registry name in an image reference: the causes of PW306."""

    DATA_HOST = "data-endpoint"
    REGIONAL_HOST = "regional-host"
    PRIVATE_LINK_ALIAS = "privatelink-alias"
    UPPER_CASE_REPOSITORY = "upper-case-repository"
    UPPER_CASE_HOST = "upper-case-host"
    OTHER_LOGIN_SERVER = "other-login-server"
    HOST_LEFT_OUT = "host-left-out"


_ODD_KINDS = {"data": Oddity.DATA_HOST, "geo": Oddity.REGIONAL_HOST, PRIVATE_LINK: Oddity.PRIVATE_LINK_ALIAS}


class OddName(msgspec.Struct, frozen=True):
    """An oddity and the correct reference, if it is known."""

    oddity: Oddity
    right: str | None = None


def find_oddity(image: str, known: Mapping[str, tuple[str, ...]]) -> OddName | None:
    """Finds what is wrong with an image's registry name. ``known``: ARM's login servers by lower-case registry name."""
    host = images.host_of(image)
    if host is None:
        return None
    if images.parse(image) is None:
        lowered = images.parse(image.lower()) if image != image.lower() else None
        return OddName(Oddity.UPPER_CASE_REPOSITORY, image.lower()) if lowered is not None else None
    if host == images.DOCKER_HUB:
        return _missing_host(image, known)
    name, kind = _registry_and_kind(host)
    if name is None:
        return None
    servers = known.get(name, ())
    if kind in _ODD_KINDS:
        return OddName(_ODD_KINDS[kind], f"{login_server_of(host)}/{image.partition('/')[2]}")
    if servers and host not in servers:
        return OddName(Oddity.OTHER_LOGIN_SERVER, _at_login_server(image, servers))
    if not image.startswith(host):
        return OddName(Oddity.UPPER_CASE_HOST, f"{host}{image[len(host) :]}")
    return None


def login_server_of(host: str) -> str:
    """The login server of the registry that a host belongs to; a host that is no other name of a registry as it is.

    ``acrshop.westeurope.geo.azurecr.io`` (regional endpoint), ``acrshop.westeurope.data.azurecr.io`` (data endpoint)
    and ``acrshop.privatelink.azurecr.io`` (what the login server is an alias of) belong to ``acrshop.azurecr.io``.
    """
    label, kind, suffix = _parts(host.lower())
    return f"{label}.{suffix}" if kind else _DOCKER_HUB.get(host.lower(), host)


def label_of(host: str) -> str:
    """The label that names the registry in an Azure login server ("acrshop"); "" for any other host."""
    label, kind, _ = _parts(host.lower())
    return "" if kind else label


def is_azure(host: str) -> bool:
    """Whether a host belongs to an Azure registry, by its suffix."""
    return bool(_parts(host.lower())[0])


def is_regional(host: str) -> bool:
    """Whether a host is a regional endpoint of a registry."""
    return _parts(host)[1] == "geo"


def _registry_and_kind(host: str) -> tuple[str | None, str]:
    """The registry name in an Azure host and the kind of host ("": login server); else (None, "")."""
    label, kind, _ = _parts(host)
    return (label.partition("-")[0], kind) if label else (None, "")


def _parts(host: str) -> tuple[str, str, str]:
    """The label that names the registry in an Azure host, the kind of host, and the suffix; else empty strings."""
    for suffix in SUFFIXES:
        if host.endswith(f".{suffix}"):
            labels = host.removesuffix(f".{suffix}").split(".")
            if len(labels) == 1:
                return labels[0], "", suffix
            if (len(labels) == 3 and labels[2] in ("data", "geo")) or labels[1:] == [PRIVATE_LINK]:
                return labels[0], labels[-1], suffix
    return "", "", ""


def _at_login_server(image: str, servers: tuple[str, ...]) -> str | None:
    """The same image at the registry's login server, if ARM has exactly one."""
    _, _, rest = image.partition("/")
    return f"{servers[0]}/{rest}" if len(servers) == 1 else None


def _missing_host(image: str, known: Mapping[str, tuple[str, ...]]) -> OddName | None:
    """An image of Docker Hub whose user name is the name of one of the tenant's registries."""
    first, slash, _ = image.partition("/")
    servers = known.get(first.lower(), ()) if slash and "." not in first and ":" not in first else ()
    return OddName(Oddity.HOST_LEFT_OUT, _at_login_server(image, servers)) if servers else None


def listed_registries(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The registries that a tag's value lists, by host or name, and its words that name none.

    Words are separated by spaces, commas or semicolons. Azure's names of registries have 5 to 50 letters and digits.
    """
    words = tuple(dict.fromkeys(word for word in re.split(r"[\s,;]+", text.lower()) if word))
    good = tuple(word for word in words if ("." in word and is_host_or_name(word)) or _NAME.fullmatch(word))
    return good, tuple(word for word in words if word not in good)


def is_host_or_name(text: str) -> bool:
    """Whether somebody may mean a registry by it: a login server, or the name of an Azure registry ("acrshop").

    An address is neither. A host may have a port, as images write it.
    """
    host, colon, port = text.partition(":")
    dotted = "." in host
    if colon and not ((dotted or host == "localhost") and _PORT.fullmatch(port)):
        return False
    if dotted and host.replace(".", "").isdigit():
        return False
    return len(text) <= MAX_HOST and _HOST_OR_NAME.fullmatch(host) is not None


def is_host_name_or_pattern(text: str) -> bool:
    """Whether somebody may mean registries by it: what ``is_host_or_name`` takes, or a pattern ("acr*")."""
    if not is_pattern(text):
        return is_host_or_name(text)
    return len(text) <= MAX_HOST and _PATTERN.fullmatch(text) is not None
