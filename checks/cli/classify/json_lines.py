"""JSON Lines: one answer for one line, in order, as soon as the line is read. A contract: scripts pair the two sides.

In: ``{"message": "…", "reason": "ErrImagePull", "image": "contoso.azurecr.io/web:1"}``; all but the message may be
absent or null, and other members are ignored, except for those that are kept: namespace, pod, container. Out:
``cause``, ``rule``, ``evidence`` and what else an ``Answer`` has. Of an event about something else than a pull that
failed (a probe, a mount) the cause is "not_a_pull". A line that cannot be read gets an answer too (rule "bad-input");
only blank lines get none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from checks.cli.classify.answers import Answer, answer, readable
from checks.cli.classify.objects import sightings_of
from checks.cli.classify.sighting import Sighting
from checks.cli.classify.texts.mentions import container_in, image_in
from checks.rules.pull.errors import PullErrorCause, classify_event
from checks.text import redacted

MAX_LINE = 1024 * 1024
_MAX_COMPLAINT = 200
_UNREADABLE = "The line could not be read."


class Outcome(msgspec.Struct, frozen=True):
    """How many lines were answered, and how many of them could not be read."""

    read: int
    bad: int


class _Line(msgspec.Struct, frozen=True):
    message: str
    reason: str | None = None
    image: str | None = None
    namespace: object = None
    pod: object = None
    container: object = None


class _Probe(msgspec.Struct, frozen=True):
    message: msgspec.Raw


def is_one(line: bytes) -> bool:
    """Whether a line is an object with a message."""
    try:
        msgspec.json.decode(line, type=_Probe)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def answer_lines(lines: Iterable[bytes], write: Callable[[Answer], None]) -> Outcome:
    """Answers every line as soon as it is read, with one call of ``write``."""
    decoder = msgspec.json.Decoder(_Line)
    read = bad = 0
    for line in lines:
        if not line.strip():
            continue
        found = _answer(line, decoder)
        read, bad = read + 1, bad + (found.rule == "bad-input")
        write(found)
    return Outcome(read, bad)


def _answer(line: bytes, decoder: msgspec.json.Decoder[_Line]) -> Answer:
    if len(line) > MAX_LINE:
        return _bad(f"the line is longer than {MAX_LINE} bytes")
    try:
        told = decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return _bad(str(error) or type(error).__name__)
    seen = _seen(told, _of_event(line))
    return answer(seen, classify_event(readable(told.message), told.reason or "", told.image or ""))


def _seen(told: _Line, event: Sighting) -> Sighting:
    """What a line tells, with whom it names: by its own members, as an event of Kubernetes, or in its message."""

    def given(member: object) -> str:
        return member if isinstance(member, str) else ""

    return Sighting(
        message=told.message,
        reason=told.reason or "",
        image=told.image or event.image or image_in(told.message),
        namespace=given(told.namespace) or event.namespace,
        pod=given(told.pod) or event.pod,
        about=event.about,
        container=given(told.container) or event.container or container_in(told.message),
    )


def _of_event(line: bytes) -> Sighting:
    """What a line says as an event of Kubernetes (``jq -c '.items[]'``), which is still answered as a line."""
    found = next(iter(sightings_of(msgspec.json.decode(line))), None) if b'"involvedObject"' in line else None
    return found or Sighting(message="")


def _bad(complaint: str) -> Answer:
    evidence = redacted(complaint)[:_MAX_COMPLAINT]
    return Answer(cause=PullErrorCause.UNKNOWN.value, rule="bad-input", evidence=evidence, sentence=_UNREADABLE)
