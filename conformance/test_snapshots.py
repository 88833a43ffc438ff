"""Section 4: snapshots. Each is complete, of one version, and in messages that the device can take."""

import asyncio
import contextlib

import pytest

from framehub_client import DEFAULT_MAX_MESSAGE, Snapshot, SnapshotEnd, Sub, delete, put
from harness import Hub, Observer, assert_same_rows


def entities(first: int, n: int, **columns) -> list[dict]:
    return [{"id": first + i, "x": (first + i) / 3, "zone": (first + i) % 4, **columns} for i in range(n)]


async def fill(device: Observer, n: int) -> int:
    """Puts n entities, a thousand in each transaction. Returns the last version."""
    started = [device.start(put("entity", *entities(first, 1000))) for first in range(0, n, 1000)]
    return max(await asyncio.gather(*(transaction.outcome for transaction in started)))


async def test_whole_table(hub: Hub):
    device = await hub.device(subs=[Sub("zone")])
    assert sorted(device.copy.rows("zone")) == [(1,), (2,), (3,), (4,)]
    assert device.copy.rows("zone")[(1,)]["name"] == "Old Harbour"
    assert {block.table for said in device.said(Snapshot) for block in said.blocks} == {device.copy.schema.named("zone").number}


async def test_scoped(hub: Hub):
    writer = await hub.device(subs=[])
    await writer.write(put("entity", *entities(0, 40)))
    device = await hub.device(subs=[Sub("entity", [1, 3])])
    assert sorted(key for (key,) in device.copy.rows("entity")) == [i for i in range(40) if i % 4 in (1, 3)]


@pytest.mark.parametrize("scopes", [[], [77]], ids=["no scope", "a scope without rows"])
async def test_scope_with_nothing_in_it_still_ends(hub: Hub, scopes: list):
    writer = await hub.device(subs=[])
    await writer.write(put("entity", *entities(0, 4)))
    device = await hub.device(subs=[Sub("entity", scopes)])
    assert device.copy.rows("entity") == {}
    assert len(device.said(SnapshotEnd)) == 1


async def test_empty_table_and_no_subs_still_end(hub: Hub):
    for subs in ([Sub("transfer")], []):
        device = await hub.device(subs=subs)
        await device.next(SnapshotEnd, lambda end: end.id == 0 and end.version is not None)


async def test_scope_given_twice_or_as_another_number(hub: Hub):
    writer = await hub.device(subs=[])
    await writer.write(put("entity", *entities(0, 8)))
    device = await hub.device(subs=[Sub("entity", [1, 1, 1.0])])
    assert sorted(device.copy.rows("entity")) == [(1,), (5,)]


@pytest.mark.schema("tables")
async def test_scopes_of_every_type(own_hub: Hub):
    """A scope column of any type holds numbers, texts and blobs; a text and a blob of the same bytes are two scopes."""
    rooms = [1, "1", b"1", 1.5, "", b"", 2**62, "grün"]
    writer = await own_hub.device(subs=[])
    await writer.write(put("thing", *({"id": i, "room": room} for i, room in enumerate(rooms))))
    for i, room in enumerate(rooms):
        device = await own_hub.device(subs=[Sub("thing", [room])])
        assert list(device.copy.rows("thing")) == [(i,)], repr(room)


@pytest.mark.schema("tables")
async def test_rows_in_no_scope_are_seen_by_whole_subs_only(own_hub: Hub):
    """A row whose scope column is NULL. The document does not say whether a scope of null finds it; by SQL's = it does not."""
    writer = await own_hub.device(subs=[])
    await writer.write(put("thing", {"id": 1, "room": None}, {"id": 2, "room": 5}))
    assert list((await own_hub.device(subs=[Sub("thing", [5])])).copy.rows("thing")) == [(2,)]
    assert sorted((await own_hub.device(subs=[Sub("thing")])).copy.rows("thing")) == [(1,), (2,)]


@pytest.mark.slow
async def test_large_table_in_messages_of_60_kib(own_hub: Hub):
    writer = await own_hub.device(subs=[])
    version = await fill(writer, 50_000)
    await own_hub.merged_to(version)
    device = await own_hub.device(subs=[Sub("entity")])
    await device.complete_to(version)
    assert len(device.copy.rows("entity")) == 50_000
    assert len(device.said(Snapshot)) > 10
    assert device.largest <= DEFAULT_MAX_MESSAGE
    assert len({said.version for said in device.said(Snapshot)}) == 1, "a snapshot is of one version"
    await own_hub.same_as_database(device)


@pytest.mark.parametrize("most", [1024, 4096, 200_000])
async def test_other_max_message(hub: Hub, most: int):
    writer = await hub.device(subs=[])
    version = await fill(writer, 2_000)
    device = await hub.device(max_message=most)
    await device.complete_to(version)
    assert len(device.copy.rows("entity")) == 2_000
    assert device.largest <= most


async def test_snapshot_is_of_one_version_while_others_write(own_hub: Hub):
    """All entities are moved in each transaction: a snapshot with two values of x would be of two versions."""
    writer = await own_hub.device(subs=[])
    await fill(writer, 10_000)
    writing = asyncio.create_task(keep_writing(writer))
    for _ in range(3):
        device = await own_hub.device(subs=[Sub("entity"), Sub("setting")], max_message=8192)
        assert len(device.copy.rows("entity")) == 10_000
        await own_hub.same_as_database(device)
    writing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await writing


async def keep_writing(writer: Observer) -> None:
    step = 0
    while True:
        step += 1
        rows = [{"id": step * 37 % 10_000 + i, "x": float(step)} for i in range(100)]
        await writer.write(put("entity", *rows), put("setting", {"key": "step", "value": step}), delete("entity", {"id": -1}))


async def test_frames_leave_out_a_sub_whose_snapshot_is_under_way(own_hub: Hub):
    """The client's copy refuses rows that no sub covers yet; a snapshot of many messages gives frames the occasion."""
    writer = await own_hub.device(subs=[])
    await fill(writer, 20_000)
    device = await own_hub.device(subs=[Sub("setting")], max_message=2048)
    writing = asyncio.create_task(keep_writing(writer))
    version = await device.subscribe([Sub("entity")])
    await device.complete_to(version + 1)
    writing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await writing
    await own_hub.same_as_database(device)


async def test_overlapping_subs_hold_a_row_once(hub: Hub):
    writer = await hub.device()
    await writer.write(put("entity", *entities(0, 12)))
    device = await hub.device(subs=[Sub("entity", [1, 2]), Sub("entity", [2, 3]), Sub("entity", [2])])
    version = await writer.write(put("entity", {"id": 2, "x": 9.0}), put("entity", {"id": 3, "zone": 2}, {"id": 1, "zone": 0}))
    for one in (writer, device):
        await one.complete_to(version)
    expected = {key: row for key, row in writer.copy.rows("entity").items() if row["zone"] in (1, 2, 3)}
    assert_same_rows(device.copy.rows("entity"), expected, "subs of [1, 2], [2, 3] and [2]")
