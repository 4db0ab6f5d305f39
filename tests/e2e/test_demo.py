"""The demo is what a newcomer sees first: it has to play through, whatever the seed breaks."""

import os
import pty
import re
import signal
import subprocess
import sys
import time
import urllib.request
from email import message_from_bytes
from pathlib import Path

import pytest

from demo.scenario import Expected, unexpected
from tests.support.cli import ROOT, clean


@pytest.mark.timeout(180)
@pytest.mark.matrix  # the story itself is in the test below
@pytest.mark.parametrize("seed", ["1", "2", "3"])
def test_the_demo_ends_by_itself_with_exactly_the_expected_mails(tmp_path: Path, seed: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "demo", "--folder", str(tmp_path / "demo"), "--seed", seed],
        cwd=ROOT,
        env=clean({}),
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "exactly the 3 expected mails came" in done.stdout
    assert len(list((tmp_path / "demo" / "mail").glob("*.eml"))) == 3


@pytest.mark.timeout(180)
def test_on_a_terminal_it_leaves_an_incident_on_the_dashboard_until_ctrl_c(tmp_path: Path) -> None:
    terminal, shown = pty.openpty()
    demo = subprocess.Popen(
        [sys.executable, "-m", "demo", "--folder", str(tmp_path / "demo"), "--port", "0"],
        cwd=ROOT,
        env=clean({}),
        stdin=shown,
        stdout=shown,
        stderr=subprocess.STDOUT,
    )
    os.close(shown)
    try:
        text = said_until(terminal, "serving until Ctrl-C")
        assert "exactly the 3 expected mails came" in text
        link = re.search(r"http://127\.0\.0\.1:\d+/api/dashboard", text)
        assert link is not None, text
        with urllib.request.urlopen(link[0], timeout=30) as page:
            html = page.read().decode()
        assert "role-missing" in html and "Demo" in html
    finally:
        demo.send_signal(signal.SIGINT)
    assert demo.wait(30) == 0
    os.close(terminal)


def said_until(terminal: int, words: str) -> str:
    text, ends = "", time.monotonic() + 150
    while words not in text:
        assert time.monotonic() < ends, text
        text += os.read(terminal, 65536).decode(errors="replace")
    return text


def test_the_demo_would_notice_a_mail_too_many_and_one_too_few() -> None:
    one = message_from_bytes(b"Subject: one\n\ntext\n")
    assert unexpected([one], []) == ["one mail too many: 'one'"]  # type: ignore[list-item]
    assert unexpected([], [Expected("the regression", ("FAIL",), ())]) == ["the regression did not come"]
