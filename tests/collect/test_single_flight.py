"""Reading something once, whoever asks first, in whichever thread and event loop."""

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest

from checks.collect.arm.inventories import InventoryCache
from checks.collect.arm.inventory import Inventory
from checks.collect.wire.single_flight import SingleFlight


def held_back() -> tuple[asyncio.Event, Callable[[], Awaitable[int]]]:
    """A reading of 1 that ends once the event is set."""
    released = asyncio.Event()

    async def slow() -> int:
        await released.wait()
        return 1

    return released, slow


async def quick() -> int:
    """A reading of 2 that ends at once."""
    return 2


async def test_many_who_ask_at_once_share_one_reading() -> None:
    flight: SingleFlight[int] = SingleFlight()
    readings = 0

    async def reading() -> int:
        nonlocal readings
        readings += 1
        await asyncio.sleep(0.01)
        return readings

    assert await asyncio.gather(*(flight.get("a", reading) for _ in range(20))) == [1] * 20
    assert await flight.get("b", reading) == 2


async def test_a_reading_that_fails_is_nobody_s_and_a_waiter_reads_anew() -> None:
    flight: SingleFlight[int] = SingleFlight()
    calls = 0

    async def reading() -> int:
        nonlocal calls
        calls += 1
        await asyncio.sleep(0.01)
        if calls == 1:
            raise ValueError("the first")
        return calls

    numbers = await asyncio.gather(*(flight.get("a", reading) for _ in range(3)), return_exceptions=True)
    assert isinstance(numbers[0], ValueError)
    assert numbers[1:] == [2, 2]


async def test_who_stops_waiting_stops_nobody_else() -> None:
    flight: SingleFlight[int] = SingleFlight()
    released = asyncio.Event()

    async def reading() -> int:
        await released.wait()
        return 7

    first, second = (asyncio.create_task(flight.get("a", reading)) for _ in range(2))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    second.cancel()
    released.set()
    assert await first == 7
    with pytest.raises(asyncio.CancelledError):
        await second


async def test_a_reader_who_is_cancelled_leaves_the_reading_to_the_next() -> None:
    flight: SingleFlight[int] = SingleFlight()

    async def hanging() -> int:
        await asyncio.sleep(30)
        return 0

    async def quick() -> int:
        return 7

    first = asyncio.create_task(flight.get("a", hanging))
    await asyncio.sleep(0.01)
    second = asyncio.create_task(flight.get("a", quick))
    await asyncio.sleep(0.01)
    first.cancel()
    assert await asyncio.wait_for(second, 2) == 7


def test_jobs_in_two_threads_share_one_reading() -> None:
    flight: SingleFlight[str] = SingleFlight()
    readings: list[str] = []
    names: list[str] = []

    async def reading() -> str:
        readings.append(threading.current_thread().name)
        await asyncio.sleep(0.1)
        return "read"

    def job() -> None:
        names.append(asyncio.run(flight.get("a", reading)))

    threads = [threading.Thread(target=job) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert (len(readings), names) == (1, ["read"] * 4)


async def test_a_run_that_stops_waiting_for_an_estate_holds_up_no_other_run() -> None:
    cache = InventoryCache()
    released = asyncio.Event()

    async def slow() -> Inventory:
        await released.wait()
        return Inventory((), "azurecr.io")

    async def quick() -> Inventory:
        return Inventory((), "azurecr.io")

    first, second = (asyncio.create_task(cache.get("run-1", slow)) for _ in range(2))
    await asyncio.sleep(0.05)
    second.cancel()
    released.set()
    await first
    await asyncio.sleep(0.05)
    assert await asyncio.wait_for(cache.get("run-2", quick), 2) is not await first


async def test_only_the_latest_values_are_kept() -> None:
    flight: SingleFlight[int] = SingleFlight(keep=2)
    read: list[int] = []

    def reading(value: int) -> Callable[[], Awaitable[int]]:
        async def one() -> int:
            read.append(value)
            return value

        return one

    for value in (1, 2, 3, 3, 2, 1):
        assert await flight.get(str(value), reading(value)) == value
    assert read == [1, 2, 3, 1]


async def test_a_reading_under_way_is_kept_however_many_come_after_it() -> None:
    flight: SingleFlight[int] = SingleFlight(keep=1)
    released, slow = held_back()

    first = asyncio.create_task(flight.get("slow", slow))
    await asyncio.sleep(0)
    assert [await flight.get(key, quick) for key in ("a", "b")] == [2, 2]
    second = asyncio.create_task(flight.get("slow", quick))
    await asyncio.sleep(0)
    released.set()
    assert await asyncio.gather(first, second) == [1, 1]


async def test_a_value_that_is_forgotten_is_read_anew_and_one_under_way_is_not_forgotten() -> None:
    flight: SingleFlight[int] = SingleFlight()
    released, slow = held_back()

    first = asyncio.create_task(flight.get("slow", slow))
    await asyncio.sleep(0)
    assert await flight.get("quick", quick) == 2
    assert flight.kept() == ("quick",)
    for key in ("slow", "quick", "unknown"):
        flight.forget(key)
    assert flight.kept() == ()
    second = asyncio.create_task(flight.get("slow", quick))
    await asyncio.sleep(0)
    released.set()
    assert await asyncio.gather(first, second) == [1, 1]
