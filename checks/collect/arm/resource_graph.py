"""Where things lie, by Azure Resource Graph: one question over all subscriptions, instead of a list in each.

It lags Azure Resource Manager by seconds to minutes. So it says only where to look: what is found is read from Azure
Resource Manager, and what is not found is looked for there as well. Source: Microsoft.ResourceGraph 2022-10-01,
"Azure Resource Graph query language" (KQL, whose strings compare without regard to case by ``=~``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from azure.core.rest import HttpRequest

from checks.arm_ids import subscription_of
from checks.collect.arm import bodies
from checks.collect.arm.client import Azure
from checks.collect.wire.errors import Temporary, translate_errors
from checks.rules.visibility import READER

API = "2022-10-01"
PATH = "/providers/Microsoft.ResourceGraph/resources"
MAX_SUBSCRIPTIONS = 1_000  # of one question
MAX_PAGES = 5
PAGE = 1_000
_LITERAL = re.compile(r"[A-Za-z0-9_.()-]{1,200}")


class Located(msgspec.Struct, frozen=True):
    """The ARM ids that were found, and the scopes of role assignments."""

    ids: tuple[str, ...]

    def subscriptions(self) -> frozenset[str]:
        """The subscriptions (guids) that they lie in."""
        return frozenset(filter(None, map(subscription_of, self.ids)))


async def clusters_called(azure: Azure, subscriptions: Sequence[str], name: str) -> Located:
    """The managed clusters of a name. Raises CollectError."""
    kind = "type =~ 'microsoft.containerservice/managedclusters'"
    return await _ask(azure, subscriptions, f"Resources | where {kind} and name =~ {_literal(name)} | project id")


async def vaults_called(azure: Azure, subscriptions: Sequence[str], name: str) -> Located:
    """The key vaults of a name, of which there is one in the world. Raises CollectError."""
    kind = "type =~ 'microsoft.keyvault/vaults'"
    return await _ask(azure, subscriptions, f"Resources | where {kind} and name =~ {_literal(name)} | project id")


async def registries_and_zones(azure: Azure, subscriptions: Sequence[str], login_servers: Iterable[str]) -> Located:
    """The registries with these login servers, and the private DNS zones that may answer for any. Raises CollectError.

    Zones of private link itself are left out: those that matter are named by zone groups of private endpoints.
    """
    suffix = azure.settings.cloud.acr_suffix
    zones = (
        f"type =~ 'microsoft.network/privatednszones' and name !startswith 'privatelink.' "
        f"and (name =~ {_literal(suffix)} or name endswith {_literal('.' + suffix)})"
    )
    hosts = ", ".join(_literal(host) for host in sorted(set(login_servers)))
    registries = "type =~ 'microsoft.containerregistry/registries' and tostring(properties.loginServer) in~ "
    wanted = f"({zones}) or ({registries}({hosts}))" if hosts else zones
    return await _ask(azure, subscriptions, f"Resources | where {wanted} | project id")


async def roles_of(azure: Azure, subscriptions: Sequence[str], principal: str) -> Located:
    """The scopes at which a principal itself holds roles, of subscriptions and below. Raises CollectError."""
    query = (
        "authorizationresources | where type =~ 'microsoft.authorization/roleassignments' "
        f"and tostring(properties.principalId) =~ {_literal(principal)} "
        "| project id, scope = tostring(properties.scope)"
    )
    return await _ask(azure, subscriptions, query, "scope")


def _literal(text: str) -> str:
    """A string of the query. Raises Temporary for what could end it: then nothing is asked."""
    if not _LITERAL.fullmatch(text):
        raise Temporary("Azure Resource Graph is not asked for names that hold other than letters, digits and ._()-")
    return f"'{text}'"


async def _ask(azure: Azure, subscriptions: Sequence[str], query: str, column: str = "id") -> Located:
    if not 0 < len(subscriptions) <= MAX_SUBSCRIPTIONS:
        raise Temporary(f"Azure Resource Graph is asked about at most {MAX_SUBSCRIPTIONS} subscriptions at once")
    url, found = f"{azure.settings.arm}{PATH}?api-version={API}", list[str]()
    options: dict[str, Any] = {"resultFormat": "objectArray", "$top": PAGE}
    async with translate_errors("ask Azure Resource Graph", READER, "/", 2.0 * azure.settings.call_seconds):
        for _ in range(MAX_PAGES):
            asked = {"subscriptions": list(subscriptions), "query": query, "options": options}
            response = await azure.raw().send_request(HttpRequest("POST", url, json=asked))
            response.raise_for_status()
            page = _page(response.content)
            found += [text for item in bodies.objects(page, "data") if (text := bodies.text(item, column))]
            token = bodies.text(page, "$skipToken")
            if not token:
                return Located(tuple(found))
            options = {**options, "$skipToken": token}
    raise Temporary(f"Azure Resource Graph has more than {MAX_PAGES * PAGE} answers")


def _page(content: bytes) -> object:
    try:
        page = msgspec.json.decode(content)
    except msgspec.DecodeError as error:
        raise Temporary(f"Azure Resource Graph sent what is no JSON: {error}") from error
    if not isinstance(bodies.get(page, "data"), list) or bodies.text(page, "resultTruncated") == "true":
        raise Temporary("Azure Resource Graph sent no whole answer")
    return page
