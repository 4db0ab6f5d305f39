"""``explain --cluster``: a chain in a terminal. First the picture, then what each step rests on, then what to run."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import TextIO

from rich.console import Console
from rich.text import Text

from checks.cli import terminal
from checks.cli.arguments import PROGRAM
from checks.cli.layout import STYLES
from checks.cli.streams import ascii_only
from checks.findings import Pass, describe_basis, describe_evidence, shown, word
from checks.report.chain.model import Chain, ChainLink
from checks.report.path_picture import text as path_picture
from checks.report.path_picture import words
from checks.rules.fixes.kinds import FixKind, kind_of, without_bicep
from checks.text import printable

MAX_EVIDENCE = 12  # lines of one step
MAX_TEXT = 700


def show_chain(chain: Chain, stream: TextIO, *, bicep: bool, details: bool = True) -> None:
    """Writes a chain; with ``details`` what each step rests on, too.

    Streams that are not UTF-8 get the picture in ASCII. Commands are never wrapped, so that they can be copied.
    """
    out = _Writer(stream)
    for drawn in path_picture.lines(chain, width=out.width, ascii_only=out.ascii_only):
        out.line(drawn.text, STYLES.get(shown(drawn.verdict), ""))
    if chain.only_asked_for:
        out.line("")
        out.paragraph(f"Nothing that was read shows that {chain.name} uses this registry: it was named.")
    if chain.basis:
        out.line("")
        out.paragraph(f"The answer rests on what {describe_basis(chain.basis)}.")
    for link in chain.links if details else ():
        _step(link, out)
    if chain.disagreements:
        out.heading("Where nodes and Azure differ")
        for sentence in chain.disagreements:
            out.paragraph(sentence, "  ")
    _fix(chain, out, bicep)
    out.heading("Next")
    for line in what_next(chain):
        out.line(f"  {line}")


class _Writer:
    """Lines on a stream, in colours where it is a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self.width = terminal.width_of_prose(stream)
        self.ascii_only = ascii_only(stream)
        self._console: Console = terminal.console(stream)

    def line(self, text: str, style: str = "") -> None:
        """One line as it is."""
        self._console.print(Text(printable(text, keep="\n"), style=style), soft_wrap=True)

    def heading(self, text: str, style: str = "bold") -> None:
        """A line with an empty one before it."""
        self.line("")
        self.line(text, style)

    def paragraph(self, text: str, first: str = "", after: str | None = None) -> None:
        """A text wrapped to the width."""
        rest = first if after is None else after
        for number, line in enumerate(words.wrapped(words.safe(text, MAX_TEXT), self.width - len(first))):
            self.line(f"{rest if number else first}{line}")


def _step(link: ChainLink, out: _Writer) -> None:
    head = " ".join(filter(None, (f"{link.step.value}: {words.answer(link)}", words.reason(link))))
    out.heading(head, STYLES[shown(word(link.verdict))])
    out.paragraph(link.sentence, "  ")
    for note in link.notes:
        if note != link.sentence:
            out.paragraph(note, "  ")
    for item in link.evidence[:MAX_EVIDENCE]:
        out.paragraph(describe_evidence(item), "  - ", "    ")
    if len(link.evidence) > MAX_EVIDENCE:
        out.line(f"  - and {len(link.evidence) - MAX_EVIDENCE} more, which -o json shows")


def _fix(chain: Chain, out: _Writer, bicep: bool) -> None:
    shown = chain.fix if bicep else without_bicep(chain.fix)
    if not chain.fix:
        return
    out.heading("What fixes it")
    for step in shown:
        remark = kind_of(step) is FixKind.REMARK
        for line in step.splitlines():
            out.line(f"  {line}" if remark else f"    {line}")
    if len(shown) < len(chain.fix):
        out.line("  # --bicep shows it as Bicep, too.")


def what_next(chain: Chain) -> Iterator[str]:
    """What to run after this, each with what for."""
    named = f"--cluster {shlex.quote(chain.name)} --registry {shlex.quote(chain.registry)}"
    if chain.broken:
        yield f"{PROGRAM} explain {chain.broken[0].codes[0]}  # what the check does that fails first"
        yield f"{PROGRAM} explain {named}  # again, after the repair"
    elif isinstance(chain.answer.verdict, Pass):
        yield f"{PROGRAM} scan {named} --canary  # has nodes prove it by a pull: makes pods, and deletes them again"
    else:
        open_links = (link for link in chain.links if word(link.verdict) == "unknown" and link.codes)
        yield from (
            f"{PROGRAM} explain {link.codes[0]}  # which permissions the {link.step.value} step needs"
            for link in list(open_links)[:1]
        )
        yield f"{PROGRAM} scan {named}  # all findings, and what would settle those that are unknown"
