"""``doctor --mail``: a test mail by real SMTP, and what the server answered."""

from __future__ import annotations

import pytest

from localhost.mailbox import Mailbox
from tests.support.cli import typed

TO = "team@contoso.example"


def settings(smtp: Mailbox, **more: str) -> dict[str, str]:
    return {
        "PULLWATCH_MAIL_TRANSPORTS": "smtp",
        "PULLWATCH_SMTP_HOST": smtp.host,
        "PULLWATCH_SMTP_PORT": str(smtp.port),
        "PULLWATCH_SMTP_TLS": "none",
        "PULLWATCH_MAIL_FROM": "pullwatch@contoso.example",
        "PULLWATCH_MAIL_TO": TO,
        **more,
    }


def test_a_test_mail_arrives_and_says_that_it_is_one(smtp: Mailbox) -> None:
    done = typed(settings(smtp), "doctor", "--mail")
    assert (done.returncode, f"smtp: {TO}: accepted (250" in done.stdout) == (0, True), done.stderr
    (message,) = smtp.messages
    assert str(message["Subject"]) == "[Pullwatch] TEST: this mail was asked for, nothing is wrong"
    assert str(message["To"]) == TO and message["Auto-Submitted"] == "auto-generated"


def test_it_goes_to_who_is_named_instead(smtp: Mailbox) -> None:
    assert typed(settings(smtp), "doctor", "--mail", "--to", "me@contoso.example").returncode == 0
    assert [str(one["To"]) for one in smtp.messages] == ["me@contoso.example"]


def test_a_refusal_is_said_in_the_servers_words(smtp: Mailbox) -> None:
    smtp.refuse("rcpt", 550, "no such mailbox", recipient="gone@contoso.example")
    done = typed(settings(smtp), "doctor", "--mail", "--to", TO, "--to", "gone@contoso.example")
    assert done.returncode == 1
    assert f"smtp: {TO}: accepted" in done.stdout
    assert "smtp: gone@contoso.example: not accepted: smtp: 550 no such mailbox" in done.stdout


def test_a_server_that_takes_nothing_is_said(smtp: Mailbox) -> None:
    smtp.refuse("data", 554, "rejected as spam", times=None)
    done = typed(settings(smtp), "doctor", "--mail")
    assert (done.returncode, "nobody got it" in done.stdout, "554" in done.stdout) == (1, True, True)
    assert smtp.messages == []


@pytest.mark.parametrize("left_out", ["PULLWATCH_MAIL_TO", "PULLWATCH_SMTP_HOST"])
def test_settings_that_name_nobody_are_refused(smtp: Mailbox, left_out: str) -> None:
    done = typed(settings(smtp, **{left_out: ""}), "doctor", "--mail")
    assert done.returncode == 64 and left_out in done.stderr
