"""The pictures of the README, made of the real pages: `make dashboard-preview` writes them to docs/images/."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from demo.environment import Stage
from demo.incidents import RemovedRole
from tests.support.browser import DESK, PHONE
from tests.support.cli import ROOT
from tests.support.site import Site, links, picture

Fleet = tuple[Stage, RemovedRole]
WRITE = "PULLWATCH_WRITE_PICTURES"
SHIPPED = ROOT / "docs" / "images"
KINDS = {
    "now-light": ("", DESK, False, 1200),
    "now-dark": ("", DESK, True, 1200),
    "now-phone": ("", PHONE, False, 1400),
    "cluster": ("/clusters/", DESK, False, 1400),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_picture_is_of_a_whole_page_and_one_is_shipped(
    dashboard: Site, fleet: Fleet, tmp_path: Path, name: str
) -> None:
    kind, width, dark, height = KINDS[name]
    file = (SHIPPED if os.environ.get(WRITE) else tmp_path) / f"dashboard-{name}.png"
    with dashboard.visit("", width=width, dark=dark) as page:
        if kind:
            page.goto(dashboard.root + next(one for one in links(page) if one.endswith(f"/{fleet[1].cluster}")))
        picture(page, file, max_height=height)
    shipped = SHIPPED / file.name
    assert size(file)[0] == size(shipped)[0] == width
    assert 500 <= size(shipped)[1] <= height
    assert file.stat().st_size > 20_000, "an empty page is smaller"
    assert shipped.stat().st_size < 400_000


def size(file: Path) -> tuple[int, int]:
    """The width and height of a PNG."""
    width, height = struct.unpack(">II", file.read_bytes()[16:24])
    return width, height
