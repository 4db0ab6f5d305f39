"""Pins everything that is installed: `make lock` writes constraints.txt and requirements.txt.

    make lock                      what is pinned stays; what was added or changed by hand is resolved
    make lock ARGS=--upgrade       also takes the newest version of what only others bring in

constraints.txt holds every package that requirements-dev.txt (requirements.in among it) brings in, for each Python that
the tests run on. requirements.txt is what
Azure installs: the packages of requirements.in and all they bring in, at the versions of constraints.txt, for the
deployed Python on Linux, with the hashes of every file, so that pip refuses what was not there when it was written.
"""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Installed for one run only: nothing else needs it.
COMPILER = "uv==0.13.9"
OLDEST_PYTHON = "3.11"
DEPLOYED_PYTHON = "3.13"
# Where Azure builds and runs the app. A platform decides which packages are needed; hashes are those of all platforms.
DEPLOYED_PLATFORM = "x86_64-manylinux2014"

COMMON = ("--quiet", "--custom-compile-command", "make lock")
DEVELOPMENT = (
    "requirements-dev.txt",
    "--output-file=constraints.txt",
    "--universal",
    f"--python-version={OLDEST_PYTHON}",
    "--no-annotate",
)
DEPLOYED = (
    "requirements.in",
    "--output-file=requirements.txt",
    "--constraints=constraints.txt",
    "--generate-hashes",
    f"--python-version={DEPLOYED_PYTHON}",
    f"--python-platform={DEPLOYED_PLATFORM}",
    "--annotation-style=line",
)


def main(arguments: list[str]) -> int:
    """0 where both files are written; the code of the step that failed otherwise."""
    upgrade = [each for each in arguments if each == "--upgrade"]
    if upgrade != arguments:
        print("usage: tools/lock.py [--upgrade]", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="pullwatch-lock-") as folder:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder, COMPILER]
        if code := _run(pip):
            return code
        uv = [str(Path(folder, "bin", "uv")), "pip", "compile", *COMMON]
        # In this order: the deployed versions are those that the tests run with.
        return _run([*uv, *DEVELOPMENT, *upgrade]) or _run([*uv, *DEPLOYED])


def _run(command: Sequence[str]) -> int:
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
