"""JSON as kubectl prints it: one document or several, perhaps with lines of something else around them.

Of a list each item is decoded on its own, so that no more than one is held in memory beside the text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import msgspec

from checks.text import counted

# The last line of a document that is printed over several lines: within one, every line is indented.
_END = re.compile(rb"^[}\]][ \t\r]*$", re.MULTILINE)
_BEGIN = re.compile(rb"^[ \t]*[{\[]", re.MULTILINE)
# Kubectl prints a list's few members in the order of their names, an API server the items last.
_ITEMS = re.compile(rb"\s*(?:\[|\{[^\[]{0,2000}?\"items\"\s*:\s*\[)\s*")
_COMMA = re.compile(r"\s*,\s*")
_DECODER = json.JSONDecoder()
_TRUNCATED = "Input data was truncated"
_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class NotJson(Exception):
    """A piece of the text is no JSON; its message says why and where."""


class EndsInTheMiddle(NotJson):
    """The text ends before its document does; all whole items of it were given."""


class _List(msgspec.Struct):
    items: list[msgspec.Raw]
    kind: object = ""


def objects_in(text: bytes) -> Iterator[object]:
    """Every object: the items of a list and then the list without them, or a document itself.

    For what is no JSON, NotJson is given, not raised: there may be a document after it.
    """
    try:
        yield from _items(text)
        return
    except NotJson as error:
        whole = error
    pieces = list(_pieces(text))
    if len(pieces) == 1 and len(pieces[0]) == len(text.strip()):
        yield whole
        return
    for piece in pieces:
        try:
            yield from _items(piece)
        except NotJson as error:
            yield error


def _items(text: bytes) -> Iterator[object]:
    """Raises NotJson before the first object is given, or never: the whole text is looked at first."""
    try:
        whole = msgspec.json.decode(text, type=_List)
    except msgspec.ValidationError:
        found = _decoded(text)
        yield from found if isinstance(found, list) else (found,)
        return
    except _NOT_JSON as error:
        cut = list(_whole_items(text)) if str(error) == _TRUNCATED else []
        if not cut:
            raise NotJson(str(error) or type(error).__name__) from None
        yield from cut
        yield EndsInTheMiddle(f"the input ends in the middle, after {counted(len(cut), 'whole item')} of a list")
        return
    for item in whole.items:
        try:
            yield msgspec.json.decode(item)
        except _NOT_JSON as error:
            yield NotJson(str(error) or type(error).__name__)
    yield {"items": [], "kind": whole.kind}


def _whole_items(text: bytes) -> Iterator[object]:
    """The items of a list whose end is missing, as of ``head -c``."""
    begin = _ITEMS.match(text)
    rest = text[begin.end() if begin else len(text) :].decode("utf-8", "replace")
    at = 0
    while at < len(rest):
        try:
            item, at = _DECODER.raw_decode(rest, at)
        except (ValueError, RecursionError):
            return
        yield item
        comma = _COMMA.match(rest, at)
        if comma is None:
            return
        at = comma.end()


def _decoded(text: bytes) -> object:
    try:
        return msgspec.json.decode(text)
    except _NOT_JSON as error:
        raise NotJson(str(error) or type(error).__name__) from None


def _pieces(text: bytes) -> Iterator[bytes]:
    """The documents of a text that is more than one: each ends with a line of its own, or is a line."""
    at = 0
    while begin := _BEGIN.search(text, at):
        line_end = text.find(b"\n", begin.start())
        line = text[begin.start() : line_end if line_end >= 0 else len(text)].strip()
        at = begin.start() + len(line) if line[-1:] in b"}]" and len(line) > 1 else _end_of(text, begin.end())
        at = max(at, begin.end())
        yield text[begin.start() : at].strip()
        at = text.find(b"\n", at)
        if at < 0:
            return


def _end_of(text: bytes, start: int) -> int:
    end = _END.search(text, start)
    return end.end() if end else len(text)
