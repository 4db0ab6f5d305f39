"""The files that pages load: a style sheet, a script, an icon. An address names its content, which so never changes.

Those of the picture of a path come from where the picture is drawn.
"""

from __future__ import annotations

import functools
import hashlib
from importlib import resources

import msgspec

from checks.dashboard import addresses
from checks.report.path_picture.svg import STYLE

STYLE_SHEET, SCRIPT, ICON = "dashboard.css", "dashboard.js", "icon.svg"
MEDIA_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}


class Asset(msgspec.Struct, frozen=True):
    """A file: the name that it is asked for by ("dashboard.0a1b2c3d4e5f.css"), its bytes and its media type."""

    name: str
    body: bytes
    media_type: str

    @property
    def address(self) -> str:
        """Where it is."""
        return addresses.page("static", self.name)


@functools.cache
def asset(file: str) -> Asset:
    """One of the files."""
    body = resources.files("checks.dashboard").joinpath("static", file).read_bytes()
    if file == STYLE_SHEET:
        body += STYLE.encode()
    stem, _, ending = file.rpartition(".")
    digest = hashlib.sha256(body).hexdigest()[:12]
    return Asset(f"{stem}.{digest}.{ending}", body, MEDIA_TYPES[ending])


def find(name: str) -> Asset | None:
    """The file that is asked for by that name; None where there is none of that content."""
    return next((one for one in map(asset, (STYLE_SHEET, SCRIPT, ICON)) if one.name == name), None)
