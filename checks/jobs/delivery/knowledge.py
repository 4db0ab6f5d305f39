"""What is known beside the changes when a mail is made: names, how many clusters use a registry, which workloads wait.

All of it only explains: where it cannot be read, a mail says less and goes out all the same.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence

from checks.findings import ClusterReport, Fail
from checks.history.errors import SchemaError
from checks.jobs.context import JobContext
from checks.notify.incidents import MailContext
from checks.notify.items import Item
from checks.notify.routes import Route
from checks.rules.mail_addresses import folded
from checks.settings import Settings
from checks.watchdog import REFUSED_FOR

LOG = logging.getLogger(__name__)
MAX_LOOKED_UP = 30  # clusters of one mail whose reports are read
MAX_WORKLOADS = 20  # of one cluster and registry
PULL_ERRORS = "PW301"


class Knowledge:
    """What one turn has looked up. It is read once, where a mail wants it."""

    def __init__(self, context: JobContext) -> None:
        self._context = context
        self._names: dict[str, str] | None = None
        self._used_by: Counter[str] | None = None

    async def of_mail(self, items: Sequence[Item], route: Route) -> MailContext:
        """What is known of the clusters and registries of a mail, and of who gets it."""
        store, settings = self._context.store, self._context.settings
        refusals = await store.list_refusals(self._context.clock() - REFUSED_FOR)
        return MailContext(
            subscriptions=await self._subscription_names(),
            used_by=await self._clusters_by_registry() if any(item.registry for item in items) else {},
            waiting=await self._waiting(items),
            refused=tuple(
                refusal.recipient for refusal in refusals if _may_be_named(refusal.recipient, route, settings)
            ),
            portal=settings.cloud.portal,
            dashboard=settings.dashboard,
            docs=settings.docs_url,
            why=route.why,
        )

    async def _subscription_names(self) -> dict[str, str]:
        if self._names is None:
            try:
                latest = await self._context.store.latest_run()
            except SchemaError as error:
                LOG.warning("mails have no names of subscriptions: %s", error)
                latest = None
            results = latest.subscriptions if latest is not None else ()
            self._names = {result.id.lower(): result.name for result in results if result.name}
        return self._names

    async def _clusters_by_registry(self) -> Counter[str]:
        if self._used_by is None:
            self._used_by = Counter()
            for subscription in await self._context.store.known_subscriptions():
                for known in await self._context.store.known_clusters(subscription):
                    self._used_by.update(set(known.registries))
        return self._used_by

    async def _waiting(self, items: Iterable[Item]) -> dict[tuple[str, str], tuple[str, ...]]:
        """The workloads that wait, as the latest report of each cluster names them."""
        failing = list(dict.fromkeys(item.cluster for item in items if item.failing and "pull" in item.facets))
        waiting: dict[tuple[str, str], tuple[str, ...]] = {}
        for cluster in failing[:MAX_LOOKED_UP]:
            try:
                report = await self._context.store.load_report(cluster)
            except SchemaError as error:
                LOG.warning("a mail does not name the workloads of %s: %s", cluster, error)
                continue
            waiting |= _workloads(cluster, report) if report is not None else {}
        return waiting


def _may_be_named(recipient: str, route: Route, settings: Settings) -> bool:
    """Whether a mail of a route may name somebody who refused one: those who get everything see all.

    The others, who may be of another company, see their own and whom PULLWATCH_MAIL_TO names: a tag's address is the
    business of whoever may read the tag.
    """
    if not route.name:
        return True
    shared = (*route.recipients, *settings.mail_to)
    return folded(recipient) in {folded(address) for address in shared}


def _workloads(cluster: str, report: ClusterReport) -> dict[tuple[str, str], tuple[str, ...]]:
    found: dict[tuple[str, str], list[str]] = {}
    for finding in report.findings:
        subject = finding.subject
        if finding.code == PULL_ERRORS and isinstance(finding.verdict, Fail) and subject.workload and subject.registry:
            found.setdefault((cluster.lower(), subject.registry.lower()), []).append(subject.workload)
    return {key: tuple(dict.fromkeys(names))[:MAX_WORKLOADS] for key, names in found.items()}
