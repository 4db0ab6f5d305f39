"""Errors as RFC 9457 describes them: ``application/problem+json``, each of a kind whose URN stays the same."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from checks.web.http import HttpResponse

MEDIA_TYPE = "application/problem+json"
URN = "urn:pullwatch:problem:"


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """What every error is. Single kinds have further members."""

    type: Annotated[str, Meta(description="The kind: `urn:pullwatch:problem:…`. It stays the same.")]
    title: Annotated[str, Meta(description="The kind in words; the same for all of the kind.")]
    status: Annotated[int, Meta(description="The HTTP status.")]
    detail: Annotated[str, Meta(description="What is wrong with this request.")] | UnsetType = UNSET
    fix: Annotated[tuple[str, ...], Meta(description="Commands or steps that help, in order.")] | UnsetType = UNSET


class Kind(msgspec.Struct, frozen=True):
    """A kind of error: the last part of its URN, its status and its title."""

    slug: str
    status: int
    title: str


class Refused(Exception):
    """A request that ends with a problem: raised by what reads requests, answered by ``respond``."""

    def __init__(self, answer: HttpResponse) -> None:
        super().__init__(answer.body.get("detail", ""))
        self.answer = answer


BODY = Kind("unusable-body", 400, "The body cannot be used")
QUERY = Kind("unusable-query", 400, "A query parameter cannot be used")
CANARY = Kind("canary-not-allowed", 403, "Canary pulls are not allowed here")
NOT_FOUND = Kind("not-found", 404, "What was asked for is not there")
TAKEN = Kind("somebody-was-first", 412, "Somebody was first")
TOO_MANY_SILENCES = Kind("too-many-silences", 409, "Too many silences hold")
TOO_LONG = Kind("body-too-long", 413, "The body is too long")
CODED = Kind("body-encoded", 415, "The body is compressed")
TOO_MANY = Kind("too-many-requests", 429, "Too many checks were asked for")
INTERNAL = Kind("internal", 500, "Pullwatch itself failed")
NOT_READ = Kind("azure-not-read", 502, "Azure could not be read")
NOT_CONFIGURED = Kind("not-configured", 503, "A setting of the app cannot be used")
UNAVAILABLE = Kind("storage-unavailable", 503, "Storage does not answer")
UNREADABLE = Kind("row-unreadable", 503, "A row in storage cannot be read")
NOT_IN_TIME = Kind("not-in-time", 504, "It was not done in time")
KINDS = (
    BODY,
    QUERY,
    CANARY,
    NOT_FOUND,
    TOO_MANY_SILENCES,
    TAKEN,
    TOO_LONG,
    CODED,
    TOO_MANY,
    INTERNAL,
    NOT_READ,
    NOT_CONFIGURED,
    UNAVAILABLE,
    UNREADABLE,
    NOT_IN_TIME,
)


def problem(kind: Kind, detail: str = "", *, headers: dict[str, str] | None = None, **extra: Any) -> HttpResponse:
    """The answer that says what is wrong; ``extra`` are further members. ``detail`` is redacted and bounded already."""
    body = {"type": f"{URN}{kind.slug}", "title": kind.title, "status": kind.status}
    body |= ({"detail": detail} if detail else {}) | extra
    return HttpResponse(kind.status, body, headers or {}, MEDIA_TYPE)
