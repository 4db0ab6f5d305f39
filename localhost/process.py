"""A server as a process of its own: started, watched until it says that it is ready, ended by its id."""

import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path


class Process:
    """One running command. Its output, both streams, is read to the end: a pipe that nobody reads would stall it."""

    def __init__(
        self,
        command: Sequence[str],
        is_ready: Callable[[str], bool],
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`is_ready` gets each line and answers True for the one after which the server can be used."""
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._is_ready = is_ready
        self._lines: list[str] = []
        self._ready = False
        self._settled = threading.Event()
        self._reader = threading.Thread(target=self._read, name=f"output-{self.pid}", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    @property
    def output(self) -> str:
        """What it printed so far."""
        return "".join(self._lines)

    def wait_ready(self, seconds: float) -> None:
        """Until it is ready. Raises RuntimeError with its output where it ended first or took longer."""
        self._settled.wait(seconds)
        if not self._ready:
            ended = "ended" if self.returncode is not None else f"did not start within {seconds:g} s"
            raise RuntimeError(f"the server {ended}; it printed:\n{self.output}")

    def stop(self, seconds: float) -> None:
        """End it, gently first; after `seconds` for good."""
        self._process.terminate()
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(seconds)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                self._lines.append(line)
                if not self._ready and self._is_ready(line):
                    self._ready = True
                    self._settled.set()
        # Known before anyone is told that the output is over.
        self._process.wait()
        self._settled.set()
