"""The estate that the shards of a run share: read once in each process, and let go when another run needs the room.

With 5,000 clusters an estate takes 40 MB and more.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from azure.core.exceptions import AzureError

from checks.collect.arm import inventory
from checks.collect.arm.inventory import Inventory
from checks.facts import Subscription
from checks.history.errors import SchemaError
from checks.jobs import scan_cluster
from checks.jobs.context import JobContext
from checks.text import one_line

LOG = logging.getLogger(__name__)


async def estate_of(context: JobContext, run_id: str, visible: Iterable[Subscription] | None = None) -> Inventory:
    """The estate as it is read for a run. Before one is read, those of runs that are closed are let go.

    A shard of such a run that comes all the same reads anew. ``visible``: the subscriptions that the identity can see,
    where they were listed already. Raises CollectError.
    """
    kept = context.inventories.kept()
    if run_id not in kept:
        for older in kept:
            if await _is_closed(context, older):
                context.inventories.forget(older)

    async def reading() -> Inventory:
        listed = tuple(visible) if visible is not None else await scan_cluster.visible(context.azure)
        return await inventory.read(context.azure, listed)

    return await context.inventories.get(run_id, reading)


async def _is_closed(context: JobContext, run_id: str) -> bool:
    """Whether a run is over, or not there any more. One that cannot be read may go on."""
    try:
        stored = await context.store.load_run(run_id)
    except (SchemaError, AzureError) as error:
        LOG.warning("whether run %s is closed is not known: %s", run_id, one_line(str(error)))
        return False
    return stored is None or stored.run.closed is not None
