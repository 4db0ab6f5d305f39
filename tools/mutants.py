"""Whether the tests notice when a rule of the product is broken. Run by `make mutants`.

Each mutant of mutants.toml breaks one rule by a small replacement, and names the tests that have to fail for it. It is
applied to a copy of the tracked files; the checkout itself is never touched. First those tests have to pass as the code
is: a test that fails anyway kills nothing. A mutant whose text is not in its file exactly once is out of date.

`make mutants ARGS="-k etag"` takes those whose name has that word. `make mutants ARGS=--mutmut` has mutmut change
checks/history/decide in every way it knows, some 20 minutes of two cores; what survived is judged in docs/mutants.md.
mutmut gets an environment of its own, .mutants/venv.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pins.programs import Program

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "tools" / "mutants.toml"
FOLDER = ROOT / ".mutants"
INSTALLED = ("node_modules", ".node")  # what tests need beside the tracked files
AT_ONCE = 2
SECONDS = 300  # for the tests of one mutant
KILLED, SURVIVED, TIMED_OUT, BROKEN = "killed", "SURVIVED", "timed out", "broken"

MUTMUT = Program("mutmut")
PURE_TESTS = tuple(
    f"tests/history/test_{name}.py"
    for name in ("decide", "cap", "noise", "clocks", "flips", "leaving", "story", "baselines")
)
# The tests of deciding need no server, so mutmut gets a conftest.py without any; examples are the same each time.
CONFTEST = '''"""Examples are the same each time."""

import hypothesis

hypothesis.settings.register_profile("same", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("same")
'''
CONFIG = f"""
[tool.mutmut]
source_paths = ["checks"]
only_mutate = ["checks/history/decide/*.py"]
also_copy = ["tests"]
pytest_add_cli_args = ["-x", "-p", "no:cacheprovider", "-p", "no:xdist"]
pytest_add_cli_args_test_selection = {list(PURE_TESTS)}
"""


class OutOfDateError(Exception):
    """The code is not any more what a mutant changes."""


@dataclass(frozen=True)
class Mutant:
    """One rule broken: the text that is replaced in a file, and the tests that have to notice."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def applied(self, text: str) -> str:
        """The file's text with the rule broken."""
        found = text.count(self.old)
        if found != 1:
            raise OutOfDateError(f"{self.name}: its text is {found} times in {self.file}, not once")
        return text.replace(self.old, self.new)


def mutants(text: str) -> tuple[Mutant, ...]:
    """The mutants of a list in TOML."""
    return tuple(
        Mutant(
            name=one["name"],
            file=one["file"],
            old=one["old"],
            new=one["new"],
            tests=tuple(one["tests"]),
        )
        for one in tomllib.loads(text)["mutant"]
    )


def out_of_date(chosen: Sequence[Mutant]) -> list[str]:
    """Of which mutants the code is not any more what they change, and why."""
    found = []
    for one in chosen:
        try:
            one.applied((ROOT / one.file).read_text(encoding="utf-8"))
        except OutOfDateError as error:
            found.append(str(error))
    return found


def verdict(code: int) -> str:
    """What pytest's exit code says. Only a test that ran and failed kills: a mutant that cannot be imported proves
    nothing."""
    return {0: SURVIVED, 1: KILLED}.get(code, BROKEN)


