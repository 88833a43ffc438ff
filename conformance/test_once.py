"""Section 5: every transaction is applied once, whatever happens to connections and to the hub."""

import asyncio
import random
from typing import Any

import pytest
from websockets.exceptions import WebSocketException

from framehub_client import Device, Ended, Refused, Settled, add, insert, put
from harness import Cable, Hub, Observer

ROUNDS = 80
NO_CONNECTION = (Ended, OSError, EOFError, TimeoutError, WebSocketException)


async def counting_row(hub: Hub) -> None:
    device = await hub.device()
    await device.write(put("entity", {"id": 1, "score": 0}))
    await device.close()


async def counters(hub: Hub, n: int, through: Any) -> list[Device]:
    """Devices that are not connected yet, each with a number of its own, on their way through a cable or straight."""
    devices = []
    for nth in range(n):
        device = await hub.device(subs=[], connect=False)
        device.nth, device.through = nth, through
        devices.append(device)
    return devices


async def stay_connected(device: Device) -> None:
    """Connects whenever there is no connection, as a game does."""
    while True:
        try:
            device.url = device.through.url
            await device.connect()
            await device.wait(lambda: False)
        except NO_CONNECTION:
            await asyncio.sleep(0.01)
        except Exception as error:
            device.give_up(error)
            raise


