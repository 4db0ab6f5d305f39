"""Mail by SMTP, to a real server on loopback: each answer at each stage, addresses of any kind, and slow servers."""

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from email.message import EmailMessage
from typing import Literal

import msgspec
import pytest

from checks.notify.incidents import Mail
from checks.notify.transports.base import NotDelivered, Outgoing, Receipt
from checks.notify.transports.smtp import SmtpSettings, SmtpTransport, Tls
from checks.notify.transports.smtp.replies import refuses_mailbox
from localhost.mailbox import Mailbox, mailbox
from tests.support.sampling import sampled

SENDER = "pullwatch@contoso.example"
TEAM = ("team@contoso.example", "ops@contoso.example")


def outgoing(recipients: tuple[str, ...] = TEAM, text: str = "one line\n.\n.two ü\n") -> Outgoing:
    message = EmailMessage()
    message["Subject"] = "Über den Köpfen"
    message["From"] = SENDER
    message["To"] = ", ".join(recipients)
    message["Message-ID"] = "<one@contoso.example>"
    message.set_content(text)
    return Outgoing(message=message, mail=Mail(id="one"))


def without_answer(receipt: Receipt) -> Receipt:
    """Who got it; what the server said as it took it is a matter of one test."""
    return msgspec.structs.replace(receipt, answer="")


async def sent(box: Mailbox, recipients: tuple[str, ...] = TEAM, sender: str = SENDER) -> Receipt:
    transport = SmtpTransport(SmtpSettings(host=box.host, port=box.port, tls=Tls.OFF), seconds=20.0)
    return without_answer(await transport.send(outgoing(), sender, recipients))


async def refused(box: Mailbox, recipients: tuple[str, ...] = TEAM, sender: str = SENDER) -> NotDelivered:
    with pytest.raises(NotDelivered) as raised:
        await sent(box, recipients, sender)
    return raised.value


async def test_the_message_arrives_as_it_was_made(smtp: Mailbox) -> None:
    assert await sent(smtp) == Receipt()
    (delivery,) = smtp.deliveries
    assert (delivery.sender, delivery.recipients) == (SENDER, TEAM)
    assert delivery.message["Subject"] == "Über den Köpfen"
    assert delivery.message.get_content().splitlines() == ["one line", ".", ".two ü"]


CODES = (421, 450, 451, 452, 454, 500, 501, 502, 503, 504, 530, 535, 550, 551, 552, 553, 554)


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("stage", ["connect", "mail", "data"])
async def test_no_reply_to_the_session_the_sender_or_the_message_ends_a_mail_for_good(
    smtp: Mailbox, stage: Literal["connect", "mail", "data"], code: int
) -> None:
    smtp.refuse(stage, code, "5.1.1 not here")
    error = await refused(smtp)
    assert f"{code} 5.1.1 not here" in str(error)
    assert not error.uncertain
    assert ("PULLWATCH_MAIL_FROM" in str(error)) is (stage == "mail")
    assert await sent(smtp) == Receipt(), "the next try"


FINAL = [
    (550, "no such mailbox"),
    (551, "user not local"),
    (553, "mailbox name not allowed"),
    (550, "5.1.1 no such mailbox"),
    (550, "5.1.10 recipient not found"),
    (501, "5.1.3 bad address"),
    (550, "5.2.1 mailbox disabled"),
    (552, "5.2.2 mailbox full"),
    (554, "5.2.1 mailbox disabled"),
]
OPEN = [
    *((code, "try again") for code in CODES if code not in (421, 550, 551, 553)),
    (550, "5.7.1 relaying denied"),
    (550, "5.7.606 access denied, banned sending IP"),
    (550, "5.3.4 message too big"),
    (550, "5.4.1 recipient address rejected"),
    (554, "5.3.0 other"),
    (550, "5.1.7 bad sender"),
    (550, "5.1.8 bad sender's system"),
    (550, "4.2.1 contradictory"),
    (450, "4.1.1 greylisted"),
    (451, "5.1.1 contradictory"),
]


