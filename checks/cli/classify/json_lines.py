"""``python -m checks classify``: pull errors in as JSON Lines, their causes out, one line for one line.

In: ``{"message": "…", "reason": "ErrImagePull", "image": "contoso.azurecr.io/web:1"}``; reason and image may be absent
or null, other members are ignored. Out: ``{"cause": "…", "rule": "…", "evidence": "…"}``, in the order of the input; of
an event about something else than a pull that failed (a probe, a mount) the cause is "not_a_pull". A line that cannot
be read gets an answer too (rule "bad-input"), so that both sides stay aligned; only blank lines get none.

Kubectl's own output (``kubectl_output``) is read too: it gets one answer per event or container that is about a pull.
"""

from __future__ import annotations

import codecs
import io
import itertools
from collections.abc import Callable, Iterable, Iterator

import msgspec

from checks.cli.classify import kubectl_output
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
    source = _bounded(lines)
    ahead = [next((line for line in source if line.strip()), b"")]
    found = None
    if kubectl_output.begins_output(_without_mark(ahead[0])):
        ahead += _at_most(source, kubectl_output.MAX_OUTPUT)
        found = kubectl_output.errors_in(_without_mark(b"".join(ahead)))
    return _by_line(itertools.chain(ahead, source), write) if found is None else _pulls(found, write)


def _by_line(lines: Iterable[bytes], write: Callable[[bytes], None]) -> Outcome:
    decoder, encoder = msgspec.json.Decoder(_Line), msgspec.json.Encoder()
    read = bad = 0
    for line in lines:
        if not line.strip():
            continue
        answer, good = _answer(_without_mark(line), decoder)
        read, bad = read + 1, bad + (not good)
        write(encoder.encode(answer) + b"\n")
    return Outcome(read, bad)


def _pulls(found: Iterable[kubectl_output.KubectlError], write: Callable[[bytes], None]) -> Outcome:
    """Answers those that are about a pull."""
    encoder, read = msgspec.json.Encoder(), 0
    for error in found:
        answer = classify_event(redacted(error.message), error.reason, error.image)
        if not isinstance(answer, OtherEvent):
            write(encoder.encode(answer) + b"\n")
            read += 1
    return Outcome(read, 0)


def _without_mark(text: bytes) -> bytes:
    """PowerShell begins what it pipes with a byte order mark."""
    return text.removeprefix(codecs.BOM_UTF8)


def _at_most(lines: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Lines, until they have this size."""
    for line in lines:
        yield line
        size -= len(line)
        if size <= 0:
            return


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
