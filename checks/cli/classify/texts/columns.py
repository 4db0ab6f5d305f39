"""Tables with columns of somebody's own (``kubectl get -o custom-columns=…``): the heading says what each column is."""

from __future__ import annotations

import re

import msgspec

from checks.cli.classify.sighting import Sighting
from checks.cli.classify.texts.mentions import container_in, image_in

_WORD = re.compile(r"\S+(?: \S+)*")
_HEADING = re.compile(r"[A-Z][A-Z0-9_()./:-]{0,40}(?: [A-Z][A-Z0-9_()./:-]{0,40}){0,2}")
_MEANINGS = {
    "NS": "namespace",
    "NAMESPACE": "namespace",
    "POD": "pod",
    "NAME": "pod",
    "OBJECT": "pod",
    "CONTAINER": "container",
    "IMAGE": "image",
    "REASON": "reason",
    "STATUS": "reason",
    "MESSAGE": "message",
    "MSG": "message",
}
_MAX_HEADING = 400
_NOTHING = ("<none>", "<nil>", "-")


class Columns(msgspec.Struct, frozen=True):
    """Where each column begins, and what it means ("" for one that is not of use)."""

    starts: tuple[tuple[int, str], ...]

    def row(self, line: str) -> Sighting:
        """What one line of the table tells."""
        cells: dict[str, str] = {}
        for index, (start, meaning) in enumerate(self.starts):
            end = self.starts[index + 1][0] if index + 1 < len(self.starts) else len(line)
            value = line[start:end].strip()
            if meaning and value not in _NOTHING:
                cells.setdefault(meaning, value)
        message = cells.get("message", "")
        return Sighting(
            message=message,
            reason=cells.get("reason", ""),
            namespace=cells.get("namespace", ""),
            pod=cells.get("pod", "").removeprefix("pod/"),
            container=cells.get("container", "") or container_in(message),
            image=cells.get("image", "") or image_in(message),
        )


def heading(line: str) -> Columns | None:
    """The columns, where a line is a heading with a reason or a message among them."""
    if len(line) > _MAX_HEADING or not line[:1].isupper():  # of every line that is read
        return None
    words = list(_WORD.finditer(line))
    if len(words) < 2 or not all(_HEADING.fullmatch(word[0]) for word in words):
        return None
    starts = tuple((word.start(), _MEANINGS.get(word[0], "")) for word in words)
    return Columns(starts) if {"reason", "message"} & {meaning for _, meaning in starts} else None
