"""Which subscriptions are meant by ids and display names, and what is said of those that are not there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from checks.causes import ScanCause
from checks.collect.arm.inventory import Inventory
from checks.facts import Subscription
from checks.findings import ScanError
from checks.jobs.choosing.wording import did_you_mean, quoted
from checks.rules import visibility
from checks.text import counted

_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
LIST = "az account list --output table"


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """The subscriptions of a scan.

    ``visible`` are all that can be seen and are not excluded, ``ids`` those of them that are meant, in order.
    ``unseen`` are ids that were asked for and are excluded or cannot be seen; ``unknown`` is what names no
    subscription that can be seen, as it was named. ``excluded`` counts the visible ones that a setting leaves out.
    """

    visible: tuple[Subscription, ...]
    ids: tuple[str, ...]
    unseen: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    excluded: int = 0


def choose(listed: Sequence[Subscription], excluded: Iterable[str], wanted: Sequence[str]) -> Choice:
    """Finds what was asked for among the subscriptions that can be seen. A display name means all that have it."""
    left_out = frozenset(excluded)
    visible = tuple(s for s in listed if s.id not in left_out)
    found: dict[str, list[str]] = {name: list(_named(name, listed)) for name in wanted}
    named = {guid for guids in found.values() for guid in guids}
    unknown = tuple(name for name, guids in found.items() if not guids and name.lower() not in left_out)
    unseen = [*(named & left_out), *(name for name in wanted if name.lower() in left_out)]
    unseen += [name for name in unknown if _GUID.fullmatch(name)]
    return Choice(
        visible=visible,
        ids=tuple(sorted(s.id for s in visible if not wanted or s.id in named)),
        unseen=tuple(dict.fromkeys(guid.lower() for guid in unseen)),
        unknown=unknown,
        excluded=len(listed) - len(visible),
    )


def errors(choice: Choice, listing: Inventory) -> Iterator[ScanError]:
    """What names no subscription that can be seen."""
    known = [part for s in choice.visible for part in (s.name, s.id)]
    for name in choice.unknown:
        is_id = _GUID.fullmatch(name) is not None
        seen = counted(len(choice.visible), "subscription")
        summary = (
            f"{quoted(name)} is neither the id nor the name of one of the {seen} that can be seen: there is none, or "
            f"the identity has no role on it.{did_you_mean(name, known)}"
        )
        fix = visibility.grant(listing.visibility, name.lower()) if is_id else (LIST,)
        yield ScanError(ScanCause.NO_SUCH_SUBSCRIPTION, summary, fix)


def _named(name: str, listed: Sequence[Subscription]) -> Iterator[str]:
    folded = name.strip().casefold()
    return (s.id for s in listed if folded and folded in (s.id, s.name.strip().casefold()))
