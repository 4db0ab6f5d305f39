"""The JSON Lines filter: aligned answers, bounded lines, an answer as soon as a line is there."""

from __future__ import annotations

import io
import json
import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from checks.cli.classify import formats
from checks.cli.classify.answers import Answer, Classifier
from checks.cli.classify.json_lines import MAX_LINE, Outcome, answer_lines
from tests.support.classified import NOT_FOUND, classified, event, written
from tests.support.secret_texts import TEXTS, leaks


def answers(*lines: bytes) -> tuple[list[dict[str, Any]], Outcome | None]:
    result = classified(b"".join(lines))
    return result.answers, result.read.lines


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
    assert all({"cause", "rule", "evidence", "sentence"} <= set(one) for one in shown)


def test_lines_that_are_alike_are_answered_each() -> None:
    line = b'{"message": "EOF", "pod": "web-1"}\n'

    assert len(answers(line, line, line)[0]) == 3


def test_an_answer_tells_what_it_means_what_helps_and_whom_the_line_names() -> None:
    told = {"namespace": "prod", "pod": "web-1", "container": "web", "image": "contoso.azurecr.io/web:1"}
    (shown,), _ = answers(json.dumps({"message": "lookup contoso.azurecr.io: no such host", **told}).encode())

    assert {name: shown[name] for name in told} == told
    assert shown["sentence"] == "The node could not resolve a name."
    assert shown["remedy"][0] == "nslookup contoso.azurecr.io"


def test_what_a_line_does_not_name_is_left_out_and_what_is_no_name_is_none() -> None:
    (shown,), outcome = answers(b'{"message": "EOF", "pod": 5, "namespace": ["x"], "container": null}')

    assert set(shown) == {"cause", "rule", "evidence", "sentence", "remedy"}
    assert outcome == Outcome(read=1, bad=0)


def test_what_is_no_pull_error_has_no_remedy() -> None:
    (shown,), _ = answers(b'{"message": "Readiness probe failed: connection refused", "reason": "Unhealthy"}')

    assert "remedy" not in shown


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
def test_a_line_that_cannot_be_read_is_answered_and_counted_wherever_it_stands(line: bytes) -> None:
    good = b'{"message": "EOF"}\n'
    for given, at in (((line + b"\n", good), 0), ((good, line + b"\n", good), 1)):
        shown, outcome = answers(*given)

        assert [one["rule"] for one in shown] == ["bad-input" if n == at else "interrupted" for n in range(len(given))]
        assert shown[at]["cause"] == "unknown"
        assert 0 < len(shown[at]["evidence"]) <= 200
        assert outcome == Outcome(read=len(given), bad=1)


def test_what_only_begins_like_an_object_is_answered_line_by_line() -> None:
    shown, outcome = answers(b'{\nno json\n{"message": "EOF"}')

    assert [one["cause"] for one in shown] == ["unknown", "unknown", "corrupt_or_interrupted"]
    assert outcome == Outcome(read=3, bad=2)


def test_blank_lines_get_no_answer_and_are_not_counted() -> None:
    shown, outcome = answers(b"\n", b'{"message": "EOF"}\r\n', b"  \t\r\n", b"")

    assert len(shown) == 1
    assert outcome == Outcome(read=1, bad=0)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_what_powershell_writes_is_read(encoding: str) -> None:
    shown, outcome = answers('{"message": "EOF"}\r\n{"message": "käse", "pod": "wéb"}\r\n'.encode(encoding))

    assert [one["rule"] for one in shown] == ["interrupted", "none"]
    assert shown[1]["pod"] == "wéb"
    assert outcome == Outcome(read=2, bad=0)


def test_what_jq_colours_is_read() -> None:
    shown, _ = answers(b'\x1b[1;39m{\x1b[0m\x1b[34;1m"message"\x1b[0m: \x1b[0;32m"EOF"\x1b[0m}\x1b[0m\n')

    assert shown[0]["rule"] == "interrupted"


def test_a_line_beyond_the_limit_is_bad_and_the_next_one_is_read() -> None:
    endless = b'{"message": "' + b"x" * (3 * MAX_LINE) + b'"}\n'
    for before in (b"", b'{"message": "EOF"}\n'):
        shown, outcome = answers(before, endless, b'{"message": "EOF"}')

        assert "longer than" in shown[-2]["evidence"]
        assert shown[-1]["rule"] == "interrupted"
        assert outcome is not None and outcome.bad == 1


def test_no_line_of_a_stream_is_held_beyond_the_limit() -> None:
    asked: list[int | None] = []

    class Watched(io.BufferedReader):
        def readline(self, size: int | None = -1, /) -> bytes:
            asked.append(size)
            return super().readline(size)

    given = b'{"message": "EOF"}\n' + b'{"message": "' + b"x" * (3 * MAX_LINE)
    formats.read(Watched(io.BytesIO(given)), lambda one: None, Classifier())

    assert asked
    assert all(size is not None and 0 < size <= MAX_LINE + 1 for size in asked)


