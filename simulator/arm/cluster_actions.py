"""Actions on clusters: credentials (as kubeconfigs) and Run Command."""

from __future__ import annotations

import base64
import secrets
import time
from dataclasses import dataclass
from typing import Any

import msgspec
import yaml
from aiohttp import web

from simulator.arm.request import ArmRequest
from simulator.entra.tokens import AKS_SERVER, TokenError, Tokens
from simulator.kubernetes.clusters import Cluster, Clusters
from simulator.kubernetes.kubeconfig import client_kubeconfig, exec_kubeconfig, legacy_kubeconfig
from simulator.kubernetes.run_command import NAMESPACE, Forbids, Outcome, pod_failed, run
from simulator.responses import Refusal, answer, arm_refusal

RUNNING_SECONDS = 0.5
# The kind of the Gatekeeper constraint by which Azure Policy allows images by their registry.
IMAGE_POLICY = "K8sAzureCustomContainerAllowedImages".lower()
BLOCKED = (
    "Run command is blocked by external resource: an Azure Policy assigned to this cluster denies its pod. See the "
    "constraints of kind k8sazurecustomcontainerallowedimages and their annotation azure-policy-assignment-id."
)


@dataclass(frozen=True, slots=True)
class _Started:
    cluster: str
    started: float
    outcome: Outcome


