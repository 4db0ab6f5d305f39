"""`python tools/benchmark_report.py`: what showing a scan costs, beside the scan itself.

A simulated fleet (700 clusters, 30 of which lack a role) is scanned over the wire in this process, then shown in every
form. Figures are CPU seconds of this process. Limit: each form costs less than 5 % of the scan. The exit code is 1
where that is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmark import served  # noqa: E402

from checks import settings  # noqa: E402
from checks.cli import terminal  # noqa: E402
from checks.cli.layout import Page  # noqa: E402
from checks.cli.progress import Progress  # noqa: E402
from checks.cli.scan.output import FORMATS, as_text  # noqa: E402
from checks.cli.scan.running import Scanned, look  # noqa: E402
from checks.cli.scan.screen.page import Shown, lines  # noqa: E402
from checks.jobs.choosing.scope import ScanScope  # noqa: E402
from demo.incidents import remove_role  # noqa: E402
from simulator.fleet.generator import generate  # noqa: E402
from simulator.fleet.model import Wanted  # noqa: E402

MOST = 0.05
ROLES = 34  # some are of the same cluster


def main() -> int:
    """Prints the figures; 0 where the limit holds."""
    parser = argparse.ArgumentParser(
        prog="benchmark_report.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clusters", type=int, default=700, help="default: %(default)s")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tenant = Path(folder) / "tenant"
        generate(tenant, Wanted(subscriptions=14, clusters=options.clusters, registries=60, pods=20))
        for seed in range(max(1, ROLES * options.clusters // 700)):
            remove_role(tenant, seed)
        scanned, seconds = _scanned(tenant)
    print(f"scan of {len(scanned.report.clusters)} clusters: {seconds:.2f} CPU s, load {os.getloadavg()[0]:.1f}")
    held = [_measured(scanned, name, seconds) for name in FORMATS]
    return 0 if all(held) else 1


def _scanned(tenant: Path) -> tuple[Scanned, float]:
    """The scan, and its CPU seconds; the simulator is a process of its own."""
    with served(tenant):
        before = time.process_time()
        scanned = asyncio.run(look(settings.load(os.environ), ScanScope(), Progress(io.StringIO(), quiet=True)))
        return scanned, time.process_time() - before


def _measured(scanned: Scanned, name: str, scan_seconds: float) -> bool:
    """Prints what one form costs; whether that is within the limit."""
    before = time.process_time()
    size = _table(scanned) if name == "table" else len(as_text(scanned, name))
    spent = time.process_time() - before
    share = spent / scan_seconds
    print(
        f"{'ok  ' if share < MOST else 'MISS'} {name}: {spent:.3f} CPU s, {share:.1%} of the scan; {size:,} characters"
    )
    return share < MOST


def _table(scanned: Scanned) -> int:
    out = io.StringIO()
    page = lines(scanned.report, scanned.about.seconds, Shown(), Page(80))
    terminal.write(page, terminal.console(out, width=80))
    return len(out.getvalue())


if __name__ == "__main__":
    sys.exit(main())
