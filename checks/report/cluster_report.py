"""Facts in, one cluster's report out: the judges, the fold and the coverage put together. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from checks import catalog
from checks.facts import ClusterFacts, NotSeen, Seen, SubscriptionFacts, Why
from checks.facts.network import Networks
from checks.findings import (
    SEEN_BEFORE,
    ClusterReport,
    Coverage,
    Facet,
    Fail,
    Finding,
    Pass,
    RegistryRow,
    Severity,
    Subject,
    SubscriptionResult,
    Unknown,
)
from checks.report.contradictions import explain
from checks.report.pull_verdict import FAILURES
from checks.report.registry_row import PER_IMAGE, fold
from checks.rules.path import node_network
from checks.rules.pull import partial_reads
from checks.rules.pull.observed_pulls import FailedPull, Proof, failed_pulls, proofs, refused_tags
from checks.text import listed

# Checks that look by Pullwatch's own identity and network: a registry may keep it out and let the nodes in.
OWN_WAY = frozenset({"PW201", "PW302"})

MAX_NAMED = 5  # subscriptions that a line of the coverage names


def report_of(facts: ClusterFacts) -> ClusterReport:
    """Judges one cluster and folds the row of each registry.

    A host that is no Azure registry gets a row where the nodes say something of it (a pull that failed or succeeded);
    ARM alone has nothing to say of it.
    """
    findings = partial_reads.hedged(catalog.judge(facts), facts.workloads)
    refused = {f.subject.registry for f in findings if f.code == PER_IMAGE and isinstance(f.verdict, Fail)}
    spoken_of = refused | {f.subject.registry for f in findings if f.code == FAILURES}
    failing: dict[str | None, list[FailedPull]] = {}
    for pull in failed_pulls(facts.workloads.value) if isinstance(facts.workloads, Seen) else ():
        failing.setdefault(pull.host, []).append(pull)
    proven = _proven(facts, failing)
    rows = tuple(
        fold(
            use.login_server,
            use.sources,
            findings,
            proven.get(use.login_server),
            explain(facts, use, failing.get(use.login_server, ()), findings),
        )
        for use in facts.uses
        if use.acr or use.login_server in proven or use.login_server in spoken_of
    )
    return ClusterReport(
        id=facts.cluster.id,
        coverage=coverage_of(facts, proven),
        registries=rows,
        findings=findings,
        pull_times=facts.pull_times,
    )


def _proven(facts: ClusterFacts, failing: Mapping[str | None, list[FailedPull]]) -> dict[str, Proof]:
    """What nodes proved per host: a pull that succeeded, or else a tag that a registry did not have."""
    if isinstance(facts.workloads, NotSeen):
        return {}
    pools, read_at = facts.cluster.pools, facts.workloads.evidence.read_at
    pulls = (pull for listed in failing.values() for pull in listed)
    return refused_tags(pulls, facts.uses, pools, read_at) | proofs(facts.workloads.value, pools, read_at)


def coverage_of(facts: ClusterFacts, proven: dict[str, Proof]) -> tuple[Coverage, ...]:
    """What was looked at for a cluster, what was not, and why."""
    lines = [Coverage("Azure Resource Manager", True), _line("nodes' identity", facts.principal)]
    lines.append(_line("pods", facts.workloads))
    if isinstance(facts.workloads, Seen):
        workloads = facts.workloads.value
        if workloads.way:
            lines[-1] = Coverage("pods", True, workloads.way)
        if facts.workloads.partial:
            lines.append(Coverage("pods", False, facts.workloads.partial))
        lines.append(_line("events", workloads.events))
        if workloads.unreadable:
            lines.append(Coverage("pods", False, f"{workloads.unreadable} objects could not be read"))
        pulled = any(proof.layers for proof in proven.values())
        lines.append(Coverage("successful pulls", pulled, "" if pulled else "no recent event tells of one"))
    for subscription, authorization in sorted(facts.authorization.items()):
        lines.append(_line(f"role assignments of {subscription}", authorization.assignments))
        lines.append(_line(f"role definitions of {subscription}", authorization.definitions))
        lines.append(_line(f"deny assignments of {subscription}", authorization.denies))
    for subscription, groups in sorted(facts.through_groups.items()):
        lines.append(_line(f"assignments through groups in {subscription}", groups))
    for subscription, denies in sorted(facts.denies_through_groups.items()):
        lines.append(_line(f"deny assignments through groups in {subscription}", denies))
    lines.extend(_networks(facts.networks))
    lines.extend(_own_network(facts))
    own: tuple[tuple[str, Seen[Any] | NotSeen | None], ...] = (
        ("the identity's resource", facts.kubelet_resource),
        ("the nodes' machines", facts.machines),
        ("the service principal's secrets", facts.client_secrets),
    )
    lines += [_line(what, part) for what, part in own if part is not None]
    lines.append(_canaries(facts))
    lines += _counted("pull secrets", facts.pull_secrets.values()) + _counted("images", facts.manifests.values())
    return tuple(lines)


def _canaries(facts: ClusterFacts) -> Coverage:
    """Whether nodes were asked to pull, and how many of the questions got no answer."""
    if isinstance(facts.canaries, NotSeen):
        return Coverage("canary pulls", False, facts.canaries.detail)
    results = [canary.result for canary in facts.canaries.canaries]
    line = _counted("canary pulls", results)
    return line[0] if line else Coverage("canary pulls", False, "there was nothing to ask")


def _counted(what: str, parts: Iterable[Seen[Any] | NotSeen]) -> list[Coverage]:
    """One line for things that were read one by one: looked at where all were, else how many were not, and why."""
    listed = list(parts)
    gaps = [part for part in listed if isinstance(part, NotSeen)]
    if gaps:
        return [Coverage(what, False, f"{len(gaps)} of {len(listed)} were not looked at: {gaps[0].detail}")]
    return [Coverage(what, True)] if listed else []


def _networks(networks: Networks | None) -> list[Coverage]:
    """The subscriptions whose networks were seen: what lies in others is taken as not there."""
    if networks is None or not networks.by_subscription:
        return [Coverage("networks", False, "no subscription's networks were read")]
    guids = sorted(networks.by_subscription)
    lines = [Coverage("networks", True, f"of {listed(guids, MAX_NAMED)}; what lies in other subscriptions is not seen")]
    for guid in guids:
        gaps = networks.by_subscription[guid].gaps()
        if gaps:
            kinds = ", ".join(what for what, _ in gaps)
            lines.append(Coverage(f"networks of {guid}", False, f"{kinds}: {gaps[0][1].detail}"))
    return lines


def _own_network(facts: ClusterFacts) -> list[Coverage]:
    """Where a network that AKS made is not listed, its plain form is judged: that has to be said."""
    made_by_aks = any(pool.vnet_subnet_id is None for pool in facts.cluster.pools)
    if facts.networks is None or not made_by_aks or node_network.network_is_listed(facts.networks, facts.cluster):
        return []
    return [Coverage("the nodes' network", False, "ARM lists none in the node resource group; taken as AKS makes it")]


def _line(what: str, part: Seen[Any] | NotSeen) -> Coverage:
    if isinstance(part, NotSeen):
        return Coverage(what, False, part.detail)
    return Coverage(what, True, part.partial)


def subscription_result(facts: SubscriptionFacts) -> SubscriptionResult:
    """Whether a subscription could be looked at; where not, the role that is missing and the command that grants it."""
    guid, clusters = facts.subscription.id, facts.clusters
    for part, what in ((clusters, "clusters"), (facts.registries, "registries")):
        if isinstance(part, NotSeen):
            count = len(clusters.value) if isinstance(clusters, Seen) else 0
            return SubscriptionResult(
                id=guid,
                clusters=count,
                verdict=Unknown(part.role or part.detail),
                cause="not-allowed" if part.why is Why.NOT_ALLOWED else f"look-{part.why.value}",
                summary=f"The {what} could not be listed: {part.detail}",
                fix=part.fix,
            )
    assert isinstance(clusters, Seen) and isinstance(facts.registries, Seen)
    count, partial = len(clusters.value), clusters.partial or facts.registries.partial
    if partial:
        return SubscriptionResult(
            id=guid,
            clusters=count,
            verdict=Unknown("readable bodies"),
            cause="bodies-unreadable",
            summary=f"Looked at in part: {partial}.",
        )
    return SubscriptionResult(
        id=guid,
        clusters=count,
        verdict=Pass(),
        cause="looked-at",
        summary=f"{count} cluster{'' if count == 1 else 's'} found.",
    )


def unknown_report(cluster_id: str, registries: Iterable[str], cause: str, why: str, missing: str) -> ClusterReport:
    """The report of a cluster that could not be looked at: Unknown, its registries kept from earlier runs."""
    verdict = Unknown(missing)
    finding = Finding(
        code="PW101",
        subject=Subject(cluster_id),
        verdict=verdict,
        cause=cause,
        summary=why,
        severity=Severity.WARNING,
    )
    facet = Facet(verdict, cause, ("PW101",), why)
    rows = tuple(
        RegistryRow(registry=name, access=facet, path=facet, pull=facet, sources=(SEEN_BEFORE,))
        for name in sorted(set(registries))
    )
    return ClusterReport(
        id=cluster_id, coverage=(Coverage("cluster", False, why),), registries=rows, findings=(finding,)
    )


def failing(report: ClusterReport) -> bool:
    """Whether anything in a report fails. A finding that only warns, or only informs, fails nothing."""
    rows = any(isinstance(facet.verdict, Fail) for row in report.registries for _, facet in row.facets())
    return rows or any(isinstance(f.verdict, Fail) and f.severity is Severity.ERROR for f in report.findings)


def unsettled(report: ClusterReport) -> bool:
    """Whether a finding, or the answer itself, is Unknown. A facet that was not judged at all is no finding.

    Pullwatch's own way to a registry does not count: that it may not look leaves nothing open about the nodes.
    """
    pulls = any(isinstance(row.pull.verdict, Unknown) for row in report.registries)
    return pulls or any(isinstance(f.verdict, Unknown) and f.code not in OWN_WAY for f in report.findings)
