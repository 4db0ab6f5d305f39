"""The picture as SVG: one file without scripts or anything from elsewhere, readable on a phone, in the dark, and aloud.

Every text is escaped by the library that writes the XML. Symbols and words stand beside the colours.
"""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree import ElementTree as ET

from checks.findings import word
from checks.report.chain.model import Chain, ChainLink
from checks.report.path_picture import words

WIDTH = 360  # of the picture, in its own units: a phone shows one of them in about a pixel
_LEFT, _TEXT, _RIGHT = 24, 50, 12
_LINE = 16
_COLUMNS = 40  # of the font of fixed width that sentences are set in, between _TEXT and the right edge
_TITLE_COLUMNS = 40
_MAX_LINES = 6  # of a sentence
_SYMBOLS = {
    "pass": "M-5 0 L-1.5 4 L5 -4",
    "fail": "M-4.5 -4.5 L4.5 4.5 M4.5 -4.5 L-4.5 4.5",
    "unknown": "M-3.2 -2.2 C-3.2 -6.2 3.4 -6.2 3.4 -2.4 C3.4 0.2 0 -0.2 0 2.6 M0 5 L0 5.8",
    "skipped": "M-5 0 L5 0",
}
# Of the picture itself, or once of a page with many of them.
STYLE = """
.pw-picture{--bg:#fff;--ink:#1f2328;--soft:#57606a;--rail:#8c959f;--pass:#1a7f37;--fail:#cf222e;--unknown:#9a6700;
--skipped:#57606a;--alarm:#ffebe9}
@media (prefers-color-scheme:dark){.pw-picture{--bg:#0d1117;--ink:#e6edf3;--soft:#9198a1;--rail:#6e7681;--pass:#3fb950;
--fail:#ff7b72;--unknown:#d29922;--skipped:#9198a1;--alarm:#3c1618}}
.pw-picture text{font:12px Consolas,Menlo,'DejaVu Sans Mono',monospace;fill:var(--ink)}
.pw-picture .pw-title{font-weight:700;font-size:13px}
.pw-picture .pw-step{font-weight:700;font-size:13px}
.pw-picture .pw-soft{fill:var(--soft)}
.pw-picture .pw-back{fill:var(--bg)}
.pw-picture .pw-alarm{fill:var(--alarm);stroke:var(--fail);stroke-width:1.5}
.pw-picture .pw-rail{stroke:var(--rail);stroke-width:2}
.pw-picture .pw-gap{stroke-dasharray:2 5}
.pw-picture .pw-sign{fill:none;stroke:var(--bg);stroke-width:2.2;stroke-linecap:round;stroke-linejoin:round}
.pw-picture circle.pass{fill:var(--pass)}.pw-picture circle.fail{fill:var(--fail)}
.pw-picture circle.unknown{fill:var(--unknown)}.pw-picture circle.skipped{fill:var(--skipped)}
.pw-picture text.pass{fill:var(--pass)}.pw-picture text.fail{fill:var(--fail)}
.pw-picture text.unknown{fill:var(--unknown)}.pw-picture text.skipped{fill:var(--skipped)}
"""


def picture(chain: Chain, *, key: str = "0", styled: bool = True) -> str:
    """The picture as an ``svg`` element.

    ``key`` tells apart the pictures of one page (letters and digits). ``styled`` False: the page has ``STYLE``.
    """
    root = ET.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "class": "pw-picture",
            "role": "img",
            "aria-labelledby": f"pw-t{key} pw-d{key}",
        },
    )
    ET.SubElement(root, "title", {"id": f"pw-t{key}"}).text = words.headline(chain)
    ET.SubElement(root, "desc", {"id": f"pw-d{key}"}).text = _aloud(chain)
    if styled:
        ET.SubElement(root, "style").text = STYLE
    ground = ET.SubElement(root, "rect", {"class": "pw-back", "width": str(WIDTH), "rx": "6"})
    height = str(_draw(root, chain))
    ground.set("height", height)
    for name, value in (("viewBox", f"0 0 {WIDTH} {height}"), ("width", str(WIDTH)), ("height", height)):
        root.set(name, value)
    return ET.tostring(root, encoding="unicode")


def _aloud(chain: Chain) -> str:
    """The picture in words, for who cannot see it."""
    return " ".join(f"{link.step.value}: {_answer_aloud(link)}. {words.sentence(link)}" for link in chain.links)


def _answer_aloud(link: ChainLink) -> str:
    return f"{words.answer(link)} {words.reason(link)}" if link.fails else words.answer(link)


def _draw(root: ET.Element, chain: Chain) -> int:
    """Draws the title and the steps from the top; returns the height."""
    y = 8 + _write(root, words.wrapped(words.headline(chain), _TITLE_COLUMNS), 12, 8, "pw-title") + 8
    rails = ET.SubElement(root, "g")
    broken, marks = False, words.marks(chain)
    for number, link in enumerate(chain.links):
        bottom = _step(root, link, marks.get(link.step, ""), y)
        broken = broken or link.fails
        if number < len(chain.links) - 1:
            kind = "pw-rail pw-gap" if broken else "pw-rail"
            ends = {"x1": _LEFT, "x2": _LEFT, "y1": y + 24, "y2": bottom + 6}
            ET.SubElement(rails, "line", {"class": kind, **{name: str(value) for name, value in ends.items()}})
        y = bottom + 8
    return y + 4


def _step(root: ET.Element, link: ChainLink, mark: str, top: int) -> int:
    """One step from its top; returns its bottom."""
    verdict = word(link.verdict)
    group = ET.SubElement(root, "g")
    box = ET.SubElement(group, "rect") if link.fails else None
    label = f"{link.step.value}: {words.answer(link).upper() if link.fails else words.answer(link)}"
    y = top + _write(group, [label], _TEXT, top, f"pw-step {verdict}")
    aside = ": ".join(filter(None, (mark, words.reason(link))))
    y += _write(group, words.wrapped(aside, _COLUMNS), _TEXT, y, "pw-soft")
    for number, text in enumerate((words.sentence(link), *words.notes(link))):
        y += _write(group, _bounded(words.wrapped(text, _COLUMNS)), _TEXT, y, "pw-soft" if number else "")
    _symbol(group, verdict, top + 12)
    if box is not None:
        place = {"x": 6, "y": top - 3, "width": WIDTH - 12, "height": y - top + 8, "rx": 6}
        box.attrib.update({"class": "pw-alarm", **{name: str(value) for name, value in place.items()}})
    return y


def _bounded(lines: Iterable[str]) -> list[str]:
    """The first lines of a sentence; the last one says where some are left out."""
    every = list(lines)
    if len(every) <= _MAX_LINES:
        return every
    return [*every[: _MAX_LINES - 1], f"{every[_MAX_LINES - 1][: _COLUMNS - 1]}…"]


def _symbol(group: ET.Element, verdict: str, y: int) -> None:
    ET.SubElement(group, "circle", {"class": verdict, "cx": str(_LEFT), "cy": str(y), "r": "11"})
    where = f"translate({_LEFT} {y})"
    ET.SubElement(group, "path", {"class": "pw-sign", "d": _SYMBOLS[verdict], "transform": where})


def _write(group: ET.Element, lines: Iterable[str], x: int, top: int, kind: str) -> int:
    """Lines of text below each other; returns the height that they take."""
    height = 0
    for line in lines:
        attributes = {"x": str(x), "y": str(top + height + _LINE - 3)} | ({"class": kind} if kind else {})
        ET.SubElement(group, "text", attributes).text = line
        height += _LINE
    return height
