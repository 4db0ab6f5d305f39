"""What a form sent, taken only where a page of the dashboard itself sent it.

Two things have to hold, each by itself: the browser says that the request comes from the dashboard's own origin, and
it brings a token that only a page of the dashboard could give it. The token is made of a random cookie, which no script
and no other site can read and whose name forbids other hosts of the same domain to set it, and of who looks: it needs
no secret of the app, and is of no use to anybody else.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec

from checks.text import one_line, redacted
from checks.web.dashboard.refusal import Refusal, RefusedError
from checks.web.dashboard.viewer import Viewer
from checks.web.http import Asked
from checks.web.reading import MAX_BODY, fields_of

MEDIA_TYPE = "application/x-www-form-urlencoded"
TOKEN = "token"
MAX_FIELDS = 20
COOKIE = "__Host-pullwatch-form"
LOCAL_COOKIE = "pullwatch-form"  # browsers take no __Host- over http
# What people called the host, also where a front end of the platform calls it something else. No form sets these.
_HOSTS = ("host", "x-forwarded-host", "disguised-host")
_VALUE = re.compile(r"[A-Za-z0-9_-]{43}")

T = TypeVar("T", bound=msgspec.Struct)


def browser(asked: Asked, viewer: Viewer) -> tuple[str, str]:
    """The browser's random value, and the header Set-Cookie that gives it one ("": it has one)."""
    name = _cookie_name(viewer)
    known = _cookie(asked.headers.get("cookie", ""), name)
    if known:
        return known, ""
    fresh = secrets.token_urlsafe(32)
    secure = "" if viewer.local else "; Secure"
    return fresh, f"{name}={fresh}; Path=/; HttpOnly; SameSite=Strict{secure}"


def token_of(value: str, viewer: Viewer) -> str:
    """The hidden field for this browser and person."""
    return hmac.new(value.encode(), f"{viewer.id}\n{viewer.name}".encode(), hashlib.sha256).hexdigest()


def read_form(asked: Asked, viewer: Viewer, shape: type[T]) -> T:
    """What was sent, as a Struct whose fields are the form's besides the token. Raises RefusedError."""
    require_same_origin(asked, viewer)
    given = _fields(asked)
    _require_token(asked, viewer, given.pop(TOKEN, ""))
    known = {field.encode_name: field for field in fields_of(shape)}
    unknown = next((name for name in given if name not in known), None)
    if unknown is not None:
        raise _not_taken(400, f"There is no field {_shown(unknown)} in this form.")
    missing = next((name for name, field in known.items() if field.required and name not in given), None)
    if missing is not None:
        raise _not_taken(400, f"The field {missing} is missing.")
    try:
        return msgspec.convert(given, shape, strict=False)
    except msgspec.ValidationError as error:
        raise _not_taken(400, f"A field cannot be used: {redacted(one_line(str(error)))[:200]}.") from None


def require_same_origin(asked: Asked, viewer: Viewer) -> None:
    """Raises RefusedError (403) where the browser does not say that a page of this very host sent it.

    Sec-Fetch-Site and Origin are both browsers' own words, which no page can set. Each that is there has to fit.
    """
    site, origin = asked.headers.get("sec-fetch-site"), asked.headers.get("origin")
    if site is None and origin is None:
        raise _not_taken(403, "The browser does not say which page sent this form.")
    if site is not None and site != "same-origin":
        raise _not_taken(403, "Another site sent this form.")
    if origin is not None and origin.lower() not in _own_origins(asked, viewer):
        raise _not_taken(403, "A page of another host sent this form.")


def _own_origins(asked: Asked, viewer: Viewer) -> set[str]:
    """The dashboard's origins. Azure ends TLS before the app, which then sees http: only the stand-in is without it."""
    scheme = "http" if viewer.local else "https"
    return {f"{scheme}://{asked.headers[name].lower()}" for name in _HOSTS if asked.headers.get(name)}


def _fields(asked: Asked) -> dict[str, Any]:
    kind, _, parameters = asked.headers.get("content-type", "").partition(";")
    if kind.strip().lower() != MEDIA_TYPE or parameters.strip().lower() not in ("", "charset=utf-8"):
        raise _not_taken(415, f"A form is sent as {MEDIA_TYPE}.")
    if len(asked.body) > MAX_BODY:
        raise _not_taken(413, f"The form is longer than {MAX_BODY} bytes.")
    try:
        text = asked.body.decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError:
        raise _not_taken(400, "The form cannot be read.") from None
    given = dict(pairs)
    if len(given) != len(pairs):
        raise _not_taken(400, "A field is there more than once.")
    return given


def _require_token(asked: Asked, viewer: Viewer, given: str) -> None:
    value = _cookie(asked.headers.get("cookie", ""), _cookie_name(viewer))
    if not value or not hmac.compare_digest(given.encode(), token_of(value, viewer).encode()):
        raise _not_taken(403, "The form is of another session: somebody signed in or out since the page was opened.")


def _cookie_name(viewer: Viewer) -> str:
    return LOCAL_COOKIE if viewer.local else COOKIE


def _cookie(header: str, name: str) -> str:
    """The value of a cookie that this app has set; "" where there is none, it is another's, or there are several."""
    pairs = (part.strip().partition("=") for part in header.split(";"))
    found = [value for key, _, value in pairs if key == name]
    return found[0] if len(found) == 1 and _VALUE.fullmatch(found[0]) else ""


def _not_taken(status: int, why: str) -> RefusedError:
    """``why`` is a sentence without what was sent, or with a bounded part of it."""
    again = "Open the page again and send its form from there."
    return RefusedError(Refusal(status=status, title="Nothing was done", said=(why, again)))


def _shown(name: str) -> str:
    return repr(redacted(one_line(name))[:80])
