"""What keeping history can fail with."""

from __future__ import annotations


class HistoryError(Exception):
    """Base of everything below."""


class SchemaError(HistoryError):
    """A row carries a version this program does not know, or is not what its version promises. Never guessed."""


class LimitError(HistoryError):
    """A row or key would break a limit of Table Storage. Found here, because the local emulator does not check."""


class Conflict(HistoryError):
    """Somebody wrote the row in between: read it again and decide again."""


class LeaseHeld(HistoryError):
    """Another holder delivers now."""


class LeaseLost(HistoryError):
    """The lease ran out and somebody else took it: stop before the next send."""
