"""``/api/metrics``: OpenMetrics, out of the last closed run and of what waits to be sent; nothing is kept in memory.

The run is the last one over the whole scope: figures of a part would resolve the alerts of all the rest.

No label names a cluster or a registry: their number is not bounded, and lists and incidents have them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

import msgspec

from checks.findings import Pass
from checks.history.model import Run
from checks.jobs.context import JobContext
from checks.jobs.watch import MAX_POISON, Signals, read_signals
from checks.version import VERSION
from checks.web.http import Asked, HttpResponse

MEDIA_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
Labels = Mapping[str, str]
_NONE: Labels = {}


class Family(msgspec.Struct, frozen=True):
    """A metric: its name without the prefix, what it is, and its samples. ``unit`` is the last part of the name."""

    name: str
    help: str
    samples: tuple[tuple[Labels, float], ...]
    unit: str = ""
    kind: str = "gauge"


async def get_metrics(context: JobContext, asked: Asked) -> HttpResponse:
    """The figures of the last run over the whole scope, and of the outbox."""
    signals = await read_signals(context)
    poison = await context.store.list_poison(MAX_POISON)
    text = exposition((*_of_the_run(signals.latest), *_of_the_app(signals, len(poison))))
    return HttpResponse(200, text.encode(), media_type=MEDIA_TYPE)


def exposition(families: Iterable[Family]) -> str:
    """Families as OpenMetrics text."""
    return "".join(line for family in families for line in _lines(family)) + "# EOF\n"


def _lines(family: Family) -> Iterator[str]:
    name = f"pullwatch_{family.name}"
    if not family.samples:
        return
    yield f"# TYPE {name} {family.kind}\n"
    if family.unit:
        yield f"# UNIT {name} {family.unit}\n"
    yield f"# HELP {name} {_escaped(family.help)}\n"
    shown = f"{name}_info" if family.kind == "info" else name
    for labels, value in family.samples:
        listed = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        yield f"{shown}{{{listed}}} {value:.15g}\n" if listed else f"{shown} {value:.15g}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _of_the_run(run: Run | None) -> Iterator[Family]:
    """What the last run over the whole scope came to; nothing where none was closed."""
    if run is None or run.closed is None:
        return
    totals = run.totals
    verdicts = {"pass": totals.passing, "fail": totals.failing, "unknown": totals.unknown, "error": totals.errors}
    yield Family("clusters", "Clusters by what the last run over the whole scope came to.", _by("verdict", verdicts))
    rows = (
        ({"facet": facet, "verdict": verdict}, float(count))
        for facet, counts in sorted(totals.rows.items())
        for verdict, count in sorted(counts.items())
    )
    yield Family("rows", "Rows of a cluster and a registry, by answer and verdict.", tuple(rows))
    looked = sum(isinstance(result.verdict, Pass) for result in run.subscriptions)
    seen = {"yes": looked, "no": len(run.subscriptions) - looked}
    yield Family("subscriptions", "Subscriptions by whether they could be read whole.", _by("read", seen))
    yield Family("clusters_not_seen", "Clusters where a look failed.", _one(totals.blind))
    yield Family(
        "run_closed_timestamp_seconds", "When the last run over the whole scope was closed.", _at(run.closed), "seconds"
    )
    took = (run.closed - run.created).total_seconds()
    yield Family("run_duration_seconds", "How long the last run took.", _one(took), "seconds")
    yield Family("run_degraded", "Whether the last run lost so much that its changes are in doubt.", _one(run.degraded))
    yield Family("run_missing_shards", "Pieces of the last run that did not end.", _one(run.missing_count))


def _of_the_app(signals: Signals, poison: int) -> Iterator[Family]:
    """Mail that waits, and whether all is well."""
    unsent = signals.unsent
    yield Family("up_to_date", "Whether runs are closed in time and no mail is stuck.", _one(not signals.is_stale))
    yield Family("messages_given_up", "Messages of queues that were given up and are recorded.", _one(poison))
    if unsent is not None:
        yield Family("mail_waiting", "Notifications and mails that are still to be sent.", _one(unsent.waiting))
        age = max((signals.now - unsent.oldest).total_seconds(), 0) if unsent.oldest else 0
        yield Family("mail_oldest_age_seconds", "For how long the oldest of them has waited.", _one(age), "seconds")
        yield Family("mail_recipients_refused", "Recipients who refused a mail for good.", _one(len(unsent.refused)))
    yield Family("build", "The release that answers.", (({"version": VERSION}, 1.0),), kind="info")


def _by(label: str, counts: Mapping[str, int]) -> tuple[tuple[Labels, float], ...]:
    return tuple(({label: word}, float(count)) for word, count in counts.items())


def _one(value: float | bool) -> tuple[tuple[Labels, float], ...]:
    return ((_NONE, float(value)),)


def _at(moment: datetime) -> tuple[tuple[Labels, float], ...]:
    return _one(moment.timestamp())
