"""Views: what is shown of a mail, as text that is safe and fits. HTML and plain text are made of the same one. Pure.

Every line of a mail is shown or counted, in its section or among the others; ``view_of`` raises where one is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

import msgspec

from checks.findings import describe_basis, shown
from checks.notify import guide, wording
from checks.notify.guide import Reference
from checks.notify.incidents import Mail, Section
from checks.notify.items import Item, ItemKind
from checks.notify.links import portal_link, web_address
from checks.rules.fixes.kinds import FixKind, kind_of
from checks.text import counted, listed, printable, redacted_start

MAX_NAME = 120  # of a cluster, registry, subscription or cause: Azure's own are shorter
MAX_FACTS = 50
MAX_WORKLOADS = 5  # of one cluster
MAX_OVERVIEW = 8
MAX_REFUSED = 10
RED, AMBER, GREEN, GREY = "#cf222e", "#9a6700", "#1a7f37", "#57606a"
_COLOURS = {
    ItemKind.RECOVERED.value: GREEN,
    ItemKind.SEEN_AGAIN.value: GREEN,
    ItemKind.REMOVED.value: GREY,
    ItemKind.WAS_BAD.value: AMBER,
    ItemKind.FLAPPING.value: AMBER,
    ItemKind.BLIND.value: AMBER,
    "DEGRADED": AMBER,
    "UNKNOWN": AMBER,
    "baseline": GREY,
    "": GREEN,
}
_WORD_COLOURS = {"pass": GREEN, "fail": RED, "unknown": AMBER}
_NAMES = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d+", re.IGNORECASE)
_VALUE = re.compile(r"(?<=[ =])(?!-)(\"[^\"]*\"|'[^']*'|\S+)")


class IncompleteMail(Exception):
    """A line of a mail would be neither shown nor counted: a defect of Pullwatch."""


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """How much is shown in full: ``sections``, and of each ``rows``, ``fixes`` and ``names``; ``others`` by name only.

    ``text`` is the most characters of one summary or command.
    """

    sections: int
    rows: int
    fixes: int
    names: int
    others: int
    text: int


# From what a person wants to read to what always fits.
BUDGETS = (
    Budget(sections=20, rows=4, fixes=3, names=100, others=100, text=4000),
    Budget(sections=10, rows=4, fixes=3, names=100, others=100, text=2000),
    Budget(sections=5, rows=4, fixes=2, names=50, others=50, text=1000),
    Budget(sections=2, rows=3, fixes=1, names=20, others=20, text=500),
    Budget(sections=1, rows=1, fixes=1, names=0, others=0, text=200),
)


class Word(msgspec.Struct, frozen=True):
    """One answer of a row: the facet, its verdict as people read it, its colour."""

    facet: str
    verdict: str
    colour: str


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a table. ``link`` is the cluster's page, ``id`` its ARM id. ``words`` are there where rows differ."""

    kind: str
    colour: str
    name: str
    registry: str
    subscription: str
    facets: str
    cause: str
    since: str
    state: str
    length: str
    basis: str
    words: tuple[Word, ...]
    note: str
    link: str
    id: str


class Step(msgspec.Struct, frozen=True):
    """A command, or a remark between commands, such as "Either …:"."""

    text: str
    remark: bool


class Fix(msgspec.Struct, frozen=True):
    """The commands that make it work again; ``whose``: the clusters, where others need other commands."""

    steps: tuple[Step, ...]
    whose: str = ""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A section as it is shown. ``more`` lines are counted, and named in ``others`` as far as there is room.

    ``about``: the page of its cause; None where no page has it.
    """

    kind: str
    colour: str
    heading: str
    reach: str
    rows: tuple[Row, ...]
    more: int
    others: str
    words: tuple[Word, ...]
    basis: str
    sentence: str
    waiting: tuple[str, ...]
    evidence: tuple[str, ...]
    more_evidence: str
    fixes: tuple[Fix, ...]
    more_fixes: str
    why: str
    link: str
    about: Reference | None


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A section in one line: in the overview, and where it is not shown in full. ``lines`` are counted in it."""

    kind: str
    colour: str
    heading: str
    clusters: str
    since: str
    lines: int


