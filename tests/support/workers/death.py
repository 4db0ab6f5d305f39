"""The death of a worker in the middle of a shard."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from simulator import Simulator
from tests.support.workers.looks import looks
from tests.support.workers.process import Worker, wait


@dataclass(frozen=True)
class Death:
    """The shard that the worker was at, and the CPU seconds it had spent by then."""

    shard: str
    cpu: float


def kill_in_a_shard(
    victim: Worker,
    hired: Sequence[Worker],
    sim: Simulator,
    shards: Mapping[str, frozenset[str]],
    ended: Callable[[], frozenset[str]],
    seconds: float,
) -> Death:
    """Kills a worker (SIGKILL) that has looked at a cluster of a shard and has not ended it, after another shard ended.

    `ended` reads which shards of the run ended. The worker is stopped while storage is asked, so that it is still there
    when it is killed. Raises TimeoutError where none of that comes about.
    """

    def is_at_one() -> bool:
        at = victim.shard
        return bool(at) and bool(shards[at] & looks(sim.requests).keys()) and bool(ended() - {at})

    while True:
        wait(hired, is_at_one, seconds)
        victim.suspend()
        shard = victim.shard
        looked_at = bool(shard) and bool(shards[shard] & looks(sim.requests).keys())  # it may have gone on meanwhile
        if looked_at and shard not in ended():
            death = Death(shard, victim.cpu)
            victim.kill()
            return death
        victim.resume()
