"""The az program, how it is set up for a simulated tenant, and the tally of what was checked with it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pins.programs import NotInstalled, Program

from simulator import Simulator

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / ".peers"
AZURE_CLI = Program("azure-cli")
SECONDS = 120


class Wrong(Exception):
    """An answer that is not what the tenant holds."""


class Missing(Exception):
    """A program that is not on this machine."""


@dataclass
class Tally:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def check(self, name: str, look: Callable[[], str]) -> None:
        """Runs one check and prints its line; `look` tells what it saw."""
        try:
            seen = look()
        except Missing as missing:
            self.skipped += 1
            print(f"skip  {name}: {missing}", flush=True)
        except (Wrong, OSError, subprocess.TimeoutExpired, ValueError, LookupError, TypeError) as error:
            self.failed += 1
            print(f"FAIL  {name}: {error}", flush=True)
        else:
            self.passed += 1
            print(f"ok    {name}: {seen}", flush=True)


@dataclass
class Az:
    """The Azure CLI with a configuration folder of its own. Answers are parsed JSON; Wrong when it fails."""

    program: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str) -> Any:
        return self._run([str(self.program), *arguments, "--only-show-errors", "--output", "json"])

    def shell(self, command: str) -> Any:
        """A command line as somebody pastes it into a shell, where `az` is this program."""
        path = f"{self.program.parent}{os.pathsep}{self.environment.get('PATH', '')}"
        return self._run(["sh", "-c", command], PATH=path, AZURE_CORE_OUTPUT="json", AZURE_CORE_ONLY_SHOW_ERRORS="yes")

    def _run(self, command: list[str], **more: str) -> Any:
        environment = {**self.environment, **more}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False)
        if done.returncode != 0:
            raise Wrong(f"{' '.join(command)}: exit {done.returncode}: {done.stderr.strip()[-600:]}")
        return json.loads(done.stdout) if done.stdout.strip() else None


def install() -> Path:
    """The az program of .peers; made the first time, in some minutes. Raises Missing when it cannot be."""
    try:
        return AZURE_CLI.installed(PEERS) / "az"
    except NotInstalled as error:
        raise Missing(str(error)) from None


def signed_out(folder: Path) -> dict[str, str]:
    """Only what the programs need: no proxy, no configuration of whoever runs this, and no telemetry, which az sends
    from a process of its own that outlives it."""
    return {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "HOME": str(folder),
        "AZURE_CONFIG_DIR": str(folder / "azure"),
        "AZURE_CORE_COLLECT_TELEMETRY": "no",
        "AZURE_CORE_NO_COLOR": "true",
        "AZURE_EXTENSION_USE_DYNAMIC_INSTALL": "no",
        "AZURE_CORE_LOGIN_EXPERIENCE_V2": "off",
    }


def environment(sim: Simulator, folder: Path) -> dict[str, str]:
    """The same beside a simulated tenant."""
    return {**signed_out(folder), **sim.environment}


def register_cloud(az: Az, sim: Simulator) -> str:
    """Makes az talk to the simulator, and to nothing else."""
    arm, graph = sim.environment["PULLWATCH_ARM_ENDPOINT"], sim.environment["PULLWATCH_GRAPH_ENDPOINT"]
    az(
        *("cloud", "register", "-n", "pullwatchsim", "--skip-endpoint-discovery"),
        *("--endpoint-resource-manager", arm, "--endpoint-management", arm),
        *("--endpoint-active-directory", arm),
        *("--endpoint-active-directory-resource-id", "https://management.core.windows.net/"),
        *("--endpoint-active-directory-graph-resource-id", graph),
        *("--endpoint-microsoft-graph-resource-id", graph),
        *("--suffix-acr-login-server-endpoint", ".azurecr.io"),
    )
    az("cloud", "set", "-n", "pullwatchsim")
    return f"az talks to {arm}"
