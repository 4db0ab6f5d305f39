"""tools/checkov.py: what counts as wrong in a report. The program itself is asked by `make checkov`."""

import json
from types import ModuleType
from typing import Any

import pytest

from tests.tools.scripts import ROOT, load

RESOURCES = [{"type": "Microsoft.Web/sites"}, {"type": "Microsoft.Web/serverfarms"}]


@pytest.fixture(scope="module")
def checkov() -> ModuleType:
    return load("checkov")


def test_a_report_without_findings_has_no_problem(checkov: ModuleType) -> None:
    assert checkov.problems(report(), RESOURCES, {}) == []


def test_a_file_that_was_not_read_is_a_problem(checkov: ModuleType) -> None:
    """Both happen with exit code 0: an error while parsing, and a template of which nothing was seen."""
    assert checkov.problems(report(parsing_errors=1), RESOURCES, {}) == ["Parsing errors: 1"]
    nothing = {"parsing_errors": 0, "resource_count": 0}  # all that it writes when it saw nothing
    assert checkov.problems(nothing, RESOURCES, {}) == ["checkov saw 0 of 2 resources"]


def test_a_finding_needs_a_reason_and_a_reason_needs_a_finding(checkov: ModuleType) -> None:
    found = report("CKV_AZURE_1")
    assert checkov.problems(found, RESOURCES, {}) == ["CKV_AZURE_1 a check: Microsoft.Web/sites.app"]
    assert checkov.problems(found, RESOURCES, {"CKV_AZURE_1": "why"}) == []
    assert checkov.problems(report(), RESOURCES, {"CKV_AZURE_1": "why"}) == [
        "CKV_AZURE_1 is suppressed and no longer found"
    ]


def test_every_suppression_names_samples_that_are_there_and_a_reason(checkov: ModuleType) -> None:
    reasons = checkov.suppressions((ROOT / "tools" / "checkov_suppressions.txt").read_text(encoding="utf-8"))
    assert reasons
    assert set(reasons) <= {path.stem for path in (ROOT / "tests" / "infra" / "snapshots").glob("*.json")}
    with pytest.raises(ValueError, match="takes CHECK"):
        checkov.suppressions("CKV_AZURE_1 | smallest |")


def test_without_the_program_that_is_said(
    checkov: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CHECKOV", raising=False)
    monkeypatch.setenv("PATH", "")
    assert checkov.main() == 0
    assert capsys.readouterr().out.endswith("0 passed, 0 failed, 1 skipped\n")


def report(*checks: str, parsing_errors: int = 0) -> dict[str, Any]:
    findings = [{"check_id": check, "check_name": "a check", "resource": "Microsoft.Web/sites.app"} for check in checks]
    summary = {"parsing_errors": parsing_errors, "resource_count": len(RESOURCES)}
    return json.loads(json.dumps({"summary": summary, "results": {"failed_checks": findings}}))
