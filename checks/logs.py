"""Logs without secrets, whoever writes them: Pullwatch, an SDK, or a traceback that quotes what a server sent."""

from __future__ import annotations

import logging

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
