"""Messages as a reader and a mail program see them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from checks.changes import Change, Notice, NoticeKind
from checks.findings import ClusterReport
from checks.history.decide import Policy, decide, opted_out
from checks.history.model import ClusterState, RunRef
from checks.notify.incidents import Mail, group, items_of, mail_of, notice_mail
from checks.notify.message import MAX_MESSAGE, MAX_SUBJECT, compose, message_id_of, subject_of, threads_of
from tests.history.test_noise import play, unseen
from tests.support.reports import CLUSTER, report

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
SENDER = "pullwatch@contoso.example"


def changes(words: list[str], cluster: str = CLUSTER, cause: str = "role-missing") -> list[Change]:
    """The changes that a sequence of looks makes."""
    state: ClusterState | None = None
    items = []
    for number, word in enumerate(words, 1):
        now = NOW + timedelta(minutes=30 * number)
        decision = decide(
            state, report(word, cluster=cluster, cause=cause), RunRef(f"run-{number}", number), Policy(), now
        )
        state = decision.state
        items += [decision.change] if decision.change and decision.change.alerts else []
    return items


def mailed(changes: Sequence[Change], mail_id: str = "1-abc") -> Mail:
    """The mail of changes to people who knew what was before."""
    return mail_of(items_of(changes), mail_id)


def text_of(mail: Mail, kind: str = "plain") -> str:
    message = compose(
        mail, message_id=message_id_of(mail.id, SENDER), sender=SENDER, recipients=("a@b.example",), now=NOW
    )
    body = message.get_body((kind,))
    assert body is not None
    return str(body.get_content())


def test_a_regression_leads_with_the_row_and_gives_the_command() -> None:
    mail = mailed(changes(["pass", "fail"]))
    text = text_of(mail)
    assert text.index("access fail, path pass, pull fail") < text.index("az role assignment create")
    assert "Why you get this: regressed (access, pull)." in text


def test_a_mail_says_what_the_answer_rests_on_and_shows_what_nobody_judged_as_that() -> None:
    shown = text_of(mailed(changes(["pass", "fail"])))
    assert "pull fail, images not judged (pull: as nodes report and Azure shows)" in shown
    html = text_of(mailed(changes(["pass", "fail"])), "html")
    assert "pull: as nodes report and Azure shows" in html and "not judged" in html


def test_access_and_pull_with_one_cause_are_one_line() -> None:
    mail = mailed(changes(["pass", "fail"]))
    assert [len(section.items) for section in mail.sections] == [1]


def test_a_failure_that_was_over_before_it_could_be_told_is_one_line_from_to() -> None:
    mail = mailed(changes(["pass", "fail", "pass"]))
    assert list(mail.counts) == ["WAS BAD"]
    assert "It failed from 2026-11-24 09:00 UTC to 2026-11-24 09:30 UTC" in text_of(mail)


def test_a_recovery_of_what_was_told_says_since_when_it_holds() -> None:
    shown = changes(["pass", "fail", "pass"])
    mail = mailed(shown[1:], "2-abc")
    assert list(mail.counts) == ["RECOVERED"]
    assert "It was: " in text_of(mail)


def test_one_cause_at_many_clusters_is_one_mail() -> None:
    items = [c for n in range(30) for c in changes(["pass", "fail"], cluster=f"{CLUSTER}{n}")]
    assert len(group(items)) == 1
    mail = mailed(items)
    assert mail.clusters == 30


def test_two_causes_at_two_clusters_are_two_mails() -> None:
    items = changes(["pass", "fail"]) + changes(["pass", "fail"], cluster=f"{CLUSTER}2", cause="denied")
    assert len(group(items)) == 2


def test_the_mails_of_an_incident_share_a_thread() -> None:
    shown = changes(["pass", "fail", "pass"])
    first, second = mailed(shown[:1]), mailed(shown[1:], "2-b")
    assert threads_of(first, SENDER) == threads_of(second, SENDER) != ()


def test_headers_say_that_a_machine_wrote_it_and_keep_the_message_id() -> None:
    mail = mailed(changes(["pass", "fail"]))
    made = [
        compose(mail, message_id=message_id_of(mail.id, SENDER), sender=SENDER, recipients=("a@b.example",), now=n)
        for n in (NOW, NOW + timedelta(hours=1))
    ]
    assert made[0]["Auto-Submitted"] == "auto-generated"
    assert made[0]["Message-ID"] == made[1]["Message-ID"] == "<1-abc@contoso.example>"


def test_a_repeat_says_that_it_may_be_one() -> None:
    mail = mailed(changes(["pass", "fail"]))
    message = compose(mail, message_id="<1@x>", sender=SENDER, recipients=("a@b.example",), now=NOW, repeat=True)
    assert "may be a repeat" in message.as_string()


@pytest.mark.parametrize("evil", ["<script>alert(1)</script>", "a\r\nBcc: x@evil.example", "\u202eevil", "{{ 7 * 7 }}"])
def test_hostile_names_come_out_as_text(evil: str) -> None:
    mail = mailed(changes(["pass", "fail"], cluster=f"{CLUSTER}{evil}"))
    message = compose(mail, message_id="<1@x>", sender=SENDER, recipients=("a@b.example",), now=NOW)
    assert message["Bcc"] is None
    assert len(str(message["Subject"])) <= MAX_SUBJECT
    assert "<script>" not in text_of(mail, "html")
    assert "49" not in text_of(mail).replace("{{ 7 * 7 }}", "")


def test_a_mail_about_thousands_of_clusters_stays_small_enough_for_a_reader() -> None:
    items = [c for n in range(3000) for c in changes(["pass", "fail"], cluster=f"{CLUSTER}-{'x' * 40}-{n}")]
    parts = group(items)
    assert sum(len(part) for part in parts) == 3000
    mail = mailed([items[index] for index in parts[0]])
    message = compose(mail, message_id="<1@x>", sender=SENDER, recipients=("a@b.example",), now=NOW)
    assert len(message.as_bytes()) < MAX_MESSAGE
    assert "more clusters for the same cause" in text_of(mail)


def test_a_subject_says_what_failed_and_no_more() -> None:
    state, items = None, []
    for number, path in enumerate(("pass", "fail", "fail"), 1):
        seen = report("pass", path, "pass")
        decision = decide(state, seen, RunRef(f"run-{number}", number), Policy(), NOW + timedelta(hours=number))
        state, items = decision.state, [decision.change] if decision.change else []
    assert subject_of(mailed(items)).startswith("[Pullwatch] FAIL: aks-1 has no path to acrone.azurecr.io")


def of_looks(looks: list[ClusterReport]) -> list[Mail]:
    """The mail that each change of a sequence of looks makes."""
    made = [decision.change for decision in play(looks) if decision.change and decision.change.alerts]
    return [mailed([change]) for change in made]


def test_what_is_not_known_any_more_is_one_line_for_a_cluster_with_what_is_missing() -> None:
    blind, again = of_looks([report("pass"), *[unseen()] * 16, report("pass")])
    assert subject_of(blind) == "[Pullwatch] BLIND: aks-1 cannot be judged any more (look-not-allowed)"
    assert [len(section.items) for section in blind.sections] == [1]
    for text in ("Nothing is known since 2026-11-24 09:00 UTC. It held before;", "Reader is missing."):
        assert text in text_of(blind) and text in text_of(blind, "html")
    assert subject_of(again) == "[Pullwatch] SEEN AGAIN: aks-1 can be judged again"
    assert "It is known again: it holds." in text_of(again)


def test_clusters_that_lack_the_same_are_blind_in_one_mail() -> None:
    names = [f"{CLUSTER}{number}" for number in range(3)]
    blind = [
        decision.change
        for name in names
        for decision in play([report("pass", cluster=name), *[unseen(name)] * 16])
        if decision.change and decision.change.alerts
    ]
    assert group(blind) == ((0, 1, 2),)
    assert subject_of(mailed(blind)).startswith("[Pullwatch] BLIND: aks-10 and 2 more clusters cannot be")


def test_what_flaps_says_so_and_then_where_it_stays() -> None:
    *_, flapping, settled = of_looks([report(word) for word in ["pass", *("fail", "pass") * 3, *["pass"] * 20]])
    assert subject_of(flapping) == "[Pullwatch] FLAPPING: aks-1 keeps changing its answer about acrone.azurecr.io"
    assert "It holds at the moment. The next mail about it comes when its answer stays" in text_of(flapping)
    assert "It was: It is a fail." in text_of(flapping)
    assert subject_of(settled) == "[Pullwatch] RECOVERED: aks-1 can pull from acrone.azurecr.io again"
    assert "It kept changing, and has stayed the same since 2026-11-24 11:30 UTC: it holds." in text_of(settled)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("fail", "pass") * 4, "checked; its answer had kept changing, and it held at last."),
        (("fail",), "checked, which is not a recovery; it failed since 2026-11-24 09:00 UTC."),
    ],
)
def test_what_leaves_says_whether_it_failed_in_the_end(words: tuple[str, ...], says: str) -> None:
    last = play([report(word) for word in ("pass", *words)])[-1].state
    left = opted_out(last, RunRef("run-99", 99), last.updated).change
    assert left is not None
    mail = mailed([left])
    assert subject_of(mail) == "[Pullwatch] REMOVED: aks-1 is no longer checked against acrone.azurecr.io"
    assert f"Its tag asks that it is not {says}" in text_of(mail)


def test_a_failure_that_nobody_was_notified_of_is_not_hidden_by_not_knowing() -> None:
    made = play([report("pass"), report("fail"), *[unseen()] * 16])
    both = [decision.change for decision in made if decision.change and decision.change.alerts]
    mail = mailed(both)
    assert mail.counts == {"FAIL": 1, "BLIND": 1}
    assert "It failed before and counts as failing until a look says otherwise." in text_of(mail)


def test_a_cluster_that_opted_out_says_why_it_is_removed() -> None:
    decisions = play([report("pass"), report("fail")])
    change = opted_out(decisions[-1].state, RunRef("run-9", 9), NOW + timedelta(days=1)).change
    assert change is not None
    assert "Its tag asks that it is not checked, which is not a recovery;" in text_of(mailed([change]))


@pytest.mark.parametrize("secret", ["AccountKey=Zm9vYmFyY2FuYXJ5", "Bearer eyJhbGciOi.canary", "https://u:canary@h/x"])
def test_what_looks_like_a_secret_does_not_leave(secret: str) -> None:
    notice = Notice(
        kind=NoticeKind.DEGRADED, run="r", sequence=1, at=NOW, title=f"Trouble {secret}", facts=(f"It said: {secret}",)
    )
    message = compose(notice_mail(notice, "1-a"), message_id="<1@x>", sender=SENDER, recipients=("a@b.c",), now=NOW)
    bodies = [str(part.get_content()) for part in message.walk() if not part.is_multipart()]
    assert all("canary" not in text and "Zm9v" not in text for text in [str(message["Subject"]), *bodies])


def test_a_terminal_is_not_steered_by_a_name() -> None:
    mail = mailed(changes(["pass", "fail"], cluster=f"{CLUSTER}\x1b[2J\u202e"))
    assert not {"\x1b", "\u202e"} & set(text_of(mail) + text_of(mail, "html"))
