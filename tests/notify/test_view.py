"""What is shown of a mail: every line shown or counted, each fix once, and never more than fits."""

from datetime import timedelta
from email.message import EmailMessage
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from checks.changes import Reason
from checks.notify import view, wording
from checks.notify.incidents import Mail, MailContext, items_of, mail_of
from checks.notify.links import portal_link, web_address
from checks.notify.message import MAX_MESSAGE, MessageTooLarge, compose
from checks.notify.view import BUDGETS, IncompleteMail, view_of
from tests.support.sample_mails import (
    ACR,
    ACR_ID,
    KNOWN,
    NOW,
    OTHER,
    WEB,
    access_and_pull,
    change,
    cluster,
    fleet,
    mailed,
    moved,
    role_fix,
    samples,
)
from tests.support.sampling import sampled


def composed(mail: Mail, recipients: tuple[str, ...] = ("a@b.example",)) -> EmailMessage:
    return compose(mail, message_id="<1@x>", sender="pw@contoso.example", recipients=recipients, now=NOW)


def body(mail: Mail, kind: str = "plain") -> str:
    part = composed(mail).get_body((kind,))
    assert part is not None
    return str(part.get_content())


@pytest.mark.parametrize(("budget", "name"), sampled(product(BUDGETS, samples()), 4))
def test_every_line_of_every_sample_is_shown_or_counted_whatever_the_room(name: str, budget: view.Budget) -> None:
    mail = samples()[name]
    shown = view_of(mail, NOW, budget)
    assert shown.accounted == len(mail.items)
    whole = [*zip(mail.sections, shown.parts, strict=False)]
    assert all(len(part.rows) + part.more == len(section.items) for section, part in whole)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.integers(1, 40), max_size=30), st.integers(0, 300))
def test_whatever_is_put_in_it_fits_and_no_line_is_lost(sizes: list[int], length: int) -> None:
    made = [
        replace(one, cluster=f"{cluster(f'aks-{number}-{index}')}{'x' * length}")
        for number, size in enumerate(sizes)
        for index, one in enumerate(fleet(size, registry=f"acr{number:03d}{'y' * length}.azurecr.io"))
    ]
    mail = mailed(made)
    assert len(mail.items) == sum(sizes)
    assert len(composed(mail).as_bytes()) < MAX_MESSAGE


@pytest.mark.parametrize("count", [2_000, 5_000])
def test_a_storm_of_one_cause_is_one_small_mail_that_counts_all(count: int) -> None:
    mail = mailed(fleet(count))
    text = body(mail)
    assert f"… and {count - 4} more clusters for the same cause." in text
    assert f"… and {count - 3} more clusters need the same commands with their own names" in text
    assert len(composed(mail).as_bytes()) < MAX_MESSAGE


def test_of_500_registries_each_is_named_or_counted() -> None:
    made = [
        replace(one, cluster=cluster(f"aks-{n:03d}"))
        for n in range(500)
        for one in fleet(1, registry=f"acr{n:03d}.azurecr.io")
    ]
    mail = mailed(made)
    text = body(mail)
    named = sum(f"acr{n:03d}.azurecr.io" in text for n in range(500))
    assert f"… and {500 - named} more registries and causes, {500 - named} in all counted by cluster." in text
    assert named > 50


def test_huge_texts_are_cut_and_everything_fits() -> None:
    huge = "y" * 1_000_000
    step = moved(Reason.REGRESSED, summary=huge, fix=(f"az {huge}", "# or:", huge), cause=huge, registry=f"{huge}.io")
    known = MailContext(
        subscriptions={"11111111-1111-4111-8111-111111111111": huge},
        waiting={(f"{WEB}{huge}".lower(), f"{huge}.io"): (huge,) * 50},
        refused=(huge,) * 50,
        why=huge,
        portal="https://portal.azure.com",
        dashboard=f"https://x.example/{huge}",
    )
    mail = mail_of(items_of([change(step, of=f"{WEB}{huge}")]), "1-a", known=known)
    assert len(composed(mail).as_bytes()) < MAX_MESSAGE


