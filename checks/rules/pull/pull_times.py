"""How long pulls took, from kubelet's Pulled events, compared with earlier runs.

Two wordings: ``Successfully pulled image "x" in 1.2s (3.4s including waiting). Image size: 1048576 bytes.`` and the
older ``Successfully pulled image "x" in 1m2.3s``. The first duration is the pull itself, without the time in the queue.
Durations are Go's (1h2m3.4s, 812.3ms, 15µs). With a size, the measure is seconds per mebibyte, of images of at
least SMALLEST; else it is seconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from statistics import median

import msgspec

from checks.facts import AgentPool, NotSeen, PodEvent, Workloads
from checks.facts.pulls import PullTimeBaseline
from checks.findings import PullTime
from checks.rules import images
from checks.rules.azure.node_pools import pools_of_events

MEBIBYTE = 1_048_576
SMALLEST = 10 * MEBIBYTE
MAX_KEYS = 40
MAX_MEDIANS = 48
MIN_PULLS = 3
MIN_MEDIANS = 6
PER_MEBIBYTE, SECONDS = "s/MiB", "s"
_TEXT = re.compile(
    r'Successfully pulled image "([^"]{1,2048})" in ([0-9hmsµμun.]{2,40})(?: \([^)]{1,80}\))?'
    r"(?:\. Image size: (\d{1,15}) bytes)?"
)
_PART = re.compile(r"(\d{1,9}(?:\.\d{1,12})?)(h|ms|m|s|us|µs|μs|ns)")
_SECONDS = re.compile(r"\d{1,9}(?:\.\d{1,12})?s")  # almost all durations
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9}


class TimedPull(msgspec.Struct, frozen=True):
    """One successful pull: the image as the pod writes it, its duration in seconds, its size if reported."""

    image: str
    seconds: float
    size: int | None = None


class Comparison(msgspec.Struct, frozen=True):
    """One scan's pulls from a registry to a pool compared with earlier runs; ``usual`` None: too few runs."""

    time: PullTime
    usual: float | None
    bound: float | None

    @property
    def slow(self) -> bool:
        """Whether the pulls took longer than the spread of earlier runs explains."""
        return self.bound is not None and self.time.median > self.bound


def duration(text: str) -> float | None:
    """A Go duration in seconds, or None if it is not one."""
    if _SECONDS.fullmatch(text):
        return float(text[:-1])
    parts = list(_PART.finditer(text))
    if not parts or "".join(part[0] for part in parts) != text:
        return None
    return sum(float(part[1]) * _UNITS[part[2]] for part in parts)


def pull_of(message: str) -> TimedPull | None:
    """The pull that a Pulled event reports; "already present on machine" is not one."""
    match = _TEXT.match(message)
    seconds = duration(match[2].rstrip(".")) if match else None
    if match is None or seconds is None:
        return None
    return TimedPull(match[1], seconds, int(match[3]) if match[3] else None)


def measure_pull_times(workloads: Workloads, pools: Iterable[AgentPool]) -> tuple[PullTime, ...]:
    """This scan's pull times by registry, pool and unit, from at least MIN_PULLS pulls each, at most MAX_KEYS."""
    events = () if isinstance(workloads.events, NotSeen) else workloads.events.value
    pulled = [event for event in events if event.reason == "Pulled" and event.message.startswith("Successfully")]
    hosts: dict[str, str | None] = {}  # many pods have the same image
    samples: dict[str, list[tuple[float, str]]] = {}
    for event, pool in zip(pulled, pools_of_events(pulled, workloads.containers, pools), strict=True):
        sample = _sample(event, pool.name, hosts) if pool else None
        if sample is not None:
            samples.setdefault(sample[0], []).append((sample[1], event.last_seen or ""))
    enough = {key: values for key, values in samples.items() if len(values) >= MIN_PULLS}
    chosen = sorted(enough, key=lambda key: (-len(enough[key]), key))[:MAX_KEYS]
    return tuple(_time(key, enough[key]) for key in sorted(chosen))


def _time(key: str, values: list[tuple[float, str]]) -> PullTime:
    return PullTime(key, round(median(value for value, _ in values), 6), len(values), max(when for _, when in values))


def _sample(event: PodEvent, pool: str, hosts: dict[str, str | None]) -> tuple[str, float] | None:
    """The key and the measure of one event; None if it is no pull or the image is too small to measure."""
    pull = pull_of(event.message)
    if pull is None:
        return None
    if pull.image not in hosts:
        hosts[pull.image] = images.host_of(pull.image)
    host = hosts[pull.image]
    if host is None:
        return None
    if pull.size is None:
        return f"{host}|{pool}|{SECONDS}", pull.seconds
    if pull.size < SMALLEST:
        return None
    return f"{host}|{pool}|{PER_MEBIBYTE}", pull.seconds / (pull.size / MEBIBYTE)


def compare_with_baseline(time: PullTime, baseline: PullTimeBaseline | None) -> Comparison:
    """Compares with earlier runs. Slow is more than three spreads above the usual and at least 1.5 times the usual.

    The spread is the median absolute deviation, scaled to a standard deviation, and at least a tenth of the usual.
    """
    medians = baseline.medians if baseline else ()
    if len(medians) < MIN_MEDIANS:
        return Comparison(time, None, None)
    usual = median(medians)
    spread = 1.4826 * median(abs(value - usual) for value in medians)
    return Comparison(time, usual, max(usual + 3 * max(spread, usual / 10), usual * 1.5))


def update_baselines(
    before: Mapping[str, PullTimeBaseline], measured: Iterable[PullTime]
) -> dict[str, PullTimeBaseline]:
    """The baselines after a run: its medians are added if its pulls are newer; the newest MAX_KEYS are kept."""
    after = dict(before)
    for time in measured:
        known = after.get(time.key, PullTimeBaseline())
        if time.latest > known.latest:
            after[time.key] = PullTimeBaseline((*known.medians, time.median)[-MAX_MEDIANS:], time.latest)
    kept = sorted(after, key=lambda key: after[key].latest, reverse=True)[:MAX_KEYS]
    return {key: after[key] for key in sorted(kept)}
