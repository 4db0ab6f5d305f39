"""tools/mutants.py: no mutant is out of date, and what counts as killed. `make mutants` runs the mutants themselves."""

from pathlib import Path

import pytest

from tests.tools.scripts import ROOT, load

TOOL = load("mutants")
MUTANTS = TOOL.mutants(TOOL.LIST.read_text(encoding="utf-8"))


def made(tmp_path: Path, body: str, seconds: int = 120) -> object:
    (tmp_path / "test_one.py").write_text(body, encoding="utf-8")
    return TOOL.pytest(tmp_path, ["test_one.py"], seconds)[0]


def is_there(test: str) -> bool:
    """Whether a test is there that a mutant names: a file, or one function of it ("file::function[case]")."""
    file, _, function = test.partition("::")
    named = function.partition("[")[0]
    return (ROOT / file).is_file() and (not named or f"def {named}(" in (ROOT / file).read_text(encoding="utf-8"))


def test_each_mutant_changes_code_that_is_there_and_names_tests_that_are() -> None:
    assert TOOL.out_of_date(MUTANTS) == []
    assert [test for one in MUTANTS for test in one.tests if not is_there(test)] == []
    assert len({one.name for one in MUTANTS}) == len(MUTANTS)
    for one in MUTANTS:
        compile(one.applied((ROOT / one.file).read_text(encoding="utf-8")), one.file, "exec")


@pytest.mark.parametrize("text", ["", "a = 1\na = 1\n"])
def test_a_mutant_whose_text_is_not_there_once_is_out_of_date(text: str) -> None:
    with pytest.raises(TOOL.OutOfDateError, match=f"{text.count('a')} times in x.py"):
        TOOL.Mutant("no one", "x.py", "a = 1", "a = 2", ()).applied(text)


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ("def test_it(): assert True", TOOL.SURVIVED),
        ("def test_it(): assert False", TOOL.KILLED),
        ("import nothing_of_this_name", TOOL.BROKEN),
        ("", TOOL.BROKEN),
    ],
)
def test_only_a_test_that_ran_and_failed_kills(tmp_path: Path, body: str, word: str) -> None:
    code = made(tmp_path, body)
    assert isinstance(code, int)
    assert TOOL.verdict(code) == word


def test_tests_that_take_too_long_are_ended(tmp_path: Path) -> None:
    assert made(tmp_path, "import time\ndef test_it(): time.sleep(60)", seconds=3) is None