class View(msgspec.Struct, frozen=True, kw_only=True):
    """All that is shown. ``others`` are sections by name only, ``rest`` counts the lines of those without one.

    ``guide``: the page that says what to do with such a mail.
    """

    kind: str
    colour: str
    headline: str
    because: str
    preview: str
    remarks: tuple[str, ...]
    facts: tuple[str, ...]
    overview: tuple[Line, ...]
    parts: tuple[Part, ...]
    others: tuple[Line, ...]
    rest_sections: int
    rest: int
    more: int
    refused: str
    guide: Reference
    dashboard: str
    why: str
    reference: str

    @property
    def accounted(self) -> int:
        """How many lines are shown or counted."""
        in_parts = sum(len(part.rows) + part.more for part in self.parts)
        return in_parts + sum(line.lines for line in self.others) + self.rest


def view_of(mail: Mail, now: datetime, budget: Budget, *, repeat: bool = False) -> View:
    """What is shown of a mail at ``now``. IncompleteMail where a line would be neither shown nor counted."""
    full, names, rest = _split(mail.sections, budget)
    facts = mail.notice.facts if mail.notice else ()
    kind = wording.kind_of(mail)
    headline, because = _in_two(_text(wording.headline(mail), MAX_NAME * 3))
    view = View(
        kind=kind,
        colour=_COLOURS.get(kind, RED),
        headline=headline,
        because=because,
        preview=_preview(mail, now),
        remarks=_remarks(mail, repeat),
        facts=tuple(_text(fact, budget.text) for fact in facts[:MAX_FACTS]) + _more(len(facts) - MAX_FACTS, "more"),
        overview=_lines(mail.sections[:MAX_OVERVIEW]) if len(mail.sections) > 1 else (),
        parts=tuple(_part(section, mail, now, budget) for section in full),
        others=_lines(names),
        rest_sections=len(rest),
        rest=sum(len(section.items) for section in rest),
        more=mail.notice.more if mail.notice else 0,
        refused=listed([_text(who) for who in mail.refused], MAX_REFUSED),
        guide=guide.of_mail(mail),
        dashboard=web_address(mail.dashboard),
        why=_text(mail.why, MAX_NAME * 3),
        reference=", ".join([_text(mail.id), *([f"run {_text(mail.notice.run)}"] if mail.notice else [])]),
    )
    _assert_complete(mail, full, view)
    return view


def _assert_complete(mail: Mail, full: Sequence[Section], view: View) -> None:
    """No line may be lost on the way to a reader: neither from a section nor from the whole."""
    for section, part in zip(full, view.parts, strict=True):
        if len(part.rows) + part.more != len(section.items):
            raise IncompleteMail(f"mail {mail.id}: {part.heading} shows or counts other lines than it has")
    if view.accounted != len(mail.items):
        raise IncompleteMail(f"mail {mail.id}: {view.accounted} of {len(mail.items)} lines are shown or counted")


def _split(
    sections: Sequence[Section], budget: Budget
) -> tuple[Sequence[Section], Sequence[Section], Sequence[Section]]:
    """The sections shown in full, those by name only, and those that are counted."""
    named = budget.sections + budget.others
    return sections[: budget.sections], sections[budget.sections : named], sections[named:]


def _preview(mail: Mail, now: datetime) -> str:
    """What a phone shows beside the subject: since when, and the first command."""
    if not mail.sections:
        return ""
    item = mail.sections[0].items[0]
    commands = [step for step in item.fix if not step.startswith("#")] if not wording.is_over(item) else []
    return _text(" · ".join([" ".join(filter(None, wording.state(item, now))), *commands[:1]]), MAX_NAME * 2)


def _in_two(headline: str) -> tuple[str, str]:
    """A headline, and the cause in brackets that it ends with."""
    found = re.fullmatch(r"(.*) (\([^()]*\))(, and \d+ more)?", headline)
    return (f"{found[1]}", f"{found[2]}{found[3] or ''}") if found else (headline, "")


