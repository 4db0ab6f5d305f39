"""Everything that must hold before a change goes in: lint, format, types, layers, tests. Run by `make test`.

Each step runs even where an earlier one failed; the exit code is 0 only where all passed. Arguments go to pytest.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
# The code that must be typed throughout; the app's entry point is a thin shell over it.
TYPED = ("checks", "simulator", "localhost", "demo", "tools", "tests/support", "tests/benchmarks", "function_app.py")

# A module's tests stay together: they share what is dear to make. What the slowest cost is shown at the end.
# Many wait for a server to answer: three for two cores keep both busy.
WORKERS = max(2, (os.cpu_count() or 2) * 3 // 2)
PARALLEL = ("-n", str(WORKERS), "--dist", "loadscope", "--durations=15")


def main(arguments: list[str]) -> int:
    """0 where every step passed, else 1; pytest's own code (5: no test ran) counts as a failure like any other."""
    only_lint = "--lint" in arguments
    steps: list[tuple[str, list[str | Path]]] = [
        ("ruff check", [BIN / "ruff", "check", "."]),
        ("ruff format", [BIN / "ruff", "format", "--check", "."]),
        ("mypy", [BIN / "mypy", *(name for name in TYPED if (ROOT / name).exists())]),
        ("import-linter", [BIN / "lint-imports"]),
    ]
    if not only_lint:
        steps.append(("pytest", [sys.executable, "-m", "pytest", *PARALLEL, *arguments]))
    failed = [name for name, command in steps if not _passes(name, command)]
    if failed:
        print(f"FAILED: {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed))


def _passes(name: str, command: list[str | Path]) -> bool:
    print(f"== {name}", flush=True)
    started = time.monotonic()
    code = subprocess.run(command, cwd=ROOT, check=False).returncode
    print(
        f"== {name}: {'ok' if code == 0 else f'failed with code {code}'}, {time.monotonic() - started:.1f} s",
        flush=True,
    )
    return code == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
