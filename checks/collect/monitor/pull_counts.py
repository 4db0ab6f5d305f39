"""How many pulls a registry counted, by the hour: its platform metrics in Azure Monitor (api 2024-02-01).

One request a registry, run and process, with both metrics and the whole span, so that the registry's own past is what
its last hours are compared with. Azure Monitor keeps 93 days of it, and counts by the minute, some minutes late.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from checks.collect.arm import bodies, reads
from checks.collect.arm.client import Azure
from checks.collect.arm.inventory import Inventory
from checks.collect.wire.errors import Temporary
from checks.facts import NotSeen, NotSeenReason, Registry, RegistryUse, Seen
from checks.facts.registry_details import PullCounts, PullHour
from checks.text import counted

METRICS_API = "2024-02-01"
NAMESPACE = "Microsoft.ContainerRegistry/registries"
TOTAL, SUCCESSFUL = "TotalPullCount", "SuccessfulPullCount"
SPAN = timedelta(days=7)
# The two metrics may arrive one after the other: what is counted of the last minutes could look like pulls that failed.
LATE = timedelta(minutes=5)
MAX_HOURS = 169  # of seven days, where an hour begins before them
MAX_POINTS = 1_000  # that are looked at, of more than any answer has
MAX_PULLS = 10**9  # an hour
AT_ONCE = 4
OFF = NotSeen(NotSeenReason.OFF, "reading the metrics of registries is switched off by PULLWATCH_REGISTRY_METRICS")


async def of_cluster(
    azure: Azure, inventory: Inventory, uses: Iterable[RegistryUse]
) -> dict[str, Seen[PullCounts] | NotSeen]:
    """The counts of registries by login server, for those that ARM returned; a few at once."""
    limit = asyncio.Semaphore(AT_ONCE)
    known = [use.registry.value for use in uses if isinstance(use.registry, Seen)]

    async def bounded(registry: Registry) -> Seen[PullCounts] | NotSeen:
        async with limit:
            return await inventory.pull_counts.get(
                registry.login_server, lambda: reads.seen(read(azure, registry, datetime.now(UTC)))
            )

    if not azure.settings.registry_metrics:
        return {registry.login_server: OFF for registry in known}
    counts = await asyncio.gather(*(bounded(registry) for registry in known))
    return {registry.login_server: one for registry, one in zip(known, counts, strict=True)}


async def read(azure: Azure, registry: Registry, now: datetime) -> Seen[PullCounts]:
    """The counts of one registry until shortly before ``now`` (UTC). Raises CollectError."""
    until = (now - LATE).replace(second=0, microsecond=0)
    query = {
        "metricnames": f"{TOTAL},{SUCCESSFUL}",
        "metricnamespace": NAMESPACE,
        "timespan": f"{_written(until - SPAN)}/{_written(until)}",
        "interval": "PT1H",
        "aggregation": "Total",
    }
    path = f"{registry.id}/providers/Microsoft.Insights/metrics"
    body = await reads.get(azure, path, METRICS_API, f"metrics of {registry.name}", query, registry.id)
    what = f"{TOTAL} and {SUCCESSFUL} of {registry.name}, {query['timespan']} by the hour"
    evidence = reads.evidence(what, "Azure Monitor metrics (Azure Resource Manager)", METRICS_API)
    hours, unreadable = hours_of(body, until)
    return Seen(
        PullCounts(until, hours), evidence, f"{counted(unreadable, 'hour')} could not be read" if unreadable else ""
    )


def hours_of(body: Any, until: datetime) -> tuple[tuple[PullHour, ...], int]:
    """The hours of an answer, oldest first, and how many of them could not be read. Raises Temporary without a metric.

    A grain without a value counted nothing. More successful pulls than pulls are as many: a pull that ended in the next
    minute than it began is counted apart.
    """
    totals, lost = _counts(_metric(body, TOTAL), until)
    successes, _ = _counts(_metric(body, SUCCESSFUL), until)
    read = [
        PullHour(start, pulls, min(pulls, successful))
        for start, pulls in sorted(totals.items())
        if (successful := successes.get(start, 0 if pulls == 0 else None)) is not None
    ]
    kept = tuple(read[-MAX_HOURS:])
    return kept, lost + len(totals) - len(kept)


def _metric(body: Any, name: str) -> dict[str, Any]:
    found = next((one for one in bodies.objects(body, "value") if _called(one, name)), None)
    if found is None:
        raise Temporary(f"Azure Monitor's answer has no metric {name}")
    code = bodies.said(found, "errorCode") or "Success"
    if code.lower() != "success":
        raise Temporary(f"Azure Monitor could not give the metric {name}: {code[:100]}")
    return found


def _called(body: dict[str, Any], name: str) -> bool:
    return (bodies.text(body, "name", "value") or "").lower() == name.lower()


def _counts(metric: dict[str, Any], until: datetime) -> tuple[dict[datetime, int], int]:
    """The values of a metric without dimensions by the start of their hours, and how many could not be read."""
    series = bodies.objects(metric, "timeseries")
    points = bodies.objects(series[0], "data")[:MAX_POINTS] if series else []
    counts: dict[datetime, int] = {}
    lost = 0
    for point in points:
        start, value = _time(point.get("timeStamp")), _count(point.get("total"))
        if start is None or value is None or start in counts or not until - SPAN - timedelta(hours=1) < start <= until:
            lost += 1
        else:
            counts[start] = value
    return counts, lost


def _time(value: Any) -> datetime | None:
    return _moment(value) if isinstance(value, str) and len(value) <= 40 else None


@lru_cache(maxsize=512)  # all registries have the same hours of a week
def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC) if text.endswith(("Z", "+00:00")) else None
    except (ValueError, OverflowError):
        return None


def _count(value: Any) -> int | None:
    """A whole number of pulls that makes sense; nothing counted where there is no value."""
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_PULLS:  # nor NaN
        return None
    return round(value)


def _written(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
