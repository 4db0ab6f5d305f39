"""Who may look: whoever App Service authentication signed in and an app role was assigned to, and nobody else.

On one's own machine a setting stands in for signing in; where anything speaks for Azure, it opens nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from urllib.parse import urlsplit

from checks.settings import LocalViewer, Settings, perhaps_in_azure
from checks.web.dashboard.principal import PrincipalError, signed_in
from checks.web.dashboard.refusal import Refusal
from checks.web.dashboard.viewer import Viewer
from checks.web.http import Asked

LOG = logging.getLogger(__name__)
READER, OPERATOR = "Reader", "Operator"
ENABLED = "WEBSITE_AUTH_ENABLED"  # the platform's word that it signs people in, and lets no such header in from outside
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
GUIDE = "docs/dashboard-sign-in.md"


AGAIN = "Then sign out at /.auth/logout, and in again: roles are those of the time of signing in."
OFF = Refusal(
    title="The dashboard is off",
    said=(
        "Nobody can sign in here: this app has no App Service authentication with Microsoft Entra ID, or the setting "
        "PULLWATCH_SIGN_IN is not entra. The API stays as it is, with function keys.",
        "To turn the dashboard on, register an application in Microsoft Entra ID, then deploy infra/main.bicep with "
        f"its client ID as the parameter dashboardClientId. {GUIDE} has every step.",
    ),
    commands=(
        "azd env set DASHBOARD_CLIENT_ID CLIENT_ID",
        "azd provision",
    ),
)
OFF_HERE = Refusal(
    title="The dashboard is off",
    said=(
        "Nobody is named who looks. On this machine the setting PULLWATCH_LOCAL_VIEWER stands in for signing in: set "
        f"it and start the app again. {GUIDE} says how people sign in in Azure.",
    ),
    commands=("PULLWATCH_LOCAL_VIEWER=NAME:Operator make host",),
)
NOT_ENABLED = Refusal(
    title="The dashboard is off",
    said=(
        "PULLWATCH_SIGN_IN is entra, but App Service authentication is not on, so nobody vouches for who asks. Deploy "
        f"infra/main.bicep with dashboardClientId, which turns on both; {GUIDE} says how.",
    ),
    commands=(
        'az rest --method GET --url "/subscriptions/{subscriptionId}/resourceGroups/RESOURCE_GROUP/providers/'
        'Microsoft.Web/sites/FUNCTION_APP_NAME/config/authsettingsV2?api-version=2025-03-01" --query properties',
    ),
)
NOBODY = Refusal(
    title="Sign in first",
    said=("App Service authentication names nobody in this request. Open the dashboard again to sign in.",),
)
NOT_HERE = Refusal(
    title="PULLWATCH_LOCAL_VIEWER opens nothing here",
    said=(
        "It stands in for signing in on one's own machine, at http://localhost or http://127.0.0.1, and nowhere else. "
        f"Remove the setting. {GUIDE} says how people sign in in Azure.",
    ),
)


LOCAL_READER = Refusal(
    title="The app role Operator is missing",
    said=(
        "PULLWATCH_LOCAL_VIEWER names a Reader, who sees. As NAME:Operator it also acknowledges, silences and asks for "
        "runs; start the app again with it.",
    ),
)


def viewer_of(asked: Asked, settings: Settings, environment: Mapping[str, str]) -> Viewer | Refusal:
    """Who looks, without a form token; or why nobody may. ``environment`` is what the platform set."""
    if settings.local_viewer is not None:
        return _stand_in(asked, settings.local_viewer, environment)
    if settings.sign_in != "entra":
        return OFF if perhaps_in_azure(environment) else OFF_HERE
    if environment.get(ENABLED, "").strip().lower() != "true":
        LOG.warning("the dashboard is refused: PULLWATCH_SIGN_IN is entra, and %s is not true", ENABLED)
        return NOT_ENABLED
    try:
        person = signed_in(asked.headers)
    except PrincipalError as error:
        LOG.warning("the dashboard is refused: %s", error)
        return Refusal(title="This sign-in cannot be used", said=(f"Why: {error}.", AGAIN))
    if person is None:
        return NOBODY
    if not person.roles & {READER, OPERATOR}:
        return without_role(READER, person.name, person.id, settings.graph, person.client_id)
    return Viewer(name=person.name, id=person.id, operator=OPERATOR in person.roles)


def _stand_in(asked: Asked, viewer: LocalViewer, environment: Mapping[str, str]) -> Viewer | Refusal:
    azure = perhaps_in_azure(environment)
    if azure:
        LOG.error("PULLWATCH_LOCAL_VIEWER is refused: %s is set, as in Azure", azure)
        return NOT_HERE
    if _host(asked.headers.get("host", "")) not in LOOPBACK:
        LOG.error("PULLWATCH_LOCAL_VIEWER is refused: the request is not to this machine's own address")
        return NOT_HERE
    return Viewer(name=viewer.name, operator=viewer.role == OPERATOR, local=True)


def _host(header: str) -> str:
    """The host in a Host header, without its port; "" where it is none."""
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""


def without_role(role: str, name: str, object_id: str, graph: str, client_id: str = "") -> Refusal:
    """The refusal of somebody whom an app role is missing, with the commands that assign it."""
    missing = (
        f"To acknowledge, silence and ask for runs takes the app role {OPERATOR}."
        if role == OPERATOR
        else f"To see the dashboard takes the app role {READER}; or {OPERATOR}, who also acknowledges, silences and "
        "asks for runs."
    )
    return Refusal(
        title=f"The app role {role} is missing",
        said=(
            f"You signed in as {name}, object ID {object_id}. {missing}",
            "An administrator assigns it: Microsoft Entra admin center, Enterprise applications, this application, "
            "Users and groups; or with Azure CLI, as below.",
            AGAIN,
        ),
        commands=assignment(client_id or "CLIENT_ID", object_id, role, graph),
    )


def assignment(client_id: str, object_id: str, role: str, graph: str) -> tuple[str, ...]:
    """The commands that assign an app role to a person or group; ``graph`` is the cloud's Microsoft Graph."""
    return (
        f"APP=$(az ad sp show --id {client_id} --query id --output tsv)",
        f"ROLE=$(az ad sp show --id {client_id} --query \"appRoles[?value=='{role}'].id\" --output tsv)",
        f'az rest --method POST --url "{graph}/v1.0/servicePrincipals/$APP/appRoleAssignedTo" --body '
        f'"{{\\"principalId\\": \\"{object_id}\\", \\"resourceId\\": \\"$APP\\", \\"appRoleId\\": \\"$ROLE\\"}}"',
    )
