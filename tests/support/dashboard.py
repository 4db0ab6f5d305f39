"""Requests to the dashboard as they reach it in Azure, and on one's own machine: principals, browsers, forms."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import msgspec

from checks.jobs.context import JobContext
from checks.settings import Settings, UnusableSettings
from checks.web.dashboard import forms
from checks.web.dashboard.respond import respond
from checks.web.dashboard.viewer import Viewer
from checks.web.http import Asked, HttpResponse

HOST = "func-pullwatch-prod.azurewebsites.net"
OBJECT_ID = "5b5450db-eb26-4c1a-981c-ba1d25f0483d"
CLIENT_ID = "9c8b7a60-0000-4000-8000-00000000000c"
NAME = "jo@contoso.example"
ROLE_TYPE = "http://schemas.microsoft.com/ws/2008/06/identity/claims/role"
OID = "http://schemas.microsoft.com/identity/claims/objectidentifier"
AUTH_ON = {"WEBSITE_SITE_NAME": "func-pullwatch-prod", "WEBSITE_AUTH_ENABLED": "True"}
ENTRA = {"SIGN_IN": "entra"}
BROWSER = "b" * 43


def principal(*roles: str, **other: Any) -> dict[str, Any]:
    """What App Service authentication says of a person; ``other`` members instead of its own."""
    claims = [
        {"typ": "aud", "val": CLIENT_ID},
        {"typ": OID, "val": OBJECT_ID},
        {"typ": "name", "val": "Jo"},
        {"typ": "preferred_username", "val": NAME},
        *({"typ": "roles", "val": role} for role in roles),
    ]
    name_type = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress"
    return {"auth_typ": "aad", "claims": claims, "name_typ": name_type, "role_typ": ROLE_TYPE} | other


def encoded(said: Any) -> str:
    return base64.b64encode(json.dumps(said).encode()).decode()


def signed_in(*roles: str, said: Any = None, **headers: str) -> dict[str, str]:
    """The headers of a request that the platform let through; ``headers`` with _ for - besides or instead."""
    own = {
        "host": HOST,
        "x-ms-client-principal": encoded(principal(*roles) if said is None else said),
        "x-ms-client-principal-id": OBJECT_ID,
        "x-ms-client-principal-name": NAME,
        "x-ms-client-principal-idp": "aad",
    }
    return own | {name.replace("_", "-"): value for name, value in headers.items()}


VIEWER = Viewer(name=NAME, id=OBJECT_ID, operator=True)


def token(viewer: Viewer = VIEWER, browser: str = BROWSER) -> str:
    return forms.token_of(browser, viewer)


def sent(page: str, fields: Mapping[str, str] | None = None, *roles: str, **headers: str) -> Asked:
    """A form as a page of the dashboard sends it, by an operator unless other roles are named."""
    own = {
        "content-type": forms.MEDIA_TYPE,
        "cookie": f"AppServiceAuthSession=x; {forms.COOKIE}={BROWSER}",
        "sec-fetch-site": "same-origin",
        "origin": f"https://{HOST}",
    }
    given = own | {name.replace("_", "-"): value for name, value in headers.items()}
    body = urlencode({"token": token()} | dict(fields or {})).encode()
    return Asked("POST", {"page": page}, headers=signed_in(*(roles or ("Operator",))) | given, body=body)


async def answered(
    context: JobContext,
    asked: Asked,
    environment: Mapping[str, str] = AUTH_ON,
    settings: Settings | UnusableSettings | None = None,
) -> HttpResponse:
    """What the dashboard answers in Azure with sign-in on, over a job's context."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[JobContext]:
        yield context

    entra = msgspec.structs.replace(context.settings, sign_in="entra")
    return await respond(asked, opened, settings or entra, environment)


def text(answer: HttpResponse) -> str:
    return answer.encoded().decode()
