"""Pages of checks and causes: what docs/ has as Markdown is what a terminal shows as text."""

import pytest

from checks import catalog
from checks.causes import RENAMED, ReadCause, RowCause, ScanCause
from checks.report.pages.cause_page import cause_ids, cause_page
from checks.report.pages.check_page import check_page
from checks.report.pages.page import Page, Section, markdown, plain
from checks.rules.pull.errors import PullErrorCause

PW204 = check_page(next(module for module in catalog.MODULES if module.CHECK.code == "PW204"))


def text_of(cause: str, width: int = 0) -> str:
    page = cause_page(cause)
    assert page is not None
    return plain(page, width)


def test_a_check_says_why_how_and_what_each_cause_means() -> None:
    text = plain(PW204, 80)
    assert text.startswith("PW204: Private DNS records\n\nPrivate DNS resolves the registry's names")
    assert "\nWhy\n  DNS decides which path nodes take" in text
    assert "  zone-not-linked             No private DNS zone with the registry's names is\n" in text
    assert "**" not in text
    assert "`" not in text


@pytest.mark.parametrize("width", [40, 80, 120])
def test_no_line_of_a_page_is_wider_than_the_terminal_but_commands_and_words_that_cannot_break(width: int) -> None:
    pages = [check_page(module) for module in catalog.MODULES]
    pages += [page for page in map(cause_page, cause_ids()) if page is not None]
    for page in pages:
        commands = {f"    {line}" for section in page.sections for line in section.commands}
        for line in plain(page, width).splitlines():
            unbreakable = len(line.split()[-1]) > width // 2 or line in commands if line else True
            assert len(line) <= width or unbreakable, line


def test_without_a_width_each_paragraph_is_one_line() -> None:
    assert next(check.how for check in catalog.checks() if check.code == "PW204") in plain(PW204)


def test_every_cause_has_a_page_that_says_what_it_means() -> None:
    for cause in cause_ids():
        assert len(text_of(cause).splitlines()) > 2, cause
    for kind in (ReadCause, RowCause, ScanCause):
        assert all(one.sentence in text_of(one.value) for one in kind)
    for check in catalog.checks():
        for one in (cause for kind in check.causes for cause in kind):
            text = text_of(one.value)
            assert one.sentence.replace("`", "") in text.replace("`", ""), one
            assert check.code in text


def test_a_cause_of_one_check_has_its_why_how_permissions_and_fix() -> None:
    text = text_of("zone-not-linked")
    assert "Named by PW204 (Private DNS records)." in text
    for part in ("why it matters", "how it is decided", "permissions", "fix"):
        assert f"{part}\n" in text
    assert "Link the zone to the network" in text


def test_a_cause_of_a_failed_pull_has_its_remedy() -> None:
    assert "az acr check-health --name REGISTRY" in text_of("registry_error")
    for cause in PullErrorCause:
        page = cause_page(cause.value)
        assert page is not None
        assert any(section.commands for section in page.sections), cause


def test_a_former_word_leads_to_that_of_today() -> None:
    for old, new in RENAMED.items():
        assert f"Earlier versions said `{old}`; today it is `{new}`." in text_of(old)
        assert text_of(old).startswith(f"{new}\n")


def test_neither_case_nor_kind_of_dash_matters_and_what_differs_only_by_it_is_named() -> None:
    assert text_of("Zone_Not_Linked") == text_of("zone-not-linked")
    assert text_of("IMAGE-NOT-FOUND") == text_of("image_not_found")
    assert "See also `connect_timeout`" in text_of("connect-timeout")
    assert "See also `connect-timeout`" in text_of("connect_timeout")
    assert cause_page("no-such-cause") is None


def test_a_page_is_the_same_in_both_forms_but_for_the_marks() -> None:
    page = Page(
        "T",
        (
            Section(text=("one",)),
            Section(title="H", bullets=("**b**",), head=("a", "b"), rows=(("`x`", "y|z"),), commands=("az x\n  y",)),
        ),
    )
    assert (
        markdown(page)
        == "# T\n\none\n\n## H\n\n- **b**\n\n| a | b |\n| --- | --- |\n| `x` | y&#124;z |\n\n    az x\n      y"
    )
    assert plain(page) == "T\n\none\n\nH\n  - b\n  x  y|z\n    az x\n      y"
