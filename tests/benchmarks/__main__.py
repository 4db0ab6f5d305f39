"""`python -m tests.benchmarks [SECTION ...]`: takes the figures, one section after the other, and prints them."""

from __future__ import annotations

import argparse
import importlib
import json
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from localhost.azurite import AzuriteMissing
from tests.benchmarks.figures import Section, document, table
from tests.benchmarks.processes import Failed

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
    """0 where every goal holds (or, with --quick, where all was measured), 1 where one is missed, 2 for wrong usage, 3
    where a section could not be measured."""
    parser = argparse.ArgumentParser(
        prog="make bench ARGS=…",
        description="What Pullwatch costs, measured: half an hour, in which nothing else should run.",
    )
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it works: figures mean little")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--profile", type=Path, metavar="FILE", help="write a profile of growth's largest run there")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.sections if name not in SECTIONS]
    if unknown:
        parser.error(f"no section {', '.join(unknown)}: there are {', '.join(SECTIONS)}")
    taken: list[Section] = []
    try:
        if options.json:
            _write(options.json, taken)  # what cannot be written is not said after half an hour
        failed = 0
        for name in options.sections or SECTIONS:
            section = _taken(name, quick=options.quick, profile=options.profile)
            failed += section is None
            taken += [section] if section is not None else []
            if options.json:
                _write(options.json, taken)
    except OSError as error:
        parser.error(f"{options.json} cannot be written: {error.strerror}")
    return _summary(taken, failed, quick=options.quick)


def _summary(taken: list[Section], failed: int, *, quick: bool) -> int:
    """Says how it ended; the exit code."""
    goals = [figure for section in taken for figure in section.figures if figure.holds is not None]
    missed = sum(not figure.holds for figure in goals)
    what = f"{len(goals) - missed} goals hold, {missed} are missed"
    what += " (small sizes say nothing of them)" if quick else ""
    what += f"; {failed} sections could not be measured" if failed else ""
    sys.stdout.write(f"{what}\n")
    return 3 if failed else int(bool(missed) and not quick)


def _write(file: Path, taken: list[Section]) -> None:
    """The figures so far."""
    about = {"python": platform.python_version(), "machine": platform.machine(), "sections": document(taken)}
    file.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


def _taken(name: str, *, quick: bool, profile: Path | None) -> Section | None:
    """A section's figures, which are printed as soon as they are there; None where it could not be measured."""
    began = time.monotonic()
    sys.stderr.write(f"{name} …\n")
    sizes = dict(SECTIONS[name] if quick else {})
    if profile is not None and name == "growth":
        sizes["profile"] = profile
    try:
        section: Section = importlib.import_module(f"tests.benchmarks.{name}").measure(**sizes)
    except (Failed, AzuriteMissing, subprocess.CalledProcessError) as error:
        sys.stderr.write(f"{name} could not be measured: {error}\n")
        return None
    sys.stderr.write(f"{name}: {time.monotonic() - began:.0f} s\n")
    sys.stdout.write(table(section) + "\n")
    sys.stdout.flush()
    return section


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
