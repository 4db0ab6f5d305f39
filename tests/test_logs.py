"""Logs: no message, argument or traceback shows a secret, whoever writes it."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
import traceback
from collections.abc import Iterator

import pytest

from checks.logs import Failed, RedactedRecord, redact_logs, redacted_errors
from tests.support.cli import ROOT
from tests.support.secret_texts import TEXTS, leaks

TEXT = TEXTS["bearer header"]
OTHER = TEXTS["password in JSON"]
UNCAUGHT = """
import threading
from checks.logs import redact_uncaught
redact_uncaught()
def fail():
    raise RuntimeError({first!r}) from ValueError({second!r})
thread = threading.Thread(target=fail)
thread.start()
thread.join()
fail()
"""


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


def test_what_nobody_catches_is_printed_without_secrets_in_any_thread() -> None:
    program = UNCAUGHT.format(first=TEXT, second=OTHER)
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)
    assert ended.returncode == 1
    assert ended.stderr.count("RuntimeError: GET /api HTTP/1.1 Authorization: Bearer [redacted]") == 2
    assert ended.stderr.count('ValueError: {"username":"web","password":"[redacted]"}') == 2
    assert not leaks(ended.stderr)


def test_the_command_line_prints_its_own_defects_without_secrets() -> None:
    program = f"""
import runpy, sys
from checks import catalog
def broken():
    raise RuntimeError({TEXT!r})
catalog.checks = broken
sys.argv = ["checks", "list"]
runpy.run_module("checks", run_name="__main__")
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)
    assert ended.returncode == 1
    assert "RuntimeError: GET /api HTTP/1.1 Authorization: Bearer [redacted]" in ended.stderr
    assert not leaks(ended.stderr)


def raised(error: BaseException) -> str:
    """The traceback that whoever calls sees of an error that came through."""
    with pytest.raises(Failed) as caught, redacted_errors():
        raise error
    return "".join(traceback.format_exception(caught.value))


def test_an_error_comes_through_with_its_type_traceback_and_causes_without_secrets() -> None:
    try:
        raise ValueError(TEXT) from LookupError(OTHER)
    except ValueError as error:
        shown = raised(error)
    assert "Failed: ValueError: GET /api HTTP/1.1 Authorization: Bearer [redacted]" in shown
    assert "Failed: LookupError: " in shown
    assert "raise ValueError(TEXT)" in shown
    assert not leaks(shown)


def test_of_several_errors_at_once_each_comes_through() -> None:
    shown = raised(ExceptionGroup("two", [ValueError(TEXT), RuntimeError(OTHER)]))
    assert "ValueError: GET" in shown and "RuntimeError: " in shown
    assert not leaks(shown)


def test_a_cause_that_was_not_to_be_shown_stays_hidden() -> None:
    try:
        try:
            raise ValueError("not to be seen")
        except ValueError:
            raise RuntimeError("shown") from None
    except RuntimeError as error:
        shown = raised(error)
    assert "Failed: RuntimeError: shown" in shown
    assert "not to be seen" not in shown
