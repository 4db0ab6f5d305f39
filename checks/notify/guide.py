"""Guide: which section of the documentation is about a kind of mail, and which page about a cause. Pure.

Paths are those of the repository. Where the settings say at which address it can be read, they become links; elsewhere
the path itself tells a reader where to look. tests/test_docs.py holds this table to the headings that there are.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from checks import catalog
from checks.causes import RENAMED, Cause, ReadCause, RowCause, ScanCause
from checks.changes import UNREADABLE_ROWS, NoticeKind
from checks.notify.incidents import Mail
from checks.notify.items import ItemKind
from checks.notify.links import web_address

OPERATIONS = "docs/operations.md"
CAUSES = "docs/causes.md"
ANY_MAIL = f"{OPERATIONS}#a-mail-came"
ROWS = f"{OPERATIONS}#checker-error"

MAILS: dict[ItemKind | NoticeKind, str] = {
    ItemKind.FAIL: f"{OPERATIONS}#fail",
    ItemKind.CHANGED: f"{OPERATIONS}#cause-changed",
    ItemKind.MORE: f"{OPERATIONS}#more-fail",
    ItemKind.FLAPPING: f"{OPERATIONS}#flapping",
    ItemKind.BLIND: f"{OPERATIONS}#blind",
    ItemKind.WAS_BAD: f"{OPERATIONS}#was-bad",
    ItemKind.RECOVERED: f"{OPERATIONS}#recovered",
    ItemKind.SEEN_AGAIN: f"{OPERATIONS}#seen-again",
    ItemKind.REMOVED: f"{OPERATIONS}#removed",
    NoticeKind.BASELINE: f"{OPERATIONS}#baseline",
    NoticeKind.REMINDER: f"{OPERATIONS}#still-failing",
    NoticeKind.SILENCE_ENDED: f"{OPERATIONS}#silence-ended",
    NoticeKind.DEGRADED: f"{OPERATIONS}#degraded",
    NoticeKind.DEGRADED_OVER: f"{OPERATIONS}#degraded",
    NoticeKind.VANISHED: f"{OPERATIONS}#unknown-a-subscription-cannot-be-seen",
    NoticeKind.VISIBLE_AGAIN: f"{OPERATIONS}#unknown-a-subscription-cannot-be-seen",
}

# Causes that no check calls its own; those of a check are on its page.
SHARED: dict[type[Cause], str] = {
    ReadCause: f"{CAUSES}#of-any-check",
    RowCause: f"{CAUSES}#of-rows",
    ScanCause: f"{CAUSES}#of-scans-clusters-and-subscriptions",
}


class Reference(msgspec.Struct, frozen=True):
    """A place in the documentation: its path in the repository, and its address, "" where none is known."""

    path: str
    link: str = ""

    @property
    def shown(self) -> str:
        """The address, or else the path."""
        return self.link or self.path


def of_mail(mail: Mail) -> Reference:
    """What to do with a mail: the section about its first word."""
    if mail.notice is not None:
        rows = mail.notice.kind is NoticeKind.DEGRADED and mail.notice.title.startswith(UNREADABLE_ROWS)
        path = ROWS if rows else MAILS[mail.notice.kind]
    else:
        path = MAILS[mail.sections[0].kind] if mail.sections else ANY_MAIL
    return _reference(path, mail.docs)


def of_cause(cause: str, codes: Iterable[str], docs: str) -> Reference | None:
    """What a cause means; ``codes`` are the checks that decided it. None for a word that no page has."""
    path = _page(RENAMED.get(cause, cause), frozenset(codes))
    return None if path is None else _reference(path, docs)


def _page(cause: str, codes: frozenset[str]) -> str | None:
    naming = [check.code for check in catalog.checks() if any(cause in [*kind] for kind in check.causes)]
    if naming:
        return f"docs/checks/{next((code for code in naming if code in codes), naming[0])}.md"
    return next((page for kind, page in SHARED.items() if cause in [*kind]), None)


def _reference(path: str, docs: str) -> Reference:
    return Reference(path, web_address(f"{docs}/{path}") if docs else "")
