"""What a phone and a desk show of each kind of mail, in a real browser: nothing runs out of the page."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from checks.notify.incidents import Mail
from checks.notify.message import compose
from tests.support.browser import DESK, PHONE, browser, program
from tests.support.sample_mails import KNOWN, NOW, SHOP, fleet, mailed, samples

pytestmark = pytest.mark.skipif(not program(), reason="Chromium is not installed (CONTRIBUTING.md says how to get it)")

# What reaches beyond the window: the page as a whole, or an element of it.
OVERFLOWING = """
[...document.querySelectorAll("body *")]
  .filter(one => one.getClientRects().length)
  .filter(one => one.getBoundingClientRect().right > document.documentElement.clientWidth)
  .map(one => one.outerHTML.slice(0, 100))
  .concat(document.documentElement.scrollWidth > document.documentElement.clientWidth ? ["the page"] : [])
"""
FIRST_COMMAND = """
(one => one && [one.innerText, one.getBoundingClientRect().top, one.getBoundingClientRect().height])(
  document.querySelector("pre"))
"""


def long_names() -> Mail:
    """Names without a place to break at, as long as Azure allows and longer."""
    made = fleet(8, cause="a-cause-" + "c" * 80, registry=f"{'r' * 100}.azurecr.io")
    made = [replace(one, cluster=one.cluster.replace("aks-shop", "a" * 90)) for one in made]
    return mailed(made, known=replace(KNOWN, subscriptions={SHOP: "S" * 100}, why="w" * 300, refused=("x" * 100,)))


def html_of(mail: Mail) -> str:
    message = compose(mail, message_id="<1@x>", sender="pw@contoso.example", recipients=("a@b.example",), now=NOW)
    part = message.get_body(("html",))
    assert part is not None
    return str(part.get_content())


@pytest.mark.parametrize("width", [PHONE, DESK])
async def test_nothing_runs_out_of_the_page_and_cause_and_command_are_seen(tmp_path: Path, width: int) -> None:
    mails = samples() | {"long names": long_names()}
    pages = {name: tmp_path / f"{number}.html" for number, name in enumerate(mails)}
    for name, page in pages.items():
        page.write_text(html_of(mails[name]), encoding="utf-8")
    async with browser() as window:
        for name, mail in mails.items():
            await window.open(pages[name], width)
            assert await window.value("document.documentElement.clientWidth") == width
            assert await window.value(OVERFLOWING) == [], name
            seen = await window.value("document.body.innerText")
            if mail.sections and mail.sections[0].cause and mail.notice is None:
                assert mail.sections[0].cause in seen, name
            command = next((item.fix[0] for item in mail.items if item.failing and item.fix), None)
            if command and not command.startswith("#"):
                text, _, height = await window.value(FIRST_COMMAND)
                assert (text, height > 0) == (command, True), name


async def test_the_first_screen_of_a_phone_says_what_where_since_when_and_which_command(tmp_path: Path) -> None:
    page = tmp_path / "fail.html"
    page.write_text(html_of(samples()["fail"]), encoding="utf-8")
    async with browser() as window:
        await window.open(page, PHONE)
        command, top, height = await window.value(FIRST_COMMAND)
        seen = await window.value("document.body.innerText")
    assert command.startswith("az role assignment create")
    assert top + height < 844, "the first command is on the first screen"
    before = seen[: seen.index("What fixes it")]
    for words in ("aks-shop-web cannot pull from acrshop.azurecr.io", "role-missing", "06:00 UTC", "failing for 2 h"):
        assert words in before