def _remarks(mail: Mail, repeat: bool) -> tuple[str, ...]:
    made: list[str] = []
    if repeat:
        made.append("This mail may be a repeat: it was being sent when Pullwatch was interrupted.")
    if mail.held_back:
        were = "mail was" if mail.held_back == 1 else "mails were"
        made.append(f"{mail.held_back} {were} held back by the limit of mails an hour; this one has what they said.")
    if mail.unread:
        changes = "1 more change" if mail.unread == 1 else f"{mail.unread} more changes"
        made.append(f"{changes} cannot be read by this version of Pullwatch; history keeps what is there.")
    return tuple(made)


def _lines(sections: Iterable[Section]) -> tuple[Line, ...]:
    return tuple(
        Line(
            kind=section.kind.value,
            colour=_COLOURS.get(section.kind.value, RED),
            heading=_heading(section),
            clusters=counted(section.clusters, "cluster"),
            since=wording.utc(min(wording.began(item) for item in section.items)),
            lines=len(section.items),
        )
        for section in sections
    )


def _part(section: Section, mail: Mail, now: datetime, budget: Budget) -> Part:
    # One line that says "and 1 more" is no shorter than the one that it stands for.
    few = len(section.items) <= budget.rows + 1
    shown_items, others = (section.items, ()) if few else (section.items[: budget.rows], section.items[budget.rows :])
    first = section.items[0]
    alike = len({(_words(item), item.basis) for item in section.items}) == 1
    sentences = {wording.sentence(item) for item in section.items}
    evidence, more_evidence = _evidence(section.items, budget)
    fixes, more_fixes = _fixes(section.items, budget)
    return Part(
        kind=section.kind.value,
        colour=_COLOURS.get(section.kind.value, RED),
        heading=_heading(section),
        reach=wording.reach(section),
        rows=tuple(_row(item, mail.portal, now, alike, len(sentences) == 1) for item in shown_items),
        more=len(others),
        others=listed([_text(item.name) for item in others], budget.names) if budget.names else "",
        words=_words(first) if alike else (),
        basis=_text(describe_basis(first.basis)) if alike else "",
        sentence=_text(sentences.pop(), MAX_NAME * 3) if len(sentences) == 1 and wording.says_more(first) else "",
        waiting=_waiting(section.items, budget.rows),
        evidence=evidence,
        more_evidence=more_evidence,
        fixes=fixes,
        more_fixes=more_fixes,
        why=_why(section.items),
        link=portal_link(mail.portal, section.registry_id),
        about=guide.of_cause(section.cause, (code for item in section.items for code in item.codes), mail.docs),
    )


def _heading(section: Section) -> str:
    named = msgspec.structs.replace(section, registry=_text(section.registry), cause=_text(section.cause))
    return wording.heading(named)


def _row(item: Item, portal: str, now: datetime, alike: bool, one_sentence: bool) -> Row:
    state, length = wording.state(item, now)
    return Row(
        kind=item.kind.value,
        colour=_COLOURS.get(item.kind.value, RED),
        name=_text(item.name),
        registry=_text(item.registry),
        subscription=_text(item.subscription),
        facets=", ".join(_text(facet) for facet in item.facets),
        cause=_text(item.cause),
        since=wording.utc(wording.began(item)),
        state=state,
        length=length,
        basis="" if alike else _text(describe_basis(item.basis)),
        words=() if alike else _words(item),
        note=_text(wording.sentence(item), MAX_NAME * 3) if wording.says_more(item) and not one_sentence else "",
        link=portal_link(portal, item.cluster),
        id=_text(item.cluster, MAX_NAME * 3),
    )


def _words(item: Item) -> tuple[Word, ...]:
    """The answers of a row in the order in which they are shown."""
    row = item.words
    if row is None:
        return ()
    answers = (("access", row.access), ("path", row.path), ("pull", row.pull), ("images", row.images))
    return tuple(Word(facet, _text(shown(word)), _WORD_COLOURS.get(word, GREY)) for facet, word in answers)


