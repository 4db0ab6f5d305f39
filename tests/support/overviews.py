"""That what is shown is what is held."""

from __future__ import annotations

from checks.history.overview import Overview
from checks.history.table.store import Store


async def overview_is_what_is_held(store: Store, subscription: str) -> Overview:
    """The overview as it was folded in, look by look, which is the one that is made anew from states and history."""
    folded = (await store.load_overview(subscription)).overview
    anew = await store.rebuild_overview(subscription)
    assert folded == anew
    return anew
