"""A test mail: it says that it is one, and nothing of any cluster."""

from __future__ import annotations

from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime

from checks.notify.incidents import Mail
from checks.notify.message import POLICY, addresses_of, message_id_of
from checks.notify.transports.base import Outgoing

SUBJECT = "[Pullwatch] TEST: this mail was asked for, nothing is wrong"


def trial_mail(trial: str, sender: str, recipients: tuple[str, ...], now: datetime) -> Outgoing:
    """A test mail of this id, for a transport."""
    message = EmailMessage(policy=POLICY)
    message["Subject"] = SUBJECT
    message["From"] = Address("Pullwatch", addr_spec=sender)
    message["To"] = addresses_of(recipients) or "undisclosed-recipients:;"
    message["Date"] = format_datetime(now.astimezone(UTC))
    message["Message-ID"] = message_id_of(trial, sender)
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(
        "Somebody ran `pullwatch doctor --mail`.\n\nThat you read this says that mail of Pullwatch reaches you.\n"
        "It says nothing of any cluster.\n"
    )
    return Outgoing(message=message, mail=Mail(id=trial))
