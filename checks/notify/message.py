"""A mail as a message: text first, HTML second, one thread per incident.

RFC 5322, RFC 3834 (Auto-Submitted). The Message-ID follows from the mail's id, so a repeat is the same message. Gmail
cuts HTML off at about 102 KB: beyond ``MAX_HTML``, fewer lines are shown in full and more counted.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from checks.arm_ids import name_of
from checks.changes import NoticeKind, Reason
from checks.findings import describe_basis, shown
from checks.notify.incidents import Mail, Section
from checks.notify.items import Item, ItemKind
from checks.text import printable, redacted

MAX_SUBJECT = 180
# Headers are not folded at 78: a long subject would be folded right behind its name, and readers show the space.
# RFC 5322 allows 998.
POLICY = EmailPolicy(max_line_length=500)
MAX_HTML = 90_000
MAX_ITEMS = 60  # shown in full; the others are counted
_COLOURS = {
    ItemKind.RECOVERED: "#1a7f37",
    ItemKind.SEEN_AGAIN: "#1a7f37",
    ItemKind.REMOVED: "#57606a",
    ItemKind.WAS_BAD: "#9a6700",
    ItemKind.FLAPPING: "#9a6700",
    ItemKind.BLIND: "#9a6700",
}
_OVER = (ItemKind.RECOVERED, ItemKind.WAS_BAD, ItemKind.REMOVED)
_VERBS = {
    "pull": ("cannot pull from", "can pull from", "could not pull from"),
    "access": ("has no access to", "has access to", "had no access to"),
    "path": ("has no path to", "has a path to", "had no path to"),
    "images": (
        "uses images that cannot be pulled from",
        "can pull all its images from",
        "used images that could not be pulled from",
    ),
}
_WORD_COLOURS = {"pass": "#1a7f37", "fail": "#cf222e", "unknown": "#9a6700"}


def compose(
    mail: Mail,
    *,
    message_id: str,
    sender: str,
    recipients: tuple[str, ...],
    now: datetime,
    repeat: bool = False,
) -> EmailMessage:
    """The message of a mail. ``repeat``: it may have gone out already, and says so. ``now`` is its Date."""
    message = EmailMessage(policy=POLICY)
    subject = subject_of(mail)
    message["Subject"] = subject
    message["From"] = Address("Pullwatch", addr_spec=sender)
    message["To"] = ", ".join(recipients)
    message["Date"] = format_datetime(now.astimezone(UTC))
    message["Message-ID"] = message_id
    message["Auto-Submitted"] = "auto-generated"
    thread = thread_of(mail, sender)
    if thread:
        message["In-Reply-To"] = thread
        message["References"] = thread
    text, html = _bodies(mail, subject, repeat)
    message.set_content(text)
    message.add_alternative(html, subtype="html")
    return message


class _Shown(msgspec.Struct, frozen=True):
    """A section with as many lines as are shown; ``more`` counts the others."""

    section: Section
    items: tuple[Item, ...]
    more: int


def _shown(mail: Mail, limit: int) -> tuple[_Shown, ...]:
    room = limit
    parts: list[_Shown] = []
    for section in mail.sections:
        items = section.items[: max(room, 0)]
        room -= len(items)
        parts.append(_Shown(section, items, len(section.items) - len(items)))
    return tuple(parts)


def _bodies(mail: Mail, subject: str, repeat: bool) -> tuple[str, str]:
    """Text and HTML of the same content, as much of it as readers show: they clip HTML of about 100 KB."""
    templates = _templates()
    limit = MAX_ITEMS
    while True:
        shown = {"mail": mail, "parts": _shown(mail, limit), "subject": subject, "repeat": repeat}
        html = templates.get_template("incidents.html.j2").render(shown)
        if len(html.encode()) <= MAX_HTML or limit <= 1:
            return templates.get_template("incidents.txt.j2").render(shown), html
        limit //= 2


def message_id_of(mail_id: str, sender: str) -> str:
    """The Message-ID of a mail: always the same for the same one."""
    return f"<{mail_id}@{sender.rpartition('@')[2] or 'pullwatch'}>"


def thread_of(mail: Mail, sender: str) -> str:
    """What the mails of one incident refer to, so that readers show them together; "" for a run's own notice."""
    if not mail.incidents:
        return ""
    return f"<incident-{mail.incidents[0]}@{sender.rpartition('@')[2]}>"


def subject_of(mail: Mail) -> str:
    """One bounded line: what, where, why."""
    return printable(redacted(f"[Pullwatch] {_headline(mail)}"))[:MAX_SUBJECT]


