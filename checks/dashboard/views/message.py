"""A page that only says something: that nothing is there, or why nothing can be shown."""

from __future__ import annotations

import msgspec


class MessageView(msgspec.Struct, frozen=True):
    """A headline, its kind ("unknown", "fail") and sentences."""

    headline: str
    kind: str
    sentences: tuple[str, ...] = ()
