"""The stage the demo plays on: a tenant, Azurite, a mail server and the local Functions host, all on loopback."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localhost.azurite import azurite
from localhost.exports import write_exports
from localhost.functions_host import RunningHost, functions_host
from localhost.mailbox import Mailbox, mailbox
from simulator.background import Simulator, running

ROOT = Path(__file__).resolve().parent.parent
RUN_SECONDS = 120.0
MAIL_TO = "platform-team@contoso.example"


@dataclass(frozen=True)
class Stage:
    """Everything that runs, and the folder that it writes to."""

    folder: Path
    tenant: Path
    simulator: Simulator
    host: RunningHost
    mailbox: Mailbox
    environment: dict[str, str]

    def run(self, show: Callable[[str], None]) -> dict[str, Any]:
        """Fires the timer and waits until the run it asks for is closed and its mail delivered; returns the run."""
        before = self._latest()
        self.host.fire("schedule")
        ends = time.monotonic() + RUN_SECONDS
        shown = 0.0
        while self._latest() == before:
            if time.monotonic() > ends:
                raise TimeoutError(f"no run was closed within {RUN_SECONDS:g} s; the host's log:\n{self.host.log}")
            if time.monotonic() - shown > 3:
                show("scanning …")
                shown = time.monotonic()
            time.sleep(0.2)
        self.host.wait_idle(RUN_SECONDS)
        run = self.host.get(f"/api/runs/{self._latest()}").json()
        assert isinstance(run, dict)
        return run

    def _latest(self) -> str:
        health = self.host.get("/api/health/details").json()
        assert isinstance(health, dict)
        return str((health.get("latest_run") or {}).get("run", ""))

    def command_line(self, *arguments: str) -> str:
        """What `python -m checks …` prints on this tenant."""
        done = subprocess.run(
            [sys.executable, "-m", "checks", *arguments],
            cwd=ROOT,
            env={**os.environ, **self.environment, "COLUMNS": "120"},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=False,
        )
        return done.stdout


def generate(tenant: Path, seed: int) -> None:
    """A small healthy fleet."""
    sizes = {"subscriptions": 2, "clusters": 6, "registries": 3, "pods": 12, "seed": seed}
    options = [word for name, value in sizes.items() for word in (f"--{name}", str(value))]
    subprocess.run(
        [sys.executable, "-m", "simulator", "generate", str(tenant), *options],
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
    )


@contextmanager
def stage(folder: Path, seed: int, port: int, show: Callable[[str], None]) -> Iterator[Stage]:
    """Sets the stage in an empty folder; everything started is stopped again."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tenant = folder / "tenant"
    show("generating a tenant: 2 subscriptions, 6 clusters, 3 registries …")
    generate(tenant, seed)
    with ExitStack() as stack:
        show("starting the simulator (Azure, Graph, Kubernetes, registries over TLS) …")
        simulator = stack.enter_context(running(tenant))
        show("starting Azurite (Table and Queue Storage) …")
        storage = stack.enter_context(azurite())
        box = stack.enter_context(mailbox())
        scanning = dict(simulator.environment)
        app = {
            **scanning,
            "AzureWebJobsStorage": storage.connection_string,
            "PULLWATCH_MAIL_TRANSPORTS": "folder,smtp",
            "PULLWATCH_MAIL_FOLDER": str(folder / "mail"),
            "PULLWATCH_MAIL_TO": MAIL_TO,
            "PULLWATCH_MAIL_FROM": "pullwatch@contoso.example",
            "PULLWATCH_SMTP_HOST": box.host,
            "PULLWATCH_SMTP_PORT": str(box.port),
            "PULLWATCH_SMTP_TLS": "none",
            "PULLWATCH_LOCAL_VIEWER": "Demo:Operator",
        }
        show("starting the local Functions host …")
        host = stack.enter_context(functions_host(ROOT, app, visibility_timeout=5, port=port))
        write_exports(folder / "env", app)
        yield Stage(folder, tenant, simulator, host, box, scanning)
