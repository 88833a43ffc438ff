"""Section 5: `base`, with which a device says what it had seen when it decided to write."""

import asyncio

import pytest

from framehub_client import Op, Refused, Settled, add, delete, expect, insert, put, touch, update
from harness import Hub, Observer
from test_ops import refused


async def two_devices(hub: Hub) -> tuple[Observer, Observer, int]:
    """Two devices, and the version of rows 1 and 2 that both have seen."""
    mine, other = await hub.device(), await hub.device()
    version = await other.write(insert("entity", {"id": 1, "x": 1.0, "score": 5}, {"id": 2, "x": 1.0, "score": 5}))
    for device in (mine, other):
        await device.complete_to(version)
    return mine, other, version


EVERY_OP = {
    "put": put("entity", {"id": 1, "y": 1.0}),
    "insert": insert("entity", {"id": 1, "y": 1.0}),
    "update": update("entity", {"id": 1, "y": 1.0}),
    "delete": delete("entity", {"id": 1}),
    "add": add("entity", {"id": 1, "score": 1}),
    "touch": touch("entity", {"id": 1, "y": 1.0}),
    "expect": expect("entity", {"id": 1, "x": 3.0}),
    "expect of a key": expect("entity", {"id": 1}),
}


@pytest.mark.parametrize("op", EVERY_OP.values(), ids=EVERY_OP.keys())
async def test_row_that_another_device_changed(hub: Hub, op: Op):
    """Any column of it, even one that this transaction leaves alone."""
    mine, other, base = await two_devices(hub)
    await other.write(update("entity", {"id": 1, "x": 3.0}))
    refusal = await refused(mine, put("entity", {"id": 7}), op, base=base)
    assert refusal.op == 1
    assert refusal.code == "conflict" or (refusal.code == "exists" and op.kind == 1)
    assert "entity" in refusal.text


@pytest.mark.parametrize("op", [o for name, o in EVERY_OP.items() if name not in ("insert", "expect")])
async def test_row_that_nobody_changed(hub: Hub, op: Op):
    mine, other, base = await two_devices(hub)
    await other.write(update("entity", {"id": 2, "x": 3.0}))
    await mine.write(op, base=base)


@pytest.mark.parametrize("op", [o for name, o in EVERY_OP.items() if name not in ("insert",)])
async def test_row_that_another_device_deleted(hub: Hub, op: Op):
    mine, other, base = await two_devices(hub)
    await other.write(delete("entity", {"id": 1}))
    refusal = await refused(mine, put("entity", {"id": 2, "y": 1.0}), op, base=base)
    assert refusal.code in ("conflict", "missing") and refusal.op == 1
    if op.kind in (0, 3, 5, 6):
        assert refusal.code == "conflict"


async def test_row_that_another_device_deleted_and_inserted_again(hub: Hub):
    mine, other, base = await two_devices(hub)
    await other.write(delete("entity", {"id": 1}))
    await other.write(insert("entity", {"id": 1, "x": 1.0, "score": 5}))
    assert (await refused(mine, update("entity", {"id": 1, "y": 1.0}), base=base)).code == "conflict"


async def test_row_that_another_device_inserted(hub: Hub):
    mine, other, base = await two_devices(hub)
    await other.write(insert("entity", {"id": 3}))
    assert (await refused(mine, put("entity", {"id": 3, "y": 1.0}), base=base)).code == "conflict"


async def test_own_changes_are_no_conflict(hub: Hub):
    mine, _, base = await two_devices(hub)
    for i in range(3):
        await mine.write(update("entity", {"id": 1, "x": float(i)}), base=base)
    await mine.write(delete("entity", {"id": 1}), base=base)
    await mine.write(insert("entity", {"id": 1, "x": 9.0}), base=base)


async def test_own_change_does_not_hide_anothers(hub: Hub):
    """The other's change came first; a device that wrote over it without a base has still not seen it."""
    mine, other, base = await two_devices(hub)
    await other.write(update("entity", {"id": 1, "x": 3.0}))
    await mine.write(update("entity", {"id": 1, "y": 3.0}))
    assert (await refused(mine, update("entity", {"id": 1, "y": 4.0}), base=base)).code == "conflict"


async def test_newer_base_sees_the_change(hub: Hub):
    mine, other, _ = await two_devices(hub)
    version = await other.write(update("entity", {"id": 1, "x": 3.0}))
    await mine.complete_to(version)
    await mine.write(update("entity", {"id": 1, "y": 1.0}), base=version)


