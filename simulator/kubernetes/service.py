"""The Kubernetes API servers of all clusters: one port, a path prefix for each cluster.

    https://127.0.0.1:PORT/clusters/<subscription>/<resource group>/<name>/api/v1/pods?limit=500

Entra clusters take bearer tokens for the AKS server application; the rest (and Entra clusters with local accounts) the
certificate or token of the kubeconfig ARM hands out. Lists have limit, continue and both kinds of selectors. Objects
can be made and deleted; pods that are made go to the kubelet, which tries to pull their images (kubelet.py).
"""

from __future__ import annotations

import base64
import re
import secrets
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from aiohttp import web

from simulator.certificates import is_client
from simulator.entra.tokens import AKS_SERVER, TokenError, Tokens
from simulator.kubernetes import admission, discovery, rights, table, validation
from simulator.kubernetes.clusters import Cluster, Clusters
from simulator.kubernetes.compression import packed
from simulator.kubernetes.objects import ClusterObjects, KubeObject, kube_object
from simulator.kubernetes.selectors import SelectorError, field_test, label_test
from simulator.nodes.kubelet import Kubelet
from simulator.responses import CloseConnection, Refusal, answer, joined

EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)
TOO_MANY = "Too many requests, please try again later.\n"
_PREFIX = re.compile(r"/clusters/(?P<subscription>[^/]+)/(?P<group>[^/]+)/(?P<name>[^/]+)(?P<rest>/.*)?")
REASONS = {400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 405: "MethodNotAllowed"}
REASONS |= {409: "AlreadyExists", 410: "Expired", 422: "Invalid", 429: "TooManyRequests", 500: "InternalError"}
REASONS |= {503: "ServiceUnavailable", 504: "Timeout"}


@dataclass(frozen=True, slots=True)
class Target:
    """`.../{group_version}/[namespaces/{namespace}/]{resource}[/{name}]`."""

    group_version: str
    namespace: str | None
    resource: str
    name: str | None
    kind: str
    namespaced: bool


class Kubernetes:
    """The service behind the server addresses in kubeconfigs."""

    def __init__(self, clusters: Clusters, tokens: Tokens, kubelet: Kubelet) -> None:
        self._clusters = clusters
        self._tokens = tokens
        self._kubelet = kubelet

    async def answer(self, request: web.Request) -> web.StreamResponse:
        match = _PREFIX.fullmatch(request.path)
        if match is None:
            raise status_error(404, "the server could not find the requested resource")
        cluster = self._clusters.find(
            f"/subscriptions/{match['subscription']}/resourceGroups/{match['group']}"
            f"/providers/Microsoft.ContainerService/managedClusters/{match['name']}"
        )
        if cluster is None or not self._clusters.is_reachable(cluster):
            raise CloseConnection
        user = self._authenticate(request, cluster)
        rest = [part for part in (match["rest"] or "").split("/") if part]
        shown = _about_server(cluster, rest)
        if shown is not None:
            return shown if isinstance(shown, web.Response) else answer(shown)
        return packed(request, await self._objects(request, cluster, _target(rest), user))

    def _authenticate(self, request: web.Request, cluster: Cluster) -> str | None:
        """The Entra object id of the caller, None for a local account. Raises 401."""
        certificate = request.transport.get_extra_info("peercert") if request.transport else None
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        local = cluster.local_accounts or not cluster.entra
        if local and is_client(certificate, cluster.key):
            return None
        if scheme.lower() == "bearer":
            if local and self._clusters.is_local_token(cluster, token.strip()):
                return None
            try:
                if cluster.entra:
                    return str(self._tokens.read(token.strip(), [AKS_SERVER]).get("oid", ""))
            except TokenError:
                pass
        raise status_error(401, "Unauthorized")

    async def _objects(self, request: web.Request, cluster: Cluster, at: Target, user: str | None) -> web.Response:
        objects = self._clusters.objects(cluster)
        verb = _verb(request.method, at)
        if verb is None:
            raise status_error(405, "the server does not allow this method on the requested resource")
        self._authorize(cluster, at, verb, user)
        if verb == "list":
            return _list(request, objects, at)
        if verb == "create":
            made = _create(await request.read(), objects, at)
            if at.resource == "pods":
                self._kubelet.take(cluster, objects, made)
            return answer(made.raw, 201)
        result = objects.get(at.group_version, at.resource, at.namespace or "", at.name or "")
        if result is None and at.resource == "namespaces" and at.name in objects.namespaces():
            result = _namespace(str(at.name))
        if result is None:
            raise status_error(404, f'{_plural(at)} "{at.name}" not found', at.resource, at.name)
        if verb == "delete":
            held = _marked(result, objects)
            if held is not None:
                return answer(held.raw)
            objects.delete(result)
            gone = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
            return answer(result.raw if at.resource == "pods" else gone)
        if table.is_wanted(request.headers.get("Accept", "")):
            return answer(table.table(at.resource, [result], {"resourceVersion": str(objects.version)}))
        return answer(result.raw)

    def _authorize(self, cluster: Cluster, at: Target, verb: str, user: str | None) -> None:
        """Azure RBAC for Kubernetes: only what is granted as a data action on the cluster, and not denied."""
        caller = self._clusters.tenant.caller()
        if user is None or user.lower() != caller.principal.lower():
            return
        group = at.group_version.split("/")[0] if "/" in at.group_version else ""
        named = f"{group}/{at.resource}" if group else at.resource
        ends = {"list": "read", "get": "read", "create": "write", "delete": "delete"}[verb]
        if rights.may(caller, f"{rights.PREFIX}{named}/{ends}", cluster.id, at.namespace):
            return
        where = f'in the namespace "{at.namespace}"' if at.namespace else "at the cluster scope"
        raise status_error(
            403,
            f'{_plural(at)} is forbidden: User "{user}" cannot {verb} resource "{at.resource}" in API group "{group}" '
            f"{where}: User does not have access to the resource in Azure. Update role assignment to allow access.",
            at.resource,
            at.name,
        )


