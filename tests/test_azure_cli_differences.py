"""docs/azure-cli-differences.md is what `make peers` checks with the real Azure CLI, no more and no less."""

import subprocess
import sys

from tests.products import ROOT, clean

PAGE = ROOT / "docs" / "azure-cli-differences.md"


def test_the_page_is_written_from_the_cases_that_are_run() -> None:
    before = PAGE.read_bytes()
    done = subprocess.run(
        [sys.executable, "tools/peers.py", "--docs"],
        cwd=ROOT,
        env=clean({}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    after = PAGE.read_bytes()
    PAGE.write_bytes(before)
    assert after == before, "run `python tools/peers.py --docs`"
