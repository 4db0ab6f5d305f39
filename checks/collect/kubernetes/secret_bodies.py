"""A Kubernetes secret's bytes into a pull secret without values, and the credentials that stay in memory beside it.

Parsed as kubelet does (kubernetes/pkg/credentialprovider/config.go: DockerConfigJSON, DockerConfigEntry and
decodeDockerConfigFieldAuth; keyring.go: Add). No text that is made here carries a value: not a sentence, not a repr,
not an exception.
"""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec

from checks.collect.arm import bodies
from checks.collect.wire.errors import Temporary
from checks.facts.pulls import DOCKER_CONFIG, DOCKER_CONFIG_JSON, PullSecret, SecretEntry, UserKind
from checks.text import one_line

MAX_ENTRIES = 100
MAX_KEY = 300
MAX_BYTES = 2 * 1024 * 1024
REFRESH_TOKEN_USER = "00000000-0000-0000-0000-000000000000"
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DATA_KEYS = {DOCKER_CONFIG_JSON: ".dockerconfigjson", DOCKER_CONFIG: ".dockercfg"}


class Credential:
    """A user name and a password, never shown: it has no repr of its values and cannot be encoded by accident."""

    __slots__ = ("_password", "_user")

    def __init__(self, user: str, password: str) -> None:
        self._user = user
        self._password = password

    def __repr__(self) -> str:
        return "<credential>"

    def basic(self) -> str:
        """The value of an Authorization header. To be sent, never kept."""
        return "Basic " + base64.b64encode(f"{self._user}:{self._password}".encode("utf-8", "surrogateescape")).decode()

    def kind(self) -> UserKind:
        """What the user name is."""
        if not self._user:
            return UserKind.NONE
        if self._user == REFRESH_TOKEN_USER:
            return UserKind.REFRESH_TOKEN
        return UserKind.APPLICATION if _GUID.fullmatch(self._user) else UserKind.NAMED

    def has_password(self) -> bool:
        """Whether there is a password at all."""
        return bool(self._password)

    def expires(self) -> str | None:
        """The end that a JSON web token tells of itself ("exp"), where the password is one."""
        parts = self._password.split(".")
        if len(parts) != 3 or len(self._password) > 64 * 1024:
            return None
        try:
            claims = msgspec.json.decode(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        except (binascii.Error, ValueError, msgspec.DecodeError, RecursionError):
            return None
        end = bodies.number(claims, "exp")
        if end is None or not 0 <= end < 253_402_300_800:
            return None
        return datetime.fromtimestamp(end, UTC).isoformat(timespec="seconds")

    def same_as(self, other: Credential) -> bool:
        """Whether both are the same user with the same password."""
        return self._user == other._user and self._password == other._password


class Decoded:
    """A pull secret's facts, and its credentials in the order of the facts' entries."""

    __slots__ = ("credentials", "facts")

    def __init__(self, facts: PullSecret, credentials: tuple[Credential, ...] = ()) -> None:
        self.facts = facts
        self.credentials = credentials

    def __repr__(self) -> str:
        return f"<decoded secret {self.facts.name}>"


class _Unusable(Exception):
    """What makes kubelet give up on the secret; the text carries no value."""


def decode(raw: bytes, name: str) -> Decoded:
    """The answer to a GET of a secret; what kubelet could not parse is said in ``trouble``.

    Raises Temporary where the answer is no object at all.
    """
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise Temporary("the Kubernetes API sent what is no secret")
    kind = bodies.text(body, "type")
    if kind not in _DATA_KEYS:
        return Decoded(PullSecret(name=name, type=one_line(kind or "Opaque")))
    return _config(name, kind, bodies.get(body, "data", _DATA_KEYS[kind]))


def _config(name: str, kind: str, value: Any) -> Decoded:
    if not isinstance(value, str) or not value:
        return Decoded(PullSecret(name=name, type=kind, empty=True))
    try:
        config = _entries(_json(value, _DATA_KEYS[kind]), whole=kind == DOCKER_CONFIG_JSON)
    except _Unusable as error:
        return Decoded(PullSecret(name=name, type=kind, problem=str(error)))
    entries = tuple(
        SecretEntry(
            key=key,
            user=credential.kind(),
            has_password=credential.has_password(),
            expires=credential.expires(),
        )
        for key, credential in config
    )
    facts = PullSecret(name=name, type=kind, entries=entries)
    return Decoded(facts, tuple(credential for _, credential in config))


def _json(value: str, where: str) -> Any:
    try:
        return msgspec.json.decode(base64.b64decode(value))
    except (binascii.Error, ValueError, msgspec.DecodeError, RecursionError):
        raise _Unusable(f"its {where} is no JSON") from None


def _entries(body: Any, *, whole: bool) -> list[tuple[str, Credential]]:
    """The entries that have a usable key. Raises _Unusable where kubelet's parser would."""
    if body is None:
        return []
    if not isinstance(body, dict):
        raise _Unusable("it is no JSON object")
    auths = _field(body, "auths") if whole else body
    if auths is None:
        return []
    if not isinstance(auths, dict):
        raise _Unusable("its auths are no JSON object")
    entries = []
    for key, entry in list(auths.items())[:MAX_ENTRIES]:
        credential = _credential(entry)
        usable = key_of(key)
        if usable is not None:
            entries.append((usable, credential))
    return entries


def _field(body: dict[str, Any], name: str) -> Any:
    """A field as Go finds it: by its exact name, or else in any case."""
    return body.get(name, next((value for key, value in body.items() if key.lower() == name), None))


def _credential(entry: Any) -> Credential:
    if entry is None:
        return Credential("", "")
    if not isinstance(entry, dict):
        raise _Unusable("the entry of a host is no JSON object")
    user, password, auth = (_field(entry, name) for name in ("username", "password", "auth"))
    if any(value is not None and not isinstance(value, str) for value in (user, password, auth)):
        raise _Unusable("the user name, password or auth of a host is no text")
    if auth:
        return _legacy(auth)
    return Credential(user or "", password or "")


def _legacy(auth: str) -> Credential:
    """ "auth": base64 of user:password, which stands above the two fields."""
    text = auth.replace("\r", "").replace("\n", "")
    try:
        decoded = base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode("utf-8", "surrogateescape")
    except (binascii.Error, ValueError):
        raise _Unusable("the auth of a host is no base64") from None
    user, colon, password = decoded.partition(":")
    if not colon:
        raise _Unusable("the auth of a host is not of the form user:password")
    return Credential(user, password)


def key_of(entry: str) -> str | None:
    """What kubelet matches images with: host, port and path of an entry; None where it ignores the entry.

    A scheme goes, ``/v1/`` and ``/v2/`` at the start of the path too, and so does what must not be shown (a user in the
    address, a query).
    """
    value = entry if entry.startswith(("https://", "http://")) else f"https://{entry}"
    try:
        parts = urlsplit(value)
    except ValueError:
        return None
    host, path = parts.netloc.rpartition("@")[2], parts.path
    if path.startswith(("/v1/", "/v2/")):
        path = path[3:]
    key = one_line(host if path in ("", "/") else host + path)[:MAX_KEY]
    return key or None
