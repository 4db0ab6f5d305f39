"""The benchmark of *Now* runs to its end; a small fleet is within its limits of length in any case."""

from __future__ import annotations

import re
import subprocess
import sys

from tests.support.cli import ROOT


def test_it_prints_each_figure_beside_its_limit() -> None:
    script = [sys.executable, str(ROOT / "tools" / "benchmark_dashboard.py")]
    done = subprocess.run(
        [*script, "--clusters", "30", "--subscriptions", "3"],
        cwd=ROOT, capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    first, *figures = done.stdout.splitlines()
    assert first == "Now, of 30 clusters in 3 subscriptions"
    pages = ("what is not fine", "all clusters", "all clusters, filtered")
    assert [re.sub(r"\d[\d,]*", "N", line[5:]) for line in figures] == [
        f"{page}, {what}: N of at most N" for page in pages for what in ("CPU ms", "bytes")
    ]
    assert all(line.startswith("ok") for line in figures[1::2])