_PREFIXES = {
    NoticeKind.BASELINE: "baseline: ",
    NoticeKind.DEGRADED: "DEGRADED: ",
    NoticeKind.VANISHED: "UNKNOWN: ",
    NoticeKind.REMINDER: "STILL FAILING: ",
}


def _headline(mail: Mail) -> str:
    if mail.notice is not None:
        return f"{_PREFIXES.get(mail.notice.kind, '')}{mail.notice.title}"
    if not mail.sections:
        return "nothing left to report"
    item = mail.sections[0].items[0]
    others = mail.clusters - 1
    who = item.name if others < 1 else f"{item.name} and {others} more cluster{'' if others == 1 else 's'}"
    return f"{item.kind.value}: {who} {_predicate(item)}"


def _predicate(item: Item) -> str:
    """The verb phrase about the registry: that it cannot be pulled from only where that was the answer."""
    if item.kind is ItemKind.REMOVED:
        return f"is no longer checked against {item.registry}"
    if item.kind is ItemKind.BLIND:
        return f"cannot be judged any more ({item.cause})"
    if item.kind is ItemKind.SEEN_AGAIN:
        return "can be judged again"
    if item.kind is ItemKind.FLAPPING:
        return f"keeps changing its answer about {item.registry}"
    now, again, before = _VERBS[next((facet for facet in _VERBS if facet in item.facets), "path")]
    if item.kind is ItemKind.RECOVERED:
        return f"{again} {item.registry} again"
    if item.kind is ItemKind.WAS_BAD:
        return f"{before} {item.registry} for a while ({item.cause})"
    return f"{now} {item.registry} ({item.cause})"


_BLIND_FAILING = "It failed before and counts as failing until a look says otherwise."
_BLIND_PASSING = "It held before; a failure would not be noticed."
_DAMPED = "The next mail about it comes when its answer stays the same for eight hours; history keeps every change."


def sentence(item: Item) -> str:
    """What happened to one cluster and registry, with when."""
    since = utc(item.since)
    if item.reason is Reason.SETTLED:
        return f"It kept changing, and has stayed the same since {since}: it {'fails' if item.failing else 'holds'}."
    if item.kind is ItemKind.RECOVERED:
        return f"It holds again since {utc(_until(item))}; it failed since {since}."
    if item.kind is ItemKind.WAS_BAD:
        return f"It failed from {since} to {utc(_until(item))} and recovered before it could be reported."
    if item.kind is ItemKind.REMOVED:
        why = "Its tag asks that it is not checked" if item.reason is Reason.OPTED_OUT else "It is no longer checked"
        return f"{why}, which is not a recovery; it failed since {since}."
    if item.kind is ItemKind.BLIND:
        return f"Nothing is known since {since}. {_BLIND_FAILING if item.failing else _BLIND_PASSING}"
    if item.kind is ItemKind.SEEN_AGAIN:
        return f"It is known again: {'it fails' if item.failing else 'it holds'}."
    if item.kind is ItemKind.FLAPPING:
        answer = "fails" if item.failing else "holds"
        return f"It {answer} at the moment. {_DAMPED}"
    if item.kind is ItemKind.MORE:
        return f"It fails since {since}; now more of these registries fail than were reported."
    if item.kind is ItemKind.CHANGED:
        return f"It still fails, since {since}, now for another cause (before: {item.before_cause or 'unknown'})."
    return f"It fails since {since}{', again after a recovery' if item.again else ''}."


def _until(item: Item) -> datetime:
    """When it ended; not before it began, whatever a clock said."""
    return max(item.until or item.since, item.since)


def _heading(section: Section) -> str:
    """What a section is about."""
    return ": ".join(filter(None, (section.registry, section.cause))) or "known again"


def utc(moment: datetime) -> str:
    """A time for people."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _harmless(value: object) -> object:
    """What a template shows of a text that came from elsewhere: no secret, nothing that steers a terminal.

    A mail leaves the tenant, and what it is made of may have been stored by an earlier version.

    Markup is the template's own output (of a macro), already made of such texts.
    """
    if isinstance(value, str) and not isinstance(value, Markup):
        return printable(redacted(value), keep="\n")
    return value


def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("checks.notify"),
        autoescape=lambda name: bool(name) and ".html" in str(name),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        finalize=_harmless,
    )
    environment.filters |= {
        "name": name_of,
        "utc": utc,
        "sentence": sentence,
        "heading": _heading,
        "over": lambda item: item.kind in _OVER or (item.kind is ItemKind.FLAPPING and not item.failing),
        "colour": lambda kind: _COLOURS.get(kind, "#cf222e"),
        "shown": shown,
        "basis": describe_basis,
        "word_colour": lambda word: _WORD_COLOURS.get(word, "#57606a"),
    }
    return environment
