"""What is missing, where, and what is lost without it. Plain frozen data, in the shape in which it is answered."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class LackKind(StrEnum):
    """What kind of thing is missing. ``TROUBLE`` is none of ours to grant: somebody answered an error."""

    PERMISSION = "permission"
    NETWORK = "network"
    SETTING = "setting"
    TROUBLE = "trouble"


class Place(msgspec.Struct, frozen=True):
    """Where something is missing: an ARM id of a cluster or the scope of a subscription, its name, why, and what helps.

    ``fix``: commands and remarks (those begin with ``#``).
    """

    scope: str
    name: str
    why: str
    fix: tuple[str, ...] = ()


class Lack(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is missing. ``needs``: the role, action, path or setting; ``lost``: what is not known without it.

    ``places`` are where, ``more`` of them are left out.
    """

    kind: LackKind
    what: str
    needs: str
    lost: str
    places: tuple[Place, ...]
    more: int = 0


class InPlace(msgspec.Struct, frozen=True):
    """Something that was read, of how many that were to be."""

    what: str
    read: int
    of: int


class Off(msgspec.Struct, frozen=True):
    """A setting that leaves something out on purpose, and what."""

    setting: str
    lost: str


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """What Pullwatch sees, and what it takes to see more.

    ``identity`` is the object id of whoever looked, "" where no token shows it. Of ``clusters``, ``looked`` are what it
    is made of. ``off``: settings that are as somebody wanted them.
    """

    identity: str
    subscriptions: int
    clusters: int
    looked: int
    in_place: tuple[InPlace, ...]
    lacks: tuple[Lack, ...]
    off: tuple[Off, ...]

    def steps(self) -> tuple[str, ...]:
        """The steps that help, of all places, each once."""
        return tuple(dict.fromkeys(step for lack in self.lacks for place in lack.places for step in place.fix))

    @property
    def is_clean(self) -> bool:
        """Whether nothing is missing, and something was looked at."""
        return not self.lacks and bool(self.looked)
