"""A mail as JSON, version 1 (docs/webhook.md). Pure.

A field keeps its name and meaning within a version; new ones may come. Everything is bounded and without secrets: it
leaves the tenant, and what it is made of may have been stored by an earlier version. What is not shown is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from checks.arm_ids import name_of
from checks.changes import Notice, NoticeLine
from checks.notify import guide
from checks.notify.incidents import Mail, Section
from checks.notify.items import Item
from checks.text import clipped, printable, redacted_start

SCHEMA = "pullwatch.v1"
MAX_BYTES = 100_000
MAX_ITEMS = 200
MAX_TEXT = 3_000
MAX_LINE = 500
MAX_COMMAND = 2_000
MAX_LISTED = 10


class ItemPayload(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to one cluster and registry. ``kind`` "" : in a run's own notice, it fails."""

    kind: str
    cluster: str
    name: str
    registry: str
    facets: tuple[str, ...]
    cause: str
    since: str
    until: str | None
    summary: str
    fix: tuple[str, ...]


class IncidentPayload(msgspec.Struct, frozen=True, kw_only=True):
    """A registry and a cause; ``more`` counts what is not in ``items``. ``about``: the page of the cause, or ""."""

    registry: str
    cause: str
    about: str
    items: tuple[ItemPayload, ...]
    more: int


class NoticePayload(msgspec.Struct, frozen=True, kw_only=True):
    """A run's own notice; ``more`` counts what is not in ``items``."""

    kind: str
    run: str
    at: str
    title: str
    facts: tuple[str, ...]
    items: tuple[ItemPayload, ...]
    more: int


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a request. ``title`` and ``text`` say it for people; ``more`` counts items of incidents left out.

    ``guide``: the page that says what to do.
    """

    schema: str
    id: str
    title: str
    text: str
    guide: str
    incidents: tuple[IncidentPayload, ...]
    more: int
    notice: NoticePayload | None


def payload_of(mail: Mail, title: str) -> bytes:
    """The body for a mail; ``title`` is its subject."""
    limit = MAX_ITEMS
    while True:
        body = msgspec.json.encode(_payload(mail, title, limit))
        if len(body) <= MAX_BYTES or limit == 0:
            return body
        limit //= 2


def _payload(mail: Mail, title: str, limit: int) -> Payload:
    incidents: list[IncidentPayload] = []
    room = limit
    for section in mail.sections[:limit]:
        incidents.append(_incident(section, room, mail.docs))
        room -= len(incidents[-1].items)
    notice = _notice(mail.notice, limit) if mail.notice else None
    title = _line(title)
    return Payload(
        schema=SCHEMA,
        id=_line(mail.id),
        title=title,
        text=_text(title, incidents, notice),
        guide=_line(guide.of_mail(mail).shown),
        incidents=tuple(incidents),
        more=sum(len(section.items) for section in mail.sections[limit:]),
        notice=notice,
    )


def _incident(section: Section, room: int, docs: str) -> IncidentPayload:
    shown = section.items[: max(room, 0)]
    about = guide.of_cause(section.cause, (code for item in section.items for code in item.codes), docs)
    return IncidentPayload(
        registry=_line(section.registry),
        cause=_line(section.cause),
        about=_line(about.shown) if about else "",
        items=tuple(_item(item) for item in shown),
        more=len(section.items) - len(shown),
    )


def _item(item: Item) -> ItemPayload:
    return ItemPayload(
        kind=_line(item.kind),
        cluster=_line(item.cluster),
        name=_line(name_of(item.cluster)),
        registry=_line(item.registry),
        facets=_lines(item.facets),
        cause=_line(item.cause),
        since=_time(item.since),
        until=_time(item.until) if item.until else None,
        summary=_line(item.summary),
        fix=_commands(item.fix),
    )


def _notice(notice: Notice, limit: int) -> NoticePayload:
    shown = notice.lines[:limit]
    return NoticePayload(
        kind=_line(notice.kind),
        run=_line(notice.run),
        at=_time(notice.at),
        title=_line(notice.title),
        facts=_lines(notice.facts),
        items=tuple(_noticed(line) for line in shown),
        more=notice.more + len(notice.lines) - len(shown),
    )


def _noticed(line: NoticeLine) -> ItemPayload:
    return ItemPayload(
        kind="",
        cluster=_line(line.cluster),
        name=_line(name_of(line.cluster)),
        registry=_line(line.registry),
        facets=_lines(line.facets),
        cause=_line(line.cause),
        since=_time(line.since),
        until=None,
        summary=_line(line.summary),
        fix=_commands(line.fix),
    )


def _text(title: str, incidents: Sequence[IncidentPayload], notice: NoticePayload | None) -> str:
    """The same for people: a line an item, as many as there is room for."""
    items = [*(item for incident in incidents for item in incident.items), *(notice.items if notice else ())]
    lines = [title, *(notice.facts if notice else ()), *map(_sentence, items)]
    return clipped("\n".join(lines), MAX_TEXT)


def _sentence(item: ItemPayload) -> str:
    about = ": ".join(filter(None, (item.registry, item.cause)))
    return " ".join(filter(None, (item.kind, item.name, about and f"- {about}", f"(since {item.since})")))


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def _line(text: str) -> str:
    return clipped(printable(redacted_start(text, MAX_LINE + 1)), MAX_LINE)


def _lines(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(_line(text) for text in texts[:MAX_LISTED])


def _commands(texts: Sequence[str]) -> tuple[str, ...]:
    """Commands keep their line breaks: they are to be run as they stand."""
    return tuple(
        clipped(printable(redacted_start(text, MAX_COMMAND + 1), keep="\n"), MAX_COMMAND) for text in texts[:MAX_LISTED]
    )
