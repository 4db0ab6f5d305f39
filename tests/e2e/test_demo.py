"""The demo is what a newcomer sees first: it has to play through, whatever the seed breaks."""

import subprocess
import sys
from email import message_from_bytes
from pathlib import Path

import pytest

from demo.scenario import Expected, unexpected
from tests.support.cli import ROOT, clean


@pytest.mark.timeout(180)
@pytest.mark.parametrize("seed", ["1", pytest.param("2", marks=pytest.mark.matrix)])
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


def test_the_demo_would_notice_a_mail_too_many_and_one_too_few() -> None:
    one = message_from_bytes(b"Subject: one\n\ntext\n")
    assert unexpected([one], []) == ["one mail too many: 'one'"]  # type: ignore[list-item]
    assert unexpected([], [Expected("the regression", ("FAIL",), ())]) == ["the regression did not come"]
