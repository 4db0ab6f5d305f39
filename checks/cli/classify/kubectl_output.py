"""What kubectl prints, for people who pipe it as it is: ``get events -o json``, ``get pods -o json``, ``describe pod``.

An output begins with a line that no JSON Lines have: ``{`` alone, or ``Name:``. It is read as a whole, then the errors
in it are found: events' messages with their reasons, and what containers wait for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

MAX_OUTPUT = 64 * 1024 * 1024
_BEGINS = (b"Name:", b"Events:")
# "  Warning  Failed  60s (x4 over 2m)  kubelet  Failed to pull image …", below "Events:" of describe.
_AGE = r"\S{1,20}(?: \(x\d{1,9} over \S{1,20}\))?"
_EVENT = re.compile(rf"^\s{{1,20}}(?:Normal|Warning)\s{{1,20}}(\S{{1,64}})\s{{1,40}}{_AGE}\s{{1,40}}\S+\s+(\S.*)$")
_STATUSES = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")


class KubectlError(msgspec.Struct, frozen=True):
    """One text that kubectl printed: an event's message, or what a container waits for (then with its image)."""

    message: str
    reason: str
    image: str = ""


def begins_output(line: bytes) -> bool:
    """Whether a first line begins kubectl's output instead of JSON Lines."""
    return line.strip() == b"{" or line.startswith(_BEGINS)


def errors_in(output: bytes) -> tuple[KubectlError, ...] | None:
    """The texts in kubectl's output, in order; None where it is not to be understood."""
    if not output.lstrip().startswith(b"{"):
        return tuple(_described(output.decode("utf-8", "replace")))
    try:
        document = msgspec.json.decode(output)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return tuple(_of_object(document))


def _described(text: str) -> Iterator[KubectlError]:
    for line in text.splitlines():
        if event := _EVENT.match(line):
            yield KubectlError(event[2], event[1])


def _of_object(found: object) -> Iterator[KubectlError]:
    """Those of an event, a pod, or a list of such."""
    if not isinstance(found, dict):
        return
    items = found.get("items")
    if isinstance(items, list):
        for item in items:
            if isinstance(item, dict) and "items" not in item:
                yield from _of_object(item)
    elif isinstance(found.get("message"), str) and "status" not in found:
        reason = found.get("reason")
        yield KubectlError(found["message"], reason if isinstance(reason, str) else "")
    else:
        yield from _of_pod(found.get("status"))


def _of_pod(status: object) -> Iterator[KubectlError]:
    if not isinstance(status, dict):
        return
    for kind in _STATUSES:
        containers = status.get(kind)
        for container in containers if isinstance(containers, list) else ():
            state = container.get("state") if isinstance(container, dict) else None
            waiting = state.get("waiting") if isinstance(state, dict) else None
            if isinstance(waiting, dict):
                words = (waiting.get("message"), waiting.get("reason"), container.get("image"))
                yield KubectlError(*(word if isinstance(word, str) else "" for word in words))