class ArmClusters:
    """POST actions below a managed cluster. Errors are in the provider's own shape, without ARM's `error` around it."""

    def __init__(self, clusters: Clusters, tokens: Tokens) -> None:
        self._clusters = clusters
        self._tokens = tokens
        self._commands: dict[str, _Started] = {}

    def act(self, request: ArmRequest, cluster: Cluster, action: str) -> web.Response | None:
        """None when the action is not one of these. `action` is in lower case."""
        if action in ("listclusterusercredential", "listclustermonitoringusercredential"):
            name = "clusterUser" if action == "listclusterusercredential" else "clusterMonitoringUser"
            return self._credentials(name, self._user_kubeconfig(request, cluster, name))
        if action == "listclusteradmincredential":
            if not cluster.local_accounts:
                raise _refusal(
                    400,
                    "BadRequest",
                    "Getting static credential isn't allowed because this cluster is set to disable local accounts.",
                )
            return self._credentials("clusterAdmin", client_kubeconfig(self._clusters, cluster, "clusterAdmin"))
        if action == "runcommand":
            return self._run(request, cluster)
        return None

    def command_result(self, request: ArmRequest, cluster: Cluster, identity: str) -> web.Response:
        """202 while it runs, then 200 with exit code and logs."""
        known = self._commands.get(identity)
        if known is None or known.cluster != cluster.key:
            raise _refusal(404, "NotFound", f"Could not find the command result {identity}.")
        if time.monotonic() - known.started < RUNNING_SECONDS:
            return answer({"id": identity, "properties": {"provisioningState": "Running"}}, 202, self._later(request))
        result = known.outcome
        if result.reason:
            return answer({"id": identity, "properties": {"provisioningState": result.state, "reason": result.reason}})
        properties: dict[str, Any] = {
            "provisioningState": result.state,
            "exitCode": result.exit_code,
            "startedAt": result.started,
            "finishedAt": result.finished,
            "logs": result.logs,
        }
        return answer({"id": identity, "properties": properties})

    def _user_kubeconfig(self, request: ArmRequest, cluster: Cluster, user: str) -> dict[str, Any]:
        wanted = request.query.get("format", "exec").lower()
        if wanted not in ("exec", "azure"):
            raise _refusal(400, "BadRequest", f"The format '{wanted}' is not supported.")
        if not cluster.entra:
            return client_kubeconfig(self._clusters, cluster, user)
        make = exec_kubeconfig if wanted == "exec" else legacy_kubeconfig
        return make(self._clusters, cluster, user, request.caller.tenant)

    def _credentials(self, name: str, kubeconfig: dict[str, Any]) -> web.Response:
        value = base64.b64encode(yaml.safe_dump(kubeconfig, sort_keys=False).encode()).decode()
        return answer({"kubeconfigs": [{"name": name, "value": value}]})

    def _run(self, request: ArmRequest, cluster: Cluster) -> web.Response:
        if not cluster.run_command:
            raise _refusal(400, "BadRequest", "Run command is disabled on this cluster.")
        if not cluster.running:
            raise _refusal(400, "OperationNotAllowed", "Run command is not available because the cluster is stopped.")
        self._check_policy(cluster)
        try:
            document = msgspec.json.decode(request.body, type=dict[str, Any])
        except msgspec.MsgspecError as error:
            raise arm_refusal(400, "InvalidRequestContent", f"The request content was invalid: {error}") from error
        user = self._check_cluster_token(cluster, document.get("clusterToken"))
        identity = secrets.token_hex(16)
        command, objects = str(document.get("command", "")), self._clusters.objects(cluster)
        # The service's pod pulls its image from mcr.microsoft.com, which nodes without a way out do not reach.
        outcome = run(command, objects, identity, self._forbids(cluster, user)) if cluster.outbound else _no_image()
        self._commands[identity] = _Started(cluster.key, time.monotonic(), outcome)
        path = f"{request.path.scope}/providers/Microsoft.ContainerService/managedclusters/{cluster.name}"
        location = f"{request.base}{path}/commandResults/{identity}?api-version={request.version}"
        return web.Response(status=202, headers={"Location": location, "Retry-After": "1"})

    def _check_cluster_token(self, cluster: Cluster, token: Any) -> str:
        """The caller's object id in the cluster; "" on a cluster without Entra ID, where it is an administrator."""
        if not cluster.entra:
            return ""
        try:
            return str(self._tokens.read(str(token or "."), [AKS_SERVER]).get("oid", ""))
        except TokenError as error:
            message = "clusterToken is required and must be a token for the AKS server application on this cluster."
            raise _refusal(400, "BadRequest", message) from error

    def _check_policy(self, cluster: Cluster) -> None:
        """A Gatekeeper constraint on images that denies keeps the service's pod out, unless it spares its namespace."""
        objects = self._clusters.objects(cluster)
        for version, resource in objects.kinds():
            if not resource.startswith(IMAGE_POLICY):
                continue
            for constraint in objects.listed(version, resource):
                spec = constraint.body().get("spec")
                table = spec if isinstance(spec, dict) else {}
                match = table.get("match")
                spared = match.get("excludedNamespaces") if isinstance(match, dict) else None
                if table.get("enforcementAction", "deny") == "deny" and NAMESPACE not in (spared or ()):
                    raise _refusal(400, "RunCommandBlockedByAzurePolicy", BLOCKED, "PodCreateBlockedByAzurePolicy")

    def _forbids(self, cluster: Cluster, user: str) -> Forbids:
        """Azure RBAC for Kubernetes: what caller.json denies as a data action on the cluster."""
        caller = self._clusters.tenant.caller()

        def forbids(resource: str) -> str:
            action = f"Microsoft.ContainerService/managedClusters/{resource}/read"
            if (
                not user
                or user.lower() != caller.principal.lower()
                or not caller.is_denied(action, cluster.id, data=True)
            ):
                return ""
            return (
                f'{resource} is forbidden: User "{user}" cannot list resource "{resource}" in API group "" at the '
                "cluster scope: User does not have access to the resource in Azure. Update role assignment to allow "
                "access."
            )

        return forbids

    def _later(self, request: ArmRequest) -> dict[str, str]:
        return {"Location": f"{request.base}{request.path.text}?api-version={request.version}", "Retry-After": "1"}


def _refusal(status: int, code: str, message: str, subcode: str = "") -> Refusal:
    return Refusal(status, {"code": code, "details": None, "message": message, "subcode": subcode})


def _no_image() -> Outcome:
    return pod_failed("ImagePullBackoff")