async def cancel(tasks: list[asyncio.Task]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def count(device: Device, transactions: int, chance: random.Random) -> list:
    """Adds 1 so many times, at irregular moments."""
    started = []
    for i in range(transactions):
        started.append(device.start(add("entity", {"id": 1, "score": 1}), insert("entity", {"id": 1000 + device.nth * 1000 + i})))
        if chance.random() < 0.3:
            await asyncio.sleep(chance.random() * 0.02)
    return started


async def expect_count(hub: Hub, expected: int, rows: int) -> None:
    device = await hub.device()
    await device.complete_to(device.hello.version)
    assert device.copy.rows("entity")[(1,)]["score"] == expected
    assert len(device.copy.rows("entity")) == rows + 1


async def test_cuts_at_any_byte_lose_and_double_nothing(hub: Hub, chance: random.Random):
    """Connections end after a random number of bytes, within messages and between a write and its outcome."""
    await counting_row(hub)
    async with Cable(hub) as cable:
        cable.budget = lambda: chance.randint(300, 3000)
        devices = await counters(hub, 4, through=cable)
        connecting = [asyncio.create_task(stay_connected(device)) for device in devices]
        started = await asyncio.gather(*(count(device, ROUNDS, chance) for device in devices))
        versions = [await transaction.outcome for several in started for transaction in several]
        await cancel(connecting)
        assert cable.cuts > 5, "the test cut next to nothing"
    assert len(versions) == 4 * ROUNDS
    await expect_count(hub, 4 * ROUNDS, 4 * ROUNDS)


@pytest.mark.parametrize("delay", [0, 0.001, 0.01, 0.03])
async def test_cut_between_send_and_outcome(hub: Hub, delay: float):
    await counting_row(hub)
    device = await hub.device(subs=[])
    for _ in range(15):
        transaction = device.start(add("entity", {"id": 1, "score": 1}))
        await asyncio.sleep(delay)
        await device.cut()
        await device.connect()
        await transaction.outcome
    await expect_count(hub, 15, 0)


async def test_first_transaction_of_a_device_survives_a_cut(hub: Hub):
    """`settled` is null then, though the hub has forgotten nothing: the device never had an outcome."""
    await counting_row(hub)
    for delay in (0, 0, 0.002, 0.05):
        device = await hub.device(subs=[])
        transaction = device.start(add("entity", {"id": 1, "score": 1}))
        await asyncio.sleep(delay)
        await device.cut()
        await device.connect()
        await transaction.outcome
    await expect_count(hub, 4, 0)


async def test_refused_transactions_are_told_after_a_cut(hub: Hub):
    """The reason of a refusal arrives once, in message 6 or in the next hello."""
    await counting_row(hub)
    device = await hub.device(subs=[])
    for i in range(12):
        transaction = device.start(insert("entity", {"id": 5 + i}, {"id": 1}))
        await asyncio.sleep((0, 0.002, 0.02)[i % 3])
        await device.cut()
        await device.connect()
        with pytest.raises(Refused) as refusal:
            await transaction.outcome
        assert (refusal.value.code, refusal.value.op, refusal.value.row) == ("exists", 0, 1)


async def test_outcome_goes_to_the_session_that_there_is(hub: Hub):
    """A device is replaced between its write and the outcome; the new session learns it, by hello or by message 6."""
    await counting_row(hub)
    for _ in range(10):
        first = await hub.raw(hello={"subs": []})
        identity = first.hello[1]["device"]
        first.send([5, 1, None, 1, [[4, [5, [0, 6], 1, [1], [1]]]]])
        second = await hub.raw(hello={"subs": [], "device": identity})
        if second.hello[1]["settled"] is None:
            second.send([5, 1, None, 1, [[4, [5, [0, 6], 1, [1], [1]]]]])
            while 1 not in (await second.until(6))[2]:
                pass
        first.abort()
        second.abort()
    await expect_count(hub, 10, 0)


async def test_writes_built_offline_are_sent_on_connect(hub: Hub):
    await counting_row(hub)
    device = await hub.device(subs=[])
    await device.close()
    started = [device.start(add("entity", {"id": 1, "score": 1})) for _ in range(100)]  # more than 64 under way
    await device.connect()
    for transaction in started:
        await transaction.outcome
    told = [seq for settled in device.said(Settled) for seq in settled.committed]
    assert told == sorted(told)
    await expect_count(hub, 100, 0)


async def test_kill_of_the_hub_loses_and_doubles_nothing(own_hub: Hub, chance: random.Random):
    """kill -9 in the middle of writes from several devices, more than once; nothing acknowledged is lost."""
    await counting_row(own_hub)
    devices = await counters(own_hub, 3, through=own_hub)
    counting = [asyncio.create_task(count(device, 150, chance)) for device in devices]
    connecting = [asyncio.create_task(stay_connected(device)) for device in devices]
    acknowledged = 0
    for _ in range(3):
        await asyncio.sleep(0.1 + chance.random() * 0.3)
        own_hub.kill()
        acknowledged = max(acknowledged, sum(len(settled.committed) for device in devices for settled in device.said(Settled)))
        await asyncio.to_thread(own_hub.start)
    started = await asyncio.gather(*counting)
    for transaction in (transaction for several in started for transaction in several):
        await transaction.outcome
    await cancel(connecting)
    assert acknowledged > 0, "the hub was killed before it had done anything"
    await expect_count(own_hub, 450, 450)


async def test_version_that_somebody_saw_survives_kill(own_hub: Hub):
    """Promise 1: the hub is killed as soon as anybody has seen a version, by frame or by outcome."""
    for i in range(5):
        device, observer = await own_hub.device(subs=[]), await own_hub.device()
        device.start(put("entity", {"id": i, "x": float(i)}))
        if i % 2:
            await device.wait(lambda device=device: not device.unsettled)
        else:
            await observer.wait(lambda observer=observer, i=i: (i,) in observer.copy.rows("entity"))
        own_hub.kill()
        own_hub.start()
        after = await own_hub.device()
        assert after.hello.version >= max(device.copy.version or 0, observer.copy.version or 0)
        assert after.hello.epoch == observer.hello.epoch
        assert sorted(after.copy.rows("entity")) == [(k,) for k in range(i + 1)]


async def test_nothing_is_seen_twice_after_kill(own_hub: Hub):
    """Promise 2 over a crash: a device that resumes gets what came after, from the version that it had."""
    observer, writer = await own_hub.device(), await own_hub.device(subs=[])
    for i in range(5):
        version = await writer.write(put("entity", {"id": i, "score": i}))
        await observer.complete_to(version)
        own_hub.kill()
        own_hub.start()
        observer.forget()
        for device in (writer, observer):
            await own_hub.reconnect(device)
        assert observer.hello.resumed
        assert not rows_told(observer), "everything was seen before the crash"


def rows_told(observer: Observer) -> int:
    return sum(len(block.rows) for m in observer.messages for block in getattr(m, "changed", []))


async def test_graceful_stop_says_goodbye_and_keeps_everything(own_hub: Hub):
    raw, device = await own_hub.raw(hello={"subs": []}), await own_hub.device(subs=[])
    await counting_row(own_hub)
    started = [device.start(add("entity", {"id": 1, "score": 1})) for _ in range(60)]
    goodbye = asyncio.create_task(raw.goodbye())
    await asyncio.sleep(0.01)
    code = await own_hub.stop()
    said = await goodbye
    assert said.code == 4011 and said.retry is not None and said.retry >= 0 and len(said.words) > 5
    assert code == 0
    assert isinstance(device.ended, Ended) and device.ended.code == 4011
    acknowledged = sum(1 for transaction in started if transaction.outcome.done())
    own_hub.start()
    await own_hub.reconnect(device)
    assert (device.hello.settled or 0) >= acknowledged
    for transaction in started:
        await transaction.outcome
    await expect_count(own_hub, 60, 0)


async def test_stop_while_somebody_reads_nothing(own_hub: Hub):
    """A device that neither reads nor closes cannot hold up the hub's end."""
    raw = await own_hub.raw(hello={"subs": []})
    began = asyncio.get_running_loop().time()
    await own_hub.stop()
    assert asyncio.get_running_loop().time() - began < 15
    frames = await raw.rest()
    assert frames, "a goodbye lies in the connection"
    own_hub.start()
