"""Where the Azure CLI's answer differs, who is right and why: each case's tenant with Pullwatch's answer there.

What the Azure CLI answers on the same tenants is checked by `make peers`, which has it. Here, without it: the page is
written from the cases that are run there, no more and no less, and Pullwatch says what the page says.
"""

import re
from pathlib import Path
from typing import Any

import pytest

from simulator import running
from tests.support.cli import ROOT, scan
from tests.tools.scripts import load

PAGE = ROOT / "docs" / "azure-cli-differences.md"
cases = load("azure_cli/cases")


def test_the_page_is_written_from_the_cases_that_are_run() -> None:
    assert PAGE.read_text(encoding="utf-8") == cases.document(), "run `python tools/peers.py --docs`"


def test_the_page_has_a_row_for_each_case_and_no_other() -> None:
    rows = [line.split(" | ") for line in PAGE.read_text(encoding="utf-8").splitlines() if "](https://" in line]
    names = [row[0].removeprefix("| ") for row in rows if row[0].startswith("| ")]
    assert names == [case.name for case in cases.CASES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("case", cases.CASES, ids=lambda case: case.name)
def test_pullwatch_says_what_the_page_says(tmp_path: Path, case: Any) -> None:
    case.build(cases.start(tmp_path / "tenant"))
    with running(tmp_path / "tenant") as simulator:
        result = scan(simulator.environment)
    finding = next(f for f in result.findings("PW102") if f["subject"]["registry"] == cases.LOGIN_SERVER)
    assert (finding["verdict"], finding["cause"]) == (case.verdict, case.cause)
    assert case.summary_part in finding["summary"]
    assert result.row()["access"]["verdict"] == (case.access or case.verdict)


@pytest.mark.parametrize("case", cases.CASES, ids=lambda case: case.name)
def test_a_case_says_who_is_right_and_why(case: Any) -> None:
    assert set(case.finds) <= set(cases.QUESTIONS), "a question that is never asked"
    assert case.right
    assert case.why.endswith(".")
    assert case.links
    assert all(re.fullmatch(r"https://(learn\.microsoft|github)\.com/\S+", link) for link in case.links)