@pytest.mark.parametrize(("code", "text"), FINAL)
async def test_a_reply_that_names_the_mailbox_is_final_for_that_recipient_alone(
    smtp: Mailbox, code: int, text: str
) -> None:
    smtp.refuse("rcpt", code, text, recipient=TEAM[0])
    assert await sent(smtp) == Receipt(refused={TEAM[0]: f"smtp: {code} {text}"})
    assert [delivery.recipients for delivery in smtp.deliveries] == [TEAM[1:]]


@pytest.mark.parametrize(("code", "text"), OPEN)
async def test_any_other_reply_is_tried_again_for_that_recipient_alone(smtp: Mailbox, code: int, text: str) -> None:
    smtp.refuse("rcpt", code, text, recipient=TEAM[0])
    assert await sent(smtp) == Receipt(later={TEAM[0]: f"smtp: {code} {text}"})
    assert [delivery.recipients for delivery in smtp.deliveries] == [TEAM[1:]]


async def test_a_server_that_goes_away_while_recipients_are_named_delays_the_mail(smtp: Mailbox) -> None:
    smtp.refuse("rcpt", 421, "closing", recipient=TEAM[0])
    assert not (await refused(smtp)).uncertain
    assert smtp.deliveries == []


async def test_where_nobody_is_taken_no_message_is_sent(smtp: Mailbox) -> None:
    smtp.refuse("rcpt", 550, "no such mailbox", recipient=TEAM[0])
    smtp.refuse("rcpt", 452, "too many", recipient=TEAM[1])
    receipt = await sent(smtp)
    assert (list(receipt.refused), list(receipt.later)) == ([TEAM[0]], [TEAM[1]])
    assert smtp.deliveries == []


@pytest.mark.parametrize(
    ("text", "final"), [("5.1.1", True), ("  5.1.1 x", True), ("5.1.1.7 x", True), ("5.1 x", True), ("5.7.1-x", False)]
)
def test_an_enhanced_code_is_read_only_where_it_is_one(text: str, final: bool) -> None:
    assert refuses_mailbox(550, text) is final
    assert not refuses_mailbox(450, text)


async def test_a_connection_lost_before_the_greeting_is_certain(smtp: Mailbox) -> None:
    smtp.drop("connect")
    assert not (await refused(smtp)).uncertain


async def test_a_connection_lost_after_the_message_is_uncertain(smtp: Mailbox) -> None:
    smtp.drop("data")
    assert (await refused(smtp)).uncertain


# Addresses.

OTHER = "öps@contoso.example"


async def test_an_address_that_is_not_ascii_goes_by_smtputf8_and_costs_no_other_the_mail(smtp: Mailbox) -> None:
    assert await sent(smtp, (OTHER, *TEAM)) == Receipt()
    assert [delivery.recipients for delivery in smtp.deliveries] == [TEAM, (OTHER,)]
    assert smtp.deliveries[0].raw.split(b"\r\n\r\n")[0].isascii()


async def test_a_message_that_only_such_addresses_refuse_is_accepted_for_the_others(smtp: Mailbox) -> None:
    smtp.refuse("rcpt", 550, "no such mailbox", recipient=OTHER)
    assert list((await sent(smtp, (OTHER, *TEAM))).refused) == [OTHER]
    smtp.refuse("rcpt", 451, "later", recipient=OTHER)
    assert list((await sent(smtp, (OTHER, *TEAM))).later) == [OTHER]


MALFORMED = [
    "ops",
    "a b@c.example",
    "a@b.example\r\nDATA",
    "",
    "<a@b.example>",
    "a@b@c.example",
    "a@b.example>",
    "@x",
    "a@",
]


@pytest.mark.parametrize("malformed", MALFORMED)
async def test_a_malformed_recipient_is_refused_alone(smtp: Mailbox, malformed: str) -> None:
    assert await sent(smtp, (malformed, *TEAM)) == Receipt(refused={malformed: "smtp: it is no address of a mailbox"})
    assert [delivery.recipients for delivery in smtp.deliveries] == [TEAM]
    assert list((await sent(smtp, (malformed,))).refused) == [malformed]


@pytest.mark.parametrize("malformed", MALFORMED)
async def test_a_malformed_sender_is_told_by_the_name_of_its_setting(smtp: Mailbox, malformed: str) -> None:
    error = await refused(smtp, sender=malformed)
    assert "PULLWATCH_MAIL_FROM" in str(error)
    assert not error.uncertain
    assert smtp.deliveries == []


