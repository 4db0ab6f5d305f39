"""Words: how a mail says what happened, and for how long. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from checks.changes import NoticeKind, Reason
from checks.notify.incidents import Mail, Section
from checks.notify.items import Item, ItemKind
from checks.text import counted

_VERBS = {
    "pull": ("cannot pull from", "can pull from", "could not pull from"),
    "access": ("has no access to", "has access to", "had no access to"),
    "path": ("has no path to", "has a path to", "had no path to"),
    "images": (
        "uses images that cannot be pulled from",
        "can pull all its images from",
        "used images that could not be pulled from",
    ),
}
_PREFIXES = {
    NoticeKind.BASELINE: "baseline",
    NoticeKind.DEGRADED: "DEGRADED",
    NoticeKind.VANISHED: "UNKNOWN",
    NoticeKind.REMINDER: "STILL FAILING",
    NoticeKind.SILENCE_ENDED: "SILENCE ENDED",
}
_OF_A_FAILURE = (ItemKind.FAIL, ItemKind.CHANGED, ItemKind.MORE)


def kind_of(mail: Mail) -> str:
    """The first word of a mail; "" for news that is neither bad nor a recovery."""
    if mail.notice is not None:
        return _PREFIXES.get(mail.notice.kind, "")
    return mail.sections[0].kind.value if mail.sections else ""


def headline(mail: Mail) -> str:
    """What a mail is about, without its first word."""
    if mail.notice is not None:
        return mail.notice.title
    if not mail.sections:
        return "nothing left to report"
    section, *more = mail.sections
    item = section.items[0]
    others = section.clusters - 1
    who = item.name if others < 1 else f"{item.name} and {counted(others, 'more cluster')}"
    return f"{who} {_predicate(item)}{f', and {len(more)} more' if more else ''}"


def _predicate(item: Item) -> str:
    """The verb phrase about the registry: that it cannot be pulled from only where that was the answer."""
    cause = f" ({item.cause})" if item.cause else ""
    if item.kind is ItemKind.REMOVED:
        return f"is no longer checked against {item.registry}"
    if item.kind is ItemKind.BLIND:
        return f"cannot be judged any more{cause}"
    if item.kind is ItemKind.SEEN_AGAIN:
        return "can be judged again"
    if item.kind is ItemKind.FLAPPING:
        return f"keeps changing its answer about {item.registry}"
    now, again, before = _VERBS[next((facet for facet in _VERBS if facet in item.facets), "path")]
    if item.kind is ItemKind.RECOVERED:
        return f"{again} {item.registry} again"
    if item.kind is ItemKind.WAS_BAD:
        return f"{before} {item.registry} for a while{cause}"
    return f"{now} {item.registry}{cause}"


_BLIND_FAILING = "It failed before and counts as failing until a look says otherwise."
_BLIND_PASSING = "It held before; a failure would not be noticed."
_DAMPED = "The next mail about it comes when its answer stays the same for eight hours; history keeps every change."


def sentence(item: Item) -> str:
    """What happened to one cluster and registry, with when."""
    since = utc(item.since)
    if item.reason is Reason.SETTLED:
        return f"It kept changing, and has stayed the same since {since}: it {'fails' if item.failing else 'holds'}."
    if item.kind is ItemKind.RECOVERED:
        return f"It holds again since {utc(_until(item))}; it failed since {since}."
    if item.kind is ItemKind.WAS_BAD:
        return f"It failed from {since} to {utc(_until(item))} and recovered before it could be reported."
    if item.kind is ItemKind.REMOVED:
        why = "Its tag asks that it is not checked" if item.reason is Reason.OPTED_OUT else "It is no longer checked"
        if not item.failing:
            return f"{why}; its answer had kept changing, and it held at last."
        return f"{why}, which is not a recovery; it failed since {since}."
    if item.kind is ItemKind.BLIND:
        return f"Nothing is known since {since}. {_BLIND_FAILING if item.failing else _BLIND_PASSING}"
    if item.kind is ItemKind.SEEN_AGAIN:
        return f"It is known again: {'it fails' if item.failing else 'it holds'}."
    if item.kind is ItemKind.FLAPPING:
        return f"It {'fails' if item.failing else 'holds'} at the moment. {_DAMPED}"
    if item.kind is ItemKind.MORE:
        return f"It fails since {since}; now more of these registries fail than were reported."
    if item.kind is ItemKind.CHANGED:
        return f"It still fails, since {since}, now for another cause (before: {item.before_cause or 'unknown'})."
    return f"It fails since {since}{', again after a recovery' if item.again else ''}."


def says_more(item: Item) -> bool:
    """Whether the sentence says more than since when and for how long, which a table shows."""
    return item.kind is not ItemKind.FAIL or item.again or item.reason is Reason.SETTLED


def began(item: Item) -> datetime:
    """Since when it has been as it is called: failing, or recovered."""
    return _until(item) if item.kind is ItemKind.RECOVERED else item.since


def state(item: Item, now: datetime) -> tuple[str, str]:
    """How it stands, and for how long it has or had ("" where that says nothing)."""
    if item.kind is ItemKind.RECOVERED and item.reason is not Reason.SETTLED:
        return "recovered after", duration(_until(item) - item.since)
    if item.kind is ItemKind.WAS_BAD:
        return "failed for", duration(_until(item) - item.since)
    if item.kind is ItemKind.REMOVED:
        return "no longer checked", ""
    if item.kind is ItemKind.BLIND:
        return "unknown for", duration(now - item.since)
    if item.kind in _OF_A_FAILURE:
        return "failing for", duration(now - item.since)
    return ("fails" if item.failing else "holds") + (" at the moment" if item.kind is ItemKind.FLAPPING else ""), ""


def is_over(item: Item) -> bool:
    """Whether what is said of it is about what was."""
    ended = item.kind in (ItemKind.RECOVERED, ItemKind.WAS_BAD, ItemKind.REMOVED)
    return ended or (item.kind is ItemKind.FLAPPING and not item.failing)


def reach(section: Section) -> str:
    """How many of the clusters that use a registry a failure concerns; "" where that is not known."""
    count = section.clusters
    if section.kind not in _OF_A_FAILURE or section.used_by < count:
        return ""
    if section.used_by == 1:
        return "the only cluster that uses it"
    return f"{count} of {section.used_by} clusters that use it"


def heading(section: Section) -> str:
    """What a section is about."""
    return ": ".join(filter(None, (section.registry, section.cause))) or "known again"


def duration(length: timedelta) -> str:
    """A length of time in its two largest units: "2 d 4 h", "3 h 12 min". No clock makes one negative."""
    minutes = max(int(length.total_seconds()) // 60, 0)
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min" if minutes else "less than a minute"


def utc(moment: datetime) -> str:
    """A time for people."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _until(item: Item) -> datetime:
    """When it ended; not before it began, whatever a clock said."""
    return max(item.until or item.since, item.since)
