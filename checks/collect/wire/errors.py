"""What can go wrong on a wire. Each adapter maps its SDK's exceptions once, here or beside itself.

    CollectError        a read failed; the reason is none of the following
    ├── Temporary       throttling, 5xx, a body that makes no sense: it may work later
    ├── NotSignedIn     no token, or 401: nobody is signed in, or the sign-in is not taken
    ├── NotAllowed      403: a role or permission is missing
    ├── NotAuthenticated    401 of a cluster: it does not take who asks, whatever roles they have
    ├── NotFound        404: there is no such thing
    └── Unreachable     no name, no connection, no trust, or no answer in time
        └── BrokenOff   an answer that began and did not end

The rest of the code never sees an SDK exception, nor does a log: its text may be a whole body, and a body may repeat
the token that was sent. What it says is kept as ``detail``, without secrets; the exception itself is not chained.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import aiohttp
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    DeserializationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)

from checks.causes import ScanCause
from checks.collect.wire import sign_in
from checks.collect.wire.deadlines import call_within
from checks.facts import NotSeen, NotSeenReason
from checks.findings import ScanError
from checks.retry_after import asked_seconds
from checks.rules.fixes import az_roles
from checks.text import one_line, without_bytes

# Whom Azure Resource Manager, and the API server of an AKS cluster, say that they refuse.
_OBJECT_ID = re.compile(r"""(?:object id '|User ")([0-9a-fA-F-]{36})['"]""")


# What azure-identity says where no token was to be had: without a status, or the one of a managed identity's endpoint.
_NO_TOKEN = (None, 400, 403, 404)


class CollectError(Exception):
    """Something could not be read. ``detail`` is made one bounded line for people, without secrets."""

    why = NotSeenReason.ERROR
    cause: str = ""

    def __init__(self, detail: str) -> None:
        super().__init__(one_line(detail))

    def as_gap(self) -> NotSeen:
        """The fact that this was not seen."""
        return NotSeen(self.why, str(self))

    def as_error(self) -> ScanError:
        """Why a whole scan could not look, where not even a list can be had."""
        summary = f"Nothing could be checked: {self}"
        return ScanError(self.cause or f"look-{self.why.value}", summary, self.as_gap().fix)


class NotSignedIn(CollectError):
    """No credential gave a token, or Azure does not take it (401). ``fix``: az login, or what shows what is wrong."""

    why = NotSeenReason.NOT_ALLOWED
    cause = ScanCause.NOT_SIGNED_IN

    def __init__(self, what: str, found: sign_in.SignIn) -> None:
        super().__init__(f"{what}: {found.problem}")
        self.fix = found.fix

    def as_error(self) -> ScanError:
        """That nobody is signed in, which is all there is to say of a whole scan."""
        return ScanError(self.cause, f"Not signed in: {self}", self.fix)

    def as_gap(self) -> NotSeen:
        """The fact that nobody was let in."""
        return NotSeen(self.why, f"{self}.", sign_in.MISSING, self.fix)


class Temporary(CollectError):
    """It may work later: throttling (``retry_after`` seconds, where given), 5xx, a body that made no sense.

    ``rejected``: the service does not take the request as it is (400); of a plain list, that is its api-version.
    """

    def __init__(self, detail: str, retry_after: float | None = None, *, rejected: bool = False) -> None:
        super().__init__(detail)
        self.retry_after = retry_after
        self.rejected = rejected
        self.why = NotSeenReason.THROTTLED if retry_after is not None else NotSeenReason.ERROR


class NotAllowed(CollectError):
    """403. ``role`` names the role that is missing; ``fix`` the command that grants it."""

    why = NotSeenReason.NOT_ALLOWED
    cause = ScanCause.NOT_ALLOWED

    def __init__(self, detail: str, role: str, scope: str, fix: tuple[str, ...] | None = None) -> None:
        super().__init__(detail)
        self.role = role
        who = _OBJECT_ID.search(detail)
        granting = az_roles.assign_role(who[1] if who else az_roles.OWN_IDENTITY, role, scope)
        self.fix = (granting,) if fix is None else fix

    def as_gap(self) -> NotSeen:
        """The fact that this was not allowed, with the role and the command."""
        return NotSeen(self.why, f"{self} Missing role: {self.role}.", self.role, self.fix)


