"""The metrics of a registry: TotalPullCount and SuccessfulPullCount, counted from the same tries as the tables.

A try counts once in TotalPullCount where it came as far as being asked who it is, whatever became of it; one that the
registry's firewall refuses does not. SuccessfulPullCount has those that got the image's manifest (so also one whose
layers the node could not get afterwards). What is a property of other events (pushes, runs, storage) is always zero.

TENANT/metrics/<registry name>.json says it for hours of its own, which then hold nothing else:

    {"2026-11-28T07:00:00Z": {"TotalPullCount": 10, "SuccessfulPullCount": 9}, "-5h": {…}}

Its numbers stand in the first minute of their hour. A grain before the registry was made, or after what has arrived,
has no `total`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from simulator.arm.resources import Resource
from simulator.monitor.clock import Clock, moment, relative, shown
from simulator.monitor.pulls import Tries
from simulator.monitor.timespans import duration, span
from simulator.nodes.node_network import table
from simulator.responses import Refusal

NAMESPACE = "Microsoft.ContainerRegistry/registries"
TOTAL, SUCCESSFUL = "TotalPullCount", "SuccessfulPullCount"
NAMES = {
    TOTAL: ("Total Pull Count", "Number of image pulls in total", "Count"),
    SUCCESSFUL: ("Successful Pull Count", "Number of successful image pulls", "Count"),
    "TotalPushCount": ("Total Push Count", "Number of image pushes in total", "Count"),
    "SuccessfulPushCount": ("Successful Push Count", "Number of successful image pushes", "Count"),
    "RunDuration": ("Run Duration", "Run Duration in milliseconds", "MilliSeconds"),
    "StorageUsed": ("Storage used", "The amount of storage used by the container registry", "Bytes"),
}
GRAINS = ("PT1M", "PT5M", "PT15M", "PT30M", "PT1H", "PT6H", "PT12H", "P1D", "FULL")
MOST_GRAINS = 50_000
_HOUR = timedelta(hours=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Counts = dict[datetime, tuple[int, int]]


def answer(registry: Resource, query: dict[str, str], counts: Counts, clock: Clock) -> dict[str, Any]:
    """The body of `GET …/Microsoft.Insights/metrics`. Raises Refusal (400) as Azure Monitor words it."""
    names = [name.strip() for name in query.get("metricnames", TOTAL).split(",")]
    asked = query.get("timespan", "PT1H")
    within, grain = span(asked, clock.now), query.get("interval", "PT1M")
    if within is None or within[0] >= within[1]:
        raise _bad(f"Invalid timespan: '{asked}'. It has the form start/end, start before end.")
    grains = _grains(*within, grain)
    if query.get("aggregation", "Total").lower() != "total":
        raise _bad(f"The simulator knows no aggregation but Total, not '{query['aggregation']}'.")
    if query.get("metricnamespace", NAMESPACE).lower() != NAMESPACE.lower():
        raise _bad(f"'{query['metricnamespace']}' is no metric namespace of this resource.")
    return {
        "cost": 0,
        "timespan": f"{shown(within[0])}/{shown(within[1])}",
        "interval": grain,
        "namespace": NAMESPACE,
        "resourceregion": registry.body.get("location"),
        "value": [_metric(registry, name, grains, counts, clock) for name in names],
    }


def _grains(start: datetime, end: datetime, grain: str) -> list[tuple[datetime, datetime]]:
    if grain not in GRAINS:
        raise _bad(f"Invalid time grain '{grain}'. Supported ones are {', '.join(GRAINS)}.")
    step = end - start if grain == "FULL" else duration(grain)
    assert step is not None  # all the grains are durations
    at = start if grain == "FULL" else _EPOCH + (start - _EPOCH) // step * step
    if (end - at) / step > MOST_GRAINS:
        raise _bad(f"The timespan has more than {MOST_GRAINS} points at the interval {grain}.")
    grains = []
    while at < end:
        grains.append((at, min(at + step, end) if grain == "FULL" else at + step))
        at += step
    return grains


def _metric(
    registry: Resource, asked: str, grains: list[tuple[datetime, datetime]], counts: Counts, clock: Clock
) -> dict[str, Any]:
    name = next((name for name in NAMES if name.lower() == asked.lower()), None)
    if name is None:
        raise _bad(
            "Failed to find metric configuration for provider: Microsoft.ContainerRegistry, resource Type: registries, "
            f"metric: {asked}, Valid metrics: {','.join(NAMES)}"
        )
    display, description, unit = NAMES[name]
    since = moment(table(registry.body.get("properties")).get("creationDate")) or _EPOCH
    ordered = sorted(counts.items())
    data: list[dict[str, Any]] = []
    for start, end in grains:
        point: dict[str, Any] = {"timeStamp": shown(start)}
        if end > since and start <= clock.settled:
            point["total"] = float(_count(name, ordered, start, end))
        data.append(point)
    return {
        "id": f"{registry.id}/providers/Microsoft.Insights/metrics/{name}",
        "type": "Microsoft.Insights/metrics",
        "name": {"value": name, "localizedValue": display},
        "displayDescription": description,
        "unit": unit,
        "timeseries": [{"metadatavalues": [], "data": data}],
        "errorCode": "Success",
    }


def _count(name: str, ordered: list[tuple[datetime, tuple[int, int]]], start: datetime, end: datetime) -> int:
    if name not in (TOTAL, SUCCESSFUL):
        return 0
    return sum(both[name == SUCCESSFUL] for at, both in ordered if start <= at < end)


def counts(tries: Iterable[Tries], history: Any, clock: Clock) -> Counts:
    """(total, successful) by minute. `history` is the registry's file."""
    found: dict[datetime, list[int]] = {}
    for one in tries:
        for at in one.times(clock.now) if one.reached else ():
            if at <= clock.settled:
                minute = found.setdefault(at.replace(second=0, microsecond=0), [0, 0])
                minute[0] += 1
                minute[1] += one.pulled
    told = _told(history, clock.now)
    kept = {at: (both[0], both[1]) for at, both in found.items() if _hour(at) not in told}
    return kept | told


def _told(history: Any, now: datetime) -> Counts:
    """What the file says, by hour; what is no time or no number counts as absent."""
    told: Counts = {}
    for text, given in table(history).items():
        at = relative(text, now)
        if at is not None and isinstance(given, dict):
            told[_hour(at)] = (_number(given.get(TOTAL)), _number(given.get(SUCCESSFUL)))
    return told


def _hour(at: datetime) -> datetime:
    return _EPOCH + (at - _EPOCH) // _HOUR * _HOUR


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _bad(message: str) -> Refusal:
    """Azure Monitor's error has no `error` around it."""
    return Refusal(400, {"code": "BadRequest", "message": message})
