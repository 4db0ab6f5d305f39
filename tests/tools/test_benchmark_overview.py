"""The benchmark of what reading the fleet costs runs to its end; its limits hold for a small fleet in any case."""

from __future__ import annotations

import re
import subprocess
import sys

from tests.support.cli import ROOT


def test_it_prints_each_figure_beside_its_limit() -> None:
    script = [
        sys.executable,
        str(ROOT / "tools" / "benchmark_overview.py"),
        "--clusters",
        "30",
        "--subscriptions",
        "3",
    ]
    done = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode in (0, 1), done.stderr
    first, *figures, incidents, clusters = done.stdout.splitlines()
    assert re.fullmatch(r"30 clusters in 3 subscriptions entered: \d+\.\d\d ms of CPU each", first)
    assert [re.sub(r"[\d,]+", "N", line[5:]) for line in figures] == [
        "queries: N of at most N", "bytes: N of at most N", "CPU ms: N of at most N",
    ]  # fmt: skip
    assert figures[0].startswith("ok") and figures[1].startswith("ok")
    assert re.search(r" [1-9]\d* incidents out of it: ", incidents)
    assert "all 30 clusters as they are answered" in clusters
