"""Storage stays readable across an upgrade and back: each release reads what the one before wrote, and the reverse."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import stored_shapes

KEPT = sorted(stored_shapes.FOLDER.glob("*.json"), key=lambda file: [int(part) for part in file.stem.split(".")])


def kept(file: Path) -> dict[str, Any]:
    """What a release stored."""
    document: dict[str, Any] = json.loads(file.read_text())
    return document


def test_this_version_or_one_before_it_is_kept() -> None:
    assert KEPT, "python -m tests.support.stored_shapes keeps this release's"


@pytest.mark.parametrize("name", stored_shapes.READERS)
def test_rows_of_the_release_before_are_read(name: str) -> None:
    reader, expected = stored_shapes.READERS[name]
    assert reader(stored_shapes.thawed(kept(KEPT[-1])["rows"][name])) == expected


def test_texts_of_the_release_before_are_read() -> None:
    assert list(stored_shapes.differences(reader=stored_shapes.release(), writer=kept(KEPT[-1]))) == []


def test_the_release_before_reads_what_this_one_writes() -> None:
    """A new word or field is read one release before it is written."""
    assert list(stored_shapes.differences(reader=kept(KEPT[-1]), writer=stored_shapes.release())) == []


def _with(change: Any) -> dict[str, Any]:
    changed = copy.deepcopy(stored_shapes.release())
    change(changed["components"])
    return changed


CHANGES = {
    "a new word": (lambda c: c["Status"]["enum"].append("silenced"), "the words silenced"),
    "a field that became needed": (lambda c: c["Change"]["required"].append("rows"), "change.rows: may be missing"),
    "a field of another type": (
        lambda c: c["Change"]["properties"].update(sequence={"type": "string"}),
        "change.sequence: string instead of integer",
    ),
    "a field that may be null": (
        lambda c: c["Change"]["properties"].update(run={"anyOf": [{"type": "string"}, {"type": "null"}]}),
        "change.run: null instead of string",
    ),
    "a new field of a message": (
        lambda c: c["ScanMessage"]["properties"].update(more={"type": "string"}),
        "scan message.more: unknown",
    ),
    "a field of another type deep inside": (
        lambda c: c["Evidence"]["properties"].update(what={"type": "integer"}),
        "integer instead of string",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_the_other_release_could_not_read_is_found(name: str) -> None:
    change, says = CHANGES[name]
    here, there = stored_shapes.release(), _with(change)
    found = [
        *stored_shapes.differences(reader=here, writer=there),
        *stored_shapes.differences(reader=there, writer=here),
    ]
    assert any(says in difference for difference in found), found


def test_a_field_with_a_default_may_be_added() -> None:
    added = _with(lambda c: c["Change"]["properties"].update(more={"type": "string"}))
    assert not [*stored_shapes.differences(reader=stored_shapes.release(), writer=added)]
    assert not [*stored_shapes.differences(reader=added, writer=stored_shapes.release())]