def test_what_cannot_fit_is_refused_and_not_cut_off() -> None:
    with pytest.raises(MessageTooLarge, match="3000 recipients"):
        composed(mailed(fleet(1)), tuple(f"somebody-{n}@a-rather-long-domain.example" for n in range(3000)))


def test_a_line_that_would_be_lost_stops_the_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    mail = mailed(fleet(30))
    split = view._split
    monkeypatch.setattr(view, "_split", lambda sections, budget: (split(sections, budget)[0][:0], (), ()))
    with pytest.raises(IncompleteMail, match="0 of 30 lines"):
        view_of(mail, NOW, BUDGETS[0])


def test_a_line_that_a_section_would_lose_stops_the_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    part = view._part
    monkeypatch.setattr(view, "_part", lambda *args: replace(part(*args), more=1))
    with pytest.raises(IncompleteMail, match="shows or counts other lines"):
        view_of(mailed(fleet(30)), NOW, BUDGETS[0])


def test_one_fix_for_all_stands_once() -> None:
    same = [change(*access_and_pull(Reason.REGRESSED), of=cluster(f"aks-{n}")) for n in range(14)]
    (part,) = view_of(mailed(same), NOW, BUDGETS[0]).parts
    assert [fix.whose for fix in part.fixes] == [""]
    assert [step.remark for step in part.fixes[0].steps] == [False, True, False]
    assert body(mailed(same)).count("az role assignment create") == 1
    assert (len(part.evidence), part.more_evidence, part.more_fixes) == (1, "", "")


def test_fixes_that_differ_only_in_names_are_shown_for_a_few_and_counted_for_the_others() -> None:
    (part,) = view_of(mailed(fleet(14)), NOW, BUDGETS[0]).parts
    assert [fix.whose for fix in part.fixes] == ["aks-shop-0013", "aks-shop-0012", "aks-shop-0011"]
    assert part.more_fixes.startswith("… and 11 more clusters need the same commands with their own names;")
    assert len(part.evidence) == 1
    assert part.more_evidence == "… and the like of 13 more clusters."


def test_fixes_of_different_kinds_are_all_shown() -> None:
    own = change(*access_and_pull(Reason.REGRESSED, fix=("az aks update --name x --attach-acr y",)), of=cluster("own"))
    (part,) = view_of(mailed([*fleet(1), own]), NOW, BUDGETS[0]).parts
    assert sorted(fix.whose for fix in part.fixes) == ["aks-shop-0000", "own"]


def test_what_is_over_asks_for_no_command_and_names_nobody_who_waits() -> None:
    over = change(*access_and_pull(Reason.RECOVERED, fix=role_fix("aks-shop-web")), word="pass")
    (part,) = view_of(mailed([over]), NOW, BUDGETS[0]).parts
    assert (part.fixes, part.waiting) == ((), ())


def test_clusters_whose_answers_differ_show_their_own() -> None:
    one, two = fleet(2)
    two = replace(two, rows=tuple(replace(row, path="unknown", basis=("azure",)) for row in two.rows))
    (part,) = view_of(mailed([one, two]), NOW, BUDGETS[0]).parts
    assert (part.words, part.basis) == ((), "")
    assert {row.words[1].verdict for row in part.rows} == {"pass", "unknown"}
    text = body(mailed([one, two]))
    assert "path unknown, pull fail, images pass (pull: as Azure shows)" in text
    assert "path pass, pull fail, images pass (pull: as nodes report and Azure shows)" in text


@pytest.mark.parametrize(
    ("used_by", "words"),
    [(27, "2 of 27 clusters that use it"), (2, "2 of 2 clusters that use it"), (1, ""), (0, "")],
)
def test_how_far_a_failure_reaches_is_said_where_it_is_known(used_by: int, words: str) -> None:
    known = replace(KNOWN, used_by={ACR: used_by})
    (part,) = view_of(mailed(fleet(2), known=known), NOW, BUDGETS[0]).parts
    assert part.reach == words


