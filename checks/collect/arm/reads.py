"""Reads of Azure Resource Manager, each once per subscription. Answers are facts, or why they could not be read.

The SDK clients make the requests; the raw bodies are what is read, because models of a fixed api-version drop what
they do not know (azure-mgmt-authorization 4.0.0 drops the condition of a role's permissions).
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec
from azure.core.pipeline import PipelineResponse
from azure.core.rest import HttpRequest

from checks import facts
from checks.collect.arm import bodies
from checks.collect.arm.client import Azure
from checks.collect.wire.errors import CollectError, Temporary, translate_errors
from checks.facts import NotSeen, Seen
from checks.facts.observation import NOT_ASKED
from checks.findings import Evidence
from checks.rules.access.rbac import role_guid
from checks.rules.visibility import READER

T = TypeVar("T")

SUBSCRIPTIONS_API = "2022-12-01"
CLUSTERS_API = "2026-08-01"
REGISTRIES_API = "2025-11-01"
AUTHORIZATION_API = "2022-04-01"
DENY_API = "2024-07-01-preview"
MAX_PAGES = 1_000
# Where somebody lacks Reader who sees no subscription: a role at / would be one on all there are and will be.
ANY_SUBSCRIPTION = "/subscriptions/<subscription id>"


class Listing(msgspec.Struct, frozen=True):
    """Raw bodies of one list call and when they were read."""

    items: list[Any]
    evidence: Evidence


async def seen(reading: Coroutine[Any, Any, Seen[T]]) -> Seen[T] | NotSeen:
    """A reading, or the gap it left: the one place where a CollectError becomes a fact."""
    try:
        return await reading
    except CollectError as error:
        return error.as_gap()


def evidence(what: str, source: str, api_version: str | None = None) -> Evidence:
    """Evidence stamped with the time of the reading."""
    return Evidence(what, source, datetime.now(UTC).isoformat(timespec="seconds"), api_version)


async def subscriptions(azure: Azure) -> Seen[tuple[facts.Subscription, ...]]:
    """Every subscription the identity can see (``GET /subscriptions``). Raises CollectError."""
    listing = await raw_list(azure, "/subscriptions", SUBSCRIPTIONS_API, "subscriptions", ANY_SUBSCRIPTION)
    items = tuple(s for item in listing.items if (s := bodies.subscription(item)))
    return Seen(items, listing.evidence, unreadable(listing.items, items))


async def clusters(azure: Azure, subscription: str) -> Seen[tuple[facts.Cluster, ...]]:
    """The managed clusters of a subscription. Bodies that name no cluster are counted in ``partial``."""
    # Not by the client's own list: its models, which nobody reads, take longer than all else about a listed cluster.
    path = f"/subscriptions/{subscription}/providers/Microsoft.ContainerService/managedClusters"
    scope = f"/subscriptions/{subscription}"
    listing = await raw_list(azure, path, CLUSTERS_API, "managed clusters", scope)
    told = evidence("managed clusters", f"{scope} (Azure Resource Manager)", CLUSTERS_API)
    items = tuple(c for item in listing.items if (c := bodies.cluster(item, told)))
    return Seen(items, told, unreadable(listing.items, items))


async def registries(azure: Azure, subscription: str) -> Seen[tuple[facts.Registry, ...]]:
    """The container registries of a subscription, at an api-version that shows roleAssignmentMode."""
    pager = azure.container_registry(subscription).registries.list
    listing = await _sdk_list(azure, pager, subscription, "container registries", REGISTRIES_API)
    items = tuple(r for item in listing.items if (r := bodies.registry(item, listing.evidence)))
    return Seen(items, listing.evidence, unreadable(listing.items, items))


def unreadable(listed: Sequence[Any], read: Sequence[Any]) -> str:
    """What ``partial`` says of a listing of which not every body could be read; empty where all were."""
    lost = len(listed) - len(read)
    return f"{lost} of {len(listed)} bodies could not be read" if lost else ""


async def authorization(azure: Azure, subscription: str) -> facts.Authorization:
    """Role assignments (at, above and below the subscription) and deny assignments, without the definitions."""
    return facts.Authorization(
        assignments=await seen(_assignments(azure, subscription, None)),
        definitions=NOT_ASKED,
        denies=await seen(_denies(azure, subscription)),
    )


async def assigned_to(azure: Azure, subscription: str, principal: str) -> Seen[tuple[facts.RoleAssignment, ...]]:
    """Assignments in a subscription that reach a principal, through groups too. Raises CollectError."""
    return await _assignments(azure, subscription, f"assignedTo('{principal}')")


async def own_assignments(azure: Azure, subscription: str, principal: str) -> Seen[tuple[facts.RoleAssignment, ...]]:
    """Assignments at a subscription and above it that reach a principal, through groups too. Raises CollectError."""
    return await _assignments(azure, subscription, f"atScope() and assignedTo('{principal}')")


async def denies_assigned_to(azure: Azure, subscription: str, principal: str) -> Seen[frozenset[str]]:
    """Names (last segment of the id, lower case) of deny assignments that reach a principal, through groups too."""
    listing = await _deny_listing(azure, subscription, f"assignedTo('{principal}')")
    deny_ids = [key for item in listing.items if (key := bodies.text(item, "id") or bodies.text(item, "name"))]
    return Seen(frozenset(map(role_guid, deny_ids)), listing.evidence, unreadable(listing.items, deny_ids))


async def _assignments(azure: Azure, subscription: str, odata: str | None) -> Seen[tuple[facts.RoleAssignment, ...]]:
    operations = azure.authorization(subscription).role_assignments

    def pager(**options: Any) -> AsyncIterable[Any]:
        return operations.list_for_subscription(filter=odata, **options)

    what = f"role assignments{f' with {odata}' if odata else ''}"
    listing = await _sdk_list(azure, pager, subscription, what, AUTHORIZATION_API)
    assignments = tuple(a for item in listing.items if (a := bodies.role_assignment(item)))
    return Seen(assignments, listing.evidence, unreadable(listing.items, assignments))


async def role_definitions(azure: Azure, subscription: str) -> Seen[dict[str, facts.RoleDefinition]]:
    """The roles that may be assigned in a subscription, by guid. Raises CollectError."""
    operations = azure.authorization(subscription).role_definitions

    def pager(**options: Any) -> AsyncIterable[Any]:
        # Without the filter, custom roles that may be assigned only below the subscription would be missing.
        return operations.list(scope=f"subscriptions/{subscription}", filter="atScopeAndBelow()", **options)

    listing = await _sdk_list(azure, pager, subscription, "role definitions", AUTHORIZATION_API)
    definitions = [d for item in listing.items if (d := bodies.role_definition(item))]
    by_guid = {definition.guid: definition for definition in definitions}
    return Seen(by_guid, listing.evidence, unreadable(listing.items, definitions))


async def _denies(azure: Azure, subscription: str) -> Seen[tuple[facts.DenyAssignment, ...]]:
    listing = await _deny_listing(azure, subscription)
    denies = tuple(d for item in listing.items if (d := bodies.deny_assignment(item)))
    return Seen(denies, listing.evidence, unreadable(listing.items, denies))


async def _deny_listing(azure: Azure, subscription: str, odata: str | None = None) -> Listing:
    path = f"/subscriptions/{subscription}/providers/Microsoft.Authorization/denyAssignments"
    what = f"deny assignments{f' with {odata}' if odata else ''}"
    return await raw_list(azure, path, DENY_API, what, f"/subscriptions/{subscription}", odata)


async def _sdk_list(
    azure: Azure, pager: Callable[..., AsyncIterable[Any]], subscription: str, what: str, api_version: str
) -> Listing:
    """A list call of an SDK client, its pages read as they came: models lose parts of a body, or garble odd ones.

    The hook sees a page before the SDK makes models of it, and refuses one that is no list.
    """
    scope = f"/subscriptions/{subscription}"
    items: list[Any] = []

    def take(response: PipelineResponse[Any, Any]) -> None:
        status = response.http_response.status_code
        if status == 200:
            items.extend(_value(_decoded(response.http_response.body()), what))
        elif status < 400:  # those above are errors already
            raise Temporary(f"list {what}: Azure Resource Manager answered {status}, which is no list")

    async with translate_errors(f"list {what}", READER, scope, _listing_seconds(azure)):
        async for _ in pager(raw_response_hook=take):
            pass
    return Listing(items, evidence(what, f"{scope} (Azure Resource Manager)", api_version))


async def get(
    azure: Azure, resource_id: str, api_version: str, what: str, query: Mapping[str, str] | None = None, scope: str = ""
) -> dict[str, Any]:
    """One resource's raw body by its id. Raises CollectError; NotFound where ARM has nothing under it.

    ``query``: further parameters. ``scope``: where a role that is missing is to be granted, if not on the resource.
    """
    parameters = "".join(f"&{name}={quote(value, safe='/:,')}" for name, value in (query or {}).items())
    url = f"{azure.settings.arm}{quote(resource_id)}?api-version={api_version}{parameters}"
    async with translate_errors(f"read {what}", READER, scope or resource_id, azure.settings.call_seconds):
        response = await azure.raw().send_request(HttpRequest("GET", url))
        response.raise_for_status()
        return _decoded(response.content)


async def raw_list(
    azure: Azure, path: str, api_version: str, what: str, scope: str, odata: str | None = None, *, method: str = "GET"
) -> Listing:
    """A list call at any api-version, nextLink followed on the same host. ``odata`` is its $filter.

    ``method``: some lists are actions (POST), whose later pages are read like others. Raises CollectError.
    """
    items: list[Any] = []
    narrowed = f"&$filter={quote(odata)}" if odata else ""
    async with translate_errors(f"list {what}", READER, scope, _listing_seconds(azure)):
        async for body in _pages(azure, f"{azure.settings.arm}{path}?api-version={api_version}{narrowed}", method):
            items.extend(_value(body, what))
    return Listing(items, evidence(what, f"{path} (Azure Resource Manager)", api_version))


async def _pages(azure: Azure, url: str, method: str) -> AsyncIterator[dict[str, Any]]:
    for _ in range(MAX_PAGES):
        response = await azure.raw().send_request(HttpRequest(method, url))
        response.raise_for_status()
        body = _decoded(response.content)
        yield body
        following = body.get("nextLink")
        if not isinstance(following, str) or not following:
            return
        url, method = following, "GET"
    raise Temporary(f"more than {MAX_PAGES} pages")


def _decoded(page: bytes) -> dict[str, Any]:
    try:
        body = msgspec.json.decode(page)
    except msgspec.DecodeError as error:
        raise Temporary(f"Azure Resource Manager sent what is no JSON: {error}") from error
    return body if isinstance(body, dict) else {}


def _value(body: dict[str, Any], what: str) -> list[Any]:
    value = body.get("value")
    if not isinstance(value, list):
        raise Temporary(f"list {what}: the answer has no list of values")
    return value


def _listing_seconds(azure: Azure) -> float:
    """A listing may take several pages: it gets four calls' time."""
    return 4.0 * azure.settings.call_seconds


async def cluster(azure: Azure, cluster_id: str) -> facts.Cluster:
    """One managed cluster by its id. Raises CollectError, NotFound where it is gone."""
    body = await get(azure, cluster_id, CLUSTERS_API, "managed cluster")
    read = bodies.cluster(body, evidence("managed cluster", cluster_id, CLUSTERS_API))
    if read is None:
        raise Temporary(f"what Azure Resource Manager shows of {cluster_id} is no managed cluster")
    return read


async def user_kubeconfig(azure: Azure, cluster: facts.Cluster) -> bytes:
    """``listClusterUserCredential`` (format exec): the kubeconfig, YAML. Raises CollectError."""
    subscription = facts.subscription_of(cluster.id)
    operations = azure.container_service(subscription).managed_clusters
    role = "Azure Kubernetes Service Cluster User Role"
    async with translate_errors("listClusterUserCredential", role, cluster.id, azure.settings.call_seconds):
        result = await operations.list_cluster_user_credentials(
            facts.resource_group_of(cluster.id), quote(cluster.name), format="exec"
        )
    for kubeconfig in result.kubeconfigs or []:
        if kubeconfig.value:
            return bytes(kubeconfig.value)
    raise Temporary("listClusterUserCredential answered without a kubeconfig")
