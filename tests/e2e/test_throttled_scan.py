"""A fleet is scanned while Azure Resource Manager limits requests: nothing is lost, and little time."""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.throttling import generate, measure_tenant

# Less than a scan of these clusters asks for at once, so that it has to wait; writes are what actions count as.
SMALL = {"capacity": 20.0, "per_second": 20.0}
LEAST = 4.0  # seconds that the buckets have to force, or this shows nothing


def test_no_row_is_unknown_and_the_scan_takes_hardly_longer_than_the_buckets_force(tmp_path: Path) -> None:
    tenant = generate(tmp_path, clusters=40, subscriptions=1)
    unlimited = measure_tenant(tenant, {})
    limited = measure_tenant(tenant, {"subscription": {"reads": SMALL, "writes": SMALL}})
    assert limited["forced_seconds"] >= LEAST
    assert limited["rows"] == unlimited["rows"]
    assert (limited["unknown"], limited["unknown_throttled"], limited["gaps_throttled"]) == (0, 0, 0)
    # A scan has work of its own before its first request and after its last, which no bucket shortens.
    assert limited["seconds"] <= max(1.2 * limited["forced_seconds"], limited["forced_seconds"] + unlimited["seconds"])
    assert limited["refused"] <= 20  # who come together before anything is known
