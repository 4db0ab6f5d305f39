"""One run that several workers make between them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence

from checks.jobs.messages import CLOSE, DELIVER, PLAN, SCAN
from localhost.azurite import Storage
from localhost.mailbox import Mailbox
from simulator import Simulator
from tests.support.cli import clean
from tests.support.storage import app_settings
from tests.support.workers.death import Death, kill_in_a_shard
from tests.support.workers.events import DID, TOOK
from tests.support.workers.looks import clusters_of, looks
from tests.support.workers.outcome import Outcome, Spent
from tests.support.workers.process import Worker, cpu_seconds, wait, workers
from tests.support.workers.storage import ask_for_a_run, came_of, ended_shards, planned

PATIENCE = 1200.0  # seconds; no run of these takes as long


def make_run(
    sim: Simulator,
    storage: Storage,
    count: int,
    *,
    lease: int,
    kill: bool = False,
    box: Mailbox | None = None,
    **more: str,
) -> Outcome:
    """Has `count` workers make a run, which another process planned: none of them has read anything yet.

    A message that a worker is at stays hidden for `lease` seconds. `kill`: the first worker is killed in the middle of
    a shard. `box` takes its mail; `more` are app settings without their prefix. This process serves the tenant.
    Raises RuntimeError where a worker fails, TimeoutError where the run is not closed.
    """
    connection = storage.connection_string
    environment = clean({**sim.environment, **app_settings(connection, box, **more)})
    ask_for_a_run(connection)
    with (
        workers(1, environment, [PLAN], lease) as planners,
        workers(count, environment, [SCAN, CLOSE, DELIVER], lease) as hired,
    ):
        planners[0].begin()
        wait(planners, lambda: _at(planners, PLAN) is not None, PATIENCE)
        run_id, shards = planned(connection)
        sim.requests.clear()
        spent = _stopwatch(hired, storage)
        for worker in hired:
            worker.begin()
        death = None
        if kill:
            death = kill_in_a_shard(hired[0], hired, sim, shards, lambda: ended_shards(connection, run_id), PATIENCE)
        wait(hired, lambda: _at(hired, CLOSE) is not None, PATIENCE)
        seconds = spent(death)
        wait(hired, lambda: _at(hired, DELIVER) is not None, PATIENCE)
    run, results = came_of(connection, run_id)
    took = [event for worker in hired for event in worker.events if event.kind == TOOK]
    return Outcome(
        run=run,
        clusters=clusters_of(sim.tenant_dir),
        results=results,
        shards=shards,
        looks=looks(sim.requests),
        taken=Counter(event.shard for event in took if event.queue == SCAN),
        held=death.shard if death is not None else "",
        spent=seconds,
    )


def _at(hired: Sequence[Worker], queue: str) -> float | None:
    """When the first message of a queue was handled; None where none was."""
    times = [at for worker in hired for at, event in worker.heard if (event.kind, event.queue) == (DID, queue)]
    return min(times, default=None)


def _stopwatch(hired: Sequence[Worker], storage: Storage) -> Callable[[Death | None], Spent]:
    """Begins to measure; what it returns ends that, once the run is closed."""
    before = [worker.cpu for worker in hired]
    simulator, stored, began = time.process_time(), cpu_seconds(storage.pid), time.monotonic()

    def spent(death: Death | None) -> Spent:
        now = [worker.cpu for worker in hired[1:]]
        now.insert(0, hired[0].cpu if death is None else death.cpu)
        closed = _at(hired, CLOSE)
        assert closed is not None
        return Spent(
            wall=closed - began,
            workers=sum(now) - sum(before),
            simulator=time.process_time() - simulator,
            storage=cpu_seconds(storage.pid) - stored,
        )

    return spent
