"""The product run as a user runs it: ``python -m checks`` against a tenant that the simulator serves."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from checks.cli.main import main

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Scan:
    """What a scan printed, and its exit code."""

    code: int
    answer: dict[str, Any]
    errors: str

    def cluster(self, name: str = "aks-1") -> dict[str, Any]:
        """The report of a cluster by its name."""
        document: dict[str, Any] = next(c for c in self.answer["clusters"] if c["id"].endswith(f"/{name}"))
        return document

    def row(self, registry: str = "acrone.azurecr.io", cluster: str = "aks-1") -> dict[str, Any]:
        """The row of a registry."""
        document: dict[str, Any] = next(r for r in self.cluster(cluster)["registries"] if r["registry"] == registry)
        return document

    def verdicts(self, registry: str = "acrone.azurecr.io", cluster: str = "aks-1") -> tuple[str, str, str]:
        """The row's three words: access, path, pull."""
        row = self.row(registry, cluster)
        return row["access"]["verdict"], row["path"]["verdict"], row["pull"]["verdict"]

    def findings(self, code: str, cluster: str = "aks-1") -> list[dict[str, Any]]:
        """A cluster's findings of one check."""
        return [f for f in self.cluster(cluster)["findings"] if f["code"] == code]

    def finding(self, code: str, cluster: str = "aks-1") -> dict[str, Any]:
        """The only finding of one check."""
        (document,) = self.findings(code, cluster)
        return document


def scan(environment: Mapping[str, str], *arguments: str) -> Scan:
    """``python -m checks scan --json``, in this process."""
    done = _run(environment, ("scan", "--json", *arguments))  # its logs stay with pytest, whose caplog tests read
    return Scan(done.returncode, json.loads(done.stdout or "{}"), done.stderr)


def typed(environment: Mapping[str, str], *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """``command`` in this process: the same code path from the arguments on, without a second of start-up a test."""
    with _logs_of_its_own():
        return _run(environment, arguments, stdin)


def _run(
    environment: Mapping[str, str], arguments: tuple[str, ...], stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    raw, errors = io.BytesIO(), io.StringIO()
    out = io.TextIOWrapper(raw, encoding="utf-8")
    given = io.TextIOWrapper(io.BufferedReader(io.BytesIO(stdin.encode())), encoding="utf-8")
    with (
        mock.patch.dict(os.environ, clean(environment), clear=True),
        mock.patch.object(sys, "stdin", given),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(errors),
    ):
        try:
            code = main(arguments)
        except SystemExit as ended:  # help was asked for, or the usage is wrong
            code = ended.code if isinstance(ended.code, int) else 0
    out.flush()
    return subprocess.CompletedProcess(arguments, code, raw.getvalue().decode(), errors.getvalue())


@contextlib.contextmanager
def _logs_of_its_own() -> Iterator[None]:
    """What is logged goes where the command says, as in a new process, and not to pytest's handlers."""
    level = logging.root.level
    with mock.patch.object(logging.root, "handlers", []):
        yield
    logging.root.setLevel(level)


def clean(environment: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with nothing of PULLWATCH_*, IDENTITY_* and AZURE_* but what is given."""
    left_out = ("PULLWATCH_", "IDENTITY_", "AZURE_", "COLUMNS")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(left_out)}
    return inherited | dict(environment)


def command(environment: Mapping[str, str], *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """``python -m checks …`` with nothing of PULLWATCH_* but what is given: for what a process of its own does."""
    return subprocess.run(
        [sys.executable, "-m", "checks", *arguments],
        cwd=ROOT,
        env=clean(environment),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
