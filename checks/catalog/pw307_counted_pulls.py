"""PW307: the pulls that a registry counted, and whether more of them fail than before."""

from __future__ import annotations

from checks.catalog.check import Check
from checks.catalog.registry_view import RegistryView
from checks.causes import Cause
from checks.facts import NotSeen, NotSeenReason, Registry, Seen
from checks.facts.registry_details import PullCounts
from checks.findings import Basis, Evidence, Finding, Severity
from checks.rules.fixes import az_acr
from checks.rules.pull import failed_share
from checks.rules.pull.failed_share import MIN_EARLIER, MIN_PULLS, WINDOW_HOURS, Comparison, Pulls
from checks.text import counted


class CountCause(Cause):
    """Causes of PW307."""

    USUAL_FAILURES = "usual-failures", "No more of the pulls that the registry counted fail than usually."
    MORE_FAILURES = "more-failures", "More of the pulls that the registry counted fail than usually."
    NOTHING_PULLED = "nothing-pulled", "The registry counted no pull in the last hours, which proves nothing."
    FEW_COUNTED = "few-counted", "The registry counted too few pulls in the last hours to compare."
    NO_EARLIER_COUNTS = "no-earlier-counts", "The registry counted too few pulls in the week before to compare with."
    COUNTS_NOT_READ = "counts-not-read", "The pulls that the registry counted were not read."
    COUNTS_UNREADABLE = "counts-unreadable", "What Azure Monitor shows of the registry's pulls could not be understood."
    REGISTRY_NOT_SEEN = "registry-not-seen", "The registry could not be read."


CHECK = Check(
    code="PW307",
    title="Pulls as the registry counted them",
    severity=Severity.WARNING,
    why=(
        "A registry sees the pulls of all its callers: that more of them fail than before shows at the registry before "
        "a pod of this cluster has to pull, and where no event tells of it any more."
    ),
    how=(
        "Azure Monitor's platform metrics TotalPullCount and SuccessfulPullCount are read by the hour for seven days, "
        f"once a registry and run. The last {WINDOW_HOURS} hours, with at least {MIN_PULLS} pulls, are compared with "
        f"the rest of the week, with at least {MIN_EARLIER}. A rise is a share of failed pulls that chance does not "
        "explain (Wilson's score intervals, 1 in 2,000 on either side, do not overlap) and that lies 10 percentage "
        f"points above the week's, and above what stretches of {WINDOW_HOURS} hours in it had more than once, so "
        "that a job that fails every night is no news. Counts are of all callers, and say neither who pulled nor why a "
        "pull failed; they come some minutes late, and the last 5 are left out. Whether a sign-in that is refused is "
        "counted is not documented. No pull at all proves nothing. A check of one cluster reads the counts only of "
        "registries whose images its pods wait for. Only ever a warning."
    ),
    permissions=("Reader or Monitoring Reader on the registry",),
    fix="Look at what the registry logged of the failed pulls, and at its other callers.",
    links=(
        "https://learn.microsoft.com/azure/container-registry/monitor-container-registry-reference",
        "https://learn.microsoft.com/rest/api/monitor/metrics/list",
    ),
    advisory=True,
    basis=Basis.REGISTRY,
    causes=(CountCause,),
)


def judge_registry(view: RegistryView) -> tuple[Finding, ...]:
    """One finding per Azure registry that the cluster uses."""
    return (_judge(view),)


def _judge(view: RegistryView) -> Finding:
    subject, registry = view.subject, view.registry
    if isinstance(registry, NotSeen):
        because = f"the registry {view.use.login_server} could not be read"
        return CHECK.skipped(subject, CountCause.REGISTRY_NOT_SEEN, because)
    counts = view.facts.pull_counts.get(view.use.login_server)
    if counts is None:
        because = f"this check of one cluster did not need what {registry.value.name} counted"
        return CHECK.skipped(subject, CountCause.COUNTS_NOT_READ, because)
    if isinstance(counts, NotSeen):
        if counts.why is NotSeenReason.OFF:
            return CHECK.skipped(subject, CountCause.COUNTS_NOT_READ, counts.detail)
        return CHECK.not_seen(subject, counts, f"The pulls that {registry.value.name} counted")
    return _compared(view, registry.value, counts)


def _compared(view: RegistryView, registry: Registry, counts: Seen[PullCounts]) -> Finding:
    subject, compared = view.subject, failed_share.compare(counts.value)
    evidence = (*view.evidence, _evidence(counts, compared))
    if counts.partial and not compared.rose:
        summary = f"The pulls that {registry.name} counted are not known in full: {counts.partial}."
        return CHECK.unknown(subject, CountCause.COUNTS_UNREADABLE, summary, evidence, missing="readable metrics")
    window, earlier = compared.window, compared.earlier
    if not window.pulls:
        nothing = f"the registry {registry.name} counted no pull in the last {WINDOW_HOURS} hours"
        because = f"{nothing}, by whomever: that proves nothing"
        return CHECK.skipped(subject, CountCause.NOTHING_PULLED, because)
    if window.pulls < MIN_PULLS:
        because = f"{_of_window(registry, window)}; below {MIN_PULLS} pulls nothing is compared"
        return CHECK.skipped(subject, CountCause.FEW_COUNTED, because)
    if earlier.pulls < MIN_EARLIER:
        because = f"{_of_window(registry, window)}; only {counted(earlier.pulls, 'pull')} in the week before"
        return CHECK.skipped(subject, CountCause.NO_EARLIER_COUNTS, because)
    summary = f"T{_of_window(registry, window)[1:]}; {_of_week(compared)}."
    if compared.rose:
        told = f"{summary} It counts all callers, by the hour and some minutes late."
        fix = (az_acr.list_pull_counts(registry, WINDOW_HOURS),)
        return CHECK.fails(subject, CountCause.MORE_FAILURES, told, evidence, fix=fix)
    return CHECK.passes(subject, CountCause.USUAL_FAILURES, summary, evidence)


def _of_window(registry: Registry, window: Pulls) -> str:
    failed = f"{window.failed:,} of them failed ({_percent(window.share)})" if window.failed else "none of them failed"
    pulls = f"{window.pulls:,} pull{'' if window.pulls == 1 else 's'}"
    return f"the registry {registry.name} counted {pulls} in the last {WINDOW_HOURS} hours, {failed}"


def _of_week(compared: Comparison) -> str:
    earlier = compared.earlier
    often = f", at times {_percent(compared.usual)}" if compared.usual >= earlier.share + 0.05 else ""
    return f"in the week before it was {_percent(earlier.share)} of {earlier.pulls:,}{often}"


def _percent(share: float) -> str:
    """A share as people read it: a little is not nothing."""
    return "less than 1 %" if 0 < share < 0.01 else f"{share:.0%}".replace("%", " %")


def _evidence(counts: Seen[PullCounts], compared: Comparison) -> Evidence:
    """Where the counts were read, with those of the last hours."""
    at = counts.evidence
    hours = "; ".join(f"{hour.start:%H:%M} {hour.pulls} pulls, {hour.failed} failed" for hour in compared.hours)
    return Evidence(f"{at.what}: {hours or 'no pulls in the last hours'}", at.source, at.read_at, at.api_version)
