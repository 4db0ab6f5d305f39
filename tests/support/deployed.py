"""What Azure would run: a Python with nothing but requirements.txt, and Microsoft's worker library beside it.

The environment is kept in .deployed/, by what it was made from: about 10 s the first time, nothing after that.
"""

import fcntl
import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / ".deployed"
# The platform's, not the app's: in a folder of its own, as in Azure. Its other needs come with the app.
WORKER = ("azure-functions-runtime", "azurefunctions-extensions-base")
UNREACHABLE = re.compile(
    r"NewConnectionError|NameResolutionError|ConnectTimeoutError|ReadTimeoutError|ProxyError|Max retries exceeded"
)


class NoPackageIndex(Exception):
    """The package index cannot be reached, so nothing can be installed."""


@dataclass(frozen=True)
class DeployedEnvironment:
    """A Python environment in `folder`, and the path of the worker library."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "venv" / "bin" / "python"

    @property
    def worker(self) -> Path:
        return self.folder / "worker"

    @property
    def ready(self) -> Path:
        """Written last: without it the rest may be half there."""
        return self.folder / "ready"

    def pip(self, *arguments: str) -> str:
        """The output of this checkout's pip on that environment. Raises NoPackageIndex, RuntimeError."""
        quiet = ["--disable-pip-version-check", "--no-input", "--retries=1", "--timeout=30"]
        command = [sys.executable, "-m", "pip", *quiet, "--python", str(self.python), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return done.stdout
        if UNREACHABLE.search(done.stderr):
            raise NoPackageIndex(f"no package index to install the deployed packages from: {done.stderr[-300:]}")
        raise RuntimeError(f"pip {' '.join(arguments)}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def deployed_environment() -> DeployedEnvironment:
    """The environment for this Python and these requirements, made where there is none yet. Raises NoPackageIndex."""
    worker = pinned(WORKER)
    requirements = ROOT / "requirements.txt"
    made_from = "\n".join((sys.version, sys.base_prefix, *worker)).encode() + requirements.read_bytes()
    environment = DeployedEnvironment(KEPT / hashlib.sha256(made_from).hexdigest()[:16])
    KEPT.mkdir(exist_ok=True)
    with (KEPT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not environment.ready.exists():
            _make(environment, requirements, worker)
    return environment


def pinned(names: Sequence[str]) -> list[str]:
    """The lines of constraints.txt that pin these packages, with their hashes."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    return [next(line for line in lines if line.startswith(f"{name}==")) for name in names]


def _make(environment: DeployedEnvironment, requirements: Path, worker: list[str]) -> None:
    """Anew, in the place of any that was made from something else: each takes 150 MB."""
    for old in KEPT.iterdir():
        if old.is_dir():
            shutil.rmtree(old)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment.folder / "venv")], check=True)
    install = ("install", "--quiet", "--no-compile", "--require-hashes", "--only-binary=:all:")
    environment.pip(*install, "--requirement", str(requirements))
    wanted = environment.folder / "worker.txt"
    wanted.write_text("\n".join(worker), encoding="utf-8")
    environment.pip(*install, "--no-deps", "--target", str(environment.worker), "--requirement", str(wanted))
    environment.ready.touch()
