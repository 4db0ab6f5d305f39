"""Logs and tracebacks without secrets, whoever writes them.

Pullwatch, an SDK, or an error that nobody catches: any of them may quote what a server sent.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from checks.text import redacted


class RedactedRecord(logging.LogRecord):
    """A log record whose message and traceback are shown without secrets, by any handler."""

    _traceback: str | None = None

    def getMessage(self) -> str:
        """The message with its arguments, without secrets."""
        return redacted(super().getMessage())

    @property
    def exc_text(self) -> str | None:
        """The traceback as a formatter wrote it, without secrets."""
        return self._traceback

    @exc_text.setter
    def exc_text(self, text: str | None) -> None:
        self._traceback = redacted(text) if text else text


def redact_logs() -> None:
    """Has every record that is made from now on redacted, at all loggers. For a program's start."""
    logging.setLogRecordFactory(RedactedRecord)


def redact_uncaught() -> None:
    """Has errors that nobody catches printed without secrets, in any thread. For a program's start."""
    sys.excepthook = _print_uncaught
    threading.excepthook = lambda ended: _print_uncaught(ended.exc_type, ended.exc_value, ended.exc_traceback)


def _print_uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    sys.stderr.write(redacted("".join(traceback.format_exception(kind, error, trace))))


class Failed(Exception):
    """An error as it may be shown: its type's name and its text, without secrets."""


@contextmanager
def redacted_errors() -> Iterator[None]:
    """Lets errors out as ``Failed``, with their tracebacks and causes: whoever calls prints them as they are."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever it is, it goes on; only its secrets do not
        failed = _failed(error)
        raise failed from failed.__cause__


def _failed(error: BaseException) -> Failed:
    """An error and what led to it; of several at once, what each says."""
    several = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    texts = (f"{type(error).__name__}: {error}", *(str(_failed(part)) for part in several))
    failed = Failed(redacted("; ".join(texts))).with_traceback(error.__traceback__)
    led = error.__cause__ if error.__suppress_context__ else error.__context__
    failed.__cause__ = None if led is None else _failed(led)
    return failed
