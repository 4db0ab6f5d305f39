"""``/api/silences`` and acknowledgements of incidents: what is kept back, until when, by whom and why."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

import msgspec
from msgspec import Meta

from checks.history.errors import LimitError
from checks.jobs import silencing
from checks.jobs.context import JobContext
from checks.silences import LONGEST, MAX_AUTHOR, MAX_MATCHER, MAX_REASON, Matchers, Silence, SilenceKind, harmless
from checks.web.http import Asked, HttpResponse
from checks.web.problems import NOT_FOUND, TAKEN, TOO_MANY_SILENCES, Refused, problem
from checks.web.reading import bad_body, read_body, read_query

MOST_MINUTES = int(LONGEST / timedelta(minutes=1))

_Word = Annotated[str, Meta(max_length=MAX_MATCHER)]
Reason = Annotated[str, Meta(min_length=1, max_length=MAX_REASON, description="Why: mails and lists show it.")]
Author = Annotated[str, Meta(min_length=1, max_length=MAX_AUTHOR, description="Who: mails and lists show it.")]
Minutes = Annotated[int, Meta(ge=1, le=MOST_MINUTES, description="For how long, from now; at most 30 days.")]


class SilencesQuery(msgspec.Struct, frozen=True):
    """Which silences."""

    over: Annotated[bool, Meta(description="Those of the last 30 days that are over, too.")] = False


class MatchersShape(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a silence is of: at least one; all that are given must match, in any case of letters."""

    subscription: _Word = ""
    cluster: Annotated[str, Meta(max_length=MAX_MATCHER, description="An ARM id or a name.")] = ""
    registry: Annotated[str, Meta(max_length=MAX_MATCHER, description="A login server.")] = ""
    code: Annotated[str, Meta(max_length=MAX_MATCHER, description="A check's, such as PW102.")] = ""
    cause: _Word = ""


class SilenceRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A silence to be made."""

    matchers: MatchersShape
    author: Author
    reason: Reason
    minutes: Minutes


class AcknowledgementRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody looks after an incident."""

    author: Author
    reason: Reason
    minutes: Minutes = 24 * 60


class SilenceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A silence or an acknowledgement. ``until``: when it is over, or was; ``active``: it holds now."""

    id: str
    kind: SilenceKind
    matchers: dict[str, str]
    author: str
    reason: str
    created: datetime
    until: datetime
    active: bool


class SilencesAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Silences, the oldest first. ``unreadable``: rows that cannot be read, which silence nothing."""

    silences: tuple[SilenceAnswer, ...]
    unreadable: int


async def list_silences(context: JobContext, asked: Asked) -> HttpResponse:
    """The silences that hold or will."""
    query = read_query(asked, SilencesQuery)
    listing = await context.store.list_silences()
    now = context.clock()
    shown = tuple(_answer(one, now) for one in listing.silences if query.over or not one.is_over(now))
    return HttpResponse(200, SilencesAnswer(silences=shown, unreadable=len(listing.unreadable)))


async def post_silence(context: JobContext, asked: Asked) -> HttpResponse:
    """Makes a silence."""
    wanted = read_body(asked, SilenceRequest)
    matchers = Matchers(**{name: harmless(value, MAX_MATCHER) for name, value in _given(wanted.matchers).items()})
    if not matchers:
        raise Refused(bad_body("matchers are empty: a silence names what it is of"))
    try:
        return _kept(await silencing.silence(context, matchers, _wish(wanted)), context)
    except LimitError as error:
        return problem(TOO_MANY_SILENCES, str(error))


async def get_silence(context: JobContext, asked: Asked) -> HttpResponse:
    """One silence or acknowledgement that holds or will; what DELETE ended is found in the list alone."""
    try:
        found = await context.store.load_silence(asked.path["id"].lower())
    except LimitError:  # no silence has such an id
        found = None
    now = context.clock()
    return _none() if found is None or found.silence.is_over(now) else HttpResponse(200, _answer(found.silence, now))


async def delete_silence(context: JobContext, asked: Asked) -> HttpResponse:
    """Ends a silence or an acknowledgement now; one that is over stays as it is."""
    done = await silencing.end(context, asked.path["id"])
    return _none() if done is None else HttpResponse(200, _answer(done.silence, context.clock()))


async def post_acknowledgement(context: JobContext, asked: Asked) -> HttpResponse:
    """Acknowledges an incident; 412 says who did so before."""
    wanted = read_body(asked, AcknowledgementRequest)
    try:
        return _kept(await silencing.acknowledge(context, asked.path["id"], _wish(wanted)), context)
    except silencing.NoIncidentError as error:
        return problem(NOT_FOUND, str(error))
    except silencing.TakenError as error:
        return problem(TAKEN, str(error), silence=_answer(error.first, context.clock()))
    except LimitError as error:
        return problem(TOO_MANY_SILENCES, str(error))


def _wish(wanted: SilenceRequest | AcknowledgementRequest) -> silencing.Wish:
    try:
        return silencing.wish(wanted.author, wanted.reason, wanted.minutes)
    except ValueError as error:
        raise Refused(bad_body(str(error))) from error


def _kept(made: Silence, context: JobContext) -> HttpResponse:
    return HttpResponse(201, _answer(made, context.clock()), {"Location": f"/api/silences/{made.id}"})


def _none() -> HttpResponse:
    return problem(NOT_FOUND, "there is no such silence")


def _answer(silence: Silence, now: datetime) -> SilenceAnswer:
    return SilenceAnswer(
        id=silence.id,
        kind=silence.kind,
        matchers=silence.matchers.given(),
        author=silence.author,
        reason=silence.reason,
        created=silence.created,
        until=silence.until,
        active=silence.is_active(now),
    )


def _given(matchers: MatchersShape) -> dict[str, str]:
    return {name: getattr(matchers, name) for name in matchers.__struct_fields__}
