"""What a fresh process pays before it does anything: the app's start, and what a trigger loads at its first use."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

from tests.benchmarks.figures import Figure, Section, at_most
from tests.benchmarks.processes import ROOT

GOAL = 0.45  # seconds of CPU
# By the name that a figure begins with: what is run, each in a process of its own. In Azure a trigger loads its part
# into the process that has started already.
STARTS = {
    "bare": "pass",
    "start": "import function_app; function_app.app.get_functions()",
    "plan": "import checks.jobs.plan",
    "scan": "import checks.jobs.scan",
    "deliver": "import checks.jobs.deliver",
    "routes": "import checks.web.routes",
    "clusters": "import checks.web.resources.clusters",
    "dashboard": "import checks.web.dashboard.respond",
}
# The process's own figures at its end. Not ru_maxrss: Linux counts what the process was before it became Python, too.
_REPORT = """
import json, resource
used = resource.getrusage(resource.RUSAGE_SELF)
with open("/proc/self/status") as status:
    (peak,) = [int(line.split()[1]) for line in status if line.startswith("VmHWM:")]
print(json.dumps([used.ru_utime + used.ru_stime, len(modules), peak / 1024]))
"""


def measure(rounds: int = 5) -> Section:
    """The figures of the app's start, with its goal, and of what each trigger loads at its first use."""
    found = starts(rounds)
    figures: list[Figure] = []
    for name, code in STARTS.items():
        seconds = found[f"{name}_cpu_seconds"]
        what = f"{code.partition(';')[0]}"
        figures += [
            at_most(f"{what}: CPU", seconds, GOAL, "s") if name == "start" else Figure(f"{what}: CPU", seconds, "s"),
            Figure(f"{what}: modules", found[f"{name}_modules"]),
            Figure(f"{what}: peak memory", found[f"{name}_peak_mib"], "MB"),
        ]
    return Section("Cold start", f"whole processes, medians of {rounds}; `pass` is Python alone", tuple(figures))


def starts(rounds: int = 5) -> dict[str, float]:
    """Medians over fresh interpreters, taken in turns: ``NAME_cpu_seconds``, ``NAME_modules`` and ``NAME_peak_mib``.

    NAME is one of ``STARTS``. CPU is user and system time of the whole process, so that of ``bare`` is in every other.
    A first process of each, which may compile the modules, does not count. For Linux. Raises CalledProcessError where a
    process fails.
    """
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in STARTS}
    for code in STARTS.values():
        _run(code)
    for _ in range(rounds):
        for name, code in STARTS.items():
            found[name].append(_run(code))
    figures: dict[str, float] = {}
    for name, runs in found.items():
        cpu, modules, peak = (statistics.median(column) for column in zip(*runs, strict=True))
        figures |= {f"{name}_cpu_seconds": cpu, f"{name}_modules": modules, f"{name}_peak_mib": peak}
    return figures


def _run(code: str) -> tuple[float, float, float]:
    """CPU seconds, modules loaded and peak MiB of one process that runs this code."""
    text = f"{code}\nimport sys\nmodules = [*sys.modules]\n{_REPORT}"
    command = [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{text}"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    cpu, modules, peak = json.loads(ran.stdout.splitlines()[-1])
    return cpu, modules, peak
