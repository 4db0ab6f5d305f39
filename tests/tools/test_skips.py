"""What a run of tests really did, as .ci/run judges it."""

from pathlib import Path

import pytest

from tests.tools.scripts import load

skips = load("skips")

CASES = {
    "pass": '<testcase classname="tests.a" name="ok"/>',
    "fail": '<testcase classname="tests.a" name="bad"><failure/></testcase>',
    "error": '<testcase classname="tests.a" name="broken"><error/></testcase>',
    "skip": '<testcase classname="tests.a" name="left_out"><skipped type="pytest.skip" message="no node"/></testcase>',
    "xfail": '<testcase classname="tests.a" name="known"><skipped type="pytest.xfail" message=""/></testcase>',
}


def run(tmp_path: Path, *cases: str, allowed: str = "", peers: str | None = None, exit_code: int = 0) -> int:
    report, list_file = tmp_path / "pytest.xml", tmp_path / "allowed"
    report.write_text(f"<testsuites><testsuite>{''.join(CASES[each] for each in cases)}</testsuite></testsuites>")
    list_file.write_text(allowed)
    arguments = ["--junit", str(report), "--allowed", str(list_file), "--exit", str(exit_code)]
    if peers is not None:
        (tmp_path / "peers.txt").write_text(peers)
        arguments += ["--count", str(tmp_path / "peers.txt")]
    code: int = skips.main(arguments)
    return code


@pytest.mark.parametrize(
    ("cases", "code", "line"),
    [
        (("pass", "pass"), 0, "2 passed, 0 failed, 0 skipped"),
        (("pass", "xfail"), 0, "2 passed, 0 failed, 0 skipped"),
        (("pass", "fail", "error"), 1, "1 passed, 2 failed, 0 skipped"),
        (("pass", "skip"), 1, "1 passed, 1 failed, 1 skipped"),
        ((), 1, "0 passed, 1 failed, 0 skipped"),
    ],
)
def test_the_last_line_and_the_exit_code_agree(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], cases: tuple[str, ...], code: int, line: str
) -> None:
    assert run(tmp_path, *cases) == code
    assert capsys.readouterr().out.splitlines()[-1] == line


def test_a_skip_on_the_list_is_counted_and_allowed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "pass", "skip", allowed="# why\ntests.a::left_*  # here\n") == 0
    assert capsys.readouterr().out == "1 passed, 0 failed, 1 skipped\n"


def test_the_counts_of_other_runners_are_added(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "pass", peers="3 passed, 1 failed\nlater\n5 passed, 0 failed, 2 skipped\n") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "6 passed, 0 failed, 2 skipped"


def test_a_runner_that_ended_without_its_line_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "pass", peers="Traceback ...\n") == 1
    assert capsys.readouterr().out.splitlines()[-1] == "1 passed, 1 failed, 0 skipped"


def test_a_failed_step_outside_the_tests_shows_in_the_last_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, "pass", exit_code=2) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "1 passed, 1 failed, 0 skipped"


def test_no_report_or_half_of_one_is_a_failure(tmp_path: Path) -> None:
    allowed = tmp_path / "allowed"
    allowed.write_text("")
    report = tmp_path / "pytest.xml"
    assert skips.main(["--junit", str(report), "--allowed", str(allowed)]) == 1
    report.write_text("<testsuites><testsuite><testcase")
    assert skips.main(["--junit", str(report), "--allowed", str(allowed)]) == 1
