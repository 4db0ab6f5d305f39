"""Reading something once, whoever asks first, in whichever thread and event loop."""

import asyncio
import threading

import pytest

from checks.collect.wire.single_flight import Once


async def test_many_who_ask_at_once_share_one_reading() -> None:
    once: Once[int] = Once()
    readings = 0

    async def reading() -> int:
        nonlocal readings
        readings += 1
        await asyncio.sleep(0.01)
        return readings

    assert await asyncio.gather(*(once.get("a", reading) for _ in range(20))) == [1] * 20
    assert await once.get("b", reading) == 2


async def test_a_reading_that_fails_is_nobody_s_and_a_waiter_reads_anew() -> None:
    once: Once[int] = Once()
    calls = 0

    async def reading() -> int:
        nonlocal calls
        calls += 1
        await asyncio.sleep(0.01)
        if calls == 1:
            raise ValueError("the first")
        return calls

    found = await asyncio.gather(*(once.get("a", reading) for _ in range(3)), return_exceptions=True)
    assert isinstance(found[0], ValueError)
    assert found[1:] == [2, 2]


async def test_who_stops_waiting_stops_nobody_else() -> None:
    once: Once[int] = Once()
    gate = asyncio.Event()

    async def reading() -> int:
        await gate.wait()
        return 7

    first, second = (asyncio.create_task(once.get("a", reading)) for _ in range(2))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    second.cancel()
    gate.set()
    assert await first == 7
    with pytest.raises(asyncio.CancelledError):
        await second


async def test_a_reader_who_is_cancelled_leaves_the_reading_to_the_next() -> None:
    once: Once[int] = Once()

    async def hanging() -> int:
        await asyncio.sleep(30)
        return 0

    async def quick() -> int:
        return 7

    first = asyncio.create_task(once.get("a", hanging))
    await asyncio.sleep(0.01)
    second = asyncio.create_task(once.get("a", quick))
    await asyncio.sleep(0.01)
    first.cancel()
    assert await asyncio.wait_for(second, 2) == 7


def test_jobs_in_two_threads_share_one_reading() -> None:
    once: Once[str] = Once()
    readings: list[str] = []
    found: list[str] = []

    async def reading() -> str:
        readings.append(threading.current_thread().name)
        await asyncio.sleep(0.1)
        return "read"

    def job() -> None:
        found.append(asyncio.run(once.get("a", reading)))

    threads = [threading.Thread(target=job) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert (len(readings), found) == (1, ["read"] * 4)
