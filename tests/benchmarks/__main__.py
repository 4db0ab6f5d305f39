"""`python -m tests.benchmarks [SECTION ...]`: takes the figures, one section after the other, and prints them."""

from __future__ import annotations

import argparse
import importlib
import json
import platform
import sys
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.figures import Section, document, table

# Each is a module with `measure`; and what it is given with --quick.
SECTIONS: dict[str, dict[str, Any]] = {
    "article": {"sizes": (20,)},
    "growth": {"sizes": (20, 40, 60), "subscriptions": 4, "registries": 8},
    "big_clusters": {"sizes": (20,), "real_pods": 20, "rounds": 1},
    "throttling": {"clusters": 40},
    "scale_out": {"clusters": 24, "workers": (1, 2), "killed": 24},
    "cold_start": {"rounds": 1},
    "overview": {"clusters": 30, "subscriptions": 3},
    "dashboard": {"clusters": 30, "subscriptions": 3},
    "report": {"clusters": 20},
}


def main(arguments: list[str]) -> int:
    """0 where every goal holds, 1 where one is missed, 2 for wrong usage."""
    parser = argparse.ArgumentParser(
        prog="make bench ARGS=…",
        description="What Pullwatch costs, measured: half an hour, in which nothing else should run.",
    )
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it works: figures mean little")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.sections if name not in SECTIONS]
    if unknown:
        parser.error(f"no section {', '.join(unknown)}: there are {', '.join(SECTIONS)}")
    if options.json and not (options.json.parent.is_dir() and not options.json.is_dir()):
        parser.error(f"{options.json} cannot be written: it is a folder, or lies in none")  # not after half an hour
    taken = [_taken(name, quick=options.quick) for name in options.sections or SECTIONS]
    if options.json:
        about = {"python": platform.python_version(), "machine": platform.machine(), "sections": document(taken)}
        options.json.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    goals = [figure for section in taken for figure in section.figures if figure.holds is not None]
    missed = sum(not figure.holds for figure in goals)
    sys.stdout.write(f"{len(goals) - missed} goals hold, {missed} are missed\n")
    return 1 if missed else 0


def _taken(name: str, *, quick: bool) -> Section:
    """A section's figures, which are printed as soon as they are there."""
    began = time.monotonic()
    sys.stderr.write(f"{name} …\n")
    section: Section = importlib.import_module(f"tests.benchmarks.{name}").measure(**(SECTIONS[name] if quick else {}))
    sys.stderr.write(f"{name}: {time.monotonic() - began:.0f} s\n")
    sys.stdout.write(table(section) + "\n")
    sys.stdout.flush()
    return section


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
