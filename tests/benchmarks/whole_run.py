"""A whole run in a process of its own: asked for, planned, scanned shard by shard and closed, as the host does it.

The run that is measured is the second: the first enters every cluster, and the days after are like the second.

Every message has its own clients, as in a function, and AT_ONCE are handled at once, as host.json has it; the storage
is AzureWebJobsStorage. Prints one line of JSON: what it came to, its peak memory in MB, and how often storage was
called (each request that azure-core sent there). With --profile FILE it runs under cProfile, which takes twice as long.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from azure.core.pipeline.transport import AioHttpTransport

from checks import settings
from checks.collect.arm.inventories import InventoryCache
from checks.jobs import messages
from checks.jobs.context import open_job_context
from checks.jobs.messages import Message
from tests.support import queued_jobs

AT_ONCE = 2


def _counted(calls: Counter[str], places: dict[str, str]) -> None:
    """Counts what is sent to each of these addresses."""
    send = AioHttpTransport.send

    async def counting(self: AioHttpTransport, request: Any, **options: Any) -> Any:
        for place, name in places.items():
            if request.url.startswith(place):
                calls[name] += 1
        return await send(self, request, **options)

    AioHttpTransport.send = counting


async def measured(profile: cProfile.Profile | None) -> dict[str, Any]:
    """Makes both runs; what the second came to and cost."""
    loaded = settings.load(os.environ)
    storage = loaded.storage or ""
    inventories, calls = InventoryCache(), Counter[str]()
    parts = dict(part.partition("=")[::2] for part in storage.split(";"))
    _counted(calls, {parts["TableEndpoint"]: "table", parts["QueueEndpoint"]: "queue"})
    await _run(loaded, inventories, "first")
    calls.clear()
    sys.stdout.write("first\n")  # whoever counts requests elsewhere counts from here
    sys.stdout.flush()
    sys.stdin.readline()
    before, began = time.process_time(), time.monotonic()
    if profile is not None:
        profile.enable()
    await _run(loaded, inventories, "second")
    if profile is not None:
        profile.disable()
    spent = {"cpu": time.process_time() - before, "wall": time.monotonic() - began}
    async with open_job_context(loaded, inventories) as context:
        latest = await context.store.latest_whole_run()
    names = ("clusters", "passing", "failing", "unknown", "errors")
    totals = {name: getattr(latest.totals, name) for name in names} if latest is not None else {}
    return {**spent, "calls": dict(calls), "peak_mb": peak_mb(), "totals": totals}


async def _run(loaded: settings.Settings, inventories: InventoryCache, name: str) -> None:
    limit = asyncio.Semaphore(AT_ONCE)

    async def handled(message: Message) -> None:
        async with limit, open_job_context(loaded, inventories) as context:
            await queued_jobs.handle(context, message)

    async with open_job_context(loaded, inventories) as context:
        await context.queues.send(messages.PLAN, [messages.PlanMessage(request=name, requested_by="bench")])
    while waiting := queued_jobs.take(loaded.storage or ""):
        await asyncio.gather(*(handled(message) for message in waiting))


def peak_mb() -> float:
    """The peak resident size of this process (wait4 would count the parent's too, from before exec)."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def main() -> None:
    """Makes the runs, and prints what the second came to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", metavar="FILE", help="where to write a profile for pstats")
    options = parser.parse_args()
    profile = cProfile.Profile() if options.profile else None
    answer = asyncio.run(measured(profile))
    if profile is not None:
        profile.dump_stats(options.profile)
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
