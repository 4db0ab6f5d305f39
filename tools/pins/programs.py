"""Programs that the tools use, each in an environment of its own: .venv has nothing of them.

programs/NAME.in pins the program; programs/NAME.txt, which `make lock` writes, that and all it brings in, with hashes.
Standard library only: `make lock` comes before anything else.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from pins.lockfile import BY_HASHES

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path("tools", "pins", "programs")
# Where they are kept, but for those with a place of their own.
KEPT = ROOT / ".programs"
QUIET = ("--quiet", "--disable-pip-version-check", "--no-input")


class NotInstalled(Exception):
    """A program that could not be installed: why, and what to do about it."""


@dataclass(frozen=True)
class Program:
    """A program by its name on the package index; ``root`` is the checkout that pins it."""

    name: str
    root: Path = ROOT

    @property
    def lock(self) -> Path:
        """What is installed."""
        return self.root / PROGRAMS / f"{self.name}.txt"

    @property
    def pin(self) -> str:
        """Which version, such as "uv==0.13.9"."""
        return (self.root / PROGRAMS / f"{self.name}.in").read_text(encoding="utf-8").strip()

    def installed(self, folder: Path | None = None) -> Path:
        """The folder with its executables; made at the first time, and where the lock or the Python changed.

        Raises NotInstalled.
        """
        folder = folder or KEPT / self.name
        stamp, made_from = folder / "pullwatch-program", self._made_from()
        if stamp.is_file() and stamp.read_text(encoding="utf-8") == made_from:
            return folder / "bin"
        print(f"installing {self.pin} into {folder.name}", file=sys.stderr, flush=True)
        self._run([sys.executable, "-m", "venv", "--clear", str(folder)])
        self._run([str(folder / "bin" / "python"), "-m", "pip", "install", *QUIET, *BY_HASHES, "-r", str(self.lock)])
        stamp.write_text(made_from, encoding="utf-8")
        return folder / "bin"

    def _made_from(self) -> str:
        return f"{sys.version} {sys.base_prefix} {hashlib.sha256(self.lock.read_bytes()).hexdigest()}"

    def _run(self, command: list[str]) -> None:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode:
            said = done.stdout.strip()
            raise NotInstalled(f"{self.pin} could not be installed:\n{said[-1500:]}\n{advice(said)}")


def advice(output: str) -> str:
    """What to do about a pip that failed, by what it said."""
    if "DO NOT MATCH THE HASHES" in output:
        return (
            "  A file of the package index is not the one that was pinned. Do not install it: find out why (a mirror,\n"
            "  a cache, an attack). `git diff` shows whether the pins were changed here."
        )
    if "Hashes are required in --require-hashes mode" in output:
        return "  A package has no hash. Write the pins anew: make lock"
    return "  If the network was away, run the same make command again: what is there already is kept."
