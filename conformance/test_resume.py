"""Sections 3 and 4: a device that comes back goes on where it was, sub by sub, and never into another history."""

import asyncio
import contextlib

import pytest

from framehub_client import Frame, Snapshot, Sub, delete, insert, put
from harness import Hub, Observer
from test_snapshots import entities, keep_writing


async def back(device: Observer) -> None:
    """Comes back and catches up."""
    device.forget()
    await device.connect()
    await device.complete_to(device.hello.version)


async def test_resume_by_frames_alone(hub: Hub):
    device, writer = await hub.device(), await hub.device()
    await device.complete_to(await writer.write(put("entity", *entities(0, 100))))
    await device.close()
    await writer.write(put("entity", {"id": 1, "x": 99.0}), delete("entity", {"id": 2}))
    await writer.write(insert("entity", {"id": 500, "x": 1.0}))
    await back(device)
    assert device.hello.resumed
    assert not device.said(Snapshot), "nothing is snapshotted for a device that resumes"
    changed = [block for frame in device.said(Frame) for block in frame.changed]
    assert sum(len(block.rows) for block in changed) == 2, "only what changed comes"
    assert device.copy.rows("entity")[(1,)]["x"] == 99.0
    assert (2,) not in device.copy.rows("entity") and (500,) in device.copy.rows("entity")


async def test_resume_with_nothing_new(hub: Hub):
    device = await hub.device()
    await device.close()
    await back(device)
    assert device.hello.resumed
    assert not any(frame.changed or frame.removed for frame in device.said(Frame)) and not device.said(Snapshot)


async def test_row_deleted_and_inserted_again_while_away(hub: Hub):
    device, writer = await hub.device(), await hub.device()
    await device.complete_to(await writer.write(insert("entity", {"id": 1, "x": 1.0, "owner": "old"})))
    await device.close()
    await writer.write(delete("entity", {"id": 1}))
    await writer.write(insert("entity", {"id": 1, "y": 1.0}))
    await back(device)
    row = device.copy.rows("entity")[(1,)]
    assert (row["x"], row["y"], row["owner"]) == (None, 1.0, None)


async def test_row_that_came_and_went_while_away(hub: Hub):
    device, writer = await hub.device(), await hub.device()
    await device.close()
    await writer.write(insert("entity", {"id": 1}))
    await writer.write(delete("entity", {"id": 1}))
    await writer.write(put("setting", {"key": "weather", "value": "rain"}))
    await back(device)
    assert device.copy.rows("entity") == {}


async def test_row_that_left_its_scope_while_away(hub: Hub):
    device, writer = await hub.device(subs=[Sub("entity", [1]), Sub("entity", [2])]), await hub.device()
    await device.complete_to(await writer.write(put("entity", *entities(0, 40))))
    await device.close()
    await writer.write(put("entity", {"id": 1, "zone": 3}, {"id": 2, "zone": 1}, {"id": 5, "zone": 2}, {"id": 3, "zone": 2}))
    await writer.write(put("entity", {"id": 9, "zone": 3}))
    await writer.write(put("entity", {"id": 9, "zone": 1}))
    await back(device)
    assert device.hello.resumed and not device.said(Snapshot)
    await writer.complete_to(device.copy.version)
    expected = {key: row for key, row in writer.copy.rows("entity").items() if row["zone"] in (1, 2)}
    assert device.copy.rows("entity") == expected


async def test_each_sub_resumes_from_its_own_version(hub: Hub):
    """One sub is complete to an older version than another: both go on by frames, and neither misses anything."""
    raw, writer = await hub.raw(hello={"subs": []}), await hub.device()
    old = await writer.write(put("entity", {"id": 1, "x": 1.0}))
    between = await writer.write(put("entity", {"id": 1, "y": 2.0}), put("setting", {"key": "weather", "value": "snow"}))
    last = await writer.write(put("setting", {"key": "weather", "value": "hail"}))
    device, epoch = raw.hello[1]["device"], raw.hello[1]["epoch"]
    raw.abort()
    subs = [["entity", None, None, old], ["setting", None, None, between], ["zone"]]
    raw = await hub.raw(hello={"subs": subs, "device": device, "epoch": epoch})
    assert raw.hello[1]["resumed"] is True
    numbers = {table.name: table.number for table in writer.copy.schema.tables}
    snapshotted, changed = set(), {}
    while True:
        message = await raw.first(2, 4)
        if message[0] == 2:
            snapshotted |= {block[0] for block in message[3:]}
        else:
            changed.update({block[0]: block for block in message[4]})
            if message[1] >= last and message[7] is None:
                break
    assert snapshotted == {numbers["zone"]}, "only the sub without `since` is snapshotted"
    assert changed[numbers["entity"]][1] == [0, 2], "id and y changed since"
    assert changed[numbers["setting"]][3:] == [["weather"], ["hail"]]