# Servers that do what the mailbox does not.

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(talk: Talk) -> AsyncIterator[Mailbox]:
    """A server that talks as it is told to, one connection at a time."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await talk(reader, writer)
        writer.transport.abort()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 24)
    try:
        yield Mailbox("127.0.0.1", listening.sockets[0].getsockname()[1], None)
    finally:
        listening.close()
        for task in tasks:
            task.cancel()


REPLIES = {
    "greeting": b"220 slow",
    "EHLO": b"250 slow",
    "MAIL": b"250 OK",
    "RCPT": b"250 OK",
    "DATA": b"354 go on",
    "message": b"250 taken",
}


async def stage_of(reader: asyncio.StreamReader, before: str) -> str:
    """What the client says next; the message comes after DATA."""
    if before == "DATA":
        await reader.readuntil(b"\r\n.\r\n")
        return "message"
    return (await reader.readuntil(b"\r\n"))[:4].decode().upper()


def slow_at(stage: str, how: str) -> Talk:
    async def say(writer: asyncio.StreamWriter, text: bytes, slowly: bool) -> None:
        if not slowly:
            writer.write(text + b"\r\n")
            return
        if how == "never":
            await asyncio.Event().wait()
        while True:  # a byte now and then, never a whole line
            writer.write(text[:1])
            await asyncio.sleep(0.1)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        now = "greeting"
        while True:
            await say(writer, REPLIES.get(now, b"221 bye"), now == stage)
            now = await stage_of(reader, now)

    return talk


@pytest.mark.parametrize("how", sampled(["never", "trickles"], 3))
@pytest.mark.parametrize("stage", list(REPLIES))
async def test_a_slow_server_ends_a_send_at_its_deadline_at_whatever_stage(stage: str, how: str) -> None:
    async with server(slow_at(stage, how)) as box:
        transport = SmtpTransport(SmtpSettings(host=box.host, port=box.port, tls=Tls.OFF), seconds=1.0)
        began = time.monotonic()
        with pytest.raises(NotDelivered) as raised:
            await transport.send(outgoing(), SENDER, TEAM)
        assert 0.9 < time.monotonic() - began < 2.5
    assert str(raised.value) == "smtp: 127.0.0.1 was not done within 1 s"
    assert raised.value.uncertain is (stage == "message")


async def test_a_message_whose_end_never_left_is_certainly_not_accepted_and_does_not_go_out_later() -> None:
    after: list[bytes] = []

    async def stops_reading(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        now = "greeting"
        while True:
            writer.write(REPLIES[now] + b"\r\n")
            if now == "DATA":
                break
            now = await stage_of(reader, now)
        receiving = writer.transport
        assert isinstance(receiving, asyncio.Transport)
        receiving.pause_reading()
        await asyncio.sleep(1.5)
        receiving.resume_reading()
        after.append(await reader.read(-1))

    async with server(stops_reading) as box:
        transport = SmtpTransport(SmtpSettings(host=box.host, port=box.port, tls=Tls.OFF), seconds=1.0)
        big = outgoing(text="a long line of text\n" * 1_000_000)
        with pytest.raises(NotDelivered) as raised:
            await transport.send(big, SENDER, TEAM)
        await asyncio.sleep(1.0)
    assert not raised.value.uncertain
    assert not any(content.endswith(b"\r\n.\r\n") for content in after)


@pytest.mark.parametrize("how", ["never", "trickles", "closes"])
async def test_what_was_accepted_is_accepted_however_the_session_ends(how: str) -> None:
    async def closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        now = "greeting"
        while now != "QUIT":
            writer.write(REPLIES[now] + b"\r\n")
            now = await stage_of(reader, now)

    async with server(closes if how == "closes" else slow_at("QUIT", how)) as box:
        began = time.monotonic()
        assert await sent(box) == Receipt()
        assert time.monotonic() - began < 4.0


async def test_a_reply_to_the_message_that_is_none_leaves_open_whether_it_was_accepted() -> None:
    async def garbled(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        now = "greeting"
        while True:
            writer.write((b"what?" if now == "message" else REPLIES.get(now, b"221 bye")) + b"\r\n")
            now = await stage_of(reader, now)

    async with server(garbled) as box:
        assert (await refused(box)).uncertain


def talks_utf8(last: bytes | None) -> Talk:
    """Takes the first message; at the second says ``last`` or, where that is None, goes away."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        now, taken = "greeting", 0
        while True:
            reply = b"250-slow\r\n250 SMTPUTF8" if now == "EHLO" else REPLIES.get(now, b"250 OK")
            taken += now == "message"
            if now == "message" and taken == 2:
                if last is None:
                    return
                reply = last
            writer.write(reply + b"\r\n")
            now = await stage_of(reader, now)

    return talk


