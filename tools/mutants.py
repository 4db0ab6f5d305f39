"""Whether the tests would notice: each mutant is put into a copy of the product, and its tests have to fail.

    python tools/mutants.py [-k WORDS] [--mutmut] [--list]

    -k WORDS    only the mutants made by hand whose name has these words
    --mutmut    besides: mutmut over checks/history/decide, in .mutants (takes up to an hour; lists what survived)
    --list      only name them

A line for each mutant: killed, SURVIVED, or OUT OF DATE where its text is not in the file exactly once. Exit code 1 if
any is not killed. The checkout itself is left alone: mutants live in copies of what git tracks.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))  # the tool is run by its path

from mutant_list import MUTANTS, Mutant  # noqa: E402

AT_ONCE = 2
SECONDS = 600
LINKED = (".venv", "node_modules", ".node")
MUTMUT = """
[tool.mutmut]
paths_to_mutate = ["checks/history/decide/"]
tests_dir = ["tests/history/test_decide.py", "tests/history/test_noise.py", "tests/history/test_clocks.py", "tests/history/test_cap.py"]
also_copy = ["checks", "tests", "localhost", "simulator", "demo", "tools", "infra", "docs", "function_app.py", "host.json", "README.md"]
"""  # noqa: E501


def copy_of_the_checkout(folder: Path) -> Path:
    """What git tracks, as it is in the working tree."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    subprocess.run(
        ["tar", "--create", "--null", "--files-from=-", "--file", str(folder / "tracked.tar")],
        cwd=ROOT, input=names, check=True,
    )  # fmt: skip
    checkout = folder / "checkout"
    checkout.mkdir()
    subprocess.run(["tar", "--extract", "--file", str(folder / "tracked.tar")], cwd=checkout, check=True)
    for name in LINKED:
        if (ROOT / name).exists():
            (checkout / name).symlink_to(ROOT / name)
    return checkout


def judged(mutant: Mutant, checkout: Path) -> str:
    """What became of a mutant in this copy, which is as it was before when this returns."""
    file = checkout / mutant.file
    text = file.read_text(encoding="utf-8")
    if text.count(mutant.old) != 1:
        return f"OUT OF DATE: its text is in {mutant.file} {text.count(mutant.old)} times"
    file.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
    try:
        words = [str(checkout / ".venv/bin/python"), "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
        done = subprocess.run(
            [*words, *mutant.tests], cwd=checkout, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return "killed (its tests never end)"
    finally:
        file.write_text(text, encoding="utf-8")
    if done.returncode == 1:
        failed = next((line for line in done.stdout.splitlines() if line.startswith("FAILED")), "")
        return f"killed by {failed.removeprefix('FAILED ').split(' - ')[0]}"
    if done.returncode == 0:
        return "SURVIVED"
    return f"SURVIVED: its tests did not run (exit code {done.returncode}): {done.stdout[-300:]}"


def run_by_hand(mutants: list[Mutant]) -> int:
    """Judges mutants, two at a time; how many were not killed."""
    begun = time.monotonic()
    alive = 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder, ThreadPoolExecutor(AT_ONCE) as pool:
        copies: Queue[Path] = Queue()
        for number in range(AT_ONCE):
            place = Path(folder, str(number))
            place.mkdir()
            copies.put(copy_of_the_checkout(place))

        def one(mutant: Mutant) -> str:
            checkout = copies.get()
            try:
                return judged(mutant, checkout)
            finally:
                copies.put(checkout)

        for number, (mutant, said) in enumerate(zip(mutants, pool.map(one, mutants), strict=True), 1):
            alive += not said.startswith("killed")
            print(f"[{number}/{len(mutants)}] {mutant.name}: {said}", flush=True)
    print(f"{len(mutants) - alive} killed, {alive} not, {time.monotonic() - begun:.0f} s")
    return alive


def run_mutmut() -> int:
    """mutmut in an environment of its own; its exit code. What survived is listed at the end."""
    folder = ROOT / ".mutants"
    if not (folder / "venv").exists():
        folder.mkdir(exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
        subprocess.run([str(folder / "venv/bin/pip"), "install", "--quiet", "mutmut==3.8.1"], check=True)
        packages = next((ROOT / ".venv/lib").glob("python3*/site-packages"))
        place = next((folder / "venv/lib").glob("python3*/site-packages"))
        (place / "project.pth").write_text(f"{packages}\n", encoding="utf-8")
    with tempfile.TemporaryDirectory(prefix="mutmut-") as temporary:
        checkout = copy_of_the_checkout(Path(temporary))
        with (checkout / "pyproject.toml").open("a", encoding="utf-8") as file:
            file.write(MUTMUT)
        python = str(folder / "venv/bin/python")
        code = subprocess.run([python, "-m", "mutmut", "run", "--max-children", str(AT_ONCE)], cwd=checkout).returncode
        subprocess.run([python, "-m", "mutmut", "results"], cwd=checkout, check=False)
        return code


def main() -> int:
    """Runs what was asked for."""
    assert __doc__
    parser = argparse.ArgumentParser(
        "mutants", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-k", dest="words", default="", help="only mutants whose name has these words")
    parser.add_argument("--mutmut", action="store_true", help="mutmut over the package that decides, besides")
    parser.add_argument("--list", action="store_true", help="only name the mutants")
    given = parser.parse_args()
    chosen = [mutant for mutant in MUTANTS if given.words.lower() in mutant.name.lower()]
    if not chosen:
        parser.error(f"no mutant has {given.words!r} in its name")
    if given.list:
        print("\n".join(mutant.name for mutant in chosen))
        return 0
    alive = run_by_hand(chosen)
    code = run_mutmut() if given.mutmut else 0
    return 1 if alive or code else 0


if __name__ == "__main__":
    sys.exit(main())
