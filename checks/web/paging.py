"""Lists in pages: a token says after which item the next page begins, also where items came or went meanwhile."""

from __future__ import annotations

import base64
import binascii
import hashlib
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
Token = Annotated[
    str,
    Meta(
        max_length=MAX_TOKEN,
        description="The `next` of the page before this one, of the same list with the same filters.",
    ),
]


def page_of(
    items: Sequence[T], key: Callable[[T], Key], token: str, limit: int, of: tuple[str, ...]
) -> tuple[tuple[T, ...], str | None]:
    """The items after a token, and the token of the next page (None: there is none). ``items`` are in order of ``key``.

    ``of`` is the list's name with what it was filtered by: a token of another list says nothing of a place in this one.
    Raises Refused (400) where the token is none that this list gave.
    """
    mark = _mark(of)
    after = _read(token, mark) if token else None
    rest = [item for item in items if after is None or key(item) > after]
    page = tuple(rest[:limit])
    return page, _token(mark, key(page[-1])) if len(rest) > limit else None


def _mark(of: tuple[str, ...]) -> str:
    return hashlib.sha256(msgspec.json.encode(of)).hexdigest()[:12]


def _token(mark: str, key: Key) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode((mark, *key))).decode().rstrip("=")


def _read(token: str, mark: str) -> Key:
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        read = msgspec.json.decode(raw, type=Key)
    except (binascii.Error, ValueError, msgspec.DecodeError):
        read = ()
    if read[:1] != (mark,):
        raise Refused(problem(QUERY, "page is no token that this list gave, filtered as it is", parameter="page"))
    return read[1:]
