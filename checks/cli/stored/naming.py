"""Clusters by what somebody calls them: an id, or a name that may be there more than once."""

from __future__ import annotations

import difflib

from checks.arm_ids import name_of
from checks.cli.storage import say
from checks.fleet.model import Fleet
from checks.history.overview import ClusterEntry
from checks.text import printable, redacted

MAX_NAME = 300


def cluster_called(fleet: Fleet, wanted: str) -> ClusterEntry | None:
    """The one cluster of an id or a name, also where it is gone; None, and a sentence, where there is not one."""
    lowered = wanted.strip().rstrip("/").lower()
    entries = list(fleet.entries())
    found = [entry for entry in entries if lowered in (entry.cluster.lower(), name_of(entry.cluster).lower())]
    if len(found) == 1:
        return found[0]
    shown = printable(redacted(wanted)[:MAX_NAME])
    if found:
        say(f"{len(found)} clusters are called {shown}: give the id of one")
        for entry in found:
            say(f"  {entry.cluster}")
        return None
    near = difflib.get_close_matches(lowered, sorted({name_of(entry.cluster).lower() for entry in entries}), 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    say(f"no run has looked at a cluster called {shown}, among {len(entries)}{hint}")
    return None
