"""What is generated is up to date, and every check has what a check must have."""

import ast
import re
import shutil
from pathlib import Path
from types import ModuleType

import pytest

from checks import catalog, settings
from checks.catalog.check import Step
from tests.tools.scripts import load

ROOT = Path(__file__).resolve().parent.parent
CODES = [check.code for check in catalog.checks()]
docs = load("docs")
every_check = pytest.mark.parametrize("module", catalog.MODULES, ids=lambda module: module.CHECK.code)


def test_generated_documents_are_up_to_date() -> None:
    assert docs.main(["--check"]) == 0, "run `make docs`"


def test_a_difference_is_named_and_fixed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(ROOT / "docs" / "checks", tmp_path / "docs" / "checks")
    (tmp_path / "README.md").write_text(f"# x\n{docs.BEGIN}\nold\n{docs.END}\nrest\n")
    (tmp_path / "docs" / "checks" / "PW101.md").write_text("old")
    (tmp_path / "docs" / "checks" / "PW999.md").write_text("a check that is gone")
    monkeypatch.setattr(docs, "ROOT", tmp_path)
    assert docs.main(["--check"]) == 1
    shown = capsys.readouterr().err
    assert all(f"{name} is not up to date" in shown for name in ("PW101.md", "PW999.md", "README.md"))
    assert docs.main([]) == 0
    assert docs.main(["--check"]) == 0
    assert not (tmp_path / "docs" / "checks" / "PW999.md").exists()
    assert settings.table() in (tmp_path / "README.md").read_text()
    assert (tmp_path / "README.md").read_text().endswith(f"{docs.END}\nrest\n")


def test_codes_are_unique_and_in_order() -> None:
    assert sorted(set(CODES)) == CODES


@every_check
def test_a_module_is_named_by_its_code_and_says_what_it_asks(module: ModuleType) -> None:
    code = module.CHECK.code
    assert re.fullmatch(r"PW[1-5]\d\d", code)
    assert module.__name__.rsplit(".", 1)[-1].startswith(f"{code.lower()}_")
    assert (module.__doc__ or "").startswith(f"{code}: ")


@every_check
def test_a_check_tells_why_how_and_what_it_needs(module: ModuleType) -> None:
    check = module.CHECK
    assert all(text.strip() for text in (check.title, check.why, check.how, check.fix))
    assert check.permissions
    assert all(text.strip() for text in check.permissions)
    assert check.links
    assert all(re.fullmatch(r"https://[a-z.]+/\S+", link) for link in check.links)


@every_check
@pytest.mark.parametrize("prefix", ["test_pass_", "test_fail_", "test_unknown_", "test_nothing_there_"])
def test_a_check_has_a_test_of_each_kind(module: ModuleType, prefix: str) -> None:
    path = ROOT / "tests" / "catalog" / f"test_{module.CHECK.code.lower()}.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert any(name.startswith(prefix) for name in names), f"{path.name} has no {prefix}…"


def test_a_page_tells_the_declared_causes() -> None:
    module = next(module for module in catalog.MODULES if module.CHECK.code == "PW201")
    text = docs.page(module)
    meaning = "The certificate has expired. `az acr check-health` calls it CONNECTIVITY_SSL_ERROR."
    assert f"| `certificate-expired` | {meaning} |" in text


def test_the_page_of_the_command_line_lists_the_checks_of_each_step() -> None:
    page = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    for step in Step:
        (row,) = re.findall(rf"^\| {step.value} \| .* \| (.*) \|$", page, re.MULTILINE)
        assert row == ", ".join(check.code for check in catalog.checks() if check.step is step)
