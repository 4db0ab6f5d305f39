"""PW308: pulls as the registry logged them."""

from __future__ import annotations

from checks.catalog.check import Check, Step, Vantage
from checks.catalog.registry_view import RegistryView
from checks.causes import Cause
from checks.facts import ContainerImage, NotSeen, NotSeenReason, Seen
from checks.facts.registry_log import LoggedCall, RegistryLog
from checks.findings import Basis, Evidence, Finding, Severity, Subject
from checks.rules import images
from checks.rules.pull.errors import PullErrorCause, denied_address
from checks.rules.pull.observed_pulls import failed_pulls
from checks.rules.pull.remedies import PullContext, remedy
from checks.rules.registry_log.exits import address_of
from checks.rules.registry_log.standing import (
    BEHIND_MINUTES,
    Trouble,
    image_of,
    latest_pull,
    shared_troubles,
    troubles,
)
from checks.text import counted, listed


class LogCause(Cause):
    """Causes of PW308 beside those of failed pulls."""

    PULLED = "logged-pull", "The registry logged a pull that only this cluster's nodes can have made."
    NOT_LOGGED = "not-logged", "The registry's log goes nowhere that Pullwatch is to read, or nothing stands in it."
    NOTHING_LOGGED = "nothing-logged", "The registry logged no call that is known to be this cluster's."
    NOT_TOLD_APART = (
        "not-told-apart",
        "The registry refused a call that this cluster or another may have made; which, the log does not show.",
    )


CHECK = Check(
    code="PW308",
    title="Pulls as the registry logged them",
    severity=Severity.ERROR,
    why="The registry's own word needs no access to the cluster: it knows who asked for what, and what it answered.",
    how=(
        "Where a diagnostic setting sends ContainerRegistryLoginEvents and ContainerRegistryRepositoryEvents to a Log "
        "Analytics workspace (or PULLWATCH_REGISTRY_LOGS names one), one query a run and workspace groups the calls by "
        "caller address, identity, result and image. A call is a cluster's where its kubelet identity, made by AKS for "
        "it alone, came with it; where an identity that was brought and the address agree; or where the registry's "
        "firewall refused an address by which only its nodes leave. What several clusters may have done accuses none "
        "of them. A pull that worked proves access and path; a refusal within the last 20 minutes that no later "
        "success ended names its cause, unless the pods were read and none of them waits. A login of the kubelet "
        "identity that is refused only warns where it never pulled: kubelet tries it beside pull secrets."
    ),
    permissions=(
        "Reader on the registries (Microsoft.Insights/diagnosticSettings/read)",
        "Log Analytics Reader, or Reader, on the workspaces (Microsoft.OperationalInsights/workspaces/query/*/read)",
    ),
    fix="Depends on the cause; the finding names it.",
    links=(
        "https://learn.microsoft.com/azure/container-registry/monitor-service",
        "https://learn.microsoft.com/azure/azure-monitor/reference/tables/containerregistryloginevents",
        "https://learn.microsoft.com/azure/azure-monitor/reference/tables/containerregistryrepositoryevents",
    ),
    vantage=Vantage.PULLWATCH,
    basis=Basis.REGISTRY,
    step=Step.NODES,
    causes=(LogCause, PullErrorCause),
)

MAX_IMAGES = 20
MAX_NAMED = 5
_SAID = {
    PullErrorCause.UNAUTHORIZED: "refused its credentials",
    PullErrorCause.FIREWALL_DENIED: "turned it away by its firewall",
    PullErrorCause.IMAGE_NOT_FOUND: "did not find what was asked for",
    PullErrorCause.RATE_LIMITED: "answered that there are too many requests",
    PullErrorCause.REGISTRY_ERROR: "answered with an error of its own",
}


_BEHIND = f"The log is up to {BEHIND_MINUTES} minutes behind."