def main(words: list[str]) -> int:
    """0 where every chosen mutant is killed, 1 where one is not, 2 where nothing can be said."""
    parser = argparse.ArgumentParser(prog="make mutants", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("-k", metavar="WORD", default="", help="only mutants whose name has this word")
    parser.add_argument("--list", action="store_true", help="name the mutants and run none")
    parser.add_argument("--mutmut", action="store_true", help="have mutmut change checks/history/decide instead")
    asked = parser.parse_args(words)
    if asked.mutmut:
        return run_mutmut()
    chosen = [one for one in mutants(LIST.read_text(encoding="utf-8")) if asked.k.lower() in one.name.lower()]
    if not chosen:
        print(f"no mutant has {asked.k!r} in its name", file=sys.stderr)
        return 2
    if old := out_of_date(chosen):
        print("\n".join(f"out of date: {why}" for why in old), file=sys.stderr)
        return 2
    if asked.list:
        print("\n".join(one.name for one in chosen))
        return 0
    return judge(chosen)


def judge(chosen: Sequence[Mutant]) -> int:
    """Runs the tests as the code is, and then each mutant; the table, and the exit code."""
    tests = sorted({test for one in chosen for test in one.tests})
    print(f"the tests of {len(chosen)} mutants, as the code is …", flush=True)
    with copied() as copy:
        code, seconds, output = pytest(copy, tests, SECONDS * 3)
    if code != 0:
        print(f"{output}\nthey do not pass, so they can tell nothing", file=sys.stderr)
        return 2
    print(f"they pass, {seconds:.0f} s", flush=True)
    said: dict[str, str] = {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = {pool.submit(tried, one): one for one in chosen}
        for number, done in enumerate(as_completed(running), 1):
            one = running[done]
            said[one.name], seconds = done.result()
            print(f"[{number}/{len(chosen)}] {said[one.name]:<9} {seconds:4.0f} s  {one.name}", flush=True)
    print()
    for one in chosen:
        print(f"{said[one.name]:<9} {one.name}")
    killed = sum(word == KILLED for word in said.values())
    print(f"{killed} of {len(chosen)} killed")
    return int(killed != len(chosen))


def tried(one: Mutant) -> tuple[str, float]:
    """What became of one mutant, and how long that took."""
    with copied() as copy:
        file = copy / one.file
        file.write_text(one.applied(file.read_text(encoding="utf-8")), encoding="utf-8")
        code, seconds, _ = pytest(copy, one.tests, SECONDS)
    return (TIMED_OUT if code is None else verdict(code)), seconds


@contextmanager
def copied() -> Iterator[Path]:
    """A copy of the tracked files, as they are in the working tree, beside what is installed."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True)
    with tempfile.TemporaryDirectory(prefix="pullwatch-mutant-") as name:
        copy = Path(name)
        for file in filter(None, listed.stdout.split("\0")):
            if (ROOT / file).is_file():  # one that was deleted and is still tracked is none of the copy's
                (copy / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / file, copy / file)
        for installed in INSTALLED:
            if (ROOT / installed).exists():
                (copy / installed).symlink_to((ROOT / installed).resolve())
        yield copy


def pytest(copy: Path, tests: Sequence[str], seconds: float) -> tuple[int | None, float, str]:
    """pytest's exit code in a copy (None: it took too long), how long it took, and what it said.

    It leads a group of its own, so that what it started, such as Azurite, ends with it.
    """
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--hypothesis-seed=0", *tests]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    started = time.monotonic()
    with subprocess.Popen(
        command,
        cwd=copy,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as running:
        try:
            output, _ = running.communicate(timeout=seconds)
            code: int | None = running.returncode
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            output, _ = running.communicate()
            code = None
    return code, time.monotonic() - started, output


def run_mutmut() -> int:
    """Has mutmut change checks/history/decide, and names what survived. 0 where it came to its end."""
    program = _mutmut()
    copy = FOLDER / "mutmut"
    shutil.rmtree(copy, ignore_errors=True)
    for folder in ("checks", "tests"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "tests" / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (copy / "pyproject.toml").write_text(settings + CONFIG, encoding="utf-8")
    code = subprocess.run([program, "run", "--max-children", str(AT_ONCE)], cwd=copy, check=False).returncode
    done = subprocess.run([program, "results"], cwd=copy, check=True, capture_output=True, text=True)
    left = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    print("\n".join(left))
    print(f"{len(left)} were not killed; docs/mutants.md judges them. Show one: cd {copy} && {program} show NAME")
    return code


def _mutmut() -> Path:
    """mutmut in an environment of its own, which sees what the project has installed."""
    venv = FOLDER / "venv"
    program = MUTMUT.installed(venv) / "mutmut"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = Path("lib", version, "site-packages")
    (venv / packages / "project.pth").write_text(f"{(Path(sys.prefix) / packages).resolve()}\n", encoding="utf-8")
    return program


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
