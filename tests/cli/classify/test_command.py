"""The command as it is run: files and pipes, exit codes, what it says beside its answers, and how it is stopped."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from checks.cli.classify import formats, source
from checks.cli.main import main
from tests.support.classified import BACK_OFF, IMAGE, NOT_FOUND, PROBE, event, pod, printed
from tests.support.cli import ROOT, typed

LINE = b'{"message": "EOF"}\n'
ENDS_IN = 20.0


def causes(stdout: str) -> list[str]:
    return [json.loads(line)["cause"] for line in stdout.splitlines()]


def test_a_pipe_is_answered_in_json_lines_and_counted_on_standard_error() -> None:
    done = typed({}, "classify", stdin=printed(event(NOT_FOUND), event(BACK_OFF, "BackOff"), event(PROBE, "Unhealthy")))

    assert (done.returncode, causes(done.stdout)) == (0, ["image_not_found"])
    assert (
        done.stderr == "pullwatch: 1 pull error in 3 events, statuses and lines, of which 1 are about something else\n"
    )


def test_quiet_says_nothing_beside_the_answers() -> None:
    assert typed({}, "classify", "--quiet", stdin=printed(event(NOT_FOUND))).stderr == ""


def test_a_table_is_given_where_it_is_asked_for() -> None:
    done = typed({}, "classify", "-o", "table", stdin=printed(event(NOT_FOUND)))

    assert done.stdout.splitlines()[0].split() == ["CAUSE", "POD", "CONTAINER,", "IMAGE"]
    assert "prod/web-1" in done.stdout and "\x1b" not in done.stdout


def test_files_are_read_and_what_they_tell_of_one_pull_is_one_answer(tmp_path: Path) -> None:
    events, pods, lines = tmp_path / "events.json", tmp_path / "pods", tmp_path / "lines.jsonl"
    events.write_text(printed(event(NOT_FOUND)), encoding="utf-16")
    pods.write_text(
        "NAME    READY   STATUS             RESTARTS   AGE\nweb-1   0/1     ImagePullBackOff   0          5m\n"
    )
    lines.write_bytes(LINE)
    done = typed({}, "classify", str(events), str(pods), str(lines), "-", stdin=printed(pod("ImagePullBackOff")))

    assert done.returncode == 0
    assert causes(done.stdout) == ["corrupt_or_interrupted", "image_not_found"]


@pytest.mark.parametrize("given", ["", "\n\n", "No resources found in default namespace.\n"])
def test_an_empty_input_is_one_sentence_and_no_failure(given: str) -> None:
    done = typed({}, "classify", stdin=given)

    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.splitlines()[0] == "pullwatch: the input is empty, so there is nothing to classify"


def test_a_format_that_is_not_read_is_64_with_an_example() -> None:
    done = typed({}, "classify", stdin="a,b\n1,2\n")

    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr.splitlines() == [
        "pullwatch: the input has no text of a failed pull in it, and is in no format that is read",
        "for example: kubectl get events -A -o json | pullwatch classify",
    ]


def test_a_file_that_is_not_there_is_64_and_2_where_another_is_read(tmp_path: Path) -> None:
    absent, there, bad = tmp_path / "absent", tmp_path / "there", tmp_path / "bad"
    there.write_text(NOT_FOUND)
    bad.write_text("hello")
    alone = typed({}, "classify", str(absent))
    assert (alone.returncode, alone.stderr) == (64, f"pullwatch: {absent} cannot be read: No such file or directory\n")
    both = typed({}, "classify", str(absent), str(there), str(bad))
    assert (both.returncode, causes(both.stdout)) == (2, ["image_not_found"])
    assert typed({}, "classify", str(tmp_path)).returncode == 64


@pytest.mark.parametrize("arguments", [("-o", "xml"), ("--ouput", "json"), ("-o",)])
def test_wrong_usage_is_64(arguments: tuple[str, ...]) -> None:
    assert typed({}, "classify", *arguments).returncode == 64


def test_lines_and_documents_that_cannot_be_read_are_2_and_the_others_are_answered() -> None:
    lines = typed({}, "classify", stdin='{"message": "EOF"}\nno json\n')
    assert (lines.returncode, len(lines.stdout.splitlines())) == (2, 2)
    assert lines.stderr == "pullwatch: 1 of 2 lines could not be read\n"
    document = typed({}, "classify", stdin=f"{printed(event(NOT_FOUND))}\n{{\n  oops\n}}\n")
    assert (document.returncode, causes(document.stdout)) == (2, ["image_not_found"])
    assert "a part could not be read: " in document.stderr


def test_an_input_beyond_the_limit_is_refused_with_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for module in (source, formats):
        monkeypatch.setattr(module, "MAX_INPUT", 1024 * 1024)
    file = tmp_path / "large.json"
    file.write_text(printed(*[event(NOT_FOUND)] * 3000))

    assert main(["classify", str(file)]) == 64
    said = capsys.readouterr().err
    assert f"{file} is larger than 1 MiB" in said and "--field-selector reason=Failed" in said


def test_the_help_documents_formats_exit_codes_and_examples() -> None:
    done = typed({}, "classify", "--help")

    assert done.returncode == 0
    for said in (
        "describe pod",
        "JSON Lines",
        "exit codes:",
        "64 ",
        "kubectl get events -A -o json | pullwatch classify",
    ):
        assert said in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 88


# A process of its own: pipes that close, signals, a terminal


@contextmanager
def running(*arguments: str, **streams: int) -> Iterator[subprocess.Popen[bytes]]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    process = subprocess.Popen(
        [sys.executable, "-m", "checks", "classify", *arguments],
        cwd=ROOT,
        # A shell that starts the tests in the background has them ignore Ctrl+C, and whatever they start, too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        **pipes,  # type: ignore[call-overload]
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def read_until(descriptor: int, holds: Callable[[bytes], bool]) -> bytes:
    got, ends = b"", time.monotonic() + ENDS_IN
    while not holds(got) and time.monotonic() < ends:
        if select.select([descriptor], [], [], 0.2)[0]:
            try:
                piece = os.read(descriptor, 65536)
            except OSError:
                break
            if not piece:
                break
            got += piece
    assert holds(got), got
    return got


def wait_until_read(pipe: int) -> None:
    """Until what was written to a pipe was taken out of it."""
    ends = time.monotonic() + ENDS_IN
    while struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))[0]:
        assert time.monotonic() < ends, "nothing is read"
        time.sleep(0.05)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
@pytest.mark.parametrize("given", [LINE, b"{\n"], ids=["lines", "a document"])
def test_a_signal_ends_it_cleanly(number: int, code: int, given: bytes) -> None:
    with running() as process:
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        process.stdin.write(LINE + given if given is LINE else given)
        process.stdin.flush()
        if given is LINE:
            read_until(process.stdout.fileno(), lambda got: got.count(b"\n") == 2)
        else:
            wait_until_read(process.stdin.fileno())
        process.send_signal(number)
        assert process.wait(ENDS_IN) == code
        said = process.stderr.read()
        assert b"Traceback" not in said and b"Exception" not in said


def test_answers_given_before_a_signal_are_whole_lines() -> None:
    with running() as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(LINE * 3)
        process.stdin.flush()
        first = read_until(process.stdout.fileno(), lambda got: got.count(b"\n") == 3)
        process.send_signal(signal.SIGTERM)
        process.wait(ENDS_IN)
        assert all(json.loads(line) for line in (first + process.stdout.read()).splitlines())


@pytest.mark.parametrize("arguments", [(), ("-o", "table")])
@pytest.mark.parametrize("kind", ["lines", "document"])
def test_a_reader_that_goes_away_ends_it_without_a_word(arguments: tuple[str, ...], kind: str, tmp_path: Path) -> None:
    """As `| head -1` does."""
    file = tmp_path / "given"
    many = [event(NOT_FOUND, pod=f"web-{n}") for n in range(3000)]
    file.write_bytes(LINE * 5000 if kind == "lines" else printed(*many).encode())
    with running(str(file), *arguments) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        said = process.stderr.read()
        assert process.wait(ENDS_IN) == 141
        assert said == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_a_disk_that_is_full_is_told_of() -> None:
    with open("/dev/full", "wb") as full, running(stdout=full.fileno()) as process:  # noqa: PTH123
        _, said = process.communicate(LINE, timeout=ENDS_IN)
        assert (process.returncode, said) == (
            74,
            b"pullwatch: standard output cannot be written: No space left on device\n",
        )


def test_a_terminal_gets_a_table_and_is_told_what_is_waited_for() -> None:
    """What is pasted is answered at its end (Ctrl+D), in the terminal's width."""
    mine, its = pty.openpty()
    try:
        with running(stdin=its, stdout=its, stderr=subprocess.PIPE) as process:
            assert process.stderr is not None
            said = read_until(process.stderr.fileno(), lambda got: got.count(b"\n") >= 2)
            assert said.decode().splitlines() == [
                "pullwatch: reading what you type or paste, until Ctrl+D",
                "for example: kubectl get events -A -o json | pullwatch classify",
            ]
            os.write(mine, NOT_FOUND.encode() + b"\n\x04")
            shown = read_until(
                mine, lambda got: b"image_not_found" in got and IMAGE[:20].encode() in got.split(b"CAUSE")[-1]
            )
            assert b"CAUSE" in shown and b"\x1b[" in shown
            assert process.wait(ENDS_IN) == 0
    finally:
        os.close(mine)
        os.close(its)


def test_a_traceback_is_nowhere_in_what_is_said_of_bytes_of_every_value() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "checks", "classify"],
        input=bytes(range(256)) * 10,
        capture_output=True,
        cwd=ROOT,
        timeout=60,
    )
    assert done.returncode == 64
    assert not re.search(rb"Traceback|Error:", done.stderr)
