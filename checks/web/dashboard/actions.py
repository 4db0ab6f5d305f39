"""What people do on the dashboard: acknowledge, silence, end a silence, ask for a run, as the API does."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Annotated
from urllib.parse import quote

import msgspec
from msgspec import Meta

from checks.history.errors import LimitError
from checks.jobs import silencing
from checks.jobs.asking import ask_for_run
from checks.jobs.context import JobContext
from checks.silences import MAX_REASON, harmless
from checks.web.dashboard.forms import read_form
from checks.web.dashboard.gate import LOCAL_READER, OPERATOR, without_role
from checks.web.dashboard.refusal import ROOT, Refusal, RefusedError
from checks.web.dashboard.viewer import Viewer
from checks.web.http import Asked, HttpResponse

HOURS = (1, 4, 8, 24, 72)
ACKNOWLEDGED_MINUTES = 24 * 60  # as over the API
_GUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"

Comment = Annotated[str, Meta(max_length=MAX_REASON)]


class AcknowledgeForm(msgspec.Struct, frozen=True):
    """Somebody looks after an incident."""

    comment: Comment


class SilenceForm(msgspec.Struct, frozen=True):
    """No mail about what fails for an incident's root, for one of HOURS."""

    hours: int
    comment: Comment


class EndForm(msgspec.Struct, frozen=True):
    """A silence or an acknowledgement is to end now."""


class RunForm(msgspec.Struct, frozen=True):
    """A run over a subscription; none: over everything."""

    subscription: Annotated[str, Meta(pattern=rf"\A({_GUID})?\Z")] = ""


Action = Callable[[JobContext, Asked, Viewer, str], Awaitable[str]]


async def act(context: JobContext, asked: Asked, viewer: Viewer) -> HttpResponse:
    """Does what a form asks for: 303 to the page that shows it. Raises RefusedError."""
    found = _action(asked.path.get("page", ""))
    if found is None:
        raise RefusedError(Refusal(status=404, title="Nothing was done", said=("No form is sent to this address.",)))
    if not viewer.operator:
        raise RefusedError(_not_an_operator(context, viewer))
    action, name = found
    done = await action(context, asked, viewer, name)
    return HttpResponse(303, b"", {"Location": f"{ROOT}/{done}"}, "text/html")


def takes_a_form(page: str) -> bool:
    """Whether an address is one that forms are sent to, and pages are not at."""
    return page != "runs" and _action(page) is not None


def _wish(viewer: Viewer, comment: str, minutes: int) -> silencing.Wish:
    if not harmless(comment, MAX_REASON):
        why = "The comment is empty. Mails and lists show it: write who looks after it, or why it should be quiet."
        raise RefusedError(Refusal(status=400, title="Nothing was done", said=(why,)))
    return silencing.wish(viewer.author, comment, minutes)


async def _acknowledge(context: JobContext, asked: Asked, viewer: Viewer, incident: str) -> str:
    form = read_form(asked, viewer, AcknowledgeForm)
    wish = _wish(viewer, form.comment, ACKNOWLEDGED_MINUTES)
    try:
        await silencing.acknowledge(context, incident, wish)
    except silencing.NoIncidentError:
        raise _over() from None
    except silencing.TakenError as error:
        if error.first.author == viewer.author:  # a form that was sent twice
            return f"{_incident(incident)}?done=already"
        raise RefusedError(_taken(error, incident)) from None
    except LimitError as error:
        raise _too_many(error) from None
    return f"{_incident(incident)}?done=acknowledged"


async def _silence(context: JobContext, asked: Asked, viewer: Viewer, incident: str) -> str:
    form = read_form(asked, viewer, SilenceForm)
    if form.hours not in HOURS:
        why = f"A silence takes one of {', '.join(map(str, HOURS))} hours."
        raise RefusedError(Refusal(status=400, title="Nothing was done", said=(why,)))
    wish = _wish(viewer, form.comment, form.hours * 60)
    try:
        await silencing.silence_incident(context, incident, wish)
    except silencing.NoIncidentError:
        raise _over() from None
    except LimitError as error:
        raise _too_many(error) from None
    return f"{_incident(incident)}?done=silenced"


async def _end(context: JobContext, asked: Asked, viewer: Viewer, silence: str) -> str:
    read_form(asked, viewer, EndForm)
    ended = await silencing.end(context, silence)
    if ended is None:
        said = ("There is no such silence: it may have been over for long.",)
        link = (f"{ROOT}/silences", "Silences")
        raise RefusedError(Refusal(status=404, title="Nothing was done", said=said, link=link))
    return f"silences?done={'ended' if ended.now else 'over'}"


async def _run(context: JobContext, asked: Asked, viewer: Viewer, _: str) -> str:
    form = read_form(asked, viewer, RunForm)
    subscriptions = (form.subscription.lower(),) if form.subscription else ()
    run = await ask_for_run(context, subscriptions, viewer.author)
    return f"runs/{quote(run.run_id, safe='')}"


_ACTIONS: tuple[tuple[re.Pattern[str], Action], ...] = (
    (re.compile(r"incidents/([^/]+)/acknowledge"), _acknowledge),
    (re.compile(r"incidents/([^/]+)/silence"), _silence),
    (re.compile(r"silences/([^/]+)/end"), _end),
    (re.compile(r"(runs)"), _run),
)


def _action(page: str) -> tuple[Action, str] | None:
    for pattern, action in _ACTIONS:
        match = pattern.fullmatch(page)
        if match:
            return action, match.group(1)
    return None


def _not_an_operator(context: JobContext, viewer: Viewer) -> Refusal:
    if viewer.local:
        return LOCAL_READER
    return without_role(OPERATOR, viewer.name, viewer.id, context.settings.graph)


def _incident(incident: str) -> str:
    return f"incidents/{quote(incident, safe='')}"


def _over() -> RefusedError:
    said = (
        "There is no such incident any more: what failed recovered, or it became part of another incident meanwhile.",
    )
    link = (f"{ROOT}/incidents", "Incidents")
    return RefusedError(Refusal(status=404, title="Nothing was done", said=said, link=link))


def _taken(error: silencing.TakenError, incident: str) -> Refusal:
    first = error.first
    when = first.created.strftime("%Y-%m-%d %H:%M UTC")
    return Refusal(
        status=412,
        title="Somebody was first",
        said=(
            f"{first.author} acknowledged it at {when}: {first.reason}",
            "Theirs stays as it is. Talk to them, or end theirs first to take over.",
        ),
        link=(f"{ROOT}/{_incident(incident)}", "The incident"),
    )


def _too_many(error: LimitError) -> RefusedError:
    said = (f"Too many silences hold: {error}.", "End those that are no longer needed, and try again.")
    link = (f"{ROOT}/silences", "Silences")
    return RefusedError(Refusal(status=409, title="Nothing was done", said=said, link=link))
