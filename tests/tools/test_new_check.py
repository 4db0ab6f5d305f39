"""`make check`: the skeleton is valid and unfinished, and nothing that exists is written over."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools.scripts import ROOT, load

new_check = load("new_check")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with an empty catalog."""
    for folder in ("checks/catalog", "tests/catalog"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.setattr(new_check, "ROOT", tmp_path)
    return tmp_path


def test_the_check_and_its_test_are_written_and_pass_lint(project: Path) -> None:
    assert new_check.main(["PW599", "a_thing"]) == 0
    check, test = project / "checks/catalog/pw599_a_thing.py", project / "tests/catalog/test_pw599.py"
    ruff = Path(sys.executable).parent / "ruff"
    config = ("--config", str(ROOT / "pyproject.toml"))
    for command in (("check", "--no-cache"), ("format", "--check", "--no-cache")):
        done = subprocess.run([ruff, *command, *config, check, test], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
    compile(check.read_text(), str(check), "exec")
    assert "test_pass_" in test.read_text()


def test_the_judge_that_is_not_written_says_so_and_fails_its_own_tests(project: Path) -> None:
    new_check.main(["PW599", "a_thing"])
    assert "this judge is not written yet" in (project / "checks/catalog/pw599_a_thing.py").read_text()
    assert '== ("pass", "a-thing-in-order")' in (project / "tests/catalog/test_pw599.py").read_text()


@pytest.mark.parametrize(
    ("code", "name", "words"),
    [
        ("107", "a_thing", "CODE='107' is not PW"),
        ("PW999", "a_thing", "the first of them 1 to 5"),
        ("PW107", "A-Thing", "NAME='A-Thing' is not lower-case words"),
        ("PW107", "", "NAME='' is not lower-case words"),
        ("PW107", "../x", "is not lower-case words"),
    ],
)
def test_a_code_or_name_that_fits_nothing_is_refused(
    project: Path, capsys: pytest.CaptureFixture[str], code: str, name: str, words: str
) -> None:
    assert new_check.main([code, name]) == 2
    assert words in capsys.readouterr().err
    assert list(project.rglob("*.py")) == []


def test_a_code_is_never_used_again(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert new_check.main(["PW599", "a_thing"]) == 0
    assert new_check.main(["PW599", "another_thing"]) == 2
    assert "PW599 is taken by checks/catalog/pw599_a_thing.py" in capsys.readouterr().err