def status_error(status: int, message: str, resource: str = "", name: str | None = None) -> Refusal:
    """A Kubernetes `Status` with the reason that belongs to the HTTP status."""
    body: dict[str, Any] = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": REASONS.get(status, ""),
        "code": status,
    }
    if resource:
        body["details"] = {"kind": resource} | ({"name": name} if name else {})
    return Refusal(status, body)


def _about_server(cluster: Cluster, rest: list[str]) -> dict[str, Any] | web.Response | None:
    """Discovery, version and health; None when the path is about objects."""
    if rest in (["healthz"], ["livez"], ["readyz"]):
        return web.Response(text="ok")
    if rest == ["version"]:
        return discovery.version_info(cluster.version)
    if rest == ["api"]:
        return discovery.api_versions()
    if rest == ["apis"]:
        return discovery.api_groups()
    if len(rest) == 2 and rest[0] == "api":
        return discovery.api_resources(rest[1])
    if len(rest) == 3 and rest[0] == "apis":
        return discovery.api_resources(f"{rest[1]}/{rest[2]}")
    return None


def _target(rest: list[str]) -> Target:
    """Raises 404 for what no API server of this kind has."""
    start = {"api": 2, "apis": 3}.get(rest[0] if rest else "", 0)
    if not start or len(rest) <= start:
        raise status_error(404, "the server could not find the requested resource")
    group_version = rest[1] if start == 2 else f"{rest[1]}/{rest[2]}"
    rest = rest[start:]
    namespace = None
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    known = discovery.kind_of(group_version, rest[0])
    if known is None or len(rest) > 2:
        raise status_error(404, "the server could not find the requested resource")
    return Target(group_version, namespace, rest[0], rest[1] if len(rest) > 1 else None, *known)


def _verb(method: str, at: Target) -> str | None:
    if at.name is None:
        return {"GET": "list", "POST": "create"}.get(method)
    return {"GET": "get", "DELETE": "delete"}.get(method)


def _marked(item: KubeObject, objects: ClusterObjects) -> KubeObject | None:
    """An object with finalizers is only marked: it goes when they are taken off. None for one without."""
    body = item.body()
    metadata = body["metadata"]
    if not metadata.get("finalizers"):
        return None
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    marks = {"deletionTimestamp": metadata.get("deletionTimestamp") or now, "deletionGracePeriodSeconds": 0}
    marked = kube_object({**body, "metadata": {**metadata, **marks}})
    assert marked is not None  # it was one before
    objects.put(marked)
    return marked


def _plural(at: Target) -> str:
    group = at.group_version.split("/")[0] if "/" in at.group_version else ""
    return f"{at.resource}.{group}" if group else at.resource


def _list(request: web.Request, objects: ClusterObjects, at: Target) -> web.Response:
    if request.query.get("watch") in ("true", "1"):
        raise status_error(405, "the simulator does not watch", at.resource)
    items = objects.listed(at.group_version, at.resource, at.namespace)
    if at.resource == "namespaces":
        known = {item.name for item in items}
        items = sorted(
            [*items, *(_namespace(name) for name in objects.namespaces() if name not in known)], key=lambda i: i.key
        )
    items, selected = _selected(request, items, at)
    items, metadata = _paged(request, items, selected, objects.version)
    if table.is_wanted(request.headers.get("Accept", "")):
        return answer(table.table(at.resource, items, metadata))
    tail = {"kind": f"{at.kind}List", "apiVersion": at.group_version, "metadata": metadata}
    return answer(joined([item.raw for item in items], tail, "items"))


