"""From a request to the dashboard to its answer: the gate, then a page or an action; whatever fails is a page, too."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping

import msgspec
from azure.core.exceptions import AzureError

from checks.dashboard.assets import find
from checks.dashboard.refusal import refusal_page
from checks.history.errors import HistoryError, SchemaError
from checks.settings import Settings, UnusableSettings
from checks.text import one_line, redacted
from checks.web.dashboard import pages
from checks.web.dashboard.actions import act, takes_a_form
from checks.web.dashboard.forms import browser, token_of
from checks.web.dashboard.gate import viewer_of
from checks.web.dashboard.refusal import Refusal, RefusedError
from checks.web.dashboard.viewer import Viewer
from checks.web.http import Asked, HttpResponse
from checks.web.problems import Refused
from checks.web.respond import OpenContext

LOG = logging.getLogger(__name__)
SECONDS = 60.0
HTML = "text/html"
CONTENT_SECURITY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
# Files of the dashboard itself, which hold nothing of anybody: also the pages of who may not look need their style, and
# those of storage that is away.
_STATIC = re.compile(r"static/([A-Za-z0-9][A-Za-z0-9._-]*)")
FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}


async def respond(
    asked: Asked,
    open_context: OpenContext,
    settings: Settings | UnusableSettings,
    environment: Mapping[str, str],
    seconds: float = SECONDS,
) -> HttpResponse:
    """The answer to whatever is asked, with its security headers. ``seconds``: how long reading and doing may take."""
    file = _STATIC.fullmatch(asked.path.get("page", ""))
    meant = msgspec.structs.replace(asked, method="GET") if asked.method == "HEAD" else asked
    answer = _static(file[1]) if file and meant.method == "GET" else None
    if answer is None:
        answer = await _answered(meant, open_context, settings, environment, seconds)
    headers = {"Cache-Control": "no-store"} | answer.headers | HEADERS
    body = b"" if asked.method == "HEAD" else answer.body
    return msgspec.structs.replace(answer, headers=headers, body=body)


def _static(name: str) -> HttpResponse | None:
    found = find(name)
    return None if found is None else HttpResponse(200, found.body, dict(FOREVER), found.media_type)


async def _answered(
    asked: Asked,
    open_context: OpenContext,
    settings: Settings | UnusableSettings,
    environment: Mapping[str, str],
    seconds: float,
) -> HttpResponse:
    """This is one of the places where a broad ``except`` stands, as in the API's: what it was is in the log."""
    try:
        if isinstance(settings, UnusableSettings):
            raise RefusedError(NOT_CONFIGURED)
        viewer, cookie = _viewer(asked, settings, environment)
        async with asyncio.timeout(seconds), open_context() as context:
            if asked.method == "POST":
                return await act(context, asked, viewer)
            answer = await pages.page(context, asked, viewer)
        return _with_cookie(answer, cookie)
    except RefusedError as refused:
        return _page(refused.refusal)
    except Refused as refused:
        return _page(_unusable(refused))
    except SchemaError as error:
        LOG.error("not answered: %s", error)
        return _page(UNREADABLE)
    except (AzureError, HistoryError, TimeoutError) as error:
        LOG.error("storage does not answer: %s: %s", type(error).__name__, one_line(str(error)))
        return _page(UNAVAILABLE)
    except Exception as error:
        LOG.exception("the dashboard failed")
        return _page(_failed(error))


def _viewer(asked: Asked, settings: Settings, environment: Mapping[str, str]) -> tuple[Viewer, str]:
    """Who looks, with a form token, and the header Set-Cookie that goes with it ("": none). Raises RefusedError."""
    page = asked.path.get("page", "")
    viewer = viewer_of(asked, settings, environment)
    if isinstance(viewer, Refusal):
        raise RefusedError(viewer)
    if asked.method == "GET" and takes_a_form(page):
        raise RefusedError(NOT_A_PAGE)
    if asked.method == "POST":
        return viewer, ""
    value, cookie = browser(asked, viewer)
    return msgspec.structs.replace(viewer, form_token=token_of(value, viewer)), cookie


def _with_cookie(answer: HttpResponse, cookie: str) -> HttpResponse:
    """Only a page has forms; what a script or a download asks for must not change the cookie beside it."""
    if not cookie or not answer.media_type.startswith("text/html"):
        return answer
    return msgspec.structs.replace(answer, headers=answer.headers | {"Set-Cookie": cookie})


def _page(refusal: Refusal) -> HttpResponse:
    text = refusal_page(refusal.title, refusal.said, refusal.commands, link=refusal.link)
    return HttpResponse(refusal.status, text.encode(), refusal.headers, HTML)


NOT_CONFIGURED = Refusal(
    status=503,
    title="A setting of the app cannot be used",
    said=("Which one and why is in the app's log, and for holders of a key at /api/health/details.",),
)
NOT_A_PAGE = Refusal(
    status=405,
    title="Nothing was done",
    said=("This address takes a form and is no page. If you had to sign in meanwhile, send the form again.",),
    headers={"Allow": "POST"},
)
UNREADABLE = Refusal(
    status=503,
    title="A row in storage cannot be read",
    said=("Which one is in the app's log. If a newer version of Pullwatch wrote it, deploy that version again.",),
)
UNAVAILABLE = Refusal(
    status=503,
    title="Storage does not answer",
    said=(
        "It is not known whether anything was done. Try again in a moment; the app's log says why storage is away.",
        "Where it lasts: the app's identity needs its roles on the storage account, and a way to it in the network.",
    ),
    headers={"Retry-After": "30"},
)


def _unusable(refused: Refused) -> Refusal:
    """What reads a page's query says in the API's words."""
    body = refused.answer.body
    detail = str(body.get("detail") or body.get("title", "")) if isinstance(body, dict) else ""
    title = "This address cannot be used"
    return Refusal(status=refused.answer.status, title=title, said=(redacted(one_line(detail))[:300],))


def _failed(error: Exception) -> Refusal:
    said = (f"{type(error).__name__}; the app's log has more.",)
    return Refusal(status=500, title="Pullwatch itself failed", said=said)
