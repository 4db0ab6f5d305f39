"""Causes: no check answers with one that it does not name, and every one that is named is produced by some test."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from checks import catalog
from checks.catalog.check import Check
from checks.causes import Cause, ReadCause
from tests.support.cause_recorder import REDACTED, VARIABLE

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("tests/catalog", "tests/rules", "tests/report")
SHOWING = ("formats", "html", "pages", "path_picture")  # they make no findings
KINDS = {kind for check in catalog.checks() for kind in check.causes}
SHARED = {cause.value for cause in ReadCause}


def named(check: Check) -> set[str]:
    """The causes that a check names itself."""
    return {cause.value for kind in check.causes for cause in kind}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the tests of checks and rules produce, as the plugin writes it down."""
    file = tmp_path_factory.mktemp("causes") / "lines"
    without = [f"--ignore=tests/report/{name}" for name in SHOWING]
    plugins = ["-p", "tests.support.cause_recorder", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *plugins, *without, *FOLDERS]
    environment = os.environ | {VARIABLE: str(file), "PYTEST_ADDOPTS": ""}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    return file


@pytest.fixture(scope="module")
def produced(recorded: Path) -> dict[str, set[str]]:
    """The causes that the tests of checks and rules produce, by check."""
    causes: dict[str, set[str]] = defaultdict(set)
    for line in set(recorded.read_text(encoding="utf-8").splitlines()):
        code, _, cause = line.partition(" ")
        causes[code].add(cause)
    return causes


@pytest.mark.parametrize("check", catalog.checks(), ids=lambda check: check.code)
def test_a_check_answers_only_with_causes_that_it_names(check: Check, produced: dict[str, set[str]]) -> None:
    assert produced[check.code] - named(check) - SHARED == set()


@pytest.mark.parametrize("kind", sorted(KINDS, key=lambda kind: kind.__name__), ids=lambda kind: kind.__name__)
def test_every_cause_that_is_named_is_produced_by_a_test(kind: type[Cause], produced: dict[str, set[str]]) -> None:
    by_tests = {cause for check in catalog.checks() if kind in check.causes for cause in produced[check.code]}
    assert {cause.value for cause in kind} - by_tests == set()


def test_no_summary_cause_or_command_is_taken_for_a_secret(recorded: Path) -> None:
    changed = recorded.with_name(recorded.name + REDACTED)
    assert not changed.exists(), changed.read_text(encoding="utf-8")[:2000]


@pytest.mark.parametrize("check", catalog.checks(), ids=lambda check: check.code)
def test_a_cause_has_an_id_and_a_sentence(check: Check) -> None:
    assert check.causes
    for kind in check.causes:
        for cause in kind:
            assert cause.value == cause.value.lower()
            assert cause.sentence.endswith(".")
