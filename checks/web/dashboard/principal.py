"""The principal that App Service authentication puts into a request's headers, read strictly.

The platform takes these headers out of what comes from outside and puts in its own; ``gate`` asks whether it does so
here. Source: "Work with user identities in Azure App Service authentication" on Microsoft Learn.
"""

from __future__ import annotations

import base64
import binascii
import re

import msgspec

from checks.silences import harmless

HEADER = "x-ms-client-principal"
PROVIDER = "x-ms-client-principal-idp"
NAME = "x-ms-client-principal-name"
MAX_HEADER = 32_768  # characters: front ends take no more headers than this altogether
MAX_NAME = 60
ENTRA = "aad"
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_OBJECT_ID = ("http://schemas.microsoft.com/identity/claims/objectidentifier", "oid")
_ROLE = "roles"
# What a principal may say of itself that its roles are called: whatever else it says does not make a role of a name.
_OTHER_ROLES = ("http://schemas.microsoft.com/ws/2008/06/identity/claims/role", "role")
_NAMES = ("preferred_username", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn", "upn")


class PrincipalError(ValueError):
    """The headers hold no principal that can be used; the text says why, without what they hold."""


class Claim(msgspec.Struct, frozen=True):
    """One claim of a token. ``val`` is of use where it is a text."""

    typ: str
    val: str | float | bool | None


class Principal(msgspec.Struct, frozen=True):
    """Who signed in, as the platform writes it. ``role_typ`` and ``name_typ`` name types of claims."""

    auth_typ: str
    claims: tuple[Claim, ...]
    name_typ: str = ""
    role_typ: str = ""

    def texts(self, *types: str) -> tuple[str, ...]:
        """The values of the claims of these types, those of the first type first, each once."""
        found = (one.val for kind in types for one in self.claims if one.typ == kind and isinstance(one.val, str))
        return tuple(dict.fromkeys(value for value in found if value))


class SignedIn(msgspec.Struct, frozen=True):
    """A person: a bounded name of one line, an object id in lower case, app roles as they were assigned."""

    name: str
    id: str
    roles: frozenset[str]
    client_id: str = ""


def signed_in(headers: dict[str, str]) -> SignedIn | None:
    """Who the platform says it is; None where it names nobody. Raises PrincipalError."""
    given = headers.get(HEADER, "")
    if not given:
        return None
    if headers.get(PROVIDER, "").lower() != ENTRA:
        raise PrincipalError("another identity provider than Microsoft Entra ID signed this person in")
    principal = _decoded(given)
    if principal.auth_typ.lower() != ENTRA:
        raise PrincipalError("another identity provider than Microsoft Entra ID issued this principal")
    ids = {value.lower() for value in principal.texts(*_OBJECT_ID)}
    if len(ids) != 1:
        raise PrincipalError("the principal has no object id, or several")
    (object_id,) = ids
    if not _GUID.fullmatch(object_id):
        raise PrincipalError("the principal's object id is none")
    kinds = [_ROLE, *(kind for kind in _OTHER_ROLES if kind == principal.role_typ)]
    audience = principal.texts("aud")
    return SignedIn(
        name=_name(principal, headers) or object_id,
        id=object_id,
        roles=frozenset(principal.texts(*kinds)),
        client_id=audience[0] if len(audience) == 1 and _GUID.fullmatch(audience[0]) else "",
    )


def _decoded(given: str) -> Principal:
    if len(given) > MAX_HEADER:
        raise PrincipalError(f"the principal is longer than {MAX_HEADER} characters")
    try:
        return msgspec.json.decode(base64.b64decode(given, validate=True), type=Principal)
    except (binascii.Error, msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise PrincipalError("the principal cannot be read") from error


def _name(principal: Principal, headers: dict[str, str]) -> str:
    """What people know them by: the sign-in name, which only an administrator gives, before one of their choosing."""
    named = (*principal.texts(*_NAMES), *principal.texts(principal.name_typ), headers.get(NAME, ""))
    return next((name for name in (harmless(one, MAX_NAME) for one in named) if name), "")
