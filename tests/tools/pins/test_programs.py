"""Programs in environments of their own: installed once, by hashes, with real wheels and the real pip."""

import hashlib
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.tools.scripts import load, load_from

setup = load("setup")
programs = load_from("pins", "programs")


def wheel(folder: Path, name: str, version: str, *, text: str = "") -> str:
    """The hash of a wheel that is written to `folder`: a package with one module."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    about = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.py", text)
        archive.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that stands for the package index: pip asks nobody else."""
    for name in [each for each in os.environ if each.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    return tmp_path / "index"


def program(root: Path, digest: str) -> Any:
    """The program "probe", pinned at 1.0 with that hash."""
    folder = root / programs.PROGRAMS
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "probe.in").write_text("probe==1.0\n")
    (folder / "probe.txt").write_text(f"probe==1.0 \\\n    --hash=sha256:{digest}\n")
    return programs.Program("probe", root)


def test_a_program_is_installed_once_and_anew_where_its_lock_changed(index: Path, tmp_path: Path) -> None:
    probe = program(tmp_path, wheel(index, "probe", "1.0"))
    folder = tmp_path / "kept"
    assert probe.installed(folder) == folder / "bin"
    assert list(folder.glob("lib/python3*/site-packages/probe.py"))
    wheel(index, "probe", "1.0", text="changed = True")  # nobody looks: it is installed
    (folder / "left").touch()
    probe.installed(folder)
    assert (folder / "left").exists()
    probe.lock.write_text(f"# another\n{probe.lock.read_text()}")
    with pytest.raises(programs.NotInstalled, match="not the one that was pinned"):
        probe.installed(folder)
    with pytest.raises(programs.NotInstalled, match="not the one that was pinned"):
        probe.installed(folder)  # what failed is not taken for installed


@pytest.mark.parametrize(
    ("lock", "why"),
    [
        ("probe==1.0 --hash=sha256:" + "0" * 64, "DO NOT MATCH THE HASHES.*not the one that was pinned"),
        ("probe==1.0", "Hashes are required.*make lock"),
        ("absent==1.0 --hash=sha256:" + "0" * 64, "No matching distribution.*If the network was away"),
    ],
    ids=["another hash", "no hash", "not there"],
)
def test_what_does_not_have_the_pinned_hash_is_refused_by_setup_and_the_error_says_what_to_do(
    index: Path, tmp_path: Path, lock: str, why: str
) -> None:
    wheel(index, "probe", "1.0")
    (tmp_path / "constraints.txt").write_text(f"{lock}\n")
    location = setup.Installation(tmp_path)
    python = setup._venv(location, "")
    with pytest.raises(setup.SetupError, match=f"(?s){why}"):
        setup._pip(location, "constraints.txt")
    assert python.minor >= (3, 11)
    assert not list(location.venv.glob("lib/python3*/site-packages/probe.py"))
    assert not location.stamp.exists()


def test_what_would_have_to_be_built_is_refused(index: Path, tmp_path: Path) -> None:
    index.mkdir()
    archive = index / "probe-1.0.tar.gz"
    archive.write_bytes(b"whatever would be run")
    probe = program(tmp_path, hashlib.sha256(archive.read_bytes()).hexdigest())
    with pytest.raises(programs.NotInstalled, match="No matching distribution"):
        probe.installed(tmp_path / "kept")