def test_an_answer_is_written_before_the_next_line_is_read() -> None:
    got: list[Answer] = []

    def lines() -> Iterator[bytes]:
        for expected in range(3):
            assert len(got) == expected
            yield b'{"message": "EOF"}\n'

    answer_lines(lines(), got.append)

    assert len(got) == 3


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_pipe_gets_its_answers_while_it_is_open(encoding: str) -> None:
    into, out = os.pipe()
    got: list[Answer] = []
    answered = threading.Event()

    def take(one: Answer) -> None:
        got.append(one)
        answered.set()

    with os.fdopen(into, "rb") as stream, os.fdopen(out, "wb", buffering=0) as sender:
        thread = threading.Thread(target=lambda: formats.read(stream, take, Classifier()), daemon=True)
        thread.start()
        for count in range(1, 4):
            answered.clear()
            sender.write('{"message": "EOF"}\n'.encode(encoding if count == 1 else encoding.replace("16", "16-le")))
            assert answered.wait(20), f"no answer to line {count} while the pipe is open"
            assert len(got) == count
        sender.close()
        thread.join(20)
        assert not thread.is_alive()


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_an_answer_shows_no_secret(text: str) -> None:
    named = {"message": text, "pod": text, "namespace": text, "container": text, "image": text}
    shown, outcome = answers(
        json.dumps(named).encode(), b"\n", json.dumps({"message": 5, text: text}).encode(), b'\n{"message": "EOF"}'
    )
    assert outcome == Outcome(read=3, bad=1)
    assert not leaks(str(shown))


def test_an_answer_leaves_out_what_is_not_known() -> None:
    assert written(Answer(cause="dns", rule="x", evidence="")) == {"cause": "dns", "rule": "x", "evidence": ""}


def test_a_secret_that_was_broken_at_a_column_is_not_shown() -> None:
    text = 'Failed to pull image "contoso.azurecr.io/web:1": something new: Authorization: Basic hunterhunterhunter=='
    for width in (80, 90, 100):
        wrapped = f"{text[:width]}\n{text[width:]}"
        (shown,), _ = answers(json.dumps({"message": wrapped}).encode())

        assert "hunter" not in str(shown) and "[redacted]" in shown["evidence"]


LOGGED: tuple[dict[str, Any], ...] = (
    {"level": "error", "message": "dial tcp 10.0.0.1:5432: connect: connection refused", "service": "shop"},
    {"severity": "ERROR", "message": "db down: connection refused"},
    {"ts": 1.5, "message": "GET https://registry.npmjs.org/x: 404 not found"},
    {"@timestamp": "2026-11-28T15:00:00Z", "message": "unexpected EOF"},
    {"logger": "shop.db", "message": "something new"},
    {"msg": "x", "message": "401 Unauthorized", "reason": None, "image": ""},
)


@pytest.mark.parametrize("line", LOGGED)
def test_a_line_of_an_applications_own_log_is_about_something_else_and_is_answered(line: dict[str, Any]) -> None:
    shown, outcome = answers(json.dumps(line).encode(), b'\n{"message": "EOF"}\n')

    assert [(one["cause"], one["rule"]) for one in shown] == [
        ("not_a_pull", "log-line"),
        ("corrupt_or_interrupted", "interrupted"),
    ]
    assert "remedy" not in shown[0] and outcome == Outcome(read=2, bad=0)


@pytest.mark.parametrize(
    "more",
    [
        {"reason": "ErrImagePull"},
        {"image": "contoso.azurecr.io/web:1"},
        {"message": "lookup contoso.azurecr.io: no such host"},
        {"message": 'Failed to pull image "web:1": lookup x: no such host'},
    ],
)
def test_a_line_of_a_log_that_tells_of_a_pull_keeps_its_cause(more: dict[str, str]) -> None:
    told = {"level": "error", "message": "dial tcp: lookup x: no such host", **more}

    assert [one["cause"] for one in answers(json.dumps(told).encode())[0]] == ["dns"]


def test_a_text_without_members_of_a_logger_is_classified_as_it_is() -> None:
    assert [one["cause"] for one in answers(b'{"message": "db down: connection refused"}')[0]] == ["connect_refused"]


def test_an_event_on_a_line_is_a_pull_error_only_where_it_is_one_in_a_list() -> None:
    other = event("Job failed: lookup contoso.azurecr.io: no such host")
    other["involvedObject"] = {"kind": "Job", "namespace": "prod", "name": "x"}
    lines = [json.dumps(one).encode() + b"\n" for one in (other, event("Error: context deadline exceeded"))]
    shown, _ = answers(*lines, json.dumps(event(NOT_FOUND)).encode())

    assert [(one["cause"], one["rule"]) for one in shown[:2]] == [("not_a_pull", "event-subject")] * 2
    assert (shown[0]["about"], shown[2]["cause"]) == ("Job/x", "image_not_found")


@pytest.mark.parametrize(
    "line",
    [rb'{"message": "x \ud800 y"}', rb'{"reason": "Failed", "message": "Failed to pull image \"a/b:1\" \udc00"}'],
)
def test_a_single_line_with_half_of_a_surrogate_pair_is_answered_as_json_lines(line: bytes) -> None:
    for given in (line, line + b"\n", b"\n" + line):
        shown, outcome = answers(given)

        assert [(one["cause"], one["rule"]) for one in shown] == [("unknown", "bad-input")]
        assert outcome == Outcome(read=1, bad=1)
