"""What is pinned: requirements.txt is what requirements.in brings in, with hashes, at the versions that are tested."""

import ast
import importlib.metadata
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.tools.scripts import ROOT, load, load_from

lock = load("lock")
compiling = load_from("pins", "compiling")
lockfile = load_from("pins", "lockfile")

# Markers are evaluated for the deployed Python on Linux, whatever this one is.
DEPLOYED = {
    "python_version": compiling.DEPLOYED_PYTHON,
    "python_full_version": f"{compiling.DEPLOYED_PYTHON}.0",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_system": "Linux",
    "sys_platform": "linux",
}
HASH = re.compile(r"sha256:[0-9a-f]{64}")
FOLDER = Path("tools", "pins", "programs")
PROGRAMS = compiling.program_names(ROOT)

needs_deployed_python = pytest.mark.skipif(
    sys.version_info[:2] != tuple(map(int, compiling.DEPLOYED_PYTHON.split("."))),
    reason=f"what is installed here is not what Python {compiling.DEPLOYED_PYTHON} gets",
)


def applies(requirement: Requirement, extra: str = "") -> bool:
    """Whether the deployed app gets what the requirement names."""
    return requirement.marker is None or requirement.marker.evaluate({**DEPLOYED, "extra": extra})


def requirements(name: str) -> list[Requirement]:
    """The requirements of a file, without hashes, options and comments."""
    lines = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    texts = (re.split(r"\s(?:#|--hash)|^#", line)[0].strip() for line in lines)
    return [Requirement(text) for text in texts if text and not text.startswith("-")]


def pins(name: str) -> dict[str, str]:
    """The pinned version of each package of a file, as far as the deployed app gets it."""
    found = {}
    for each in filter(applies, requirements(name)):
        (specifier,) = each.specifier
        assert specifier.operator == "==", f"{name}: {each} is not pinned"
        found[canonicalize_name(each.name)] = specifier.version
    return found


def closure(wanted: Iterable[Requirement]) -> dict[str, str]:
    """The installed version of each package that is wanted, or that another of them requires."""
    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    queue = [(each, extra) for each in wanted if applies(each) for extra in ("", *each.extras)]
    while queue:
        requirement, extra = queue.pop()
        name = canonicalize_name(requirement.name)
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        distribution = importlib.metadata.distribution(name)
        found[name] = distribution.version
        required = map(Requirement, distribution.requires or ())
        queue += [(each, more) for each in required if applies(each, extra) for more in ("", *each.extras)]
    return found


@needs_deployed_python
def test_requirements_txt_is_what_requirements_in_brings_in() -> None:
    assert pins("requirements.txt") == closure(requirements("requirements.in")), "run `make lock`, then `make setup`"


def test_azure_installs_the_versions_that_the_tests_run_with() -> None:
    deployed, tested = pins("requirements.txt"), pins("constraints.txt")
    assert deployed.items() <= tested.items(), "run `make lock`"
    assert pins("requirements.in").items() <= deployed.items(), "run `make lock`"
    assert pins("requirements-dev.txt").items() <= tested.items(), "run `make lock`"


def test_the_pins_are_for_the_pythons_that_setup_takes() -> None:
    supported = [".".join(map(str, each)) for each in load("setup").PREFERRED]
    assert supported[-1] == compiling.OLDEST_PYTHON
    assert compiling.DEPLOYED_PYTHON in supported


LOCKS = ("requirements.txt", "constraints.txt", *(f"tools/pins/programs/{each}.txt" for each in PROGRAMS))


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_that_is_installed_has_hashes(name: str) -> None:
    packages = lockfile.read(ROOT / name)
    assert packages
    for each in packages:
        assert each.hashes, f"{each.name} has no hash"
        assert all(HASH.fullmatch(text) for text in each.hashes), each.name


def test_what_npm_installs_has_hashes() -> None:
    lock = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))
    packages = {path: each for path, each in lock["packages"].items() if path}
    assert packages
    assert [path for path, each in packages.items() if not each.get("integrity", "").startswith("sha512-")] == []
    assert lock["packages"][""]["dependencies"] == json.loads((ROOT / "package.json").read_text())["dependencies"]


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_is_locked_at_the_version_that_is_pinned(name: str) -> None:
    [pinned] = [
        f"{each.name}=={each.version}" for each in lockfile.read(ROOT / FOLDER / f"{name}.txt") if each.name == name
    ]
    assert (ROOT / FOLDER / f"{name}.in").read_text(encoding="utf-8").strip() == pinned, "run `make lock`"


def test_nothing_in_the_project_has_pip_install_without_hashes() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    searched = ("tools/", "localhost/", "demo/", "simulator/", "tests/support/", ".ci/", ".github/", "Makefile")
    calls = {
        f"{name}: {line.strip()}"
        for name in listed
        if name.startswith(searched) and not name.endswith((".txt", ".toml"))
        for line in (ROOT / name).read_text(encoding="utf-8").splitlines()
        if re.search(r"""\bpip['"]?,? ['"]?install\b|^ *install = \(""", line)
    }
    assert len(calls) >= 3
    allowed = ("BY_HASHES", "--require-hashes", "checkov")
    assert [each for each in sorted(calls) if not any(word in each for word in allowed)] == []


def imports(path: Path) -> Iterator[str]:
    """The modules that a file imports, relative ones left out; of `from a import b` both `a` and, maybe, `a.b`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def provided(names: Iterable[str]) -> set[str]:
    """The modules that these installed packages hold."""
    files = (path for name in names for path in importlib.metadata.files(name) or () if path.suffix in (".py", ".so"))
    # kubernetes/aio/__init__.py is kubernetes.aio; module.cpython-313-x86_64-linux-gnu.so is module.
    return {".".join((*path.parent.parts, path.name.split(".")[0])).removesuffix(".__init__") for path in files}


def test_the_deployed_code_imports_nothing_but_what_requirements_in_names() -> None:
    known = provided(canonicalize_name(each.name) for each in requirements("requirements.in"))
    sources = [ROOT / "function_app.py", *(ROOT / "checks").rglob("*.py")]
    foreign = {
        f"{path.relative_to(ROOT)}: {module}"
        for path in sources
        for module in imports(path)
        if module.split(".")[0] not in {*sys.stdlib_module_names, "checks"} and module not in known
    }
    assert not foreign
    assert {"azure.functions", "kubernetes.aio", "yaml", "msgspec"} <= known


def test_lock_takes_no_argument_that_it_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    assert lock.main(["--upgrde"]) == 2
    assert "usage" in capsys.readouterr().err