def judge_registry(view: RegistryView) -> tuple[Finding, ...]:
    """What fails now as the registry logged it, one finding per cause and image; else what worked, or neither."""
    log = view.facts.registry_logs.get(view.use.login_server)
    if log is None:
        return ()
    if isinstance(log, NotSeen):
        return (_not_read(view, log),)
    evidence = (*_cut(log.value), log.evidence)
    failing = troubles(log.value)
    if failing:
        return _all_failing(view, failing, evidence)
    pulled, shared = latest_pull(log.value), shared_troubles(log.value)
    found: list[Finding] = []
    if pulled is not None:
        found.append(CHECK.passes(view.subject, LogCause.PULLED, _pulled(pulled), evidence))
    if shared:
        found.append(_not_told_apart(view, shared[0], evidence))
    return tuple(found) or (_nothing(view, log.value),)


def _nothing(view: RegistryView, log: RegistryLog) -> Finding:
    if log.cut:
        return _nothing_of_what_was_read(view, log)
    if not log.heard:
        because = f"nothing stands in the log that was read of {view.use.login_server} {log.span}"
        return CHECK.skipped(view.subject, LogCause.NOT_LOGGED, because)
    because = (
        f"the registry logged calls {log.span}, but no pull and no refusal of now is known to be this cluster's; the "
        f"log is up to {BEHIND_MINUTES} minutes behind, and this proves nothing"
    )
    return CHECK.skipped(view.subject, LogCause.NOTHING_LOGGED, because)


def _nothing_of_what_was_read(view: RegistryView, log: RegistryLog) -> Finding:
    """What was cut may be this cluster's, or end what it was refused."""
    host = view.use.login_server
    if log.heard:
        cause, said = LogCause.NOTHING_LOGGED, "none is known to be this cluster's"
    else:
        cause, said = LogCause.NOT_LOGGED, f"none is of {host}"
    summary = (
        f"There are more calls in the log {log.span} than are read: of what was read, the newest groups of calls, "
        f"{said}; refusals until {log.cut_before}, which may have ended since, are left out."
    )
    return CHECK.unknown(view.subject, cause, summary, _cut(log), missing="the older calls of the log")


def _not_read(view: RegistryView, gap: NotSeen) -> Finding:
    if gap.why in (NotSeenReason.NOT_APPLICABLE, NotSeenReason.OFF):
        return CHECK.skipped(view.subject, LogCause.NOT_LOGGED, gap.detail)
    return CHECK.not_seen(view.subject, gap, f"The log of {view.use.login_server}")


def _cut(log: RegistryLog) -> tuple[Evidence, ...]:
    if not log.cut:
        return ()
    left_out = f"refusals until {log.cut_before}, which may have ended since, are left out"
    return tuple(
        Evidence(what, "Log Analytics query") for what in ("only the newest groups of calls were read", left_out)
    )


def _pulled(call: LoggedCall) -> str:
    pulled = f"The registry logged that the cluster pulled {image_of(call.entry)} at {call.entry.last}"
    return f"{pulled} (by {call.by}). {_BEHIND}"


def _all_failing(
    view: RegistryView, failing: tuple[Trouble, ...], evidence: tuple[Evidence, ...]
) -> tuple[Finding, ...]:
    """Every cause, and of images that are not there the first ones: they may be any number, and hide no other."""
    of_images = [trouble for trouble in failing if trouble.image]
    more = len(of_images) - MAX_IMAGES
    if more > 0:
        evidence = (Evidence(f"{counted(more, 'more image')} that it did not find", "registry log"), *evidence)
    shown = (*(trouble for trouble in failing if not trouble.image), *of_images[:MAX_IMAGES])
    return tuple(_failing(view, trouble, evidence) for trouble in shown)


def _failing(view: RegistryView, trouble: Trouble, evidence: tuple[Evidence, ...]) -> Finding:
    """A trouble as a failure, or as a warning where it may not matter to any pod."""
    subject = Subject(view.facts.cluster.id, registry=view.use.login_server, image=trouble.image or None)
    doubt = _doubt(view, trouble)
    return CHECK.fails(
        subject,
        trouble.cause.value,
        _summary(trouble) + (f" {doubt}" if doubt else ""),
        (*_sample(trouble), *evidence),
        fix=_fix(view, trouble),
        severity=Severity.WARNING if doubt else Severity.ERROR,
    )


