"""How many notices a day one registry of a cluster may bring, whatever it does, and what becomes of those beyond.

``step`` decides what people should be notified of; here that is held back where they heard of the registry too often.
Held back is not lost: it is asked for again at each look, until it settled.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec

from checks.changes import Reason, Status
from checks.history.decide.looks import Notices, elapsed, notices_of, recent, with_notices
from checks.history.decide.policy import CHANGES, SETTLINGS, STEADY_AFTER
from checks.history.decide.replay import Key
from checks.history.decide.subject import Step, in_sight
from checks.history.model import SubjectState

BESIDE = (Reason.BLIND, Reason.SEEN_AGAIN)  # bounded by an age of their own
STAYS = (Reason.SETTLED, Reason.NOT_NOTIFIED_YET)  # no flip: the same is asked for at the next look


def within_budget(
    steps: Mapping[Key, Step], held: Mapping[Key, SubjectState], notices: Notices, now: datetime
) -> tuple[dict[Key, Step], dict[str, tuple[datetime, ...]]]:
    """The steps with the notices that are too many held back, and when each registry's notices were, of the last day.

    What is notified of a registry at one look is one notice.
    """
    done = dict(steps)
    given: list[str] = []
    asking: dict[str, dict[Key, Step]] = {}
    for key, one in steps.items():
        # What is covered is no notice to those who know of the registry, and no more of these come than flips.
        if one.moved is not None and one.moved.alert and not one.moved.covered and one.reason not in BESIDE:
            asking.setdefault(key[0], {})[key] = one
    for registry, asked in asking.items():
        spent = len(notices_of(notices, registry, now))
        if spent < _limit(asked.values(), now):
            done |= {key: _given(one, spent, now) for key, one in asked.items()}
            given.append(registry)
        else:
            done |= {key: _held_back(one, held.get(key), now) for key, one in asked.items()}
    return done, with_notices(notices, given, now)


def _limit(asked: Iterable[Step], now: datetime) -> float:
    """Before how many notices of the last day this one may come.

    One kind more than the last may always come after it: nobody is left with "it holds" where it keeps failing, nor
    with a failure of what was removed.
    """
    limits = [CHANGES]
    for subject, _, reason in asked:
        if subject is None:
            return float("inf")  # nobody looks at it again; who was notified of it since the last time is bounded
        if _lasting(subject, now):
            limits.append(CHANGES + SETTLINGS)
        elif reason is Reason.SETTLED:
            limits.append(CHANGES + SETTLINGS - 1)
    return max(limits)


def _lasting(subject: SubjectState, now: datetime) -> bool:
    """Whether it has failed in the same way for so long that people have to know."""
    last = max((subject.since, *recent(subject.flips, now)))
    return subject.status is Status.FAILING and elapsed(last, now) >= STEADY_AFTER


def _given(done: Step, spent: int, now: datetime) -> Step:
    """The notice as it is; the last of a change says that it flaps, since those that follow are held back."""
    subject, moved, _ = done
    if spent < CHANGES - 1 or subject is None or moved is None or done.reason is Reason.SETTLED:
        return done
    if _lasting(subject, now):
        return done
    flaps = msgspec.structs.replace(subject, notified=True, flapping_since=now, flapped_at=now)
    return Step(flaps, msgspec.structs.replace(moved, reason=Reason.FLAPPING), Reason.FLAPPING)


def _held_back(done: Step, held: SubjectState | None, now: datetime) -> Step:
    """The step without its notice: people know what they knew, and what flapped is not settled."""
    subject, moved, reason = done
    if subject is None or moved is None:
        return done
    kept = msgspec.structs.replace(
        subject,
        notified=held is not None and held.notified,
        covered=held is not None and held.covered,
        blind=held is not None and held.blind,
        flapping_since=(held.flapping_since if held else None) or now,
        flapped_at=held.flapped_at if held else None,
    )
    if held is not None and reason in STAYS:
        return in_sight(held, Step(kept, None, Reason.DAMPED))
    return Step(kept, msgspec.structs.replace(moved, reason=Reason.DAMPED, alert=False), Reason.DAMPED)
