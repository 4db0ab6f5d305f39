"""Where each page is. Every name in an address is one quoted segment."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from checks.arm_ids import name_of, resource_group_of, subscription_of

BASE = "/api/dashboard"
MOST = 1_500  # characters of an address: what is named by a longer one has no page


def now(**query: str) -> str:
    """*Now*, with a query (values that are "" are left out)."""
    return f"{BASE}{_query(query)}"


def page(*segments: str, **query: str) -> str:
    """A page by its segments: ``page("incidents", "0a1b")``."""
    return "/".join((BASE, *(_quoted(each) for each in segments))) + _query(query)


def cluster(resource_id: str) -> str:
    """A cluster's page; "" where an id is none."""
    parts = (subscription_of(resource_id), resource_group_of(resource_id), name_of(resource_id))
    return _bounded(page("clusters", *parts)) if all(parts) else ""


def registry(login_server: str) -> str:
    """A registry's page; "" where there is no name, or one that no address has room for."""
    return _bounded(page("registries", login_server)) if login_server else ""


def incident(name: str) -> str:
    """An incident's page."""
    return page("incidents", name)


def run(name: str) -> str:
    """A run's page."""
    return page("runs", name)


def _query(query: dict[str, str]) -> str:
    given = {name: value for name, value in query.items() if value}
    return f"?{urlencode(given, errors='replace')}" if given else ""


def _quoted(segment: str) -> str:
    return quote(segment, safe="", errors="replace")


def _bounded(address: str) -> str:
    return address if len(address) <= MOST else ""
