"""Why there is no sign-in to Azure that is taken, out of what azure-identity or Azure says, and what to do about it.

azure-identity's text is a page with a paragraph for each credential of its chain; here one sentence is left of it.
Sources of the texts: azure-identity's _credentials/azure_cli.py, "Microsoft Entra authentication and authorization
error codes", and the Azure Resource Manager error InvalidAuthenticationTokenTenant.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

import msgspec

MISSING = "a sign-in to Azure"
LOGIN = "az login"
_GUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_CODE = re.compile(r"AADSTS([0-9]{4,8})\b")
_EXPIRED = frozenset({"50173", "70008", "70043", "700082", "700084"})
_OTHER_TENANT = frozenset({"50020", "90002", "90072"})
_AGAIN = re.compile(r"interaction_required|InteractionRequired|Interactive authentication is needed")
_CLI_ABSENT = "Azure CLI not found on path"
_CLI_FAILED = re.compile(r"Failed to invoke the Azure CLI|Failed to execute '")
_WRONG_ISSUER = re.compile(r"InvalidAuthenticationTokenTenant|from the wrong issuer")
_NO_NETWORK = re.compile(
    r"Max retries exceeded with url|Failed to establish a new connection|Name or service not known"
)
# What az itself says is to be run, and where Azure Resource Manager says that a token is to be had.
_TENANT = re.compile(rf"""(?:--tenant "?|https://login\.(?:windows\.net|microsoftonline\.[a-z]+)/)({_GUID})\b""")
_SCOPE = re.compile(rf"""--scope "?((?:https://[a-z0-9.-]+/{{1,2}}|{_GUID}/)\.default)(?=["\s]|$)""")
_MANAGEMENT = "https://management."
_TENANT_PLACE = "TENANT_ID"


class SignIn(msgspec.Struct, frozen=True):
    """What is wrong with the sign-in (a clause for people), and the commands that help or show what is wrong."""

    problem: str
    fix: tuple[str, ...]


def is_network(text: str) -> bool:
    """Whether a credential failed only because the sign-in service could not be reached."""
    return _CODE.search(text) is None and _NO_NETWORK.search(text) is not None


def no_token(text: str, environment: Mapping[str, str]) -> SignIn:
    """Out of what azure-identity says where none of its credentials gave a token."""
    code = _CODE.search(text)
    said = f" (AADSTS{code[1]})" if code else ""
    if _in_app(environment):
        return SignIn(f"the managed identity of the app gets no token{said}", _look_at_app(environment))
    if environment.get("AZURE_CLIENT_ID"):
        problem = f"the identity that AZURE_CLIENT_ID names gets no token{said}"
        return SignIn(problem, (f"az ad sp show --id {shlex.quote(environment['AZURE_CLIENT_ID'])}",))
    return SignIn(_at_desk(text, code[1] if code else "", said), (_login(text, code[1] if code else ""),))


def refused_token(text: str, environment: Mapping[str, str]) -> SignIn:
    """Out of what Azure says with 401: there is a token, and it is not taken."""
    other = _WRONG_ISSUER.search(text) is not None
    problem = "the sign-in is for another tenant" if other else "Azure does not take the sign-in"
    if _in_app(environment):
        return SignIn(problem, _look_at_app(environment))
    return SignIn(problem, (_login(text, "", other_tenant=other),))


def _in_app(environment: Mapping[str, str]) -> bool:
    """Whether Azure gives the process a managed identity, as it does in Functions and App Service."""
    return bool(environment.get("IDENTITY_ENDPOINT") or environment.get("MSI_ENDPOINT"))


def _at_desk(text: str, code: str, said: str) -> str:
    if code in _OTHER_TENANT:
        return f"the sign-in is for another tenant{said}"
    if code in _EXPIRED:
        return f"the sign-in of the Azure CLI has expired or was revoked{said}"
    if _AGAIN.search(text):
        return f"the Azure CLI asks to sign in again{said}"
    if code:
        return f"Microsoft Entra ID refuses the sign-in{said}"
    if _CLI_ABSENT in text:
        return "nobody is signed in to Azure, and the Azure CLI (az) is not on the PATH"
    if _CLI_FAILED.search(text):
        return "nobody is signed in to Azure: the Azure CLI (az) does not run, or did not answer in time"
    return "nobody is signed in to Azure"


def _login(text: str, code: str, *, other_tenant: bool = False) -> str:
    """``az login`` with the tenant and the scope that the text names, where it names some."""
    tenant, scope = _TENANT.search(text), _SCOPE.search(text)
    asked = f" --tenant {tenant[1]}" if tenant else ""
    if not asked and (other_tenant or code in _OTHER_TENANT):
        asked = f" --tenant {_TENANT_PLACE}"
    if scope and not scope[1].startswith(_MANAGEMENT):
        asked += f" --scope {scope[1]}"
    return f"{LOGIN}{asked}"


def _look_at_app(environment: Mapping[str, str]) -> tuple[str, ...]:
    """What shows whether an app has the identity that it is to use; in Azure it knows its own name."""
    name = shlex.quote(environment.get("WEBSITE_SITE_NAME") or "FUNCTION_APP_NAME")
    group = shlex.quote(environment.get("WEBSITE_RESOURCE_GROUP") or "RESOURCE_GROUP")
    return (f"az functionapp identity show --name {name} --resource-group {group}",)
