"""Logs: no message, argument or traceback shows a secret, whoever writes it."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest

from checks.logs import RedactedRecord, redact_logs
from tests.support.secret_texts import TEXTS, leaks

TEXT = TEXTS["bearer header"]


@pytest.fixture
def log() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    """A logger of somebody else, and what its handler writes."""
    shown, before = io.StringIO(), logging.getLogRecordFactory()
    handler, logger = logging.StreamHandler(shown), logging.getLogger("somebody.else")
    logger.addHandler(handler)
    redact_logs()
    yield logger, shown
    logger.removeHandler(handler)
    logging.setLogRecordFactory(before)


def test_messages_and_arguments_are_redacted(log: tuple[logging.Logger, io.StringIO]) -> None:
    logger, shown = log
    logger.error("it said %s after %d s", TEXT, 3)
    assert "it said GET /api HTTP/1.1 Authorization: Bearer [redacted]" in shown.getvalue()
    assert not leaks(shown.getvalue())


def test_tracebacks_are_redacted_with_their_causes(log: tuple[logging.Logger, io.StringIO]) -> None:
    logger, shown = log
    try:
        try:
            raise ValueError(TEXT)
        except ValueError as error:
            raise RuntimeError("no use") from error
    except RuntimeError:
        logger.exception("a defect")
    assert "ValueError: GET /api" in shown.getvalue() and "RuntimeError: no use" in shown.getvalue()
    assert not leaks(shown.getvalue())


def test_a_record_without_a_traceback_has_none() -> None:
    assert RedactedRecord("x", logging.INFO, "x.py", 1, "text", (), None).exc_text is None
