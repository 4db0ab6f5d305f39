"""A cluster's page: it reads the cluster's own subscription, and all of them where the cluster is part of incidents."""

from __future__ import annotations

import asyncio
import re

from checks.changes import Change
from checks.dashboard.views.cluster import cluster_view
from checks.dashboard.views.timeline import MAX_CHANGES, Changes
from checks.fleet.clusters import find
from checks.fleet.incidents import incidents_of
from checks.fleet.load import load_fleet, load_subscription
from checks.history.errors import SchemaError
from checks.history.model import Unreadable
from checks.text import one_line, redacted
from checks.web.dashboard.answering import Here
from checks.web.http import HttpResponse

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
NONE_KEPT = "None is kept: no run has looked at it in full, or it is gone."


async def cluster_page(here: Here, subscription: str, group: str, name: str) -> HttpResponse | None:
    """The cluster; None where no run has looked at such a one."""
    guid = subscription.lower()
    if not _GUID.fullmatch(guid):
        return None
    fleet = await load_subscription(here.store, guid, here.now)
    entry = find(fleet, guid, group, name)
    if entry is None:
        return None
    try:
        stored, report = await asyncio.gather(
            here.store.load_state(entry.cluster), here.store.load_report(entry.cluster)
        )
        trouble = "" if report else NONE_KEPT
    except SchemaError as error:
        stored, report, trouble = None, None, f"{redacted(one_line(str(error)))[:300]}."
    changes = await _changes(here, entry.cluster)
    baselines = stored.state.baselines if stored else {}
    # Which incident a failure is part of, only all clusters tell.
    incidents = incidents_of(await load_fleet(here.store, here.now)) if entry.failing else ()
    view = cluster_view(entry, fleet, report, baselines, changes, incidents=incidents, trouble=trouble)
    return here.html("cluster", view.name, "", view, fleet.latest)


async def _changes(here: Here, cluster: str) -> Changes:
    """The newest changes."""
    found: list[Change] = []
    unreadable = 0
    async for change in here.store.walk_changes(cluster):
        if len(found) == MAX_CHANGES:
            return Changes(tuple(found), more=True, unreadable=unreadable)
        if isinstance(change, Unreadable):
            unreadable += 1
        else:
            found.append(change)
    try:
        checkpoint = await here.store.find_checkpoint(cluster)
    except SchemaError:
        return Changes(tuple(found), unreadable=unreadable + 1)
    return Changes(tuple(found), unreadable=unreadable, folded=checkpoint.folded if checkpoint else None)
