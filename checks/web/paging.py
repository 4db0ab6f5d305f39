"""Lists in pages: a token says after which item the next page begins, also where items came or went meanwhile."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from checks.web.problems import QUERY, Refused, problem

T = TypeVar("T")
Key = tuple[str, ...]
MOST = 500
MAX_TOKEN = 2_000

Limit = Annotated[int, Meta(ge=1, le=MOST, description="How many items a page has at most.")]
Token = Annotated[str, Meta(max_length=MAX_TOKEN, description="The `next` of the page before this one.")]


def page_of(items: Sequence[T], key: Callable[[T], Key], token: str, limit: int) -> tuple[tuple[T, ...], str | None]:
    """The items after a token, and the token of the next page (None: there is none). ``items`` are in order of ``key``.

    Raises Refused (400) where the token is none.
    """
    after = _read(token) if token else None
    rest = [item for item in items if after is None or key(item) > after]
    page = tuple(rest[:limit])
    return page, _token(key(page[-1])) if len(rest) > limit else None


def _token(key: Key) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(key)).decode().rstrip("=")


def _read(token: str) -> Key:
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        return msgspec.json.decode(raw, type=Key)
    except (binascii.Error, ValueError, msgspec.DecodeError):
        raise Refused(problem(QUERY, "page is no token that a list gave", parameter="page")) from None