def _selected(request: web.Request, items: list[KubeObject], at: Target) -> tuple[list[KubeObject], bool]:
    labels, fields = request.query.get("labelSelector", ""), request.query.get("fieldSelector", "")
    try:
        if labels:
            passes = label_test(labels)
            items = [item for item in items if passes(item.labels)]
        if fields:
            chosen = field_test(fields, at.resource)
            items = [item for item in items if chosen(item.body())]
    except SelectorError as error:
        raise status_error(400, str(error)) from error
    return items, bool(labels or fields)


def _paged(
    request: web.Request, items: list[KubeObject], selected: bool, version: int
) -> tuple[list[KubeObject], dict[str, Any]]:
    """The page after `continue`, at most `limit` long, with the list's metadata."""
    metadata: dict[str, Any] = {"resourceVersion": str(version)}
    token = request.query.get("continue")
    if token:
        after = _continue_after(token)
        items = [item for item in items if item.key > after]
    try:
        limit = int(request.query.get("limit") or 0)
    except ValueError as error:
        raise status_error(400, "limit must be a number") from error
    if limit <= 0 or len(items) <= limit:
        return items, metadata
    page = items[:limit]
    metadata["continue"] = _token(version, page[-1].key)
    if not selected:
        metadata["remainingItemCount"] = len(items) - limit
    return page, metadata


def _token(version: int, after: tuple[str, str]) -> str:
    state = msgspec.json.encode({"v": "meta.k8s.io/v1", "rv": version, "after": after})
    return base64.urlsafe_b64encode(state).decode()


def expired(token: str) -> dict[str, Any]:
    """The 410 for a continue token that is too old, with one by which the rest can be read as it is now (rv -1)."""
    body: dict[str, Any] = status_error(410, EXPIRED).body
    try:
        return body | {"metadata": {"continue": _token(-1, _continue_after(token))}}
    except Refusal:
        return body


def _continue_after(token: str) -> tuple[str, str]:
    try:
        namespace, name = msgspec.json.decode(base64.urlsafe_b64decode(token))["after"]
    except (ValueError, KeyError, TypeError, msgspec.MsgspecError) as error:
        raise status_error(400, f"continue key is not valid: {error}") from error
    return str(namespace), str(name)


def _create(data: bytes, objects: ClusterObjects, at: Target) -> KubeObject:
    try:
        body = msgspec.json.decode(data, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise status_error(400, f"the object provided is unrecognized: {error}") from error
    metadata = body.get("metadata")
    wanted = dict(metadata) if isinstance(metadata, dict) else {}
    if at.namespaced:
        wanted["namespace"] = at.namespace or "default"
        if wanted["namespace"] not in objects.namespaces():
            name = wanted["namespace"]
            raise status_error(404, f'namespaces "{name}" not found', "namespaces", name)
    if not wanted.get("name") and wanted.get("generateName"):
        wanted["name"] = f"{wanted['generateName']}{secrets.token_hex(3)[:5]}"
    wanted |= {
        "uid": str(uuid.uuid4()),
        "creationTimestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "resourceVersion": str(objects.next_version()),
    }
    made = {"kind": at.kind, "apiVersion": at.group_version, **body, "metadata": wanted}
    ending = admission.namespace_refusal(objects, wanted["namespace"]) if at.namespaced else ""
    if ending:
        raise _forbidden(at, str(wanted.get("name")), ending)
    if at.resource == "pods":
        _admit(made, objects, at)
        made["status"] = {"phase": "Pending", "qosClass": "BestEffort"}
    item = kube_object(made)
    if item is None:
        raise status_error(400, "name or generateName is required")
    if objects.get(item.group_version, item.resource, item.namespace, item.name) is not None:
        raise status_error(409, f'{_plural(at)} "{item.name}" already exists', at.resource, item.name)
    objects.put(item)
    return item


def _admit(pod: dict[str, Any], objects: ClusterObjects, at: Target) -> None:
    """Admission, then validation, in the server's order. Raises 403 and 422."""
    name = str(pod["metadata"].get("name"))
    try:
        admission.admit(pod, objects)
    except admission.Denied as denied:
        raise _forbidden(at, name, str(denied)) from denied
    wrong = validation.problems(pod)
    if wrong:
        listed = wrong[0] if len(wrong) == 1 else f"[{', '.join(wrong)}]"
        raise status_error(422, f'Pod "{name}" is invalid: {listed}', at.resource, name)


def _forbidden(at: Target, name: str, why: str) -> Refusal:
    return status_error(403, f'{_plural(at)} "{name}" is forbidden: {why}', at.resource, name)


def _namespace(name: str) -> KubeObject:
    body = {
        "kind": "Namespace",
        "apiVersion": "v1",
        "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}},
        "status": {"phase": "Active"},
    }
    item = kube_object(body)
    assert item is not None  # it has a kind and a name
    return item
