"""Has uv resolve what is pinned by hand, and write the files that are installed: `make lock` and `make update`."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from pins.programs import PROGRAMS

OLDEST_PYTHON = "3.11"
DEPLOYED_PYTHON = "3.13"
# Where Azure builds and runs the app. A platform decides which packages are needed; hashes are those of all platforms.
DEPLOYED_PLATFORM = "x86_64-manylinux2014"

COMMON = ("--quiet", "--generate-hashes", "--custom-compile-command", "make lock")
# For each Python that the tests run on, by markers; what has no wheel is not installed, so it is not resolved either.
EVERY_PYTHON = ("--universal", f"--python-version={OLDEST_PYTHON}", "--no-annotate", "--only-binary=:all:")
DEVELOPMENT = ("requirements-dev.txt", "--output-file=constraints.txt", *EVERY_PYTHON)
DEPLOYED = (
    "requirements.in",
    "--output-file=requirements.txt",
    "--constraints=constraints.txt",
    f"--python-version={DEPLOYED_PYTHON}",
    f"--python-platform={DEPLOYED_PLATFORM}",
    "--annotation-style=line",
)


class NotResolved(Exception):
    """uv found no answer, or could not ask: its words, and what to do."""


def program_names(root: Path) -> list[str]:
    """The programs that are pinned."""
    return sorted(path.stem for path in (root / PROGRAMS).glob("*.in"))


def compile_all(uv: Path, root: Path, *more: str) -> None:
    """Writes every such file of ``root``. ``more``: options of uv, such as --upgrade. Raises NotResolved."""
    # In this order: the deployed versions are those that the tests run with. What is newer is decided in the first.
    compiled(uv, root, *DEVELOPMENT, *more)
    compiled(uv, root, *DEPLOYED)
    for name in program_names(root):
        source, target = PROGRAMS / f"{name}.in", PROGRAMS / f"{name}.txt"
        # It sees what the project has installed.
        same = ("--constraints=constraints.txt",) if name == "mutmut" else ()
        compiled(uv, root, str(source), f"--output-file={target}", *EVERY_PYTHON, *same, *more)


def compiled(uv: Path, root: Path, *arguments: str) -> None:
    """One run of `uv pip compile` in ``root``. Raises NotResolved."""
    command: Sequence[str] = (str(uv), "pip", "compile", *COMMON, *arguments)
    done = subprocess.run(command, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise NotResolved(
            f"{arguments[0]}: uv ended with code {done.returncode}:\n{done.stderr.strip()[-3000:]}\n"
            "  Where versions exclude each other, change a pin. Where the package index did not answer, try again."
        )
