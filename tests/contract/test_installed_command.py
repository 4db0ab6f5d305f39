"""What `pipx install .` and `uv tool install .` install: the command, the product and what it shows, nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from configparser import ConfigParser
from pathlib import Path

import pytest

from checks.version import VERSION
from tests.support.cli import ROOT

SOURCES = ("pyproject.toml", "README.md", "LICENSE", "requirements.in")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Built of a copy: a build leaves folders beside what it builds."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    shutil.copytree(ROOT / "checks", source / "checks", ignore=shutil.ignore_patterns("__pycache__"))
    (source / "tests").mkdir()
    (source / "tests" / "__init__.py").touch()
    for name in SOURCES:
        shutil.copy(ROOT / name, source / name)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
         "--wheel-dir", str(folder), str(source)],
        check=True,
    )  # fmt: skip
    (built,) = folder.glob("*.whl")
    return zipfile.ZipFile(built)


def test_it_holds_every_file_of_the_product_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    ours = {str(path.relative_to(ROOT)) for path in (ROOT / "checks").rglob("*") if path.is_file()}
    ours = {name for name in ours if "__pycache__" not in name}
    held = {name for name in wheel.namelist() if not name.startswith(f"pullwatch-{VERSION}.dist-info/")}
    assert held == ours


def test_it_needs_what_the_app_needs_in_the_same_versions(wheel: zipfile.ZipFile) -> None:
    metadata = wheel.read(f"pullwatch-{VERSION}.dist-info/METADATA").decode()
    needed = {line.partition(": ")[2] for line in metadata.splitlines() if line.startswith("Requires-Dist: ")}
    lines = (ROOT / "requirements.in").read_text().splitlines()
    assert {name.replace(" ", "").lower() for name in needed} == {
        line.replace(" ", "").lower() for line in lines if line and not line.startswith("#")
    }
    assert f"\nVersion: {VERSION}\n" in metadata
    assert "\nRequires-Python: >=3.11\n" in metadata


def test_the_command_runs_outside_of_the_checkout(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    entry_points = ConfigParser()
    entry_points.read_string(wheel.read(f"pullwatch-{VERSION}.dist-info/entry_points.txt").decode())
    module, _, function = entry_points["console_scripts"]["pullwatch"].partition(":")
    wheel.extractall(tmp_path / "installed")
    script = f"import sys; from {module} import {function}; sys.argv[0] = 'pullwatch'; sys.exit({function}())"

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-P", "-c", script, *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(tmp_path / "installed")},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout

    assert run("--version") == f"pullwatch {VERSION}\n"
    assert run("list").startswith("PW101  ")
