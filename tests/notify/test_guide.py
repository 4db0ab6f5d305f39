"""Mails lead to the documentation: to what is to be done with them, and to what their cause means."""

from __future__ import annotations

import re

import pytest
from msgspec.structs import replace

from checks import catalog
from checks.causes import RENAMED, ReadCause, RowCause, ScanCause
from checks.changes import NoticeKind
from checks.notify import guide
from checks.notify.incidents import Mail
from checks.notify.items import ItemKind
from tests.notify.test_view import body
from tests.support.sample_mails import KNOWN, samples

LEADS = re.compile(r"What to do with this mail: (\S+)")


@pytest.mark.parametrize("name", samples())
def test_every_mail_leads_to_its_section_and_says_the_path_where_no_address_is_known(name: str) -> None:
    mail = samples()[name]
    path = guide.of_mail(mail).path
    assert path != guide.ANY_MAIL
    assert LEADS.findall(body(mail)) == [f"{KNOWN.docs}/{path}"]
    assert f'<a href="{KNOWN.docs}/{path}"' in body(mail, "html")
    unknown = replace(mail, docs="")
    assert LEADS.findall(body(unknown)) == [path]
    assert f"What to do with this mail: {path}" in body(unknown, "html")


def test_the_samples_lead_to_every_section() -> None:
    assert {guide.of_mail(mail).path for mail in samples().values()} == {*guide.MAILS.values(), guide.ROWS}


def test_every_kind_has_a_section() -> None:
    assert set(guide.MAILS) == {*ItemKind, *NoticeKind}


def test_a_row_that_cannot_be_handled_is_another_matter_than_a_run_that_could_not_read() -> None:
    assert guide.of_mail(samples()["checker-error"]).path == "docs/operations.md#checker-error"
    assert guide.of_mail(samples()["degraded"]).path == "docs/operations.md#degraded"


def test_a_mail_without_a_line_leads_to_what_is_said_of_all() -> None:
    assert guide.of_mail(Mail(id="1-a")).path == guide.ANY_MAIL


def test_a_cause_leads_to_the_page_of_the_check_that_decided_it() -> None:
    assert "About this cause: https://git.contoso.example/pullwatch/blob/main/docs/checks/PW102.md" in body(
        samples()["fail"]
    )
    assert guide.of_cause("dns", ("PW305",), "") == guide.Reference("docs/checks/PW305.md")
    assert guide.of_cause("dns", (), "") == guide.Reference("docs/checks/PW301.md")  # stored before codes were


@pytest.mark.parametrize(
    ("cause", "path"),
    [
        (ReadCause.NOT_ALLOWED, "docs/causes.md#of-any-check"),
        (RowCause.MORE_REGISTRIES, "docs/causes.md#of-rows"),
        (ScanCause.CHECKER_ERROR, "docs/causes.md#of-scans-clusters-and-subscriptions"),
    ],
)
def test_a_cause_of_no_single_check_leads_to_its_table(cause: str, path: str) -> None:
    assert guide.of_cause(cause, ("PW204",), "") == guide.Reference(path)


def test_every_cause_has_a_page_and_no_other_word_has_one() -> None:
    own = {cause for check in catalog.checks() for kind in check.causes for cause in kind}
    for cause in {*own, *ReadCause, *RowCause, *ScanCause, *RENAMED}:
        assert guide.of_cause(cause, (), "") is not None, cause
    for word in ("", "no-such-cause", "<script>", "PW102"):
        assert guide.of_cause(word, ("PW102",), "https://x.example") is None
