"""A look at one cluster that reads what the cluster refers to, instead of all subscriptions.

The registries that its pods name are found by Azure Resource Graph; networks, endpoints, zones and identities by the
references to them. What is not read is Unknown to the judges, as what may not be read is. Where that shows in what they
say, or something could not be found in this way, everything is read after all: so no verdict of a row differs from that
of a run, it only takes longer. What registries counted and logged is read where it may matter: a run may know more of a
registry that works.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from checks.arm_ids import subscription_of
from checks.causes import ReadCause
from checks.collect import cluster
from checks.collect.arm import inventory, resource_graph
from checks.collect.arm.client import Azure
from checks.collect.arm.inventory import Inventory
from checks.collect.arm.parts import ALL, OF_REGISTRIES, Part
from checks.collect.arm.references import referred_to
from checks.collect.cluster import Looked
from checks.collect.monitor import registry_logs
from checks.collect.wire.errors import CollectError
from checks.facts import Cluster, ClusterFacts, NotSeen, RegistryUse, Seen
from checks.facts.resources import REGISTRIES_TAG
from checks.findings import ClusterReport, Fail, Pass, Unknown
from checks.jobs.choosing.scope import ScanScope, clusters_of, names_exactly
from checks.jobs.choosing.subscriptions import Choice
from checks.report.cluster_report import build_report
from checks.rules import registry_names
from checks.rules.patterns import is_pattern
from checks.rules.pull.observed_pulls import failed_pulls

Progress = Callable[[str], None]
ROUNDS = 5  # a registry leads to its endpoint, that to its network and zone, that to its peers


def may_be_near(scope: ScanScope) -> bool:
    """Whether a scope is one cluster and registries that go by their login servers, if any."""
    return (
        len(scope.clusters) == 1
        and not is_pattern(scope.clusters[0])
        and all("." in host and not is_pattern(host) for host in scope.registries)
    )


async def find(azure: Azure, choice: Choice, scope: ScanScope) -> tuple[Inventory, Cluster] | None:
    """The one cluster that is meant, and the inventory of its subscription; None where it takes more to tell."""
    name = scope.clusters[0]
    guids = {subscription_of(name)} if "/" in name else await _located(azure, choice, name)
    if len(guids) != 1 or not guids <= set(choice.ids):
        return None
    (guid,) = guids
    listing = await inventory.unread(azure, choice.visible)
    await listing.extend(azure, {guid: frozenset({Part.CLUSTERS})})
    named = [one for one in clusters_of(listing, guid) if names_exactly(name, one)]
    return (listing, named[0]) if len(named) == 1 else None


async def _located(azure: Azure, choice: Choice, name: str) -> frozenset[str]:
    try:
        found = await resource_graph.clusters_called(azure, [one.id for one in choice.visible], name)
    except CollectError:
        return frozenset()
    return found.subscriptions() if len(found.ids) == 1 else frozenset()


async def gather(azure: Azure, listing: Inventory, target: Cluster, looked: Looked, scope: ScanScope) -> ClusterFacts:
    """The facts of a cluster, of as little as its answer takes. Raises CollectError."""
    near = _Near(azure, listing, target, looked, scope.registries)
    if await near.locate_registries():
        await near.follow()
        facts = await near.facts(near.waited_for())
        more = _not_passing(build_report(facts), facts)
        if more:
            facts = await near.facts([*near.waited_for(), *more])
        if not _depends_on_more(build_report(facts), facts):
            return facts
    await listing.extend(azure, dict.fromkeys((*listing.subscriptions, *listing.unread), ALL))
    return await near.facts()


class _Near:
    """One cluster, what it said of itself, and the inventory that grows by what it refers to."""

    def __init__(
        self, azure: Azure, listing: Inventory, target: Cluster, looked: Looked, only: tuple[str, ...]
    ) -> None:
        self._azure, self._listing, self._target, self._looked, self._only = azure, listing, target, looked, only

    async def facts(self, monitored: Collection[str] | None = None) -> ClusterFacts:
        """The facts, as far as the inventory has them now; with what these registries counted and logged, or all."""
        return await cluster.gather(
            self._azure, self._listing, self._target, (), self._only, looked=self._looked, monitored=monitored
        )

    def waited_for(self) -> list[str]:
        """The registries of which Azure Monitor may say more than the pods do."""
        return cluster.waited_for(self._uses(), self._looked.workloads)

    async def locate_registries(self) -> bool:
        """Reads the registries that the cluster uses where they lie; whether all of them were found."""
        labels = registry_names.listed_registries(self._target.tag(REGISTRIES_TAG))[0]
        if not all("." in name for name in (*labels, *self._azure.settings.registries)):
            return False  # only all registries tell which login server a bare name means
        hosts = {use.login_server for use in self._uses() if use.acr}
        guids = [*self._listing.subscriptions, *self._listing.unread]
        try:
            found = await resource_graph.registries_and_zones(self._azure, guids, hosts)
            roles = await self._roles(guids)
        except CollectError:
            return False
        places = dict.fromkeys(roles, OF_REGISTRIES)
        for one in found.ids:
            part = OF_REGISTRIES if "/registries/" in one.lower() else frozenset({Part.ZONES})
            places[subscription_of(one)] = places.get(subscription_of(one), frozenset()) | part
        await self._listing.extend(self._azure, places)
        uses = self._uses()
        return bool(uses) and all(isinstance(use.registry, Seen) for use in uses if use.acr)

    async def follow(self) -> None:
        """Reads what is referred to, and what that refers to."""
        refused = await self._may_be_refused()
        for _ in range(ROUNDS):
            uses = self._uses()
            networks = await cluster.with_zone_groups(self._azure, self._listing, uses)
            wanted = referred_to(self._listing, self._target, uses, networks, refused=refused)
            if not await self._listing.extend(self._azure, wanted, sparing=True):
                return

    async def _may_be_refused(self) -> bool:
        """Whether pulls fail, or nodes are asked to pull later, or a registry logged calls: then what it saw them leave
        by is compared."""
        workloads = self._looked.workloads
        if isinstance(workloads, Seen) and (workloads.value.ready_nodes or failed_pulls(workloads.value)):
            return True
        logged = await registry_logs.of_registries(self._azure, self._listing, self.waited_for())
        return bool(logged.entries)

    def _uses(self) -> tuple[RegistryUse, ...]:
        """The registries in use, by what was read so far."""
        looked = self._looked
        return cluster.in_use(
            self._azure, self._listing, self._target, looked.principal, looked.workloads, (), self._only
        )[0]

    async def _roles(self, guids: list[str]) -> frozenset[str]:
        """The subscriptions in which the nodes' identity holds a role on a registry itself, which is then in use."""
        principal = self._looked.principal
        if isinstance(principal, NotSeen):
            return frozenset()
        found = await resource_graph.roles_of(self._azure, guids, principal.value.object_id)
        held = tuple(scope for scope in found.ids if "/microsoft.containerregistry/registries/" in scope.lower())
        return resource_graph.Located(held).subscriptions()


