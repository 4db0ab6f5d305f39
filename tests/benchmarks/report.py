"""What showing a scan costs in each form, beside the scan itself: a fleet of which some clusters lack a role."""

from __future__ import annotations

import asyncio
import io
import os
import tempfile
import time
from pathlib import Path
from unittest import mock

from checks import settings
from checks.cli import terminal
from checks.cli.layout import Page
from checks.cli.progress import Progress
from checks.cli.scan.output import FORMATS, as_text
from checks.cli.scan.running import Scanned, look
from checks.cli.scan.screen.page import Shown, lines
from checks.jobs.choosing.scope import ScanScope
from demo.incidents import remove_role
from simulator import running
from simulator.fleet.generator import generate
from simulator.fleet.model import Wanted
from tests.benchmarks.figures import Figure, Section, at_most
from tests.support.cli import clean

CLUSTERS = 700
MOST = 5  # percent of the scan
ROLES = 34  # some are of the same cluster


def measure(clusters: int = CLUSTERS) -> Section:
    """The figures: CPU of each form, and its share of the scan."""
    with tempfile.TemporaryDirectory() as folder:
        tenant = Path(folder) / "tenant"
        generate(tenant, Wanted(subscriptions=14, clusters=clusters, registries=60, pods=20))
        for seed in range(max(1, ROLES * clusters // CLUSTERS)):
            remove_role(tenant, seed)
        scanned, seconds = _scanned(tenant)
    figures = [Figure("the scan", seconds, "s of CPU")]
    for name in FORMATS:
        before = time.process_time()
        size = _table(scanned) if name == "table" else len(as_text(scanned, name))
        spent = time.process_time() - before
        figures.append(at_most(f"{name}: {size:,} characters", 100 * spent / seconds, MOST, "% of the scan"))
    return Section("Showing a scan", f"{clusters:,} clusters; CPU of this process", tuple(figures))


def _scanned(tenant: Path) -> tuple[Scanned, float]:
    """The scan, and its CPU seconds: those of the thread that scans, as the tenant is served by another."""
    with running(tenant) as sim, mock.patch.dict(os.environ, clean(sim.environment), clear=True):
        before = time.thread_time()
        scanned = asyncio.run(look(settings.load(os.environ), ScanScope(), Progress(io.StringIO(), quiet=True)))
        return scanned, time.thread_time() - before


def _table(scanned: Scanned) -> int:
    out = io.StringIO()
    page = lines(scanned.report, scanned.about.seconds, Shown(), Page(80))
    terminal.write(page, terminal.console(out, width=80))
    return len(out.getvalue())
