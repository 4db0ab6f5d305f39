"""Run Command: the pods of a cluster whose API server is out of reach, read through Azure Resource Manager.

Off unless PULLWATCH_ALLOW_RUN_COMMAND is on: AKS makes a pod for every command, in the cluster's namespace aks-command,
and removes it afterwards. Source: REST API "Managed Clusters - Run Command" (202 and a Location until the result is
there) and "Access a private AKS cluster using the command invoke": 512 kB of output at most, 60 s to be scheduled. The
command acts with the rights of the clusterToken's identity; on clusters without Entra ID it is an administrator.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urljoin

import msgspec
from azure.core.rest import AsyncHttpResponse, HttpRequest

from checks.collect.arm import bodies, reads
from checks.collect.arm.client import Azure
from checks.collect.kubernetes import run_command_output as output
from checks.collect.wire.errors import CollectError, NotAllowed, NotFound, Temporary, Unreachable, translate_errors
from checks.facts import Cluster, NotSeen, NotSeenReason, PodEvent, Seen, Workloads
from checks.retry_after import asked_seconds
from checks.rules.fixes import az_aks, az_roles

SETTING = "PULLWATCH_ALLOW_RUN_COMMAND=true"
RIGHTS = (
    "Microsoft.ContainerService/managedClusters/runcommand/action",
    "Microsoft.ContainerService/managedClusters/commandResults/read",
)
READER = "Azure Kubernetes Service RBAC Reader"
POLICY = "RunCommandBlockedByAzurePolicy"
FIRST_WAIT, LONGEST_WAIT = 1.0, 15.0
RESERVE = 1.0  # seconds kept back, so that what was read is handed on before the cluster's own deadline
CUT = "Run Command's output was cut off (it takes 512 kB)"
Token = Callable[[], Awaitable[str]] | None


class Refused(CollectError):
    """Run Command itself is kept from running: ``missing`` names the setting to change, ``fix`` how."""

    why = NotSeenReason.UNREACHABLE

    def __init__(self, detail: str, missing: str, fix: tuple[str, ...]) -> None:
        super().__init__(detail)
        self.missing = missing
        self.fix = fix

    def as_gap(self) -> NotSeen:
        """The fact that this was not seen, with what would let it be."""
        return NotSeen(self.why, str(self), self.missing, self.fix)


async def instead(
    azure: Azure, cluster: Cluster, token: Token, unreachable: Unreachable, until: float
) -> Seen[Workloads] | NotSeen:
    """The workloads of a cluster whose API server was ``unreachable``; or why they could not be read this way either.

    ``token`` gets the clusterToken (None on clusters without Entra ID), ``until`` is the event loop's time to end by.
    """
    gap = unreachable.as_gap()
    if cluster.run_command_disabled:
        return _also(gap, _disabled(cluster).as_gap()) if azure.settings.allow_run_command else gap
    if not azure.settings.allow_run_command:
        hint = f"{gap.detail}; {SETTING} lets Run Command read it, which makes a pod in its namespace aks-command"
        return NotSeen(gap.why, hint, f"a network path to the cluster's API server, or {SETTING}", gap.fix)
    try:
        return await _Reading(azure, cluster, token, until).workloads(gap)
    except CollectError as error:
        return _also(gap, error.as_gap())


def _also(gap: NotSeen, second: NotSeen) -> NotSeen:
    return msgspec.structs.replace(second, detail=f"{gap.detail}; by Run Command: {second.detail}")


def _disabled(cluster: Cluster) -> Refused:
    detail = "it is disabled on the cluster (apiServerAccessProfile.disableRunCommand)"
    return Refused(detail, "Run Command enabled on the cluster", (az_aks.enable_run_command(cluster),))


def _blocked(cluster: Cluster) -> Refused:
    detail = (
        f"an Azure Policy on the cluster keeps its pod out ({POLICY}); the policy's assignment has to exclude the "
        f"namespace {output.NAMESPACE}"
    )
    missing = f"a policy assignment that excludes the namespace {output.NAMESPACE}"
    return Refused(detail, missing, (az_roles.list_policy_assignments(cluster),))


class _Reading:
    """One cluster's reading: two commands, one after the other, each with what is left of the time."""

    def __init__(self, azure: Azure, cluster: Cluster, token: Token, until: float) -> None:
        self._azure = azure
        self._cluster = cluster
        self._token = token
        self._until = until - RESERVE

    async def workloads(self, gap: NotSeen) -> Seen[Workloads]:
        """Pods and events. Raises CollectError where the pods could not be read.

        Of more pods than an answer takes, those that were not started yet are asked for besides: among them are most
        that wait for their image.
        """
        pods, error_line = await self._pods(), ""
        if not pods.whole:
            pods, error_line = await self._with_pending(pods)
        workloads = Workloads(
            containers=pods.containers,
            events=await self._events(),
            pods=pods.pods,
            unreadable=pods.unreadable,
            read_through=f"by Run Command, because the API server is out of reach ({gap.detail})",
        )
        partial = "" if pods.whole else f"{CUT}: {pods.pods} pods were read, not all; {error_line}"
        return Seen(workloads, self._evidence("pods and events"), partial)

    async def _pods(self, phase: str = "") -> output.Pods:
        nonce = _nonce()
        pods = output.read_pods(await self._run(output.pods_command(nonce, phase), nonce), nonce)
        if pods is None:
            raise Temporary("Run Command's output is not what kubectl was asked for")
        return pods

    async def _with_pending(self, pods: output.Pods) -> tuple[output.Pods, str]:
        """Pods with those of phase Pending, and what is to be said of these."""
        try:
            pending = await self._pods("Pending")
        except CollectError as error:
            return pods, f"those of phase Pending could not be asked for besides: {error}"
        error_line = "all of phase Pending are among them" if pending.whole else "not even all of phase Pending"
        return output.with_others(pods, pending), error_line

    async def _events(self) -> Seen[tuple[PodEvent, ...]] | NotSeen:
        nonce = _nonce()
        try:
            events = output.read_events(await self._run(output.events_command(nonce), nonce), nonce)
        except CollectError as error:
            return error.as_gap()
        if events is None:
            return NotSeen(NotSeenReason.ERROR, "Run Command's output is not what kubectl was asked for")
        notes = [f"{events.unreadable} events could not be read"] if events.unreadable else []
        notes += [] if events.whole else [f"{CUT}: {len(events.events)} events were read, not all"]
        return Seen(events.events, self._evidence("events"), "; ".join(notes))

    def _evidence(self, what: str) -> Any:
        return reads.evidence(what, f"Run Command on {self._cluster.id} (kubectl)", reads.CLUSTERS_API)

    async def _run(self, command: str, nonce: str) -> str:
        """The command's output. Raises CollectError."""
        seconds = self._until - asyncio.get_running_loop().time()
        if seconds <= 0:
            raise Unreachable("no time was left for Run Command (PULLWATCH_CLUSTER_SECONDS)")
        try:
            async with asyncio.timeout(seconds):
                return self._output(await self._result(command), nonce)
        except TimeoutError:
            raise Unreachable(f"Run Command gave no result within {seconds:.0f} s") from None

    async def _result(self, command: str) -> Any:
        """The ``properties`` of the command's result, asked for until it is there."""
        body = {"command": command}
        if self._token is not None:
            body["clusterToken"] = await self._token()
        scope = f"{self._azure.settings.arm}{quote(self._cluster.id)}/runCommand?api-version={reads.CLUSTERS_API}"
        # Not tried again by itself: every POST that arrives makes a pod.
        response = await self._send(HttpRequest("POST", scope, json=body), retry_total=0)
        location, wait = "", FIRST_WAIT
        while True:
            properties = bodies.get(_body(response), "properties") if response.status_code == 200 else None
            if (bodies.text(properties, "provisioningState") or "").lower() in ("succeeded", "failed", "canceled"):
                return properties
            location = response.headers.get("Location") or location
            if not location:
                raise Temporary("Run Command was accepted without a Location to ask for its result")
            wait = _wait(response, wait)
            await asyncio.sleep(wait)
            response = await self._send(HttpRequest("GET", urljoin(scope, location)))

    async def _send(self, request: HttpRequest, **options: Any) -> AsyncHttpResponse:
        """One request's 2xx answer. Raises CollectError."""
        right = RIGHTS[0] if request.method == "POST" else RIGHTS[1]
        async with translate_errors("Run Command", right, self._cluster.id, self._azure.settings.call_seconds):
            response: AsyncHttpResponse = await self._azure.raw().send_request(request, **options)
            if response.status_code < 300:
                return response
            raise self._refusal(response)

    def _refusal(self, response: AsyncHttpResponse) -> CollectError:
        """What an error answer means. AKS sends its own errors bare, Azure Resource Manager within ``error``."""
        body = _body(response)
        error = bodies.get(body, "error") if isinstance(bodies.get(body, "error"), dict) else body
        code, message = bodies.text(error, "code") or "", bodies.text(error, "message") or ""
        detail = f"Run Command: HTTP {response.status_code} {code}: {message}"
        if code == POLICY:
            return _blocked(self._cluster)
        if response.status_code == 400 and "disabled" in message.lower():
            return _disabled(self._cluster)
        if response.status_code in (401, 403):
            role = f"{' and '.join(RIGHTS)} on the cluster, and {READER} in it"
            return NotAllowed(detail, role, self._cluster.id, az_roles.grant_run_command(self._cluster))
        if response.status_code == 404:
            return NotFound(detail)
        return Temporary(detail, (_asked(response) or 0.0) if response.status_code == 429 else None)

    def _output(self, properties: Any, nonce: str) -> str:
        """The logs of a command that ended well. Raises CollectError for one that did not."""
        state, code = bodies.text(properties, "provisioningState") or "", bodies.get(properties, "exitCode")
        reason, logs = bodies.text(properties, "reason") or "", bodies.get(properties, "logs")
        if POLICY in reason:
            raise _blocked(self._cluster)
        if state.lower() != "succeeded":
            image = " (its own image comes from mcr.microsoft.com)" if "imagepull" in reason.lower() else ""
            raise Temporary(f"Run Command's pod did not run: {state}, {reason or 'no reason given'}{image}")
        if code != 0 or not isinstance(logs, str):
            raise self._failed(code, logs if isinstance(logs, str) else "", nonce)
        return logs

    def _failed(self, code: Any, logs: str, nonce: str) -> CollectError:
        """A command that ended badly. What follows the nonce may be a pod's words and is not looked at."""
        notes = logs.split(nonce)[0].strip()
        error_line = next(
            (line for line in notes.splitlines() if re.match(r"(?i)error", line)), notes.partition("\n")[0]
        )
        detail = f"kubectl ended with exit code {code}: {error_line or 'no output'}"
        if "(Forbidden)" in error_line or "(Unauthorized)" in error_line:
            return NotAllowed(detail, READER, self._cluster.id)
        return Temporary(detail)


def _nonce() -> str:
    """48 random bits in eight characters that mean nothing to a shell: short, for it is in the output many times."""
    return secrets.token_urlsafe(6).replace("-", "x").replace("_", "y")


def _body(response: AsyncHttpResponse) -> Any:
    try:
        return msgspec.json.decode(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _asked(response: AsyncHttpResponse) -> float | None:
    return asked_seconds(response.headers.get("Retry-After", ""), datetime.now(UTC))


def _wait(response: AsyncHttpResponse, last: float) -> float:
    """Seconds until the result is asked for again: what the answer says, bounded; else a little longer each time."""
    asked = _asked(response)
    return min(last * 1.5 if asked is None else asked, LONGEST_WAIT)
