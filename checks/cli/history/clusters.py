"""Which cluster is meant: names are looked up in the overviews."""

from __future__ import annotations

import msgspec

from checks.arm_ids import name_of, same_id
from checks.cli import terminal
from checks.history.overview import ClusterEntry
from checks.history.table.store import Store
from checks.jobs.choosing.wording import did_you_mean, quoted
from checks.settings import SettingError
from checks.text import one_line

MAX_LISTED = 20


class Meant(msgspec.Struct, frozen=True):
    """The cluster that is meant, by its ARM id, and what is shown of it.

    ``id`` is "" where there is none; ``blind`` where an overview cannot be read, which may have it.
    """

    id: str = ""
    entry: ClusterEntry | None = None
    blind: bool = False


async def meant(store: Store, given: str) -> Meant:
    """The cluster of a name or an ARM id, as far as overviews tell; says on standard error why there is none.

    An ARM id is taken as it is, in an overview or not. Raises SettingError where several have the name.
    """
    overviews = await store.list_overviews()
    for broken in overviews.unreadable:
        terminal.say(
            f"the overview {broken.ref.row} cannot be read, so its clusters have no names: {one_line(broken.why)}"
        )
    entries = [entry for overview in overviews.items for entry in overview.clusters]
    blind = bool(overviews.unreadable)
    if given.startswith("/"):
        known = next((entry for entry in entries if same_id(entry.cluster, given)), None)
        return Meant(known.cluster if known else given, known, blind)
    named = [entry for entry in entries if name_of(entry.cluster).lower() == given.lower()]
    if len(named) > 1:
        ids = "\n".join(f"  {entry.cluster}" for entry in named[:MAX_LISTED])
        raise SettingError(f"{len(named)} clusters are called {quoted(given)}; give the ARM id of one:\n{ids}")
    if named:
        return Meant(named[0].cluster, named[0], blind)
    hint = did_you_mean(given, (name_of(entry.cluster) for entry in entries))
    if not entries and not blind:
        hint = " No overview is kept yet: give the ARM id, or run `pullwatch rebuild-overview` first."
    terminal.say(f"no cluster is called {quoted(given)}.{hint}")
    return Meant(blind=blind)
