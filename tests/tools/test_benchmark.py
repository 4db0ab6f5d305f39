"""The benchmark runs to its end, on the simulated API server and on a real one.

What it measures with a few pods says nothing of its limits: they are for many, where nothing else runs.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.real_kubernetes.programs import ASSETS, what_is_missing
from tests.tools.scripts import ROOT

SCRIPT = [sys.executable, str(ROOT / "tools" / "benchmark.py")]


@pytest.fixture
def curl() -> str:
    """Its path; skipped where there is none."""
    found = shutil.which("curl")
    if found is None:
        pytest.skip("no curl")
    return found


def run(*words: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*SCRIPT, *words], cwd=ROOT, capture_output=True, text=True, timeout=120, env=environment)


def check_figures(done: subprocess.CompletedProcess[str], title: str) -> None:
    """A table of that server with all its rows; the last line counts its limits and agrees with the exit code."""
    assert not done.stderr
    # 3 pods of the system besides. About 7 kB each, and no spaces between.
    assert re.search(rf"^{title}: 23 pods and \d+ events, 0\.[12] MB; load ", done.stdout, re.M), done.stdout
    for row in ("read and judge", "curl", "kubectl get pods -A", "a whole scan", "the first whole scan"):
        assert re.search(rf"^  {row} +[-\d]", done.stdout, re.M), row
    limits = re.findall(r": (holds|missed)$", done.stdout, re.M)
    passed, failed = limits.count("holds"), limits.count("missed")
    assert passed + failed >= 2
    assert done.stdout.splitlines()[-1] == f"{passed} passed, {failed} failed"
    assert done.returncode == (1 if failed else 0)


@pytest.mark.usefixtures("curl")
def test_simulated_api_server() -> None:
    check_figures(run("--server", "simulated", "--pods", "20", "--rounds", "1"), "simulated API server")


@pytest.mark.matrix
@pytest.mark.usefixtures("curl")
def test_real_api_server() -> None:
    if missing := what_is_missing():
        pytest.skip(missing)
    done = run("--server", "real", "--real-pods", "20", "--rounds", "1")
    assert re.match(r"kube-apiserver: loaded in \d+ s\n", done.stdout)
    check_figures(done, "kube-apiserver")


def test_without_curl_there_is_no_limit_to_measure() -> None:
    done = run(environment={"PATH": "/nonexistent"})
    assert "no curl" in done.stderr
    assert done.returncode == 2


def test_a_real_api_server_that_is_asked_for_and_missing_is_a_failure(tmp_path: Path, curl: str) -> None:
    (tmp_path / "curl").symlink_to(curl)
    done = run("--server", "real", environment={"PATH": str(tmp_path)})
    assert "no etcd, kube-apiserver" in done.stdout
    assert ASSETS in done.stdout
    assert done.stdout.splitlines()[-1] == "0 passed, 1 failed"
    assert done.returncode == 1


def test_help_explains() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert "at most 1.5 times curl" in done.stdout
    assert "KUBEBUILDER_ASSETS" in done.stdout