def _doubt(view: RegistryView, trouble: Trouble) -> str:
    """Why a refusal may keep no pod waiting; "" where nothing says so."""
    if view.facts.cluster.stopped:
        return "Now the cluster is stopped, so no pod waits for it."
    if not _waits(view, trouble):
        return "No pod waits for it now."
    if trouble.pulled_since:
        return "It pulled since by another way in, so something else in its network may have asked."
    manifest = view.facts.manifests.get(images.one_spelling(trouble.image))
    if isinstance(manifest, Seen) and manifest.value.present:
        return "It is there now."
    if trouble.cause is not PullErrorCause.UNAUTHORIZED or trouble.pulled_before:
        return ""
    log = view.facts.registry_logs[view.use.login_server]
    if isinstance(log, Seen) and log.value.cut:
        return "Whether it pulled before does not stand in what was read of the log."
    return "It pulled nothing in this time, so pods may do without it, with pull secrets."


def _waits(view: RegistryView, trouble: Trouble) -> bool:
    """Whether a pod may wait for it: pods that were read to the last say so themselves."""
    workloads = view.facts.workloads
    if not isinstance(workloads, Seen) or workloads.value.unreadable or workloads.partial:
        return True
    waiting = [pull for pull in failed_pulls(workloads.value) if pull.registry == view.use.login_server]
    return any(_is_about(trouble, pull.container.image) for pull in waiting)


def _is_about(trouble: Trouble, image: str) -> bool:
    """Whether a refusal may be that of an image: of its tag, of its repository, or of whatever is asked for."""
    if trouble.image:
        return images.one_spelling(image) == images.one_spelling(trouble.image)
    reference = images.parse(image)
    return not trouble.repositories or reference is None or reference.repository in trouble.repositories


def _summary(trouble: Trouble) -> str:
    entry = trouble.call.entry
    times = "once" if trouble.events == 1 else f"{trouble.events} times since {trouble.first}, last"
    status = f" ({entry.status})" if entry.status else ""
    asked = trouble.image or image_of(entry)
    about = f" for {asked}" if asked else ""
    seen = f", from {entry.address}" if entry.address else ""
    return (
        f"The registry logged that it {_SAID[trouble.cause]}{status}{about} {times} at {entry.last}{seen}; known by "
        f"{trouble.call.by}. {_BEHIND}"
    )


def _sample(trouble: Trouble) -> tuple[Evidence, ...]:
    text = trouble.call.entry.text
    return (Evidence(f"ResultDescription: {text}", "registry log"),) if text else ()


def _fix(view: RegistryView, trouble: Trouble) -> tuple[str, ...]:
    registry = view.registry.value if isinstance(view.registry, Seen) else None
    if registry is None:
        return ()
    entry = trouble.call.entry
    # A rule is proposed for the address that it was known by, never for another that the text may name.
    seen = {address_of(text) for text in (entry.address, denied_address(entry.text) or "")} - {None}
    firewall = f"client with IP '{seen.pop()}' is not allowed access" if len(seen) == 1 else ""
    text = firewall if trouble.cause is PullErrorCause.FIREWALL_DENIED else entry.text
    asked = ContainerImage(namespace="", pod="", workload="", container="", kind="main", image=trouble.image)
    return remedy(trouble.cause, PullContext(view.facts.cluster, asked, view.use.login_server, registry, text))


def _not_told_apart(view: RegistryView, trouble: Trouble, evidence: tuple[Evidence, ...]) -> Finding:
    others = trouble.call.others
    who = (
        f"this cluster or {counted(len(others), 'other')} ({listed(others, MAX_NAMED)})"
        if others
        else "this cluster, or something that Pullwatch cannot see"
    )
    summary = f"{_summary(trouble)} That may have been {who}: the log does not tell them apart."
    return CHECK.unknown(
        view.subject,
        LogCause.NOT_TOLD_APART,
        summary,
        (*_sample(trouble), *evidence),
        missing="an address or an identity that is the cluster's alone",
    )
