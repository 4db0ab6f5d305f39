"""Addresses of senders and recipients, and the message as it names them. Pure."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable
from email.message import EmailMessage
from email.policy import EmailPolicy
from typing import cast

NO_ADDRESS = "it is no address of a mailbox"
MAX_OCTETS = 254
# RFC 5321, 4.1.2, and RFC 6531 for what is not ASCII: a dot-string and a domain. What a quoted local part could hold
# besides ends an address, or a command, in somebody's parser.
_ATOM = r"[^\s\x00-\x20\x7f-\xa0()<>\[\]:;@\\,.\"]+"
_ADDRESS = re.compile(rf"{_ATOM}(\.{_ATOM})*@{_ATOM}(\.{_ATOM})*")
_HEADERS = ("To", "Cc", "Bcc")


def is_address(text: str) -> bool:
    """Whether a text is an address that a message and a command can carry, in ASCII or not."""
    return text.isprintable() and len(text.encode()) <= MAX_OCTETS and _ADDRESS.fullmatch(text) is not None


def addressed_to(message: EmailMessage, recipients: Iterable[str]) -> EmailMessage:
    """The message with these recipients in its headers and nobody else; it is the same one where they are there."""
    wanted = tuple(recipients)
    if set(wanted) == set(_named(message)):
        return message
    addressed = copy.copy(message)
    for header in _HEADERS:
        del addressed[header]  # puts a list of its own in place of the shared one
    addressed["To"] = ", ".join(wanted)
    return addressed


def in_ascii(message: EmailMessage) -> EmailMessage:
    """The message for servers without SMTPUTF8: its headers name the recipients whose address is ASCII."""
    named = _named(message)
    plain = [address for address in named if address.isascii()]
    return message if len(plain) == len(named) else addressed_to(message, plain)


def on_the_wire(message: EmailMessage, *, utf8: bool) -> bytes:
    """The message as it is sent. ``utf8``: headers that name what is not ASCII say it as it is (RFC 6532)."""
    return message.as_bytes(policy=cast("EmailPolicy", message.policy).clone(linesep="\r\n", utf8=utf8))


def _named(message: EmailMessage) -> list[str]:
    headers = (header for name in _HEADERS for header in message.get_all(name, []))
    return [address.addr_spec for header in headers for address in header.addresses]
