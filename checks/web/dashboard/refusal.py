"""What is said instead of a page: a status, sentences, commands, and where to go on."""

from __future__ import annotations

import msgspec

ROOT = "/api/dashboard"


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why a page is not shown or a thing not done, and what to do: sentences, then commands, then a link."""

    title: str
    said: tuple[str, ...]
    commands: tuple[str, ...] = ()
    status: int = 403
    headers: dict[str, str] = {}
    link: tuple[str, str] = (ROOT, "Open the dashboard")


class RefusedError(Exception):
    """A request that ends with a refusal: raised by what reads and does, answered by ``respond``."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"{refusal.title}: {' '.join(refusal.said)}")
        self.refusal = refusal
