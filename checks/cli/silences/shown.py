"""What is shown of silences."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from checks.cli import terminal
from checks.cli.layout import Column, Page, prose, table
from checks.history.model import Unreadable
from checks.history.table.store import Store
from checks.silences import Silence
from checks.text import one_line

_COLUMNS = (Column("ID", 0), Column("KIND", 2), Column("UNTIL (UTC)", 1), Column("BY", 3), Column("OF", 0))


async def show_kept(options: argparse.Namespace, store: Store, names: list[str]) -> None:
    """Shows silences as they were kept: their texts without secrets."""
    show(options, [one for one in (await store.list_silences()).silences if one.id in names])


def show(options: argparse.Namespace, silences: Sequence[Silence], unreadable: Sequence[Unreadable] = ()) -> None:
    """Shows silences as a table or as JSON, and on standard error the rows that cannot be read."""
    now = datetime.now(UTC)
    for broken in unreadable:
        terminal.say(f"{broken.ref.row} cannot be read, and silences nothing: {one_line(broken.why)}")
    if options.output == "json":
        answer = {
            "silences": [_answer(one, now) for one in silences],
            "unreadable": [{"row": broken.ref.row, "why": one_line(broken.why)} for broken in unreadable],
        }
        terminal.write_json(answer, sys.stdout)
        return
    page = Page(terminal.width_of(sys.stdout))
    rows = []
    for one in silences:
        until = f"{one.until:%Y-%m-%d %H:%M}"
        state = _state(one, now)
        shown = until if state == "active" else f"{until} ({state})"
        rows.append((one.id, one.kind.value, shown, one.author, str(one.matchers)))
    heading, *lines = table(_COLUMNS, rows, page, "")
    out = terminal.console(sys.stdout)
    terminal.write([heading], out)
    for one, line in zip(silences, lines, strict=True):
        terminal.write([line, *prose(one.reason, page, "    ")], out)


def _state(silence: Silence, now: datetime) -> str:
    if silence.is_over(now):
        return "over"
    return "active" if silence.is_active(now) else "not yet: it was made by a clock that is ahead"


def _answer(silence: Silence, now: datetime) -> dict[str, Any]:
    return {
        "id": silence.id,
        "kind": silence.kind.value,
        "matchers": silence.matchers.given(),
        "author": silence.author,
        "reason": silence.reason,
        "created": silence.created,
        "expires": silence.expires,
        "until": silence.until,
        "state": _state(silence, now).partition(":")[0],
    }
