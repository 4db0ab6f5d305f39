"""Canary pulls: one restricted pod per node pool asks for images that cannot run, kubelet's answers are read.

Source: Kubernetes API reference (pods create, read, delete, events), Pod Security Standards (restricted). A pod is put
on a node by name, so that nothing is scheduled or evicted. It never outlives the look: it is deleted in any case, also
when the look is cancelled; its name is kept before it is made, so that a later sweep finds what a process that died
left behind; and the cluster ends it after its deadline.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Coroutine, Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from checks.collect.arm import reads
from checks.collect.arm.client import Azure
from checks.collect.kubernetes import api as kubernetes
from checks.collect.kubernetes import canary_pod
from checks.collect.kubernetes.calls import KubernetesApi
from checks.collect.kubernetes.canary_api import CanaryApi, Refused
from checks.collect.kubernetes.canary_pod import PodState, answered
from checks.collect.kubernetes.canary_records import CanaryPod, CanaryRecords
from checks.collect.kubernetes.kubeconfig import of_cluster as kubeconfig_of
from checks.collect.wire.errors import CollectError, NotAllowed, Temporary, Unreachable
from checks.facts import Cluster, NotSeen, NotSeenReason, RegistryUse, Seen, Workloads
from checks.facts.canary import Canaries, Canary, CanaryNode, CanaryQuestion, CanaryRefusal, CanaryReport, RefusedBy
from checks.rules.pull import canaries, canary_nodes, canary_refusals

LOG = logging.getLogger(__name__)
FIRST_POLL, LONGEST_POLL = 0.1, 1.0  # seconds
AGAIN_AFTER = 12  # the part of a pod's time after which a doubtful failure is asked for again: 10 s of 120
PODS_AT_ONCE = 8
MAX_SWEPT = 20  # pods of earlier looks; the next look deletes more
BEYOND = 60  # seconds that the cluster leaves a pod after its time is up, if nobody deletes it
# A quota's count goes down a moment after a pod was deleted: the controller manager counts, not the API server.
QUOTA_SECONDS, QUOTA_PAUSE = 10.0, 1.0

Answers = dict[str, CanaryReport | NotSeen]


async def of_cluster(
    azure: Azure,
    cluster: Cluster,
    uses: Iterable[RegistryUse],
    workloads: Seen[Workloads] | NotSeen,
    records: CanaryRecords,
) -> Canaries | NotSeen:
    """Asks every node pool for every registry in use; what could not be asked says why."""
    gap = kubernetes.not_to_be_looked_at(cluster)
    if gap is not None:
        return gap
    real = azure.settings.canary_image
    wanted, empty, passed_over = canaries.plan_canaries(cluster, uses, secrets.token_hex(6), real)
    if not wanted:
        return Canaries(empty_pools=empty, passed_over=passed_over)
    try:
        kubeconfig = await kubeconfig_of(azure, cluster)
        if not kubeconfig.exec_plugin and not azure.settings.allow_local_accounts:
            return kubernetes.local_accounts_off()
        async with kubernetes.open_api(azure, cluster, kubeconfig) as api:
            run = _Run(azure, cluster, api, workloads, records)
            items = await run.look(wanted)
    except CollectError as error:
        return error.as_gap()
    return Canaries(
        canaries=items,
        empty_pools=empty,
        left=tuple(run.left),
        left_why=run.left_why,
        held=tuple(run.held),
        finalizers=tuple(sorted(run.finalizers)),
        uncertain=tuple(run.uncertain),
        passed_over=passed_over,
    )


async def delete_recorded(azure: Azure, pods: Iterable[CanaryPod]) -> dict[CanaryPod, str]:
    """Deletes pods of one cluster that earlier looks left; those that are still there, with why.

    Raises CollectError where nothing can be asked of the cluster, NotFound where the cluster itself is gone.
    """
    listed = tuple(pods)
    cluster = await reads.cluster(azure, listed[0].cluster)
    kubeconfig = await kubeconfig_of(azure, cluster)
    if not kubeconfig.exec_plugin and not azure.settings.allow_local_accounts:
        raise Temporary(kubernetes.local_accounts_off().detail)
    left: dict[CanaryPod, str] = {}
    async with kubernetes.open_api(azure, cluster, kubeconfig) as api:
        for pod in listed:
            try:
                held = (await CanaryApi(azure, cluster, api, pod.namespace).delete(pod.name)).held
            except CollectError as error:
                left[pod] = str(error)
            else:
                left |= {pod: f"finalizers keep it: {', '.join(held.finalizers)}"} if held is not None else {}
    return left


class _Pod(msgspec.Struct, frozen=True):
    """A pod that is to be made: its pool and node, and the questions by container."""

    name: str
    pool: str
    node: str
    asks: dict[str, CanaryQuestion]


class _Run:
    """One look's canaries in one cluster."""

    def __init__(
        self,
        azure: Azure,
        cluster: Cluster,
        api: KubernetesApi,
        workloads: Seen[Workloads] | NotSeen,
        records: CanaryRecords,
    ) -> None:
        self._settings = azure.settings
        self._cluster = cluster
        self._workloads = workloads
        self._records = records
        self._namespace = azure.settings.canary_namespace
        self._api = CanaryApi(azure, cluster, api, self._namespace)
        self._nodes_gap: NotSeen | None = None
        self._deleted = False
        self.left: list[str] = []
        self.left_why: NotSeen | None = None
        self.held: list[str] = []
        self.finalizers: set[str] = set()
        self.uncertain: list[str] = []

    async def look(self, wanted: tuple[CanaryQuestion, ...]) -> tuple[Canary, ...]:
        """Sweeps and asks. Where the look is cancelled nobody reads its report: what is left is logged."""
        try:
            await self._sweep()
            if self.held:
                return tuple(Canary(ask, self._none_is_made()) for ask in wanted)
            return await self._ask(wanted)
        except asyncio.CancelledError:
            for pod in (*self.left, *self.held):
                LOG.error("canary pod %s of %s was left behind", pod, self._cluster.id)
            for pod in self.uncertain:
                LOG.error("canary pod %s of %s may still be made: its creation was not answered", pod, self._cluster.id)
            raise

    def _none_is_made(self) -> NotSeen:
        """Whoever holds pods that Pullwatch deleted would hold the next ones too: looks would pile them up."""
        names = ", ".join(sorted(self.finalizers))[:200]
        pods = "1 canary pod" if len(self.held) == 1 else f"{len(self.held)} canary pods"
        detail = f"finalizers ({names}) still hold {pods} of earlier looks, so no more are made"
        return NotSeen(NotSeenReason.ERROR, detail, "what takes these finalizers away")

    async def _ask(self, wanted: tuple[CanaryQuestion, ...]) -> tuple[Canary, ...]:
        """All questions. Raises CollectError only where no pod may be made at all.

        The pools are asked side by side, under a quota one after the other: their pods would refuse each other.
        """
        by_pool: dict[str, list[CanaryQuestion]] = {}
        for ask in wanted:
            by_pool.setdefault(ask.pool, []).append(ask)
        slots = asyncio.Semaphore(1 if await self._has_quota() else PODS_AT_ONCE)

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

    async def _has_quota(self) -> bool:
        """Whether the namespace has a quota; where that may not be read, it may."""
        raw = await self._api.list_quotas()
        return raw is None or canary_pod.has_items(raw)

    async def _pool(self, pool: str, listed: list[CanaryQuestion]) -> list[Canary]:
        """One pool's answers. Failures that may be gone a moment later are asked for once more, by another pod."""
        node = await self._node(pool)
        if isinstance(node, NotSeen):
            refusal = CanaryRefusal(RefusedBy.PULLWATCH, node.role or "", node.detail)
            return [Canary(ask, node, refusal) for ask in listed]
        asks = {f"ask-{index}": ask for index, ask in enumerate(listed)}
        items = await self._by_one_pod(pool, node, asks)
        doubtful = {
            container: ask
            for container, ask in asks.items()
            if isinstance(result := items[container].result, Seen) and canaries.is_transient(ask, result.value)
        }
        if doubtful:
            await asyncio.sleep(self._settings.canary_seconds / AGAIN_AFTER)
            again = await self._by_one_pod(pool, node, doubtful)
            items |= {container: canary for container, canary in again.items() if isinstance(canary.result, Seen)}
        return list(items.values())

    async def _node(self, pool: str) -> str | NotSeen:
        """The node to ask, or why none can be named."""
        try:
            nodes: tuple[CanaryNode, ...] | NotSeen = self._nodes_gap or await self._nodes(pool)
        except CollectError as error:
            nodes = error.as_gap()
            self._nodes_gap = nodes if isinstance(error, NotAllowed) else None
        return canary_nodes.choose_node(pool, self._cluster.pools, self._workloads, nodes)

    async def _nodes(self, pool: str) -> tuple[CanaryNode, ...]:
        """A pool's nodes, page by page until one is found that can be asked. Raises CollectError."""
        nodes: tuple[CanaryNode, ...] = ()
        token = ""
        while True:
            page, token = canary_pod.nodes_of(await self._api.list_nodes(pool, token), pool)
            nodes += page
            if not token or not all(canary_nodes.why_not(node) for node in page):
                return nodes

    async def _by_one_pod(self, pool: str, node: str, asks: dict[str, CanaryQuestion]) -> dict[str, Canary]:
        pod = _Pod(f"{canaries.POD_PREFIX}{pool}-{secrets.token_hex(4)}", pool, node, asks)
        source = f"canary pod {self._namespace}/{pod.name} on the pool {pool}"
        refusal: CanaryRefusal | None = None
        try:
            answers, refusal = await self._asked(pod)
        except CollectError as error:
            answers = dict.fromkeys(asks, error.as_gap())
            refusal = error.refusal if isinstance(error, Refused) else None
        return {container: _canary(ask, answers[container], source, refusal) for container, ask in asks.items()}

    async def _asked(self, pod: _Pod) -> tuple[Answers, CanaryRefusal | None]:
        """A pod's life: its name is kept, it is made, it answers, it is deleted, its name is forgotten."""
        recorded = CanaryPod(self._cluster.id, self._namespace, pod.name)
        await self._records.add(recorded, self._longest)
        made, certain = True, False
        try:
            try:
                await self._create(pod)
                certain = True
            except (Refused, NotAllowed):
                made = False
                raise
            return await self._answers(pod)
        finally:  # also where no answer came: the pod may be there
            await to_the_end(self._end(recorded, made=made, certain=certain))

    async def _create(self, pod: _Pod) -> None:
        """Makes the pod; a quota that refuses it may still count one that this look just deleted."""
        profile = next((p for p in self._cluster.pools if p.name == pod.pool), None)
        windows = profile is not None and (profile.os_type or "").lower() == "windows"
        images = {container: ask.image for container, ask in pod.asks.items()}
        body = canary_pod.pod(
            *(pod.name, self._namespace, pod.pool, pod.node, images), windows=windows, seconds=self._longest
        )
        end = _now() + (QUOTA_SECONDS if self._deleted else 0.0)
        while True:
            try:
                return await self._api.create(body)
            except Refused as error:
                quota = canary_refusals.cause_of(error.refusal) is canary_refusals.CanaryRefusalCause.QUOTA
                if not quota or _now() + QUOTA_PAUSE >= end:
                    raise
            await asyncio.sleep(QUOTA_PAUSE)

    async def _answers(self, pod: _Pod) -> tuple[Answers, CanaryRefusal | None]:
        """Reads the pod until each container has an answer, or the time is up."""
        state, pause, end = PodState(), FIRST_POLL, _now() + self._settings.canary_seconds
        while (left := end - _now()) > 0:
            read = await self._api.read(pod.name, left)
            if read is None:
                return dict.fromkeys(pod.asks, _gone(pod)), None
            state = read
            if state.refusal is not None:
                return dict.fromkeys(pod.asks, _refused(pod, state.refusal)), state.refusal
            if all(answered(state, container) for container in pod.asks):
                break
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_POLL)
        return await self._reports(pod, state)

    async def _reports(self, pod: _Pod, state: PodState) -> tuple[Answers, CanaryRefusal | None]:
        reports = {container: answered(state, container) for container in pod.asks}
        mute = [report for report in reports.values() if report is None or not (report.pulled or report.text)]
        events = await self._api.events(pod.name) if mute else None
        stuck = canary_pod.stuck(events) if events is not None and not any(reports.values()) else None
        if stuck is not None:
            return dict.fromkeys(pod.asks, _refused(pod, stuck)), stuck
        texts = canary_pod.failed_texts(events) if events is not None else {}
        seconds = self._settings.canary_seconds
        late = NotSeen(NotSeenReason.NOT_FOUND, f"kubelet reported nothing within {seconds} s", "an answer in time")
        return {name: _with_text(report, texts.get(name, "")) or late for name, report in reports.items()}, None

    async def _sweep(self) -> None:
        """Deletes what earlier looks left behind. That it may not list pods is reported when it may not make them.

        Raises Unreachable: then there is nobody to ask, and no pod that could be left behind.
        """
        try:
            raw = await self._api.list_canaries()
        except Unreachable:
            raise
        except CollectError:
            return
        names = PodState.left_behind(raw, datetime.now(UTC)) if raw is not None else []
        slots = asyncio.Semaphore(PODS_AT_ONCE)

        async def bounded(name: str) -> None:
            async with slots:
                await self._end(CanaryPod(self._cluster.id, self._namespace, name), made=True)

        await asyncio.gather(*(bounded(name) for name in names[:MAX_SWEPT]))

    async def _end(self, pod: CanaryPod, *, made: bool, certain: bool = True) -> None:
        """Deletes a pod and forgets its name. One that stays is remembered, never silently left.

        ``certain``: the API server said that it made the pod. Where it did not, the pod may appear yet: its name is
        kept, and a later sweep finds it or finds that it never came.
        """
        if made:
            try:
                deletion = await self._api.delete(pod.name)
            except CollectError as error:
                self.left.append(f"{pod.namespace}/{pod.name}")
                self.left_why = error.as_gap()
                return
            self._deleted = True
            if deletion.held is not None:
                self.held.append(f"{pod.namespace}/{pod.name}")
                self.finalizers |= set(deletion.held.finalizers)
                return
            if not certain and not deletion.found:
                self.uncertain.append(f"{pod.namespace}/{pod.name}")
                return
        await self._records.remove(pod)

    @property
    def _longest(self) -> int:
        """Seconds after which the cluster itself ends a pod."""
        return self._settings.canary_seconds + BEYOND


def _refused(pod: _Pod, refusal: CanaryRefusal) -> NotSeen:
    detail = f"the node {pod.node} does not run the pod: {refusal.reason}: {refusal.message}"
    return NotSeen(NotSeenReason.NOT_FOUND, detail, canary_refusals.missing_of(refusal))


def _gone(pod: _Pod) -> NotSeen:
    detail = f"somebody deleted the pod {pod.name} before the kubelet answered"
    return NotSeen(NotSeenReason.NOT_FOUND, detail, "a canary pod that is left alone")


def _with_text(report: CanaryReport | None, text: str) -> CanaryReport | None:
    """Older kubelets' status shows only the back-off; then the pod's events have the text."""
    if report is None or report.pulled or report.text:
        return report
    return msgspec.structs.replace(report, text=text)


def _canary(ask: CanaryQuestion, answer: CanaryReport | NotSeen, source: str, refusal: CanaryRefusal | None) -> Canary:
    if isinstance(answer, NotSeen):
        return Canary(ask, answer, refusal)
    return Canary(ask, Seen(answer, reads.evidence("canary pull", source, "v1")))


def _now() -> float:
    return asyncio.get_running_loop().time()


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