def _evidence(items: Sequence[Item], budget: Budget) -> tuple[tuple[str, ...], str]:
    """What the findings say, each once. Of those that differ only in names one is shown, and the others are counted."""
    alike: dict[str, list[Item]] = {}
    for item in items:
        if item.summary:
            alike.setdefault(_NAMES.sub("", item.summary.replace(item.name, "")), []).append(item)
    shown_ones = list(alike.values())[: budget.fixes]
    same = len({item.summary for item in items}) == 1
    texts = [_said(members[0], budget.text, "" if same else f"{_text(members[0].name)}: ") for members in shown_ones]
    left = 0 if same else sum(len(members) for members in alike.values()) - len(texts)
    return tuple(texts), f"… and the like of {counted(left, 'more cluster')}." if left else ""


def _said(item: Item, limit: int, whose: str) -> str:
    return f"{whose}{'It was: ' if wording.is_over(item) else ''}{_text(item.summary, limit)}"


def _waiting(items: Sequence[Item], limit: int) -> tuple[str, ...]:
    """The workloads that wait, by cluster where there are several."""
    lines: list[str] = []
    waiting = [item for item in items if item.waiting and not wording.is_over(item)]
    for item in waiting[:limit]:
        workloads = listed([_text(workload) for workload in item.waiting], MAX_WORKLOADS)
        lines.append(workloads if len(items) == 1 else f"{_text(item.name)}: {workloads}")
    return (*lines, *_more(len(waiting) - limit, "more clusters where workloads wait"))


def _fixes(items: Sequence[Item], budget: Budget) -> tuple[tuple[Fix, ...], str]:
    """Each fix once. Of those that differ only in names the first few are shown, and the others are counted."""
    whose: dict[tuple[str, ...], list[Item]] = {}
    for item in items:
        if item.fix and not wording.is_over(item):
            whose.setdefault(item.fix, []).append(item)
    several = len(whose) > 1
    made: list[Fix] = []
    shapes: dict[tuple[str, ...], int] = {}
    left = 0
    for commands, members in whose.items():
        shape = tuple(_shape(command) for command in commands)
        shapes[shape] = shapes.get(shape, 0) + 1
        if shapes[shape] > budget.fixes or len(made) >= 2 * budget.fixes:
            left += len(members)
            continue
        names = listed([_text(item.name) for item in members], MAX_WORKLOADS) if several else ""
        made.append(Fix(tuple(_steps(commands, budget.text)), names))
    alike = "the same commands with their own names" if len(shapes) == 1 else "commands of their own"
    need = "needs" if left == 1 else "need"
    more = f"… and {counted(left, 'more cluster')} {need} {alike}; `pullwatch scan` shows them."
    return tuple(made), more if left else ""


def _shape(command: str) -> str:
    """A command without the values of its options."""
    head, _, options = command.partition(" --")
    return f"{head} --{_VALUE.sub('', options)}"


def _steps(commands: Iterable[str], limit: int) -> Iterator[Step]:
    for command in commands:
        remark = kind_of(command) is FixKind.REMARK
        text = _text(command.removeprefix("#").strip() if remark else command, limit, keep="\n")
        yield Step(text, remark)


def _why(items: Sequence[Item]) -> str:
    """For what kinds of change it is in the mail, with the facets."""
    reasons = dict.fromkeys(item.reason.value for item in items)
    facets = dict.fromkeys(facet for item in items for facet in item.facets)
    return f"{', '.join(reasons)} ({', '.join(_text(facet) for facet in facets)})"


def _more(count: int, words: str) -> tuple[str, ...]:
    return (f"… and {count} {words}.",) if count > 0 else ()


def _text(text: str, limit: int = MAX_NAME, keep: str = "") -> str:
    """A text from elsewhere: no secret, nothing that steers a terminal or begins a line of its own, of some length.

    A mail leaves the tenant, and what it is made of may have been stored by an earlier version.
    """
    start = printable(redacted_start(text, limit), keep=keep)
    return start if len(text) <= limit else f"{start[: limit - 1]}…"
