"""What is generated is up to date, and every check has what a check must have."""

import ast
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from checks import catalog, settings
from checks.catalog.check import Step
from checks.causes import Cause
from checks.notify import guide
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


# ---- links -------------------------------------------------------------------------------------------------------

PAGES = sorted(
    page.relative_to(ROOT)
    for place in (".", "docs", "docs/checks", "infra", "simulator", "localhost")
    for page in (ROOT / place).glob("*.md")
)
RULE = re.compile(r"^    name: '([a-z-]+)'\n    title: ", re.MULTILINE)


def lines_of(page: Path) -> Iterator[str]:
    """The lines of a page that are no code block."""
    fenced = False
    for line in (ROOT / page).read_text(encoding="utf-8").splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced:
            yield line


def anchors_of(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    made: Counter[str] = Counter()
    anchors = set()
    for line in lines_of(page):
        if heading := re.fullmatch(r"#{1,6} +(.*?)\s*", line):
            text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading[1]).lower()
            anchor = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
            anchors.add(f"{anchor}-{made[anchor]}" if made[anchor] else anchor)
            made[anchor] += 1
    return anchors


def is_there(path: str) -> bool:
    """Whether a path, with or without an anchor, leads to a file and a heading of this repository."""
    page, _, anchor = path.partition("#")
    return (ROOT / page).is_file() and (not anchor or anchor in anchors_of(Path(page)))


def test_anchors_are_made_as_github_makes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.test_docs.ROOT", tmp_path)
    text = (
        "# A `b_c`, d: e?\n## POST /api/x/{id}\n```\n# no heading\n```\n## [Same](x.md)\n### Same\n#none\n    # code\n"
    )
    (tmp_path / "page.md").write_text(text)
    assert anchors_of(Path("page.md")) == {"a-b_c-d-e", "post-apixid", "same", "same-1"}
    assert is_there("page.md#same-1") and not is_there("page.md#same-2") and not is_there("other.md")


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_link_within_the_repository_leads_somewhere(page: Path) -> None:
    text = "\n".join(line for line in lines_of(page) if not line.startswith("    "))
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", text)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        whole = (ROOT / page.parent / path).resolve() if path else ROOT / page
        assert whole.exists(), f"{page} links to {target}"
        assert not anchor or anchor in anchors_of(whole.relative_to(ROOT)), f"{page} links to {target}"


@pytest.mark.parametrize("path", [*guide.MAILS.values(), *guide.SHARED.values(), guide.ANY_MAIL, guide.ROWS])
def test_every_kind_of_mail_and_of_shared_cause_has_its_section(path: str) -> None:
    assert is_there(path)


@pytest.mark.parametrize("kind", guide.SHARED, ids=lambda kind: kind.__name__)
def test_every_shared_cause_is_explained_where_mails_lead(kind: type[Cause]) -> None:
    page, _, anchor = guide.SHARED[kind].partition("#")
    sections = re.split(r"^## (.*)$", (ROOT / page).read_text(encoding="utf-8"), flags=re.MULTILINE)
    (section,) = (
        body
        for title, body in zip(sections[1::2], sections[2::2], strict=True)
        if re.sub(r"[^\w ]", "", title.lower()).replace(" ", "-") == anchor
    )
    for cause in kind:
        assert f"| `{cause.value}` | {cause.sentence} |" in section


def test_every_cause_of_a_check_has_a_page_that_tells_it() -> None:
    for check in catalog.checks():
        for cause in (cause for kind in check.causes for cause in kind):
            found = guide.of_cause(cause, (check.code,), "")
            assert found is not None and found.path == f"docs/checks/{check.code}.md"
            assert f"| `{cause.value}` |" in (ROOT / found.path).read_text(encoding="utf-8")


def test_every_alert_rule_has_a_section_of_its_name() -> None:
    rules = RULE.findall((ROOT / "infra" / "modules" / "watchdog.bicep").read_text(encoding="utf-8"))
    assert len(rules) == 7
    assert f"{len(rules)} alert rules" in (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8"), "what they cost"
    assert [rule for rule in rules if not is_there(f"docs/operations.md#{rule}")] == []