async def test_refused_changes_are_no_conflict(hub: Hub):
    mine, other, base = await two_devices(hub)
    await refused(other, update("entity", {"id": 1, "x": 3.0}), insert("entity", {"id": 2}))
    await mine.write(update("entity", {"id": 1, "y": 1.0}), base=base)


async def test_conflict_with_an_earlier_transaction_of_the_same_frame(hub: Hub):
    """Both are sent at once, from the same base: the second must see the first even where one frame holds both."""
    mine, other, base = await two_devices(hub)
    same_frame = 0
    for i in range(100, 300):  # new values each time: setting what is there already may not be a change
        started = [
            other.start(update("entity", {"id": 1, "x": float(i)}), base=base),
            mine.start(update("entity", {"id": 1, "y": float(i)}), base=base),
        ]
        outcomes = await asyncio.gather(*(transaction.outcome for transaction in started), return_exceptions=True)
        committed = [outcome for outcome in outcomes if isinstance(outcome, int)]
        assert len(committed) == 1, f"one of two must win: {outcomes}"
        assert all(outcome.code == "conflict" for outcome in outcomes if isinstance(outcome, Refused))
        same_frame += len({settled.version for device in (mine, other) for settled in device.said(Settled)}) == 1
        base = committed[0]
        for device in (mine, other):
            await device.complete_to(base)
            device.forget()
        if same_frame > 3:
            return


async def test_conflict_with_a_delete_of_the_same_frame(hub: Hub):
    mine, other, base = await two_devices(hub)
    for i in range(20):
        started = [
            other.start(delete("entity", {"id": 1}), base=base),
            mine.start(put("entity", {"id": 1, "y": float(i)}), base=base),
        ]
        outcomes = await asyncio.gather(*(transaction.outcome for transaction in started), return_exceptions=True)
        committed = [outcome for outcome in outcomes if isinstance(outcome, int)]
        assert len(committed) == 1, outcomes
        base = await other.write(put("entity", {"id": 1, "x": float(i)}))
        for device in (mine, other):
            await device.complete_to(base)


@pytest.mark.parametrize("beyond", [1, 1000, 2**50])
async def test_base_beyond_the_hubs_version(hub: Hub, beyond: int):
    mine, _, base = await two_devices(hub)
    refusal = await refused(mine, update("entity", {"id": 1, "y": 1.0}), base=base + beyond)
    assert refusal.code == "stale"


async def test_read_without_writing(hub: Hub):
    """Keys in `expect` are what was read: a decision that rests on them falls with them, without a value being told."""
    mine, other, base = await two_devices(hub)
    await other.write(update("entity", {"id": 2, "x": 3.0}))
    refusal = await refused(mine, update("entity", {"id": 1, "y": 1.0}), expect("entity", {"id": 1}, {"id": 2}), base=base)
    assert (refusal.code, refusal.op, refusal.row) == ("conflict", 1, 1)


async def test_read_of_a_row_that_is_not_there(hub: Hub):
    mine, other, base = await two_devices(hub)
    await mine.write(put("entity", {"id": 50}), expect("entity", {"id": 3}), base=base)
    await other.write(insert("entity", {"id": 3}))
    refusal = await refused(mine, put("entity", {"id": 50}), expect("entity", {"id": 3}), base=base)
    assert (refusal.code, refusal.op) == ("conflict", 1)


@pytest.mark.schema("tables")
async def test_row_that_anothers_trigger_changed(own_hub: Hub):
    """A change is a change, whoever's statement it was that made it."""
    mine, other = await own_hub.device(), await own_hub.device()
    base = await other.write(insert("purse", {"id": 1, "coins": 5}))
    await mine.complete_to(base)
    await other.write(update("purse", {"id": 1, "coins": 6}))
    assert (await refused(mine, update("total", {"id": 1, "coins": 0}), base=base)).code == "conflict"


async def test_base_from_before_a_restart(own_hub: Hub):
    """The window is rebuilt from the log at start."""
    mine, other, base = await two_devices(own_hub)
    await other.write(update("entity", {"id": 1, "x": 3.0}))
    own_hub.kill()
    own_hub.start()
    for device in (mine, other):
        await own_hub.reconnect(device)
    assert (await refused(mine, update("entity", {"id": 1, "y": 1.0}), base=base)).code == "conflict"
    await mine.write(update("entity", {"id": 2, "y": 1.0}), base=base)