async def test_wrong_epoch_snapshots_everything(hub: Hub):
    device = await hub.device()
    await device.close()
    device.copy.epoch = b"another history"
    device.copy.rows("zone").clear()
    device.copy.rows("entity")[(12345,)] = {"id": 12345}
    await back(device)
    assert not device.hello.resumed
    assert len(device.copy.rows("zone")) == 4 and device.copy.rows("entity") == {}


async def test_without_epoch_nothing_is_resumed(hub: Hub):
    device = await hub.device()
    subs = [["zone", None, None, device.copy.version]]
    raw = await hub.raw(hello={"subs": subs, "device": device.id})
    assert raw.hello[1]["resumed"] is False
    assert (await raw.until(2))[3][2] == 4, "all four zones are snapshotted"


async def test_since_beyond_the_hubs_version(hub: Hub):
    """A copy of a version that this history never had cannot be gone on with; the sub is snapshotted."""
    device = await hub.device()
    hello = {"subs": [["zone", None, None, device.copy.version + 1000]], "device": device.id, "epoch": device.copy.epoch}
    raw = await hub.raw(hello=hello)
    assert (await raw.until(2))[3][2] == 4


async def test_resume_while_others_write(own_hub: Hub):
    """A device comes and goes while rows move about; each time it ends with what SQL says."""
    writer = await own_hub.device(subs=[])
    await writer.write(put("entity", *entities(0, 2000)))
    device = await own_hub.device(subs=[Sub("entity", [1]), Sub("entity", [2, 3]), Sub("setting")])
    writing = asyncio.create_task(keep_writing(writer))
    for i in range(5):
        await (device.cut() if i % 2 else device.close())
        await writer.write(put("entity", *({"id": 7 * i + k, "zone": k % 5} for k in range(20))))
        await back(device)
        assert device.hello.resumed and not device.said(Snapshot)
    writing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await writing
    await own_hub.same_as_database(device)


async def test_resume_after_a_restart_of_the_hub(own_hub: Hub):
    device, writer = await own_hub.device(), await own_hub.device()
    await device.complete_to(await writer.write(put("entity", *entities(0, 100))))
    await device.close()
    await writer.write(put("entity", {"id": 1, "x": 99.0}), delete("entity", {"id": 2}))
    await own_hub.stop()
    own_hub.start()
    device.url = own_hub.url
    await back(device)
    assert device.hello.resumed and not device.said(Snapshot)
    assert device.copy.rows("entity")[(1,)]["x"] == 99.0 and (2,) not in device.copy.rows("entity")


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_epoch_stays_over_restarts(own_hub: Hub, how: str):
    device = await own_hub.device()
    before, version = device.hello.epoch, await device.write(put("entity", {"id": 1}))
    if how == "stop":
        await own_hub.stop()
    else:
        own_hub.kill()
    own_hub.start()
    await own_hub.reconnect(device)
    assert device.hello.epoch == before
    assert device.hello.version >= version


@pytest.mark.unchecked
async def test_new_epoch_on_demand(own_hub: Hub):
    """`framehub serve --new-epoch` begins a new history; a device's copy and its unsettled writes with a base end with it."""
    writer, device = await own_hub.device(), await own_hub.device()
    epoch = device.hello.epoch
    await writer.write(put("entity", {"id": 1, "x": 1.0}))
    await own_hub.stop()
    for file in own_hub.folder.glob("world.frames.db*"):
        file.unlink()
    own_hub.flags.append("--new-epoch")
    own_hub.start()
    plain = device.start(put("entity", {"id": 2, "x": 2.0}))
    based = device.start(put("entity", {"id": 3, "x": 3.0}), base=1)
    await own_hub.reconnect(device)
    assert device.hello.epoch != epoch and not device.hello.resumed
    assert await plain.outcome
    with pytest.raises(Exception, match="stale"):
        await based.outcome
    await device.complete_to((await device.clock()).version)
    assert sorted(device.copy.rows("entity")) == [(1,), (2,)]
