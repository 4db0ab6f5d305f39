"""The mail server, asked over the wire by the standard library's client."""

import smtplib
import ssl
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage

import pytest

from localhost.mailbox import Mailbox, StallStage, mailbox


def letter(subject: str = "hello") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "watch@example.com"
    message["To"] = "ann@example.com, bob@example.com"
    message["Subject"] = subject
    message.set_content("Grüße\n")
    return message


def client(box: Mailbox) -> smtplib.SMTP:
    return smtplib.SMTP(box.host, box.port, timeout=10)


def test_a_message_is_kept_with_its_envelope(smtp: Mailbox) -> None:
    with client(smtp) as connection:
        connection.send_message(letter(), to_addrs=["ann@example.com", "hidden@example.com"])
    assert smtp.messages[0]["Subject"] == "hello"
    assert smtp.messages[0].get_content().strip() == "Grüße"
    delivery = smtp.deliveries[0]
    assert delivery.sender == "watch@example.com"
    assert delivery.recipients == ("ann@example.com", "hidden@example.com")
    assert not delivery.tls


def test_a_refused_greeting_ends_the_connection(smtp: Mailbox) -> None:
    smtp.refuse("connect", 421, "too busy")
    with pytest.raises(smtplib.SMTPConnectError) as refused:
        client(smtp)
    assert refused.value.smtp_code == 421
    with client(smtp) as connection:
        connection.send_message(letter())
    assert len(smtp.messages) == 1


def test_a_cut_connection_gives_no_greeting_at_all(smtp: Mailbox) -> None:
    smtp.drop("connect")
    with pytest.raises(smtplib.SMTPServerDisconnected):
        client(smtp)


def test_a_refused_sender_keeps_nothing(smtp: Mailbox) -> None:
    smtp.refuse("mail", 550, "not allowed to send as this address")
    with client(smtp) as connection, pytest.raises(smtplib.SMTPSenderRefused):
        connection.send_message(letter())
    assert smtp.messages == []


def test_one_refused_recipient_leaves_the_others(smtp: Mailbox) -> None:
    smtp.refuse("rcpt", 550, "no such mailbox", recipient="BOB@example.com", times=None)
    with client(smtp) as connection:
        refused = connection.send_message(letter())
    assert refused == {"bob@example.com": (550, b"no such mailbox")}
    assert smtp.deliveries[0].recipients == ("ann@example.com",)


@pytest.mark.parametrize("code", [451, 554])
def test_a_message_refused_after_data_is_not_kept_and_the_next_one_is(smtp: Mailbox, code: int) -> None:
    smtp.refuse("data", code, "not now")
    with client(smtp) as connection:
        with pytest.raises(smtplib.SMTPDataError) as refused:
            connection.send_message(letter("first"))
        connection.send_message(letter("second"))
    assert refused.value.smtp_code == code
    assert [each["Subject"] for each in smtp.messages] == ["second"]


def test_a_connection_cut_after_data_leaves_the_sender_in_doubt_and_the_message_kept(smtp: Mailbox) -> None:
    smtp.drop("data")
    with pytest.raises(smtplib.SMTPServerDisconnected), client(smtp) as connection:
        connection.send_message(letter())
    assert len(smtp.wait_for(1)) == 1


def test_refusals_are_used_up_in_order_and_cleared(smtp: Mailbox) -> None:
    smtp.refuse("data", 451, times=2)
    smtp.refuse("data", 554, times=None)
    codes = []
    with client(smtp) as connection:
        for _ in range(4):
            with pytest.raises(smtplib.SMTPDataError) as refused:
                connection.send_message(letter())
            codes.append(refused.value.smtp_code)
        smtp.clear()
        connection.send_message(letter())
    assert codes == [451, 451, 554, 554]


def test_with_tls_and_a_login_both_are_required() -> None:
    with mailbox(tls=True, login=("watch", "correct")) as box:
        with client(box) as connection, pytest.raises(smtplib.SMTPException, match="STARTTLS"):
            connection.send_message(letter())
        context = ssl.create_default_context(cafile=box.ca_file)
        with client(box) as connection:
            connection.starttls(context=context)
            with pytest.raises(smtplib.SMTPSenderRefused):
                connection.send_message(letter())
            with pytest.raises(smtplib.SMTPAuthenticationError):
                connection.login("watch", "wrong")
        with client(box) as connection:
            connection.starttls(context=context)
            connection.login("watch", "correct")
            connection.send_message(letter())
        assert (box.deliveries[0].tls, box.deliveries[0].user) == (True, "watch")


def test_a_client_that_does_not_know_the_ca_refuses_the_certificate() -> None:
    with mailbox(tls=True) as box, client(box) as connection, pytest.raises(ssl.SSLCertVerificationError):
        connection.starttls(context=ssl.create_default_context())


def test_a_login_without_tls_is_a_mistake_of_the_test() -> None:
    with pytest.raises(ValueError, match="tls"), mailbox(login=("a", "b")):
        pass


def test_waiting_for_mail_that_does_not_come_says_how_much_came(smtp: Mailbox) -> None:
    with pytest.raises(TimeoutError, match="0 of 1"):
        smtp.wait_for(1, timeout=0.1)


@pytest.mark.parametrize(("stage", "kept"), [("mail", 0), ("rcpt", 0), ("data", 0), ("reply", 1)])
def test_a_session_is_held_up_until_it_is_let_go_on(smtp: Mailbox, stage: StallStage, kept: int) -> None:
    stall = smtp.stall(stage)
    with ThreadPoolExecutor() as threads, client(smtp) as connection:
        sending = threads.submit(connection.send_message, letter())
        stall.wait_reached()
        assert not sending.done()
        assert len(smtp.messages) == kept
        stall.release()
        sending.result(10)
    assert len(smtp.messages) == 1


def test_a_client_that_goes_while_it_is_held_up_frees_the_server(smtp: Mailbox) -> None:
    stall = smtp.stall("data")
    connection = client(smtp)
    connection.ehlo()
    connection.mail("watch@example.com")
    connection.rcpt("ann@example.com")
    connection.putcmd("DATA")
    stall.wait_reached()
    connection.close()
    with client(smtp) as another:
        another.send_message(letter("another"))
    assert [message["Subject"] for message in smtp.messages] == ["another"]


def test_letting_go_on_what_nobody_waits_at_is_an_error(smtp: Mailbox) -> None:
    stall = smtp.stall("connect")
    with pytest.raises(RuntimeError, match="no client waits at connect"):
        stall.release()
    with pytest.raises(TimeoutError, match="no client came to connect"):
        stall.wait_reached(0.01)
