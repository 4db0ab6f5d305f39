"""The benchmark of what showing a scan costs runs to its end; its limits are for a quiet machine and a large fleet."""

from __future__ import annotations

import re
import subprocess
import sys

from checks.cli.scan.output import FORMATS
from tests.support.cli import ROOT


def test_it_prints_each_form_with_its_share() -> None:
    script = [sys.executable, str(ROOT / "tools" / "benchmark_report.py"), "--clusters", "20"]
    done = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode in (0, 1), done.stderr
    first, *forms = done.stdout.splitlines()
    assert re.fullmatch(r"scan of 20 clusters: \d+\.\d\d CPU s, load \d+\.\d", first)
    assert [line.split()[1] for line in forms] == [f"{name}:" for name in FORMATS]
    assert all(re.search(r"\d+\.\d{3} CPU s, \d+\.\d% of the scan; [1-9][\d,]+ characters$", line) for line in forms)