@pytest.mark.parametrize(("last", "uncertain"), [(b"554 no", False), (b"451 later", False), (None, True)])
async def test_a_second_transaction_that_fails_leaves_the_first_accepted(last: bytes | None, uncertain: bool) -> None:
    async with server(talks_utf8(last)) as box:
        receipt = await sent(box, (OTHER, *TEAM))
    assert (receipt.refused, list(receipt.later), receipt.uncertain) == ({}, [OTHER], uncertain)


async def test_without_smtputf8_only_the_address_that_needs_it_is_refused() -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        now = "greeting"
        while True:
            writer.write(REPLIES.get(now, b"221 bye") + b"\r\n")
            now = await stage_of(reader, now)

    async with server(plain) as box:
        receipt = await sent(box, (OTHER, *TEAM))
        assert (list(receipt.refused), receipt.later) == ([OTHER], {})
        assert list((await sent(box, (OTHER,))).refused) == [OTHER]
        error = await refused(box, sender=OTHER)
    assert "PULLWATCH_MAIL_FROM is not ASCII" in str(error)
    assert not error.uncertain


# Sign-in and TLS.


def trusting(box: Mailbox) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(box.ca_file))


async def test_a_sign_in_goes_over_tls_and_one_that_is_refused_shows_no_password() -> None:
    with mailbox(tls=True, login=("pullwatch", "right-password")) as box:
        for password, taken in (("right-password", True), ("wrong-passwörd", False)):
            settings = SmtpSettings(host=box.host, port=box.port, username="pullwatch", password=password)
            transport = SmtpTransport(settings, trusting(box), seconds=20.0)
            if taken:
                assert without_answer(await transport.send(outgoing(), SENDER, TEAM)) == Receipt()
                continue
            with pytest.raises(NotDelivered) as raised:
                await transport.send(outgoing(), SENDER, TEAM)
            assert not raised.value.uncertain
            assert "wrong" not in str(raised.value) + repr(settings)
    assert [(delivery.tls, delivery.user) for delivery in box.deliveries] == [(True, "pullwatch")]


async def test_a_certificate_of_nobody_known_gets_no_message() -> None:
    with mailbox(tls=True) as box:
        transport = SmtpTransport(SmtpSettings(host=box.host, port=box.port), seconds=20.0)
        with pytest.raises(NotDelivered, match="CERTIFICATE_VERIFY_FAILED") as raised:
            await transport.send(outgoing(), SENDER, TEAM)
    assert not raised.value.uncertain
    assert box.deliveries == []


async def test_a_server_without_starttls_gets_no_message(smtp: Mailbox) -> None:
    transport = SmtpTransport(SmtpSettings(host=smtp.host, port=smtp.port), seconds=20.0)
    with pytest.raises(NotDelivered, match="STARTTLS") as raised:
        await transport.send(outgoing(), SENDER, TEAM)
    assert not raised.value.uncertain
    assert smtp.deliveries == []


async def test_a_server_that_is_not_there_or_has_no_possible_name_delays_the_mail() -> None:
    for host, port in (("127.0.0.1", 1), (f"{'a' * 70}.example", 25)):
        transport = SmtpTransport(SmtpSettings(host=host, port=port, tls=Tls.OFF), seconds=20.0)
        with pytest.raises(NotDelivered, match="no session with") as raised:
            await transport.send(outgoing(), SENDER, TEAM)
        assert not raised.value.uncertain
