"""``python -m checks classify``: pull errors in as JSON Lines, their causes out, one line for one line.

In: ``{"message": "…", "reason": "ErrImagePull", "image": "contoso.azurecr.io/web:1"}``; reason and image may be absent
or null, other members are ignored. Out: ``{"cause": "…", "rule": "…", "evidence": "…"}``, in the order of the input; of
an event about something else than a pull that failed (a probe, a mount) the cause is "not_a_pull". A line that cannot
be read gets an answer too (rule "bad-input"), so that both sides stay aligned; only blank lines get none.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Callable, Iterable, Iterator

import msgspec

from checks.rules.pull.errors import Classified, OtherEvent, PullErrorCause, classify_event
from checks.text import redacted

MAX_LINE = 1024 * 1024
_MAX_COMPLAINT = 200


class Outcome(msgspec.Struct, frozen=True):
    """How many lines were answered, and how many of them could not be read."""

    read: int
    bad: int


class _Line(msgspec.Struct, frozen=True):
    message: str
    reason: str | None = None
    image: str | None = None


def classify_lines(lines: Iterable[bytes], write: Callable[[bytes], None]) -> Outcome:
    """Answers every line as soon as it is read: one call of ``write`` per answer, which ends in a line feed.

    ``write`` has to flush where the reader of the answers waits for them. Of a binary stream no line is held in memory
    beyond ``MAX_LINE``.
    """
    decoder, encoder = msgspec.json.Decoder(_Line), msgspec.json.Encoder()
    read = bad = 0
    for line in _bounded(lines):
        if not line.strip():
            continue
        # PowerShell begins what it pipes with a byte order mark.
        answer, good = _answer(line.removeprefix(codecs.BOM_UTF8), decoder)
        read, bad = read + 1, bad + (not good)
        write(encoder.encode(answer) + b"\n")
    return Outcome(read, bad)


def _answer(line: bytes, decoder: msgspec.json.Decoder[_Line]) -> tuple[Classified | OtherEvent, bool]:
    if len(line) > MAX_LINE:
        return _bad(f"the line is longer than {MAX_LINE} bytes"), False
    try:
        classified = decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return _bad(str(error) or type(error).__name__), False
    return classify_event(redacted(classified.message), classified.reason or "", classified.image or ""), True


def _bad(complaint: str) -> Classified:
    return Classified(PullErrorCause.UNKNOWN, "bad-input", redacted(complaint)[:_MAX_COMPLAINT])


def _bounded(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The lines; those of a stream cut after ``MAX_LINE`` and the rest of a cut line passed over."""
    if not isinstance(lines, io.BufferedIOBase):
        yield from lines
        return
    while line := lines.readline(MAX_LINE + 1):
        part = line
        while part and not part.endswith(b"\n"):
            part = lines.readline(MAX_LINE)
        yield line
