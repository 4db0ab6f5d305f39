"""Processes that are measured: what a child spent, and at most used."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


class Failed(Exception):
    """A child did not end well; the text is what it said."""


@dataclass(frozen=True)
class Spent:
    """What a child process cost: CPU seconds (user and system), seconds on the clock; and what it printed."""

    cpu: float
    wall: float
    output: str

    def answer(self) -> dict[str, Any]:
        """The JSON object in the last line that it printed."""
        document: dict[str, Any] = json.loads(self.output.splitlines()[-1])
        return document


def spend(command: Sequence[str], environment: Mapping[str, str]) -> Spent:
    """Runs a command to its end. Raises Failed where it does not end with 0."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        began = time.monotonic()
        process = subprocess.Popen(command, cwd=ROOT, env=dict(environment), stdout=out, stderr=errors)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        errors.seek(0)
        said = out.read()
        if process.returncode != 0:
            raise Failed(f"{' '.join(command[:4])}: exit {process.returncode}: {errors.read()[-2000:]}")
    return Spent(used.ru_utime + used.ru_stime, wall, said)


def generated(folder: Path, **sizes: int) -> Path:
    """A tenant's folder: a fleet in which every cluster pulls without trouble. Sizes are those of the generator."""
    tenant = folder / "tenant"
    words = [word for name, value in sizes.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "simulator", "generate", str(tenant), *words]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return tenant
