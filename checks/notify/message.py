"""A digest as a message: text first, HTML second, one thread per incident.

RFC 5322, RFC 3834 (Auto-Submitted). The Message-ID follows from the digest's id, so a repeat is the same message. Gmail
cuts HTML off at about 102 KB: where it grows longer than ``MAX_HTML``, the text alone is sent.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime

from jinja2 import Environment, PackageLoader, StrictUndefined

from checks.notices import NoticeKind, cluster_name, printable
from checks.notify.digest import Digest, Item, ItemKind, incident_id

MAX_SUBJECT = 180
# Headers are not folded at 78: a long subject would be folded right behind its name, and readers show the space.
# RFC 5322 allows 998.
POLICY = EmailPolicy(max_line_length=500)
MAX_HTML = 90_000
_COLOURS = {ItemKind.RECOVERED: "#1a7f37", ItemKind.REMOVED: "#57606a", ItemKind.WAS_BAD: "#9a6700"}
_WORD_COLOURS = {"pass": "#1a7f37", "fail": "#cf222e", "unknown": "#9a6700"}


def compose(
    digest: Digest,
    *,
    message_id: str,
    sender: str,
    recipients: tuple[str, ...],
    now: datetime,
    repeat: bool = False,
) -> EmailMessage:
    """The message of a digest. ``repeat``: it may have gone out already, and says so. ``now`` is its Date."""
    message = EmailMessage(policy=POLICY)
    subject = subject_of(digest)
    message["Subject"] = subject
    message["From"] = Address("Pullwatch", addr_spec=sender)
    message["To"] = ", ".join(recipients)
    message["Date"] = format_datetime(now.astimezone(UTC))
    message["Message-ID"] = message_id
    message["Auto-Submitted"] = "auto-generated"
    thread = thread_of(digest, sender)
    if thread:
        message["In-Reply-To"] = thread
        message["References"] = thread
    templates = _templates()
    shown = {"digest": digest, "subject": subject, "repeat": repeat}
    message.set_content(templates.get_template("digest.txt.j2").render(shown))
    html = templates.get_template("digest.html.j2").render(shown)
    if len(html.encode()) <= MAX_HTML:
        message.add_alternative(html, subtype="html")
    return message


def message_id_of(digest_id: str, sender: str) -> str:
    """The Message-ID of a digest: always the same for the same one."""
    return f"<{digest_id}@{sender.rpartition('@')[2] or 'pullwatch'}>"


def thread_of(digest: Digest, sender: str) -> str:
    """What the mails of one incident refer to, so that readers show them together; "" for a run's own notice."""
    if not digest.sections:
        return ""
    first = digest.sections[0]
    return f"<incident-{incident_id(digest.route, first.registry, first.cause)}@{sender.rpartition('@')[2]}>"


def subject_of(digest: Digest) -> str:
    """One bounded line: what, where, why."""
    return printable(f"[Pullwatch] {_headline(digest)}")[:MAX_SUBJECT]


def _headline(digest: Digest) -> str:
    if digest.notice is not None:
        prefix = {NoticeKind.BASELINE: "baseline: ", NoticeKind.DEGRADED: "DEGRADED: "}
        return f"{prefix.get(digest.notice.kind, '')}{digest.notice.title}"
    if not digest.sections:
        return "nothing left to tell"
    item = digest.sections[0].items[0]
    others = digest.clusters - 1
    who = item.name if others < 1 else f"{item.name} and {others} more cluster{'' if others == 1 else 's'}"
    return f"{item.kind.value}: {who} {_predicate(item)}"


def _predicate(item: Item) -> str:
    if item.kind is ItemKind.RECOVERED:
        return f"can pull from {item.registry} again"
    if item.kind is ItemKind.WAS_BAD:
        return f"could not pull from {item.registry} for a while ({item.cause})"
    if item.kind is ItemKind.REMOVED:
        return f"no longer looked at with {item.registry}"
    return f"cannot pull from {item.registry} ({item.cause})"


def sentence(item: Item) -> str:
    """What happened to one cluster and registry, with when."""
    since = utc(item.since)
    if item.kind is ItemKind.RECOVERED:
        return f"It holds again since {utc(item.until or item.since)}; it failed since {since}."
    if item.kind is ItemKind.WAS_BAD:
        return f"It failed from {since} to {utc(item.until or item.since)} and was over before it could be told."
    if item.kind is ItemKind.REMOVED:
        return f"It is no longer there to be looked at, which is not a recovery; it failed since {since}."
    if item.kind is ItemKind.CHANGED:
        return f"It still fails, since {since}, now for another cause (before: {item.before_cause or 'unknown'})."
    return f"It fails since {since}{', again after a recovery' if item.again else ''}."


def utc(moment: datetime) -> str:
    """A time for people."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("checks.notify"),
        autoescape=lambda name: bool(name) and ".html" in str(name),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {
        "name": cluster_name,
        "utc": utc,
        "sentence": sentence,
        "over": lambda item: item.kind in (ItemKind.RECOVERED, ItemKind.WAS_BAD, ItemKind.REMOVED),
        "colour": lambda kind: _COLOURS.get(kind, "#cf222e"),
        "word_colour": lambda word: _WORD_COLOURS.get(word, "#57606a"),
    }
    return environment