class NotAuthenticated(CollectError):
    """401 where no role is what is ``missing``: the credentials are not taken. ``fix`` looks into it."""

    why = NotSeenReason.NOT_ALLOWED

    def __init__(self, detail: str, missing: str, fix: tuple[str, ...]) -> None:
        super().__init__(detail)
        self.missing = missing
        self.fix = fix

    def as_gap(self) -> NotSeen:
        """The fact that nobody was let in, with what is missing."""
        return NotSeen(self.why, f"{self}. Missing: {self.missing}.", self.missing, self.fix)


class NotFound(CollectError):
    """404: what was asked for does not exist."""

    why = NotSeenReason.NOT_FOUND


class Unreachable(CollectError):
    """No connection, no name, no trust, or no answer within the deadline."""

    why = NotSeenReason.UNREACHABLE


class BrokenOff(Unreachable):
    """An answer began and did not end: as with no answer, nobody knows what it was; but there is a way."""

    why = NotSeenReason.ERROR


@asynccontextmanager
async def translate_errors(what: str, role: str, scope: str, seconds: float) -> AsyncIterator[None]:
    """Runs one call within a deadline of ``seconds`` and turns what it may raise into a CollectError.

    Waiting for its turn (``checks.collect.arm.pacing``) is not counted.
    ``what`` names the call for people; ``role`` at ``scope`` is what a 403 would be cured by.
    """
    try:
        async with call_within(seconds):
            yield
    except TimeoutError:
        raise Unreachable(f"{what}: no answer within {seconds:g} s") from None
    except HttpResponseError as error:
        raise _from_response(what, role, scope, error) from None
    except aiohttp.ClientPayloadError:  # it did answer
        raise BrokenOff(f"{what}: the answer broke off") from None
    except (ServiceRequestError, ServiceResponseError, aiohttp.ClientError, OSError) as error:
        raise Unreachable(f"{what}: {without_bytes(str(error))}") from None
    except DeserializationError:  # its text is the whole body
        raise Temporary(f"{what}: Azure sent a body that could not be read") from None
    except AzureError as error:
        raise Temporary(f"{what}: {without_bytes(str(error))}") from None
    except ValueError:  # the SDK lets what json raises through
        raise Temporary(f"{what}: what was sent is no JSON") from None


def _from_response(what: str, role: str, scope: str, error: HttpResponseError) -> CollectError:
    status = error.status_code
    detail = f"{what}: {_message(error)}"
    if isinstance(error, ClientAuthenticationError) and status in _NO_TOKEN:
        return _no_token(what, error.message or "")
    if status == 401:
        return NotSignedIn(f"{what}: {_code(error)}", sign_in.refused_token(detail, os.environ))
    if status == 403:
        return NotAllowed(detail, role, scope)
    if status == 404:
        return NotFound(detail)
    if status == 429:
        return Temporary(detail, _retry_after(error))
    return Temporary(detail, rejected=status == 400)


def _no_token(what: str, text: str) -> CollectError:
    if sign_in.is_network(text):
        return Unreachable(f"{what}: the sign-in service of Azure cannot be reached")
    return NotSignedIn(what, sign_in.no_token(text, os.environ))


def _code(error: HttpResponseError) -> str:
    return f"HTTP {error.status_code}{f' {error.error.code}' if error.error and error.error.code else ''}"


def _message(error: HttpResponseError) -> str:
    code = f"{error.error.code}: {error.error.message}" if error.error and error.error.code else (error.message or "")
    return f"{f'HTTP {error.status_code} ' if error.status_code else ''}{code}"


def _retry_after(error: HttpResponseError) -> float:
    headers: Mapping[str, str] = getattr(error.response, "headers", {})
    return asked_seconds(headers.get("Retry-After", ""), datetime.now(UTC)) or 0.0
