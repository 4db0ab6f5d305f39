"""Renders every kind of mail, with pictures where Chromium is installed. `make mail-preview`.

Writes into a folder NAME.eml, NAME.html and NAME.txt of each, an index.html of all, and NAME-390.png and NAME-1280.png:
what a phone and a desk show.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from email.message import EmailMessage
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from checks.notify.incidents import Mail  # noqa: E402
from checks.notify.message import compose, message_id_of  # noqa: E402
from tests.support.browser import DESK, PHONE, browser, program  # noqa: E402
from tests.support.sample_mails import NOW, samples  # noqa: E402

SENDER = "pullwatch@contoso.example"
MAX_HEIGHT = 4000
KEPT_HEIGHT = 844  # of a phone: what is seen without scrolling
KEPT = ("fail", "fail-14-clusters", "recovered")
IMAGES = ROOT / "docs" / "images"


def main(arguments: list[str]) -> int:
    """0; what was written is printed."""
    parser = argparse.ArgumentParser(
        prog="make mail-preview", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=ROOT / ".mail-preview", help="the folder (default: .mail-preview)")
    parser.add_argument("--no-pictures", action="store_true", help="only messages, HTML and text")
    parser.add_argument("--docs", action="store_true", help="write the pictures of docs/images anew, too")
    options = parser.parse_args(arguments)
    written = write(options.out)
    print(f"{len(written)} mails are in {options.out}; see {options.out / 'index.html'}")
    if options.no_pictures:
        return 0
    if not program():
        print("no pictures: Chromium is not installed (apt-get install --no-install-recommends chromium)")
        return 0
    asyncio.run(take_pictures(options.out, written))
    if options.docs:
        asyncio.run(take_kept(options.out))
    return 0


def write(folder: Path) -> list[str]:
    """Writes every mail and the index; the names of the mails."""
    folder.mkdir(parents=True, exist_ok=True)
    subjects: dict[str, str] = {}
    for name, mail in {**samples(), "repeat": samples()["fail"]}.items():
        message = message_of(mail, repeat=name == "repeat")
        subjects[name] = str(message["Subject"])
        (folder / f"{name}.eml").write_bytes(message.as_bytes())
        (folder / f"{name}.html").write_text(body(message, "html"), encoding="utf-8")
        (folder / f"{name}.txt").write_text(body(message, "plain"), encoding="utf-8")
    (folder / "index.html").write_text(_index(subjects), encoding="utf-8")
    return list(subjects)


def message_of(mail: Mail, *, repeat: bool = False) -> EmailMessage:
    """The message of a sample."""
    return compose(
        mail,
        message_id=message_id_of(mail.id, SENDER),
        sender=SENDER,
        recipients=("platform-team@contoso.example",),
        now=NOW,
        repeat=repeat,
    )


def body(message: EmailMessage, kind: str) -> str:
    """The HTML or the plain text of a message."""
    part = message.get_body((kind,))
    if part is None:
        raise ValueError(f"the message has no {kind} body")
    return str(part.get_content())


async def take_pictures(folder: Path, names: list[str]) -> None:
    """What a phone and a desk show of each mail."""
    async with browser() as page:
        for name in names:
            for width in (PHONE, DESK):
                await page.open(folder / f"{name}.html", width)
                (folder / f"{name}-{width}.png").write_bytes(await page.picture(MAX_HEIGHT))


async def take_kept(folder: Path) -> None:
    """The pictures that docs/alerts.md shows: a phone's first screen."""
    async with browser() as page:
        for name in KEPT:
            await page.open(folder / f"{name}.html", PHONE)
            (IMAGES / f"mail-{name}.png").write_bytes(await page.picture(KEPT_HEIGHT))


def _index(subjects: dict[str, str]) -> str:
    lines = "".join(
        f'<li><a href="{name}.html">{escape(subject)}</a> (<a href="{name}.txt">text</a>, '
        f'<a href="{name}.eml">message</a>, '
        f'<a href="{name}-{PHONE}.png">phone</a>, <a href="{name}-{DESK}.png">desk</a>)</li>'
        for name, subject in subjects.items()
    )
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><title>Mails of Pullwatch</title>'
    return f'{head}<body style="font:16px/1.6 sans-serif"><h1>Mails of Pullwatch</h1><ul>{lines}</ul></body></html>'


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
