"""Which silence a failure falls under, and which silences are over. Pure.

A silence keeps failures back, not recoveries: these go only to those who were notified of the failure, and who then
have to know.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from checks.arm_ids import name_of, subscription_of
from checks.changes import Notice, NoticeKind, NoticeLine
from checks.notify.items import Item, ItemKind
from checks.notify.notice_lines import keeping
from checks.silences import SKEW, Matchers, Silence, SilenceKind

__all__ = ["Matchers", "Silence", "SilenceKind", "ended", "item_silenced_by", "silenced_by", "without_silenced"]

# What is only said to those who were notified of the failure.
_ENDINGS = (ItemKind.RECOVERED, ItemKind.SEEN_AGAIN, ItemKind.REMOVED)
# The notices that say again what people were notified of, or what they would have been.
_OF_FAILURES = (NoticeKind.BASELINE, NoticeKind.REMINDER)


def silenced_by(
    silences: Iterable[Silence],
    cluster_id: str,
    registry: str,
    facet: str,
    cause: str,
    now: datetime,
    *,
    codes: tuple[str, ...] = (),
    since: datetime | None = None,
) -> Silence | None:
    """The silence that a failure falls under: of several the one that lasts longest; None where it falls under none.

    ``facet`` names the answer that fails; a silence is of all of a registry's answers, so no matcher asks for it.
    ``since``: when it began. What began after a cluster's failure was acknowledged is another failure.
    """
    found = [
        silence
        for silence in silences
        if silence.is_active(now)
        and matches(silence.matchers, cluster_id, registry, cause, codes)
        and not _is_another(silence, since)
    ]
    return max(found, key=lambda silence: (silence.until, silence.id), default=None)


def item_silenced_by(silences: Iterable[Silence], item: Item, now: datetime) -> Silence | None:
    """The silence that keeps an item of a mail back; None for what says that a failure is over."""
    if item.kind in _ENDINGS:
        return None
    facet = item.facets[0] if item.facets else ""
    return silenced_by(
        silences, item.cluster, item.registry, facet, item.cause, now, codes=item.codes, since=item.since
    )


def without_silenced(notice: Notice, silences: Iterable[Silence], now: datetime) -> Notice:
    """A reminder or a first summary without the lines that are silenced; any other notice as it is.

    Of a reminder nothing may be left to say: then it has neither lines nor ``more``.
    """
    held = tuple(silences)
    lines = tuple(line for line in notice.lines if line_silenced_by(held, line, now) is None)
    count = len(notice.lines) - len(lines)
    if notice.kind not in _OF_FAILURES or not count:
        return notice
    fact = f"{count} more {'is' if count == 1 else 'are'} silenced or acknowledged, and not listed."
    return keeping(msgspec.structs.replace(notice, facts=(*notice.facts, fact)), lines)


def line_silenced_by(silences: Iterable[Silence], line: NoticeLine, now: datetime) -> Silence | None:
    """The silence that a line of a notice falls under."""
    facet = line.facets[0] if line.facets else ""
    return silenced_by(
        silences, line.cluster, line.registry, facet, line.cause, now, codes=line.codes, since=line.since
    )


def ended(silences: Iterable[Silence], now: datetime) -> tuple[Silence, ...]:
    """The silences that are over."""
    return tuple(silence for silence in silences if silence.is_over(now))


def matches(matchers: Matchers, cluster_id: str, registry: str, cause: str, codes: tuple[str, ...]) -> bool:
    """Whether all matchers that are given match; where none is given, nothing does."""
    has = {
        "subscription": {subscription_of(cluster_id)},
        "cluster": {cluster_id.rstrip("/").lower(), name_of(cluster_id).lower()},
        "registry": {registry.lower()},
        "code": {code.lower() for code in codes},
        "cause": {cause.lower()},
    }
    given = matchers.given()
    return bool(given) and all(value.rstrip("/").lower() in has[name] for name, value in given.items())


def _is_another(silence: Silence, since: datetime | None) -> bool:
    """Whether a failure of the acknowledged cluster began after it was acknowledged: the one meant was over by then.

    An acknowledgement of all clusters is of what they share, and holds for those that come to it later.
    """
    if silence.kind is not SilenceKind.ACK or not silence.matchers.cluster or since is None:
        return False
    return since > silence.created + SKEW
