"""A mail as a message: text first, HTML second, one thread per incident.

RFC 5322, RFC 3834 (Auto-Submitted), RFC 2919 (List-Id). The Message-ID follows from the mail's id, so a repeat is the
same message. Gmail cuts HTML off at 102 KB, and some gateways hold back what is larger than 100 kB: a message stays
below that as it is sent, with fewer lines in full and more counted where there is much to say.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime

from jinja2 import Environment
from markupsafe import Markup

from checks.notify import wording
from checks.notify.incidents import Mail
from checks.notify.view import BUDGETS, View, view_of
from checks.report.templates import environment
from checks.text import clipped, printable, redacted, redacted_start

MAX_SUBJECT = 180
# Headers are not folded at 78: a long subject would be folded right behind its name, and readers show the space.
# RFC 5322 allows 998.
POLICY = EmailPolicy(max_line_length=500)
MAX_MESSAGE = 100_000  # bytes as it is sent


class MessageTooLarge(Exception):
    """Not even the shortest form of a mail fits: a defect of Pullwatch, or thousands of recipients."""


def compose(
    mail: Mail,
    *,
    message_id: str,
    sender: str,
    recipients: tuple[str, ...],
    now: datetime,
    repeat: bool = False,
    templates: Environment | None = None,
) -> EmailMessage:
    """The message of a mail. ``repeat``: it may have gone out already, and says so. ``now`` is its Date.

    ``templates``: of whoever makes many, because to compile them takes longer than all the rest.
    IncompleteMail or MessageTooLarge where a line would be lost: neither shown, nor counted, nor delivered.
    """
    templates = templates or templates_of_mails()
    for budget in BUDGETS:
        message = _headed(mail, message_id, sender, recipients, now)
        _fill(message, view_of(mail, now, budget, repeat=repeat), str(message["Subject"]), templates)
        if len(message.as_bytes(policy=POLICY.clone(linesep="\r\n"))) < MAX_MESSAGE:
            return message
    raise MessageTooLarge(f"mail {mail.id} of {len(mail.items)} lines and {len(recipients)} recipients does not fit")


def _headed(mail: Mail, message_id: str, sender: str, recipients: Iterable[str], now: datetime) -> EmailMessage:
    """A message without a body."""
    message = EmailMessage(policy=POLICY)
    message["Subject"] = subject_of(mail)
    message["From"] = Address("Pullwatch", addr_spec=sender)
    message["To"] = addresses_of(recipients) or "undisclosed-recipients:;"
    message["Date"] = format_datetime(now.astimezone(UTC))
    message["Message-ID"] = message_id
    message["List-Id"] = f"Pullwatch <pullwatch.{_domain(sender)}>"
    message["Auto-Submitted"] = "auto-generated"
    threads = threads_of(mail, sender)
    if threads:
        message["In-Reply-To"] = threads[0]
        message["References"] = " ".join(reversed(threads))  # the nearest is the last
    return message


def _fill(message: EmailMessage, view: View, subject: str, templates: Environment) -> None:
    """Text and HTML of one view."""
    content = {"view": view, "subject": subject}
    message.set_content(templates.get_template("mail.txt.j2").render(content))
    message.add_alternative(templates.get_template("mail.html.j2").render(content), subtype="html")


def addresses_of(recipients: Iterable[str]) -> tuple[Address, ...]:
    """The recipients that a header can name; one that none can keeps no other from getting the mail."""
    made: list[Address] = []
    for recipient in recipients:
        try:
            made += [Address(addr_spec=recipient)] if recipient.isascii() else []
        except (ValueError, MessageError, IndexError):
            continue
    return tuple(made)


def message_id_of(mail_id: str, sender: str) -> str:
    """The Message-ID of a mail: always the same for the same one."""
    return f"<{mail_id}@{_domain(sender)}>"


def threads_of(mail: Mail, sender: str) -> tuple[str, ...]:
    """What the mails of one incident refer to, so that readers show them together; none for a run's own notice."""
    return tuple(f"<incident-{incident}@{_domain(sender)}>" for incident in mail.incidents)


def _domain(sender: str) -> str:
    return sender.rpartition("@")[2] or "pullwatch"


def subject_of(mail: Mail) -> str:
    """One bounded line: what, where, why."""
    text = ": ".join(filter(None, (wording.kind_of(mail), wording.headline(mail))))
    line = printable(redacted_start(f"[Pullwatch] {text}", MAX_SUBJECT + 1))
    # What begins like an encoded word (RFC 2047) in a name would be shown as what it encodes.
    return clipped(line.replace("=?", "= ?"), MAX_SUBJECT)


def _harmless(value: object) -> object:
    """What a template shows of a text, without secrets and what steers a terminal, also where a view forgot it.

    Markup is the template's own output (of a macro), already made of such texts.
    """
    if isinstance(value, str) and not isinstance(value, Markup):
        return printable(redacted(value), keep="\n")
    return value


def templates_of_mails() -> Environment:
    """The templates, each compiled when it is first used."""
    return environment("checks.notify", _harmless)
