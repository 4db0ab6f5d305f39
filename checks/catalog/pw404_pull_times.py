"""PW404: how long pulls take, per registry and pool, against their own past."""

from __future__ import annotations

from checks.catalog.check import Check
from checks.causes import Cause
from checks.facts import ClusterFacts, NotSeen, Seen
from checks.findings import Evidence, Finding, Severity, Subject
from checks.rules.fixes import az_acr, shell
from checks.rules.pull import pull_times
from checks.rules.pull.pull_times import MIN_MEDIANS, MIN_PULLS, PER_MEBIBYTE, Comparison


class PullTimeCause(Cause):
    """Causes of PW404."""

    USUAL_TIME = "usual-time", "Pulls take as long as they usually do."
    SLOWER_THAN_USUAL = "slower-than-usual", "Pulls take longer than they usually do."
    NO_BASELINE = "no-baseline", "There are not enough earlier scans to compare with."
    TOO_FEW_PULLS = "too-few-pulls", "There were too few pulls to compare."
    EVENTS_NOT_READ = "events-not-read", "The events were not read."
    PODS_NOT_READ = "pods-not-read", "The pods were not read."


CHECK = Check(
    code="PW404",
    title="Pull times",
    severity=Severity.WARNING,
    why="Pulls that take longer than they did delay every start and scale-out, long before one fails.",
    how=(
        "kubelet's Pulled events show how long each pull took (newer ones also the image's size). The median "
        "of at least 3 pulls from one registry to one pool, in seconds a mebibyte where sizes are shown, is compared "
        "with the medians of at least 6 earlier runs, kept in the cluster's state: slow is more than three scaled "
        "median absolute deviations above their median, and half as much again. Only ever a warning."
    ),
    permissions=("Azure Kubernetes Service RBAC Reader on the cluster",),
    fix="Check the registry's throttling and replicas (PW401, PW402), the pool's hardware (PW405) and its network.",
    article=("network speed", "client hardware"),
    links=("https://learn.microsoft.com/azure/container-registry/container-registry-troubleshoot-performance",),
    advisory=True,
    causes=(PullTimeCause,),
)


def judge(facts: ClusterFacts) -> tuple[Finding, ...]:
    """One finding per registry and pool with enough pulls; one for the cluster where there are none."""
    subject = Subject(facts.cluster.id)
    if isinstance(facts.workloads, NotSeen):
        return (
            CHECK.skipped(
                subject, PullTimeCause.PODS_NOT_READ, "the cluster's pods were not read, whose events report pulls"
            ),
        )
    events = facts.workloads.value.events
    if isinstance(events, NotSeen):
        return (
            CHECK.skipped(
                subject, PullTimeCause.EVENTS_NOT_READ, "the cluster's events were not read, which report pulls"
            ),
        )
    if not facts.pull_times:
        because = f"no registry and pool have {MIN_PULLS} pulls in recent events"
        return (CHECK.skipped(subject, PullTimeCause.TOO_FEW_PULLS, because),)
    compared = (pull_times.compare_with_baseline(time, facts.baselines.get(time.key)) for time in facts.pull_times)
    return tuple(_judge_comparison(facts, one, events) for one in compared)


def _judge_comparison(facts: ClusterFacts, compared: Comparison, events: Seen) -> Finding:  # type: ignore[type-arg]
    registry, _, rest = compared.time.key.partition("|")
    pool, _, unit = rest.rpartition("|")
    subject = Subject(facts.cluster.id, registry=registry, pool=pool)
    now = f"{compared.time.samples} pulls from {registry} to {pool} took {_describe(compared.time.median, unit)}"
    if compared.usual is None or compared.bound is None:
        return CHECK.skipped(
            subject, PullTimeCause.NO_BASELINE, f"{now}; fewer than {MIN_MEDIANS} earlier runs are known"
        )
    against = f"usually it is {_describe(compared.usual, unit)}"
    evidence = (events.evidence, Evidence(f"baseline {_describe(compared.usual, unit)}", "the cluster's state"))
    if compared.slow:
        bound = _describe(compared.bound, unit)
        summary = f"{now}; {against}, and more than {bound} is slow."
        return CHECK.fails(subject, PullTimeCause.SLOWER_THAN_USUAL, summary, evidence, fix=(_usage(facts, registry),))
    return CHECK.passes(subject, PullTimeCause.USUAL_TIME, f"{now}; {against}.", evidence)


def _describe(value: float, unit: str) -> str:
    return f"{value * 1024:.3g} s a GiB" if unit == PER_MEBIBYTE else f"{value:.3g} s"


def _usage(facts: ClusterFacts, host: str) -> str:
    """What tells more: the usage of a registry that Azure shows, else the events themselves."""
    for use in facts.uses:
        if use.login_server == host and isinstance(use.registry, Seen):
            return az_acr.show_usage(use.registry.value)
    return shell.command("kubectl", "get", "events", "--all-namespaces", "--field-selector", "reason=Pulled")
