"""What the calls of one cluster come to: what fails now, and the latest pull that worked.

A node tries a failing pull again after at most five minutes, and the log is some minutes behind: what failed last
longer ago has ended, or nobody wants it any more. Of credentials a later success ends a failure of its own kind only: a
node that holds a token goes on pulling for hours after its identity may not log in any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

import msgspec

from checks.facts.registry_log import LOGIN, PULL, LogEntry, LoggedCall, RegistryLog
from checks.rules.pull.errors import PullErrorCause
from checks.rules.registry_log.exits import address_of, is_public
from checks.rules.registry_log.outcomes import cause_of, passed_firewall, succeeded

BACK_OFF_MINUTES = 5  # kubelet's longest (kubernetes/pkg/kubelet: MaxContainerBackOff)
BEHIND_MINUTES = 15  # Azure Monitor, "Log data ingestion time"
_Success = tuple[str, str]  # what worked, and of what
STILL_MINUTES = BACK_OFF_MINUTES + BEHIND_MINUTES  # a failure as old as this may go on
_ATTACHMENTS = (".sig", ".att", ".sbom")


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """What a cluster is refused now: the latest of ``events`` calls that failed likewise since ``first``.

    ``image`` is what was asked for, "" where that does not matter; ``repositories`` are those refused, none where it
    was not one of them that was. ``pulled_before``: the same identity pulled earlier
    in the log, or was let in and refused a repository only: so it is what its pods depend on. ``pulled_since``: the
    cluster pulled later through an endpoint in its network, so who came from outside may be anything in there; of two
    public addresses one may be another pool's, whose refusal stands.
    """

    cause: PullErrorCause
    call: LoggedCall
    first: str
    events: int
    image: str = ""
    repositories: frozenset[str] = frozenset()
    pulled_before: bool = False
    pulled_since: bool = False


def image_of(entry: LogEntry) -> str:
    """The image of a pull, as pods write it; "" where the log names no repository."""
    if not entry.repository:
        return ""
    version = f":{entry.tag}" if entry.tag else f"@{entry.digest}" if entry.digest else ""
    return f"{entry.login_server}/{entry.repository}{version}"


def troubles(log: RegistryLog) -> tuple[Trouble, ...]:
    """What fails now, of calls that nobody else can have made; the latest first."""
    own = [call for call in log.calls if call.told_apart]
    return _troubles(log, own, own)


def shared_troubles(log: RegistryLog) -> tuple[Trouble, ...]:
    """The same of calls that somebody else may have made; what is certainly the cluster's ends them as well."""
    return _troubles(log, [call for call in log.calls if not call.told_apart], log.calls)


def latest_pull(log: RegistryLog) -> LoggedCall | None:
    """The latest pull that worked, of those that nobody else can have made."""
    pulls = (call for call in log.calls if call.told_apart and _is_a_pull(call) and image_of(call.entry))
    return max(pulls, key=lambda call: call.entry.last, default=None)


def _troubles(log: RegistryLog, calls: list[LoggedCall], ending: Sequence[LoggedCall]) -> tuple[Trouble, ...]:
    pulls = [call.entry for call in ending if _is_a_pull(call)]
    latest = _latest(ending)
    groups: dict[tuple[PullErrorCause, str], list[LoggedCall]] = {}
    for call in calls:
        cause = cause_of(call.entry)
        if cause is None or call.as_another or _is_attachment(call.entry):
            continue
        over = any(latest.get(success, "") >= call.entry.last for success in _that_end(call.entry, cause))
        if _is_current(call.entry, log.until) and not over:
            image = image_of(call.entry) if cause is PullErrorCause.IMAGE_NOT_FOUND else ""
            groups.setdefault((cause, image), []).append(call)
    found = [_trouble(cause, image, group, pulls) for (cause, image), group in groups.items()]
    return tuple(sorted(found, key=lambda one: one.call.entry.last, reverse=True))


def _trouble(cause: PullErrorCause, image: str, group: list[LoggedCall], pulls: list[LogEntry]) -> Trouble:
    latest = max(group, key=lambda call: call.entry.last)
    named = {call.entry.repository for call in group}
    return Trouble(
        cause=cause,
        call=latest,
        first=min(call.entry.first for call in group),
        events=sum(call.entry.events for call in group),
        image=image,
        repositories=frozenset(named) if cause is PullErrorCause.UNAUTHORIZED and all(named) else frozenset(),
        pulled_before=bool(pulls) or any(call.entry.kind == PULL for call in group),
        pulled_since=cause is PullErrorCause.FIREWALL_DENIED
        and is_public(latest.entry.address)
        and any(_came_inside(entry) and entry.last >= latest.entry.last for entry in pulls),
    )


def _came_inside(entry: LogEntry) -> bool:
    return bool(entry.address) and not is_public(entry.address)


def _is_attachment(entry: LogEntry) -> bool:
    """Whether a signature or the like was asked for, which an image need not have: "sha256-….sig" of cosign."""
    return entry.tag.startswith("sha256-") and entry.tag.endswith(_ATTACHMENTS)


def _is_current(entry: LogEntry, until: str) -> bool:
    try:
        return datetime.fromisoformat(until) - datetime.fromisoformat(entry.last) <= timedelta(minutes=STILL_MINUTES)
    except (ValueError, TypeError):
        return False


def _is_a_pull(call: LoggedCall) -> bool:
    """Whether the nodes' identity pulled something."""
    return call.entry.kind == PULL and succeeded(call.entry) and not call.as_another


def _latest(calls: Iterable[LoggedCall]) -> dict[_Success, str]:
    """When each thing that ends a failure last happened; a log may hold thousands of calls."""
    latest: dict[_Success, str] = {}
    for call in calls:
        for success in _shown_by(call):
            latest[success] = max(latest.get(success, ""), call.entry.last)
    return latest


def _shown_by(call: LoggedCall) -> Iterator[_Success]:
    """What a call shows to work. Calls by identity are all of the one that the cluster has, which has two names."""
    entry = call.entry
    if passed_firewall(entry):
        yield "let in", _place(entry)
    if succeeded(entry) and not call.as_another:
        yield entry.kind, ""
    if _is_a_pull(call):
        yield "image", image_of(entry)
        yield "repository", entry.repository


def _that_end(entry: LogEntry, cause: PullErrorCause) -> tuple[_Success, ...]:
    """What shows, where it happens later, that a failure is over."""
    if cause is PullErrorCause.FIREWALL_DENIED:
        return (("let in", _place(entry)),)
    if cause is PullErrorCause.IMAGE_NOT_FOUND:
        return (("image", image_of(entry)),)
    if cause is PullErrorCause.UNAUTHORIZED:
        return ((LOGIN, ""),) if entry.kind == LOGIN else (("repository", entry.repository),)
    # Too many requests, or an error of the registry's own: whoever pulled has signed in, too.
    return ((LOGIN, ""), (PULL, "")) if entry.kind == LOGIN else ((PULL, ""),)


def _place(entry: LogEntry) -> str:
    return str(address_of(entry.address) or entry.address)