def _not_passing(report: ClusterReport, facts: ClusterFacts) -> list[str]:
    """The registries that were not asked what they counted and logged, and that are not known to work."""
    return [
        row.registry
        for row in report.registries
        if not isinstance(row.pull.verdict, Pass)
        and row.registry not in facts.registry_logs
        and any(use.login_server == row.registry and isinstance(use.registry, Seen) for use in facts.uses)
    ]


def _depends_on_more(report: ClusterReport, facts: ClusterFacts) -> bool:
    """Whether what was not read may change what is said.

    Something names it; an answer about an Azure registry is not known; or no path leads to a private endpoint, which
    may have more reasons than were seen.
    """
    known = {use.login_server: use.registry.value for use in facts.uses if isinstance(use.registry, Seen)}
    rows = [row for row in report.registries if row.registry in known]
    answers = [answer for row in rows for answer in (row.access, row.path)]
    causes = {finding.cause for finding in report.findings} | {answer.cause for answer in answers}
    unsettled = any(isinstance(answer.verdict, Unknown) for answer in answers)
    private = [row for row in rows if known[row.registry].network_access.connections]
    blocked = any(isinstance(row.path.verdict, Fail) for row in private)
    logs = [log.value for log in facts.registry_logs.values() if isinstance(log, Seen)]
    shared = any(not call.told_apart for log in logs for call in log.calls)
    return ReadCause.NOT_ASKED in causes or shared or unsettled or blocked
