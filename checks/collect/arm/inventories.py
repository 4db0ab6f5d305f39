"""The inventories of the latest runs, which the shards of one run in one process read once between them.

Made in function_app and passed in. What reads an inventory is not loaded for it: a host that starts makes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from checks.collect.wire.single_flight import SingleFlight

if TYPE_CHECKING:
    from checks.collect.arm.inventory import Inventory  # noqa: F401 - the class below names it


class InventoryCache(SingleFlight["Inventory"]):
    """The estates of the latest runs, by run. A second caller of the same run waits for the first one's reading.

    Two are kept, as a run that is asked for goes on beside the timer's. Those of closed runs are let go (jobs.estates).
    """

    def __init__(self, keep: int = 2) -> None:
        super().__init__(keep)
