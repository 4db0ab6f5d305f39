"""What `make update` shows, and that nothing changes where it cannot do its work."""

import os
import shutil
from pathlib import Path

import pytest

from tests.tools.scripts import ROOT, load, load_from

update = load("update")
programs = load_from("pins", "programs")


def copied(folder: Path) -> dict[str, bytes]:
    """The files that are pinned, in a folder; what is in them."""
    names = update.files(ROOT)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    return {name: (folder / name).read_bytes() for name in names}


def test_differences_name_what_changes_comes_and_goes_by_file() -> None:
    before = {"constraints.txt": {"a": "1", "b": "1", "c": "1"}, "requirements.txt": {"a": "1"}}
    after = {"constraints.txt": {"a": "2", "b": "1", "d": "1"}, "requirements.txt": {"a": "1"}}
    assert update.differences(before, after) == [
        "constraints.txt:",
        "  a: 1 -> 2",
        "  c: 1 -> gone",
        "  d: not there -> 1",
    ]


def test_every_file_that_installs_something_is_compared() -> None:
    found = update.versions(ROOT)
    assert set(found) == {
        name for name in update.files(ROOT) if name.endswith((".txt", "lock.json")) and "dev" not in name
    }
    assert {"azurite", "axe-core"} <= set(found["package-lock.json"])
    assert {name.split(" ;")[0] for name in found["constraints.txt"]} >= set(found["requirements.txt"])


@pytest.mark.parametrize("arguments", [[], ["--dry-run"]])
def test_without_a_package_index_nothing_changes_and_the_error_says_so(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = copied(tmp_path / "root")
    monkeypatch.setattr(programs, "KEPT", tmp_path / "programs")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert update.main(arguments, tmp_path / "root") == 1
    said = capsys.readouterr()
    assert "uv==" in said.err
    assert "If the network was away, run the same make command again" in said.err
    assert said.err.endswith("Nothing was changed.\n")
    assert {name: (tmp_path / "root" / name).read_bytes() for name in before} == before


def test_an_option_that_it_does_not_know_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        update.main(["--dryrun"])
    assert ended.value.code == 2
    assert "--dry-run" in capsys.readouterr().err
