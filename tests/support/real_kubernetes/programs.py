"""The programs of a Kubernetes control plane: found as the field finds them, started, ended by their process id.

KUBEBUILDER_ASSETS names their folder, as for controller-runtime's envtest (`setup-envtest use -p path` prints it); else
they are looked for on PATH.
"""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from localhost.process import Process

NAMES = ("etcd", "kube-apiserver", "kube-scheduler", "kube-controller-manager")
ASSETS = "KUBEBUILDER_ASSETS"
START_SECONDS = 60.0
STOP_SECONDS = 10.0
_PAUSE_SECONDS = 0.1


def find(name: str) -> str | None:
    """The program's path, None where there is none."""
    folder = os.environ.get(ASSETS)
    return (shutil.which(name, path=folder) if folder else None) or shutil.which(name)


def what_is_missing(names: Sequence[str] = NAMES[:2]) -> str:
    """Why a real API server cannot run here, "" where it can."""
    absent = [name for name in names if find(name) is None]
    return f"no {', '.join(absent)}: set {ASSETS} (setup-envtest use -p path prints it)" if absent else ""


def free_port() -> int:
    """A port of loopback that nobody listens at now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(name: str, arguments: Sequence[str], is_ready: Callable[[], bool]) -> Iterator[Process]:
    """The program until the block ends, ready to be used.

    Raises RuntimeError with its output where it ends or takes long. Where this process is killed, so is the program.
    """
    program = find(name)
    assert program is not None, what_is_missing([name])
    guard = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
    process = Process([*guard, program, *arguments], lambda line: False)
    try:
        _wait(name, process, is_ready)
        yield process
    finally:
        process.stop(STOP_SECONDS)


def _wait(name: str, process: Process, is_ready: Callable[[], bool]) -> None:
    ends = time.monotonic() + START_SECONDS
    while time.monotonic() < ends and process.returncode is None:
        if is_ready():
            return
        time.sleep(_PAUSE_SECONDS)
    raise RuntimeError(f"{name} did not start; it printed:\n{process.output[-4000:]}")
