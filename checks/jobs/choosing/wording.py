"""The words in which a scan says what is not there: names as people typed them, counts, near misses."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from checks.text import clipped, listed, one_line, printable

MAX_NEAR = 3
MAX_SEEN = 5_000  # names that near misses are looked for among
MAX_NAME = 80
MIN_BEGINNING = 3


def quoted(name: str) -> str:
    """A name as somebody typed it, fit to be shown."""
    return f"'{shown(name)}'"


def shown(name: str) -> str:
    """A name of whatever source, fit to be shown."""
    return clipped(printable(one_line(name)), MAX_NAME)


def first_few(names: Iterable[str]) -> str:
    """The first names, and how many more there are."""
    return listed([shown(name) for name in names], MAX_NEAR)


def did_you_mean(name: str, seen: Iterable[str]) -> str:
    """ " Did you mean aks-prod-1?" where names that were seen are like it, else nothing."""
    near = near_misses(name, seen)
    return f" Did you mean {' or '.join(shown(one) for one in near)}?" if near else ""


def near_misses(name: str, seen: Iterable[str]) -> list[str]:
    """At most three of the names that are like one, the most alike first; then those that begin with it."""
    by_folded: dict[str, str] = {}
    for one in seen:
        if len(by_folded) == MAX_SEEN:
            break
        by_folded.setdefault(one[:MAX_NAME].casefold(), one)
    close = difflib.get_close_matches(name[:MAX_NAME].casefold(), by_folded, n=MAX_NEAR, cutoff=0.7)
    begun = sorted(folded for folded in by_folded if len(name) >= MIN_BEGINNING and folded.startswith(name.casefold()))
    near = [by_folded[folded] for folded in dict.fromkeys([*close, *begun])]
    return [one for one in near if one.partition(".")[0] not in near or "." not in one][:MAX_NEAR]
