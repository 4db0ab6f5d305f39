"""Canary pulls: one restricted pod per node pool asks for images that cannot run, kubelet's answers are read.

Source: Kubernetes API reference (pods create, read, delete, events), Pod Security Standards (restricted). A pod never
outlives the look: it is deleted in any case, also when the look is cancelled; it ends by itself after its deadline; and
what a crashed run left behind is swept by its label.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Coroutine, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import msgspec
from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from checks.collect.arm import reads
from checks.collect.arm.client import Azure
from checks.collect.kubernetes import api as kubernetes
from checks.collect.kubernetes.canary_pod import LABELS, PodState, answered, failed_texts, pod
from checks.collect.kubernetes.kubeconfig import read as read_kubeconfig
from checks.collect.wire.errors import CollectError, NotAllowed, NotFound, Temporary, Unreachable, translate_errors
from checks.facts import Cluster, NotSeen, NotSeenReason, RegistryUse, Seen
from checks.facts.canary import Canaries, Canary, CanaryQuestion, CanaryReport
from checks.rules.pull import canaries

RBAC_WRITER = "Azure Kubernetes Service RBAC Writer"
FIRST_POLL, LONGEST_POLL = 0.1, 1.0  # seconds
LEFT_AFTER = timedelta(minutes=20)
AGAIN_AFTER = 12  # the part of a pod's time after which a doubtful failure is asked for again: 10 s of 120
MAX_ANSWER = 4 * 1024 * 1024
PODS_AT_ONCE = 8
# How an authorizer refuses ('pods is forbidden: User "x" cannot create resource "pods" …'); what else is forbidden, a
# quota, a limit range, Pod Security or a policy refused at admission.
_NO_ROLE = re.compile(r"\bcannot [a-z]{1,20} resource\b")
_ADMISSION = re.compile(r'(?i)\bpods "[^"]{1,253}" is forbidden: |\badmission webhook\b|\bdenied (?:the )?request\b')

Answers = dict[str, CanaryReport | NotSeen]


async def of_cluster(azure: Azure, cluster: Cluster, uses: Iterable[RegistryUse]) -> Canaries | NotSeen:
    """Asks every node pool for every registry in use; what could not be asked says why."""
    gap = kubernetes.not_to_be_looked_at(cluster)
    if gap is not None:
        return gap
    real = azure.settings.canary_image
    wanted, empty, passed_over = canaries.plan_canaries(cluster, uses, secrets.token_hex(6), real)
    if not wanted:
        return Canaries(empty_pools=empty, passed_over=passed_over)
    try:
        kubeconfig = read_kubeconfig(await reads.user_kubeconfig(azure, cluster))
        if not kubeconfig.exec_plugin and not azure.settings.allow_local_accounts:
            return kubernetes.local_accounts_off()
        async with kubernetes.open_api(azure, cluster, kubeconfig) as api:
            run = _Run(azure, cluster, api)
            await run.sweep()
            items = await run.ask(wanted)
    except CollectError as error:
        return error.as_gap()
    return Canaries(
        canaries=items, empty_pools=empty, left=tuple(run.left), left_why=run.left_why, passed_over=passed_over
    )


class _Run:
    """One look's canaries in one cluster."""

    def __init__(self, azure: Azure, cluster: Cluster, api: client.CoreV1Api) -> None:
        self._azure = azure
        self._cluster = cluster
        self._api: Any = api
        self._namespace = azure.settings.canary_namespace
        self._scope = f"{cluster.id}/namespaces/{self._namespace}"
        self.left: list[str] = []
        self.left_why: NotSeen | None = None

    async def ask(self, wanted: tuple[CanaryQuestion, ...]) -> tuple[Canary, ...]:
        """All questions, the pools side by side. Raises CollectError only where no pod may be made at all."""
        by_pool: dict[str, list[CanaryQuestion]] = {}
        for ask in wanted:
            by_pool.setdefault(ask.pool, []).append(ask)
        slots = asyncio.Semaphore(PODS_AT_ONCE)

        async def bounded(pool: str, listed: list[CanaryQuestion]) -> list[Canary]:
            async with slots:
                return await self._pool(pool, listed)

        # A group, not gather: where one ends early, the others have deleted their pods before this returns.
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(bounded(pool, listed)) for pool, listed in by_pool.items()]
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from several
        return tuple(canary for task in tasks for canary in task.result())

    async def _pool(self, pool: str, listed: list[CanaryQuestion]) -> list[Canary]:
        """One pool's answers. Failures that may be gone a moment later are asked for once more, by another pod."""
        names = {f"ask-{index}": ask for index, ask in enumerate(listed)}
        items = await self._by_one_pod(pool, names)
        doubtful = {
            container: ask
            for container, ask in names.items()
            if isinstance(result := items[container].result, Seen) and canaries.is_transient(ask, result.value)
        }
        if doubtful:
            await asyncio.sleep(self._seconds / AGAIN_AFTER)
            again = await self._by_one_pod(pool, doubtful)
            items |= {container: canary for container, canary in again.items() if isinstance(canary.result, Seen)}
        return list(items.values())

    async def _by_one_pod(self, pool: str, names: dict[str, CanaryQuestion]) -> dict[str, Canary]:
        name = f"{canaries.POD_PREFIX}{pool}-{secrets.token_hex(4)}"
        source = f"canary pod {self._namespace}/{name} on the pool {pool}"
        try:
            answers = await self._asked(name, pool, names)
        except CollectError as error:
            answers = dict.fromkeys(names, error.as_gap())
        return {container: _canary(ask, answers[container], source) for container, ask in names.items()}

    async def _asked(self, name: str, pool: str, names: dict[str, CanaryQuestion]) -> Answers:
        profile = next((p for p in self._cluster.pools if p.name == pool), None)
        windows = profile is not None and (profile.os_type or "").lower() == "windows"
        images = {container: ask.image for container, ask in names.items()}
        body = pod(name, self._namespace, pool, images, windows=windows, seconds=self._seconds + 60)
        refused: CollectError | None = None
        try:
            refused = await self._create(body)
            if refused is None:
                return await self._answers(name, tuple(names))
        finally:
            if refused is None:  # also where no answer came: the pod may be there
                await to_the_end(self._delete(name))
        raise refused

    async def _create(self, body: dict[str, Any]) -> CollectError | None:
        """Why the API server made no pod; None: it made it. Raises CollectError where that is not known."""
        call = self._api.create_namespaced_pod_without_preload_content
        status, raw = await self._call("create a canary pod", call, self._namespace, body)
        if status in (200, 201, 202):
            return None
        error = self._refused(status, raw, "create a canary pod")
        if 400 <= status < 500:
            return error
        raise error

    async def _answers(self, name: str, containers: tuple[str, ...]) -> Answers:
        """Reads the pod until each container has an answer, or the time is up."""
        state, pause = PodState(), FIRST_POLL
        loop = asyncio.get_running_loop()
        end = loop.time() + self._seconds
        while loop.time() < end:
            state = await self._state(name)
            if state.unschedulable:
                gap = NotSeen(
                    NotSeenReason.NOT_FOUND, f"no node takes the pod: {state.unschedulable}", "a node that takes a pod"
                )
                return dict.fromkeys(containers, gap)
            if all(answered(state, container) for container in containers):
                break
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_POLL)
        late = NotSeen(
            NotSeenReason.NOT_FOUND, f"kubelet reported nothing within {self._seconds} s", "an answer in time"
        )
        reports = {container: answered(state, container) for container in containers}
        if any(report is not None and not report.pulled and not report.text for report in reports.values()):
            reports = await self._with_events(name, reports)
        return {container: report if report is not None else late for container, report in reports.items()}

    async def _state(self, name: str) -> PodState:
        call = self._api.read_namespaced_pod_without_preload_content
        status, raw = await self._call("read a canary pod", call, quote(name, safe=""), self._namespace)
        if status != 200:
            raise self._refused(status, raw, "read a canary pod")
        return PodState.of(raw)

    async def _with_events(self, name: str, reports: dict[str, CanaryReport | None]) -> dict[str, CanaryReport | None]:
        """Older kubelets' status tells only of back-off; then the pod's events have the text."""
        call = self._api.list_namespaced_event_without_preload_content
        selector = f"involvedObject.kind=Pod,involvedObject.name={name}"
        status, raw = await self._call("read events", call, self._namespace, field_selector=selector, limit=200)
        if status != 200:
            return reports
        texts = failed_texts(raw)
        return {
            container: msgspec.structs.replace(report, text=report.text or texts.get(container, ""))
            if report is not None and not report.pulled
            else report
            for container, report in reports.items()
        }

    async def sweep(self) -> None:
        """Deletes what earlier runs left behind. That it may not list pods is reported when it may not make them.

        Raises Unreachable: then there is nobody to ask, and no pod that could be left behind.
        """
        call = self._api.list_namespaced_pod_without_preload_content
        selector = ",".join(f"{label}={value}" for label, value in LABELS.items())
        try:
            status, raw = await self._call(
                "list canary pods", call, self._namespace, label_selector=selector, limit=500
            )
        except Unreachable:
            raise
        except CollectError:
            return
        if status != 200:
            return
        before = datetime.now(UTC) - LEFT_AFTER
        for name in PodState.older_than(raw, before):
            await self._delete(name)

    async def _delete(self, name: str) -> None:
        """A pod that could not be deleted is remembered, never silently left."""
        call = self._api.delete_namespaced_pod_without_preload_content
        options = {"grace_period_seconds": 0}
        try:
            status, raw = await self._call(
                "delete a canary pod", call, quote(name, safe=""), self._namespace, **options
            )
            if status not in (200, 202, 404):
                raise self._refused(status, raw, "delete a canary pod")
        except CollectError as error:
            self.left.append(f"{self._namespace}/{name}")
            self.left_why = error.as_gap()

    async def _call(self, what: str, call: Any, *arguments: Any, **options: Any) -> tuple[int, bytes]:
        seconds = float(self._azure.settings.call_seconds)
        try:
            async with translate_errors(what, RBAC_WRITER, self._scope, seconds):
                response = await call(*arguments, **options, _request_timeout=seconds)
                async with response:
                    raw = await response.content.read(MAX_ANSWER)
                    while not response.content.at_eof() and len(raw) < MAX_ANSWER:
                        raw += await response.content.read(MAX_ANSWER - len(raw))
                    return int(response.status), raw
        except ApiException as error:
            return int(error.status or 0), str(error.body or error.reason or "").encode()

    def _refused(self, status: int, raw: bytes, what: str) -> CollectError:
        """Permission, admission, or a namespace that is not there: each is cured by something else."""
        message = PodState.message_of(raw)
        detail = f"{what}: the Kubernetes API answered {status}: {message}"
        admission = _ADMISSION.search(message) and not _NO_ROLE.search(message)
        if status == 401 or (status == 403 and not admission):
            return NotAllowed(detail, RBAC_WRITER, self._scope)
        if status in (400, 403, 422):
            return _Elsewhere(f"{detail}. Name another namespace in PULLWATCH_CANARY_NAMESPACE.")
        if status == 404 and "create" in what:
            return _Elsewhere(f"{detail}. PULLWATCH_CANARY_NAMESPACE names the namespace.")
        return NotFound(detail) if status == 404 else Temporary(detail)

    @property
    def _seconds(self) -> int:
        return self._azure.settings.canary_seconds


class _Elsewhere(CollectError):
    """The namespace does not take the pod; another one might."""

    def as_gap(self) -> NotSeen:
        """The fact, with the setting that cures it."""
        return NotSeen(NotSeenReason.ERROR, str(self), "PULLWATCH_CANARY_NAMESPACE")


def _canary(ask: CanaryQuestion, answer: CanaryReport | NotSeen, source: str) -> Canary:
    if isinstance(answer, NotSeen):
        return Canary(ask, answer)
    return Canary(ask, Seen(answer, reads.evidence("canary pull", source, "v1")))


async def to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Awaits work to its end even where this task is cancelled meanwhile; the cancellation goes on afterwards."""
    task: asyncio.Task[None] = asyncio.ensure_future(work)
    cancelled = False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            cancelled = True
    task.result()
    if cancelled:
        raise asyncio.CancelledError
