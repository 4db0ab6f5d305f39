"""A diagnosis on a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from checks.cli.layout import Page, command, prose, safe
from checks.doctor.grants import Grants
from checks.doctor.model import Diagnosis, Lack, Place
from checks.text import counted

MAX_PLACES = 10  # of one lack; -o json has the others


def page_of(diagnosis: Diagnosis, grants: Grants, page: Page) -> Iterator[Text]:
    """The lines: who looked, what is in place, what is missing, what settings leave out, and the script."""
    who = f"object id {diagnosis.identity}" if diagnosis.identity else "an identity that its token does not name"
    yield from prose(f"Looked as {safe(who)}.", page, "")
    if diagnosis.looked < diagnosis.clusters:
        yield from prose(f"Of {diagnosis.looked} of {counted(diagnosis.clusters, 'cluster')}.", page, "")
    yield Text("")
    yield Text("In place", style="bold")
    for line in diagnosis.in_place:
        style = "green" if line.read == line.of else "yellow"
        yield Text(f"  {line.read} of {line.of}  {line.what}", style=style)
    yield from _lacks(diagnosis, page)
    for off in diagnosis.off:
        yield from prose(f"Left out by a setting: {off.setting}. Without it: {off.lost}.", page, "")
    yield from _closing(diagnosis, grants, page)


def _lacks(diagnosis: Diagnosis, page: Page) -> Iterator[Text]:
    yield Text("")
    if not diagnosis.lacks:
        said = "Nothing is missing." if diagnosis.is_clean else "Nothing could be looked at."
        yield Text(said, style="green" if diagnosis.is_clean else "yellow")
        return
    yield Text(f"Missing: {len(diagnosis.lacks)}", style="bold")
    for lack in diagnosis.lacks:
        yield Text("")
        yield from _lack(lack, page)


def _lack(lack: Lack, page: Page) -> Iterator[Text]:
    needs = f": {safe(lack.needs)}" if lack.needs else ""
    yield from prose(f"{lack.kind.value.upper()}  {safe(lack.what)}{needs}", page, "", "bold yellow")
    yield from prose(f"Not known without it: {safe(lack.lost)}.", page)
    for place in lack.places[:MAX_PLACES]:
        yield from _place(place, page)
    more = lack.more + max(0, len(lack.places) - MAX_PLACES)
    if more:
        yield from prose(f"… and {counted(more, 'more place')}, which -o json has.", page)


def _place(place: Place, page: Page) -> Iterator[Text]:
    yield from prose(f"{safe(place.name)}: {safe(place.why)}", page)
    for step in place.fix:
        yield from command(step)


def _closing(diagnosis: Diagnosis, grants: Grants, page: Page) -> Iterator[Text]:
    many = len(grants.needed) + len(grants.pulling)
    if many:
        yield Text("")
        said = f"`pullwatch doctor --script grant.sh` writes a script of {counted(many, 'role assignment')}."
        more = "What one missing role hides shows once it is granted: look again then."
        yield from prose(f"{said} Read it before you run it; it may be run again. {more}", page, "")
    elif diagnosis.lacks:
        yield Text("")
        yield from prose("The script would take none of the steps above: they are for a person to decide.", page, "")
