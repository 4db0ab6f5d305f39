"""JSON Lines: one answer for one line, in order, as soon as the line is read. A contract: scripts pair the two sides.

In: ``{"message": "…", "reason": "ErrImagePull", "image": "contoso.azurecr.io/web:1"}``; all but the message may be
absent or null, and other members are ignored, except for those that are kept: namespace, pod, container. Out:
``cause``, ``rule``, ``evidence`` and what else an ``Answer`` has. Of an event about something else than a pull that
failed (a probe, a mount) the cause is "not_a_pull"; so it is of a line of an application's own log, which has a member
of a logger, no reason, no image and no sign of a pull. A text without such members is classified as it is. A line that
cannot be read gets an answer too (rule "bad-input"); only blank lines get none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from checks.cli.classify.answers import Answer, answer, is_about_a_pull, readable
from checks.cli.classify.objects import sightings_of
from checks.cli.classify.sighting import Sighting
from checks.cli.classify.texts.mentions import container_in, image_in
from checks.rules.pull.errors import (
    Classified,
    OtherEvent,
    OtherEventCause,
    PullErrorCause,
    classify_event,
    has_sign_of_a_pull,
    tells_of_a_pull,
)
from checks.text import redacted

MAX_LINE = 1024 * 1024
_MAX_COMPLAINT = 200
_UNREADABLE = "The line could not be read."
# What loggers write beside the message: slog, zap, logrus, log4j, Serilog, structlog, pino, Logstash, OpenTelemetry.
_OF_A_LOGGER = frozenset({
    "level", "lvl", "levelname", "log_level", "loglevel", "log.level", "@l", "severity", "severity_text",
    "severityText", "logger", "loggerName", "logger_name", "log.logger", "ts", "@timestamp", "@t", "service",
    "service.name", "serviceName", "msg", "caller", "thread",
    "thread_name", "stack_trace", "stacktrace", "exc_info", "trace_id",
})  # fmt: skip


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
    event = _of_event(line)
    seen = _seen(told, event)
    found = classify_event(readable(told.message), told.reason or "", told.image or "")
    if isinstance(found, Classified) and (rule := _why_no_pull(seen, found, line, is_event=event is not None)):
        found = OtherEvent(OtherEventCause.NOT_A_PULL, rule, readable(told.message)[:_MAX_COMPLAINT])
    return answer(seen, found)


def _why_no_pull(seen: Sighting, found: Classified, line: bytes, *, is_event: bool) -> str:
    """The rule by which a line is about something else than a pull, though its text has a cause; "" where it is not."""
    if is_event:
        return "" if is_about_a_pull(seen, found) else "event-subject"
    if seen.reason or seen.image or tells_of_a_pull(seen.message) or has_sign_of_a_pull(seen.message):
        return ""
    return "" if _OF_A_LOGGER.isdisjoint(msgspec.json.decode(line)) else "log-line"


def _seen(told: _Line, told_as_event: Sighting | None) -> Sighting:
    """What a line tells, with whom it names: by its own members, as an event of Kubernetes, or in its message."""

    def given(member: object) -> str:
        return member if isinstance(member, str) else ""

    event = told_as_event or Sighting(message="")
    return Sighting(
        message=told.message,
        reason=told.reason or "",
        image=told.image or event.image or image_in(told.message),
        namespace=given(told.namespace) or event.namespace,
        pod=given(told.pod) or event.pod,
        about=event.about,
        container=given(told.container) or event.container or container_in(told.message),
    )


def _of_event(line: bytes) -> Sighting | None:
    """What a line says as an event of Kubernetes (``jq -c '.items[]'``), which is still answered as a line."""
    return next(iter(sightings_of(msgspec.json.decode(line))), None) if b'"involvedObject"' in line else None


def _bad(complaint: str) -> Answer:
    evidence = redacted(complaint)[:_MAX_COMPLAINT]
    return Answer(cause=PullErrorCause.UNKNOWN.value, rule="bad-input", evidence=evidence, sentence=_UNREADABLE)
