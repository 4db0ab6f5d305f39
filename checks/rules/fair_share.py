"""Which items a bound lets through: turn by turn among their owners, so that none fills it alone."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import TypeVar

T = TypeVar("T", bound=Hashable)


def fair_share(owned: Iterable[tuple[str, T]], limit: int) -> list[T]:
    """At most ``limit`` distinct items of pairs (owner, item): each owner's first, then each one's second, …

    An owner is a namespace of pods. Who owns an item does not matter once it is in; the items of one keep their order.
    """
    queues: dict[str, dict[T, None]] = {}
    for owner, item in owned:
        queues.setdefault(owner, {})[item] = None
    waiting = [queues[owner] for owner in sorted(queues)]
    chosen: dict[T, None] = {}
    while waiting:
        for queue in waiting:
            for item in list(queue):
                del queue[item]
                if item not in chosen:
                    if len(chosen) == limit:
                        return list(chosen)
                    chosen[item] = None
                    break
        waiting = [queue for queue in waiting if queue]
    return list(chosen)
