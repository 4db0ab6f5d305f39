"""A worker process as whoever starts it sees it: what it says, what it spends, how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from checks.jobs.messages import SCAN
from tests.support.cli import ROOT
from tests.support.workers.events import DID, READY, TOOK, Event

POLL = 0.02
START_SECONDS = 60.0
STOP_SECONDS = 60.0


class Worker:
    """One worker. ``heard`` are its events with the time of each (monotonic seconds), which a thread adds."""

    def __init__(self, environment: Mapping[str, str], queues: Sequence[str], lease: int) -> None:
        self.heard: list[tuple[float, Event]] = []
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by close()
        command = [sys.executable, "-m", "tests.support.workers", "--lease", str(lease), *queues]
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def events(self) -> list[Event]:
        """What it said so far."""
        return [event for _, event in self.heard]

    @property
    def shard(self) -> str:
        """The shard that it is at; "" where it is at none."""
        said = [event for event in self.events if event.kind in (TOOK, DID)]
        return said[-1].shard if said and said[-1].kind == TOOK and said[-1].queue == SCAN else ""

    @property
    def cpu(self) -> float:
        """CPU seconds (user and system) so far."""
        return cpu_seconds(self._process.pid)

    def begin(self) -> None:
        """Has it take messages."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()

    def suspend(self) -> None:
        """Stops it where it is."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Has it go on."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Ends it at once, by SIGKILL."""
        self._process.kill()
        self._process.wait()

    def check(self) -> None:
        """Raises RuntimeError with what it printed where it ended by itself."""
        if self._process.poll() not in (None, -signal.SIGKILL):
            self._errors.seek(0)
            raise RuntimeError(f"a worker ended with {self._process.returncode}:\n{self._errors.read()[-4000:]}")

    def close(self) -> None:
        """Ends it after the message it is at, and takes what it holds back."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        self._reader.join()
        self._process.stdout.close()
        self._errors.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.heard.append((time.monotonic(), msgspec.json.decode(line, type=Event)))


@contextmanager
def workers(count: int, environment: Mapping[str, str], queues: Sequence[str], lease: int) -> Iterator[list[Worker]]:
    """So many workers on these queues, ready to begin; they end with the block."""
    with ExitStack() as stack:
        made = [Worker(environment, queues, lease) for _ in range(count)]
        for worker in made:
            stack.callback(worker.close)
        wait(made, lambda: all(Event(READY) in worker.events for worker in made), START_SECONDS)
        yield made


def wait(watched: Sequence[Worker], reached: Callable[[], bool], seconds: float) -> None:
    """Until something is reached. Raises RuntimeError where a worker ends by itself, TimeoutError after the time."""
    ends = time.monotonic() + seconds
    while not reached():
        for worker in watched:
            worker.check()
        if time.monotonic() >= ends:
            said = [worker.events[-1:] for worker in watched]
            raise TimeoutError(f"not reached within {seconds:g} s; the workers' latest words: {said}")
        time.sleep(POLL)


def cpu_seconds(pid: int) -> float:
    """CPU seconds (user and system) that a running process has spent, all its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
