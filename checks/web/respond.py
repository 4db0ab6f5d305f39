"""From a request to its answer: check the query, open what the handler works with, and make every error a problem."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from azure.core.exceptions import AzureError

from checks.history.errors import HistoryError, SchemaError
from checks.jobs.context import JobContext
from checks.text import one_line, redacted
from checks.web import problems
from checks.web.addresses import Level
from checks.web.http import Asked, HttpResponse, revalidated
from checks.web.problems import Refused, problem
from checks.web.reading import read_query
from checks.web.route import Route

LOG = logging.getLogger(__name__)
RETRY_AFTER = "30"  # seconds after which storage may be back: its own failovers take about as long

TRY_AGAIN = "it did not answer in time, or not as it has to; ask again after the seconds that Retry-After says"

OpenContext = Callable[[], AbstractAsyncContextManager[JobContext]]


async def respond(route: Route, open_context: OpenContext, asked: Asked) -> HttpResponse:
    """The answer of a route, whatever happens.

    This is one of the places where a broad ``except`` stands: who asks over HTTP gets a problem, not an empty body.
    What it was is logged with its traceback.
    """
    try:
        read_query(asked, route.query)
        async with asyncio.timeout(route.seconds), open_context() as context:
            return revalidated(asked, await route.handler(context, asked))
    except Refused as refused:
        return refused.answer
    except SchemaError as error:
        return _unreadable(error) if route.level is Level.FUNCTION else _unavailable(error)
    except (AzureError, HistoryError, TimeoutError) as error:
        return _unavailable(error)
    except Exception as error:
        LOG.exception("%s %s failed", route.method, route.route)
        return problem(problems.INTERNAL, f"{type(error).__name__}; the app's log has more")


def not_configured(route: Route, why: str) -> HttpResponse:
    """503: a setting cannot be used, so nothing can be answered. Which one is for holders of a key."""
    return problem(problems.NOT_CONFIGURED, why if route.level is Level.FUNCTION else "")


def _unreadable(error: SchemaError) -> HttpResponse:
    """A row that the answer needs cannot be read; only who holds a key is told which."""
    LOG.error("not answered: %s", error)
    return problem(problems.UNREADABLE, redacted(one_line(str(error)))[:300])


def _unavailable(error: Exception) -> HttpResponse:
    """Why is for the log alone."""
    LOG.error("storage does not answer: %s: %s", type(error).__name__, one_line(str(error)))
    return problem(problems.UNAVAILABLE, TRY_AGAIN, headers={"Retry-After": RETRY_AFTER})
