"""Facts in, one cluster's report out: the judges, the fold and the coverage put together. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from checks import catalog
from checks.causes import ScanCause
from checks.facts import ClusterFacts, NotSeen, NotSeenReason, RegistryUse, Seen, SubscriptionFacts
from checks.facts.resources import NOTIFY_TAG
from checks.findings import (
    SEEN_BEFORE,
    ClusterProblem,
    ClusterReport,
    Coverage,
    Facet,
    Finding,
    Pass,
    RegistryRow,
    SubscriptionResult,
    Unknown,
)
from checks.report.contradictions import contradictions
from checks.report.coverage import coverage_of
from checks.report.logged_differences import logged_differences
from checks.report.own_identity import name_own_identity, with_own_identity
from checks.report.partial_reads import downgrade_passes
from checks.report.registry_row import registry_row
from checks.rules import mail_addresses, own_actions
from checks.rules.azure.node_pools import has_nodes
from checks.rules.pull.observed_pulls import FailedPull, PullProof, failed_pulls, not_found_proofs, pull_proofs
from checks.rules.registry_log.standing import image_of, latest_pull
from checks.text import clipped

MAX_SUBSCRIPTION_NAME = 100
MAX_LACKING = 12  # actions that are named of a subscription: a run keeps them of each
MAX_REGION = 60


def build_report(facts: ClusterFacts) -> ClusterReport:
    """Judges one cluster and folds the row of each registry.

    A host that is no Azure registry has a row too: what nodes report of it, and what Azure shows of their side of the
    path where it is known to be on the internet; the rest is not judged.
    """
    findings = downgrade_passes(catalog.judge(facts), facts.workloads)
    failing: dict[str | None, list[FailedPull]] = {}
    for pull in failed_pulls(facts.workloads.value) if isinstance(facts.workloads, Seen) else ():
        if pull.virtual:  # no node of the cluster pulls there
            continue
        failing.setdefault(pull.registry, []).append(pull)
    proven = _proven(facts, failing)
    rows = tuple(
        registry_row(
            use,
            findings,
            proven.get(use.login_server),
            _differences(facts, use, failing.get(use.login_server, ()), findings),
            _waiting(failing.get(use.login_server, ())),
        )
        for use in facts.uses
    )
    report = ClusterReport(
        id=facts.cluster.id,
        coverage=coverage_of(facts, proven),
        registries=rows,
        findings=findings,
        pull_times=facts.pull_times,
        notify=mail_addresses.listed(facts.cluster.tag(NOTIFY_TAG)).named,
        region=clipped(facts.cluster.location or "", MAX_REGION),
    )
    return name_own_identity(report, facts.visibility.object_id)


def _differences(
    facts: ClusterFacts, use: RegistryUse, failing: Iterable[FailedPull], findings: tuple[Finding, ...]
) -> tuple[str, ...]:
    """Where nodes, Azure and the registry's log differ."""
    own = tuple(failing)
    return (*contradictions(facts, use, own, findings), *logged_differences(facts, use, own, findings))


def _waiting(pulls: Iterable[FailedPull]) -> int:
    """How many pods wait."""
    return len({(pull.container.namespace, pull.container.pod) for pull in pulls})


def only_of_rows(report: ClusterReport) -> ClusterReport:
    """The report of a cluster that was asked about some registries: what is found of others is not part of it."""
    rows = {None, *(row.registry for row in report.registries)}
    return msgspec.structs.replace(report, findings=tuple(f for f in report.findings if f.subject.registry in rows))


def _proven(facts: ClusterFacts, failing: Mapping[str | None, list[FailedPull]]) -> dict[str, PullProof]:
    """What nodes proved per registry: a pull that succeeded, or else a tag that a registry did not have."""
    logged = _logged(facts)
    if isinstance(facts.workloads, NotSeen):
        return logged
    pools, read_at = facts.cluster.pools, facts.workloads.evidence.read_at
    pulls = (pull for listed in failing.values() for pull in listed)
    by_nodes = pull_proofs(facts.workloads.value, pools, read_at)
    return logged | not_found_proofs(pulls, facts.uses, pools, read_at) | by_nodes


def _logged(facts: ClusterFacts) -> dict[str, PullProof]:
    """The latest pull that each registry logged of this cluster alone. Its pool is known where there is one."""
    pools = [pool.name for pool in facts.cluster.pools if has_nodes(pool)]
    proofs: dict[str, PullProof] = {}
    for host, log in facts.registry_logs.items():
        pulled = latest_pull(log.value) if isinstance(log, Seen) else None
        if pulled is not None and isinstance(log, Seen):
            of_pools = frozenset(pools) if len(pools) == 1 else frozenset()
            image, when = image_of(pulled.entry), pulled.entry.last
            proofs[host] = PullProof(host, image, when, False, of_pools, log.value.until, logged=True)
    return proofs


def subscription_result(facts: SubscriptionFacts, object_id: str | None = None) -> SubscriptionResult:
    """Whether a subscription could be looked at; where not, the role that is missing and the command that grants it.

    ``object_id`` is the app's own, for the command.
    """
    held = facts.own_roles
    lacking = own_actions.lacking(held.value) if isinstance(held, Seen) else ()
    named, more = lacking[:MAX_LACKING], max(0, len(lacking) - MAX_LACKING)
    return with_own_identity(msgspec.structs.replace(_listed(facts), lacking=named, lacking_more=more), object_id)


def _listed(facts: SubscriptionFacts) -> SubscriptionResult:
    guid, clusters = facts.subscription.id, facts.clusters
    name = clipped(facts.subscription.name, MAX_SUBSCRIPTION_NAME)
    for part, what in ((clusters, "clusters"), (facts.registries, "registries")):
        if isinstance(part, NotSeen) and part.why is not NotSeenReason.NOT_ASKED:
            count = len(clusters.value) if isinstance(clusters, Seen) else 0
            return SubscriptionResult(
                id=guid,
                name=name,
                clusters=count,
                verdict=Unknown(part.role or part.detail),
                cause=ScanCause.NOT_ALLOWED if part.why is NotSeenReason.NOT_ALLOWED else f"look-{part.why.value}",
                summary=f"The {what} could not be listed: {part.detail}",
                fix=part.fix,
            )
    count = len(clusters.value) if isinstance(clusters, Seen) else 0
    partial = next(
        (part.partial for part in (clusters, facts.registries) if isinstance(part, Seen) and part.partial), ""
    )
    if partial:
        return SubscriptionResult(
            id=guid,
            name=name,
            clusters=count,
            verdict=Unknown("readable bodies"),
            cause=ScanCause.BODIES_UNREADABLE,
            summary=f"Checked in part: {partial}.",
        )
    return SubscriptionResult(
        id=guid,
        name=name,
        clusters=count,
        verdict=Pass(),
        cause=ScanCause.LOOKED_AT,
        summary=f"{count} cluster{'' if count == 1 else 's'} found.",
    )


def problem_report(cluster_id: str, registries: Iterable[str], problem: ClusterProblem) -> ClusterReport:
    """The report of a cluster that could not be checked: Unknown, its registries kept from earlier runs."""
    facet = Facet(Unknown(problem.missing), problem.cause, (), problem.summary)
    rows = tuple(
        RegistryRow(registry=name, access=facet, path=facet, pull=facet, images=facet, sources=(SEEN_BEFORE,))
        for name in sorted(set(registries))
    )
    return ClusterReport(
        id=cluster_id, coverage=(Coverage("cluster", False, problem.summary),), registries=rows, problem=problem
    )
