"""What a look gave: a value with its evidence, or why there is none."""

from __future__ import annotations

from enum import StrEnum
from typing import Generic, TypeVar

import msgspec

from checks.findings import Evidence

T = TypeVar("T")


class NotSeenReason(StrEnum):
    """Why something was not read."""

    NOT_ALLOWED = "not-allowed"
    UNREACHABLE = "unreachable"
    THROTTLED = "throttled"
    NOT_FOUND = "not-found"
    ERROR = "error"
    OFF = "off"
    LIMIT = "limit"
    NOT_APPLICABLE = "not-applicable"
    NOT_ASKED = "not-asked"


class Seen(msgspec.Struct, Generic[T], frozen=True):
    """A value that was read, with where, when and at which api-version. ``partial`` says what of it could not be."""

    value: T
    evidence: Evidence
    partial: str = ""


class NotSeen(msgspec.Struct, frozen=True):
    """A look that did not happen or failed. ``role`` names what would allow it, ``fix`` grants it."""

    why: NotSeenReason
    detail: str
    role: str | None = None
    fix: tuple[str, ...] = ()


# Of what a check of one cluster leaves out, until an answer depends on it.
NOT_ASKED = NotSeen(NotSeenReason.NOT_ASKED, "it was not asked for")
