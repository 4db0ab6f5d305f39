"""Pins everything that is installed: `make lock` writes constraints.txt, requirements.txt and those of programs.

    make lock                      what is pinned stays; what was added or changed by hand is resolved
    make lock ARGS=--upgrade       also takes the newest version of what only others bring in

constraints.txt holds every package that requirements-dev.txt (requirements.in among it) brings in, for each Python that
the tests run on; `make setup` installs it. requirements.txt is what Azure installs: the packages of requirements.in and
all they bring in, at the versions of constraints.txt, for the deployed Python on Linux. tools/pins/programs holds what
tools install beside .venv. All have the hashes of every file, so that pip refuses what was not there when they were
written. `make update` also moves what is pinned by hand.
"""

import sys

from pins.compiling import NotResolved, compile_all
from pins.programs import ROOT, NotInstalled, Program


def main(arguments: list[str]) -> int:
    """0 where every file is written; 1 with a message where one could not be."""
    upgrade = [each for each in arguments if each == "--upgrade"]
    if upgrade != arguments:
        print("usage: tools/lock.py [--upgrade]", file=sys.stderr)
        return 2
    try:
        compile_all(Program("uv").installed() / "uv", ROOT, *upgrade)
    except (NotInstalled, NotResolved) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
