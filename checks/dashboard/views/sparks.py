"""How long pulls took in the last runs, as small lines: one for each registry, pool and unit. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

import msgspec

from checks.facts.pulls import PullTimeBaseline
from checks.report.html import bounded
from checks.text import counted

WIDTH, HEIGHT = 150, 28  # of a line, in its own units
MAX_SPARKS = 40


class Spark(msgspec.Struct, frozen=True, kw_only=True):
    """A line: ``path`` in WIDTH by HEIGHT, where the last point is, and what it says in words."""

    registry: str
    pool: str
    path: str
    end: tuple[float, float]
    latest: str
    usual: str
    label: str


def sparks(baselines: Mapping[str, PullTimeBaseline]) -> tuple[tuple[Spark, ...], int]:
    """The lines, by registry and pool, and how many are left out."""
    listed = [(key.split("|"), one) for key, one in sorted(baselines.items()) if _fits(key, one)]
    made = [_spark(parts, baseline.medians) for parts, baseline in listed]
    return bounded.first(made, MAX_SPARKS)


def _fits(key: str, baseline: PullTimeBaseline) -> bool:
    return key.count("|") == 2 and bool(baseline.medians)


def _spark(key: Sequence[str], medians: Sequence[float]) -> Spark:
    registry, pool, unit = key
    points = _points(medians)
    latest, usual = f"{medians[-1]:.3g} {unit}", f"{median(medians):.3g} {unit}"
    runs = counted(len(medians), "run")
    label = (
        f"Pull times of {runs}: from {min(medians):.3g} to {max(medians):.3g} {unit}, latest {latest}, median {usual}"
    )
    return Spark(
        registry=bounded.name(registry),
        pool=bounded.name(pool),
        path="M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points),
        end=points[-1],
        latest=latest,
        usual=usual,
        label=label,
    )


def _points(values: Sequence[float]) -> list[tuple[float, float]]:
    """The values from left to right; zero is at the bottom, so that what hardly changes looks so."""
    most = max(values) or 1.0
    step = (WIDTH - 6) / max(len(values) - 1, 1)
    start = WIDTH - 3 - step * (len(values) - 1)
    return [
        (round(start + step * n, 1), round(HEIGHT - 3 - (HEIGHT - 6) * value / most, 1))
        for n, value in enumerate(values)
    ]
