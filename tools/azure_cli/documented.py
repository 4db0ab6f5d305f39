"""The az commands that documents tell people to type, each parsed by the real az: whether it knows the words.

Nobody is signed in: a command that is understood ends by asking for that, before it asks Azure anything.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from azure_cli.program import ROOT, SECONDS, Tally, Wrong, signed_out

PAGES = (Path("docs/dashboard-sign-in.md"),)
UNDERSTOOD = "Please run 'az login'"
_IN_VARIABLE = re.compile(r"[A-Z_]+=\$\((az .*)\)")


def commands(page: str) -> Iterator[str]:
    """The az commands in the indented blocks of a page, those whose answer goes into a variable too."""
    for line in page.splitlines():
        text = line.strip()
        if not line.startswith("    "):
            continue
        inner = _IN_VARIABLE.fullmatch(text)
        if inner or text.startswith("az "):
            yield inner[1] if inner else text


def understood(program: Path, command: str, environment: Mapping[str, str]) -> str:
    """What the real az thinks of a command. Raises Wrong where it does not know it."""
    path = f"{program.parent}{os.pathsep}{environment.get('PATH', '')}"
    done = subprocess.run(
        ["sh", "-c", command],
        env={**environment, "PATH": path, "AZURE_CORE_ONLY_SHOW_ERRORS": "yes"},
        cwd=ROOT,  # where people are told to type them
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if UNDERSTOOD not in done.stderr:
        raise Wrong(f"{command}: exit {done.returncode}: {done.stderr.strip()[-600:]}")
    return "understood"


def run(tally: Tally, program: Path, folder: Path) -> None:
    """Has each command of PAGES parsed, with a configuration folder in which nobody signed in."""
    environment = {**signed_out(folder), "CLIENT_ID": "c", "APP": "a", "ROLE": "r", "OBJECT_ID": "o"}
    for page in PAGES:
        for command in commands((ROOT / page).read_text(encoding="utf-8")):
            name = f"{page.name}: {' '.join(command.split()[:5])}"
            tally.check(name, partial(understood, program, command, environment))
