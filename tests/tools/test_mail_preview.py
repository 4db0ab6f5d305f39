"""The preview writes every kind of mail."""

import email
from email.policy import default
from pathlib import Path

import pytest

from checks.changes import NoticeKind
from checks.notify.items import ItemKind
from tests.support.sample_mails import samples
from tests.tools.scripts import load

PREVIEW = load("mail_preview")


def test_every_mail_is_written_as_message_html_and_text_and_is_in_the_index(tmp_path: Path) -> None:
    assert PREVIEW.main(["--out", str(tmp_path / "new"), "--no-pictures"]) == 0
    index = (tmp_path / "new" / "index.html").read_text(encoding="utf-8")
    for name in (*samples(), "repeat"):
        message = email.message_from_bytes((tmp_path / "new" / f"{name}.eml").read_bytes(), policy=default)
        assert [part.get_content_type() for part in message.walk()][1:] == ["text/plain", "text/html"]
        assert (tmp_path / "new" / f"{name}.html").read_text(encoding="utf-8").startswith("<!doctype html>")
        assert "Pullwatch. Reference " in (tmp_path / "new" / f"{name}.txt").read_text(encoding="utf-8")
        assert f'href="{name}.html"' in index
    assert "This mail may be a repeat" in (tmp_path / "new" / "repeat.txt").read_text(encoding="utf-8")


def test_the_samples_are_of_every_kind() -> None:
    assert {kind for mail in samples().values() for kind in mail.counts} == {kind.value for kind in ItemKind}
    assert {mail.notice.kind for mail in samples().values() if mail.notice is not None} == set(NoticeKind)


def test_help_says_what_is_written_where(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        PREVIEW.main(["--help"])
    assert "index.html" in capsys.readouterr().out