def test_the_only_cluster_of_a_registry_is_called_that_and_a_recovery_has_no_reach() -> None:
    known = replace(KNOWN, used_by={ACR: 1})
    (part,) = view_of(mailed(fleet(1), known=known), NOW, BUDGETS[0]).parts
    assert part.reach == "the only cluster that uses it"
    over = change(*access_and_pull(Reason.RECOVERED), word="pass")
    (part,) = view_of(mailed([over], known=known), NOW, BUDGETS[0]).parts
    assert part.reach == ""


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(seconds=59), "less than a minute"),
        (timedelta(minutes=1), "1 min"),
        (timedelta(hours=3, minutes=12, seconds=59), "3 h 12 min"),
        (timedelta(hours=3), "3 h"),
        (timedelta(days=2, hours=4, minutes=59), "2 d 4 h"),
        (timedelta(days=2, minutes=59), "2 d"),
        (timedelta(seconds=-1), "less than a minute"),
    ],
)
def test_a_duration_is_said_in_its_two_largest_units(length: timedelta, words: str) -> None:
    assert wording.duration(length) == words


def test_text_and_html_say_when_for_how_long_who_waits_and_why() -> None:
    mail = replace(mailed([change(*access_and_pull(Reason.REGRESSED))]), refused=("gone@contoso.example",), held_back=2)
    for kind in ("plain", "html"):
        said = body(mail, kind)
        for words in (
            "2026-11-24 06:00 UTC",
            "Shop Production",
            "1 of 27 clusters that use it",
            "shop/Deployment/web (3 pods), shop/CronJob/report (1 pod)",
            "or, with the same effect:",
            "You get this because PULLWATCH_MAIL_TO names you.",
            "https://pullwatch.contoso.example/dashboard",
            f"https://portal.azure.com/#resource{WEB}",
            f"https://portal.azure.com/#resource{ACR_ID}",
            "refused these recipients lately, so they may not get this: gone@contoso.example",
            "2 mails were held back by the limit of mails an hour",
        ):
            assert words in said, (kind, words)
    assert "failing for 2 h)" in body(mail)
    assert "recovered after 3 h 12 min)" in body(samples()["recovered"])


def test_a_recovery_names_when_it_began_to_hold_and_a_reader_is_not_told_that_others_fail() -> None:
    mail = samples()["mixed"]
    assert str(composed(mail)["Subject"]) == (
        f"[Pullwatch] FAIL: aks-shop-0002 and 2 more clusters cannot pull from {ACR} (role-missing), and 3 more"
    )
    assert f"RECOVERED  aks-ledger-eu <- {OTHER}  (access, pull: role-missing, since 2026-11-24 07:00 UTC" in body(mail)


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "JavaScript://x/%0aalert(1)",
        "data:text/html,x",
        "https://x/\"onclick='x'",
        "https://x/\r\nBcc: a@b.example",
        "https://",
        "http://[",
        "//evil.example",
        "portal",
        "https://x/" + "y" * 2000,
        "https://ex\u202eample.com",
    ],
)
def test_nothing_but_a_web_page_is_linked(address: str) -> None:
    assert web_address(address) == ""
    assert portal_link(address, WEB) == ""
    mail = replace(samples()["fail"], portal=address, dashboard=address, docs=address)
    assert "href" not in body(mail, "html")


def test_a_link_to_a_resource_is_escaped_and_only_made_of_an_arm_id() -> None:
    assert portal_link("https://portal.azure.com/", WEB) == f"https://portal.azure.com/#resource{WEB}"
    hostile = f'{WEB}"><script>\r\n\u202e\ud800 ?#&'
    link = portal_link("https://portal.azure.com", hostile)
    assert link.startswith(f"https://portal.azure.com/#resource{WEB}%22%3E%3Cscript%3E%0D%0A")
    assert portal_link("https://portal.azure.com", "javascript:alert(1)") == ""
