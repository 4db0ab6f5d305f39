"""`make bench` runs to its end. What it measures of small sizes says nothing of its goals."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.__main__ import SECTIONS
from tests.support.cli import ROOT, clean


def bench(*words: str, timeout: int = 110) -> subprocess.CompletedProcess[str]:
    """What the command does."""
    command = [sys.executable, "-m", "tests.benchmarks", *words]
    return subprocess.run(
        command, cwd=ROOT, env=clean({}), capture_output=True, text=True, timeout=timeout, check=False
    )


def test_figures_are_printed_beside_their_goals_and_written_as_json(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    done = bench("--quick", "report", "--json", str(file))
    assert done.returncode == 0, done.stderr
    (section,) = json.loads(file.read_text())["sections"]
    assert section["title"] == "Showing a scan"
    goals = [figure for figure in section["figures"] if figure["holds"] is not None]
    assert len(goals) == 5 and all(figure["goal"] == "at most 5" for figure in goals)
    assert done.stdout.count(": holds") + done.stdout.count(": MISSED") == len(goals)
    missed = sum(not figure["holds"] for figure in goals)
    said = f"{len(goals) - missed} goals hold, {missed} are missed (small sizes say nothing of them)"
    assert done.stdout.splitlines()[-1] == said


def test_what_cannot_be_measured_costs_no_other_section(tmp_path: Path) -> None:
    """Without curl there is nothing to compare a big cluster with."""
    file = tmp_path / "figures.json"
    alone = {**clean({}), "PATH": str(tmp_path)}
    command = [sys.executable, "-m", "tests.benchmarks", "--quick", "--json", str(file), "big_clusters", "report"]
    done = subprocess.run(command, cwd=ROOT, env=alone, capture_output=True, text=True, timeout=110, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (3, False), done.stderr
    assert "big_clusters could not be measured: no curl" in done.stderr
    assert [section["title"] for section in json.loads(file.read_text())["sections"]] == ["Showing a scan"]


@pytest.mark.parametrize("file", ["no/such/folder.json", "/proc/x.json", "."])
def test_figures_that_cannot_be_written_are_refused_before_they_are_taken(file: str) -> None:
    done = bench("--quick", "report", "--json", file)
    assert (done.returncode, done.stdout) == (2, "") and "cannot be written" in done.stderr


def test_a_section_that_is_not_there_is_an_error_that_names_those_that_are() -> None:
    done = bench("growht")
    assert done.returncode == 2 and "no section growht" in done.stderr and "growth" in done.stderr


@pytest.mark.parametrize("name", SECTIONS)
def test_every_section_is_a_module_that_measures(name: str) -> None:
    assert callable(importlib.import_module(f"tests.benchmarks.{name}").measure)


@pytest.mark.matrix
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", sorted(set(SECTIONS) - {"article"}))
def test_every_section_runs_to_its_end(name: str) -> None:
    done = bench("--quick", name, timeout=800)
    assert done.returncode == 0 and "goals hold" in done.stdout, done.stderr
