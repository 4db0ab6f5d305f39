"""The JSON Lines filter: aligned answers, bounded lines, an answer as soon as a line is there."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest

from checks.cli.classify.json_lines import MAX_LINE, Outcome, classify_lines
from tests.support.secret_texts import TEXTS, leaks


def answers(*lines: bytes) -> tuple[list[dict[str, str]], Outcome]:
    written: list[bytes] = []
    outcome = classify_lines(lines, written.append)
    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in written)
    return [json.loads(line) for line in written], outcome


def test_every_line_gets_its_answer_in_order() -> None:
    shown, outcome = answers(
        b'{"message": "dial tcp: lookup contoso.azurecr.io: no such host", "reason": "ErrImagePull", "image": "x"}\n',
        b'{"message": "", "reason": "ErrImageNeverPull", "image": null, "pod": "web-1"}\n',
        b'{"message": "something new"}\n',
        b'{"message": "Readiness probe failed: connection refused", "reason": "Unhealthy"}',
    )

    assert [(one["cause"], one["rule"]) for one in shown] == [
        ("dns", "dns-no-such-host"),
        ("policy", "reason"),
        ("unknown", "none"),
        ("not_a_pull", "event-reason"),
    ]
    assert outcome == Outcome(read=4, bad=0)
    assert all(set(one) == {"cause", "rule", "evidence"} for one in shown)


@pytest.mark.parametrize(
    "line",
    [
        b"no json",
        b"[1]",
        b"null",
        b"{}",
        b'{"message": 7}',
        b'{"message": null}',
        b'{"message": "cut',
        b'{"message": "\xff"}',
        b'{"message": "\\ud800"}',
        b"[" * 100_000,
    ],
)
def test_a_line_that_cannot_be_read_is_answered_and_counted(line: bytes) -> None:
    shown, outcome = answers(line + b"\n", b'{"message": "EOF"}\n')

    assert shown[0]["cause"] == "unknown"
    assert shown[0]["rule"] == "bad-input"
    assert 0 < len(shown[0]["evidence"]) <= 200
    assert shown[1]["cause"] == "corrupt_or_interrupted"
    assert outcome == Outcome(read=2, bad=1)


def test_blank_lines_get_no_answer_and_are_not_counted() -> None:
    shown, outcome = answers(b"\n", b'{"message": "EOF"}\r\n', b"  \t\r\n", b"")

    assert len(shown) == 1
    assert outcome == Outcome(read=1, bad=0)


def test_a_byte_order_mark_is_passed_over() -> None:
    shown, _ = answers(b'\xef\xbb\xbf{"message": "EOF"}\n')

    assert shown[0]["rule"] == "interrupted"


def test_a_line_beyond_the_limit_is_bad_and_the_next_one_is_read() -> None:
    endless = b'{"message": "' + b"x" * (3 * MAX_LINE) + b'"}\n'
    stream = io.BufferedReader(io.BytesIO(endless + b'{"message": "EOF"}'))
    written: list[bytes] = []

    assert classify_lines(stream, written.append) == Outcome(read=2, bad=1)
    assert "longer than" in json.loads(written[0])["evidence"]
    assert json.loads(written[1])["rule"] == "interrupted"
    assert answers(endless)[0][0]["rule"] == "bad-input"


def test_no_line_of_a_stream_is_held_beyond_the_limit() -> None:
    asked: list[int | None] = []

    class Watched(io.BytesIO):
        def readline(self, size: int | None = -1, /) -> bytes:
            asked.append(size)
            return super().readline(size)

    classify_lines(Watched(b"x" * (3 * MAX_LINE)), lambda line: None)

    assert asked
    assert all(size is not None and 0 < size <= MAX_LINE + 1 for size in asked)


def test_an_answer_is_written_before_the_next_line_is_read() -> None:
    written: list[bytes] = []

    def lines() -> Iterator[bytes]:
        for expected in range(3):
            assert len(written) == expected
            yield b'{"message": "EOF"}\n'

    classify_lines(lines(), written.append)


def test_nothing_in_nothing_out() -> None:
    assert answers() == ([], Outcome(read=0, bad=0))


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_the_evidence_of_an_error_shows_no_secret(text: str) -> None:
    shown, outcome = answers(json.dumps({"message": text}).encode(), json.dumps({"message": 5, text: text}).encode())
    assert outcome == Outcome(read=2, bad=1)
    assert not leaks(str(shown))
