"""Section 4: frames say what a commit changed, exactly, and in order."""

import asyncio

import pytest

from framehub_client import Block, Frame, Settled, SnapshotEnd, Sub, add, delete, insert, put, update
from harness import Hub, Observer


async def frame_of(device: Observer, version: int) -> Frame:
    """The frame that brought a device to a version, put together where it came in several messages."""
    await device.complete_to(version)
    parts = [frame for frame in device.said(Frame) if frame.version == version and (frame.changed or frame.removed or frame.authors)]
    changed = [block for part in parts for block in part.changed]
    removed = [block for part in parts for block in part.removed]
    authors = [author for part in parts for author in part.authors]
    return Frame(version, parts[0].previous, parts[0].time, changed, removed, False, parts[-1].complete, authors)


def named(device: Observer, blocks: list[Block], table: str) -> dict[tuple, dict]:
    """The rows that blocks hold of a table, with the names of the columns that came."""
    schema = device.copy.schema.named(table)
    rows: dict[tuple, dict] = {}
    for block in blocks:
        if block.table == schema.number:
            names = [schema.columns[number].name for number in block.columns]
            for row in block.rows:
                rows.setdefault(row[: schema.key_length], {}).update(zip(names, row, strict=True))
    return rows


async def test_update_brings_the_key_and_the_changed_columns(hub: Hub):
    device = await hub.device()
    await device.write(put("entity", {"id": 1, "x": 1.0, "y": 2.0, "zone": 1}))
    frame = await frame_of(device, await device.write(put("entity", {"id": 1, "x": 5.5})))
    assert named(device, frame.changed, "entity") == {(1,): {"id": 1, "x": 5.5}}
    assert not frame.removed and frame.complete is None and not frame.more


async def test_rows_with_different_columns_changed(hub: Hub):
    device = await hub.device()
    await device.write(put("entity", {"id": 1, "x": 1.0, "y": 2.0}, {"id": 2, "x": 1.0, "y": 2.0}))
    frame = await frame_of(device, await device.write(put("entity", {"id": 1, "x": 3.0}), put("entity", {"id": 2, "y": 4.0})))
    assert named(device, frame.changed, "entity") == {(1,): {"id": 1, "x": 3.0}, (2,): {"id": 2, "y": 4.0}}


async def test_column_set_to_null_is_a_change(hub: Hub):
    device = await hub.device()
    await device.write(put("entity", {"id": 1, "x": 1.0, "owner": "me"}))
    frame = await frame_of(device, await device.write(put("entity", {"id": 1, "owner": None})))
    assert named(device, frame.changed, "entity") == {(1,): {"id": 1, "owner": None}}


async def test_insert_brings_the_whole_row(hub: Hub):
    device = await hub.device()
    frame = await frame_of(device, await device.write(insert("building", {"id": 90, "zone": 1, "kind": "shop", "x": 1.0, "y": 2.0})))
    row = {"id": 90, "zone": 1, "kind": "shop", "x": 1.0, "y": 2.0, "floors": 1, "colour": "#888888", "height": 3.2}
    assert named(device, frame.changed, "building") == {(90,): row}


async def test_insert_and_update_in_one_transaction_come_as_one_whole_row(hub: Hub):
    device = await hub.device()
    ops = insert("entity", {"id": 1, "x": 1.0}), update("entity", {"id": 1, "y": 2.0}), add("entity", {"id": 1, "x": 4.0})
    version = await device.write(*ops)
    frame = await frame_of(device, version)
    row = named(device, frame.changed, "entity")[(1,)]
    assert (row["x"], row["y"], len(row)) == (5.0, 2.0, 8)


async def test_delete_brings_the_key_alone(hub: Hub):
    device = await hub.device()
    await device.write(put("entity", {"id": 1}, {"id": 2}))
    frame = await frame_of(device, await device.write(delete("entity", {"id": 1})))
    assert [(block.columns, block.rows) for block in frame.removed] == [((0,), [(1,)])]
    assert not frame.changed


async def test_delete_of_a_composite_key(hub: Hub):
    device = await hub.device()
    tiles = bytes(1024)
    await device.write(put("chunk", {"zone": 1, "cx": 2, "cy": 3, "tiles": tiles}))
    frame = await frame_of(device, await device.write(delete("chunk", {"zone": 1, "cx": 2, "cy": 3})))
    assert [(block.columns, block.rows) for block in frame.removed] == [((0, 1, 2), [(1, 2, 3)])]


async def test_delete_and_insert_again_brings_the_whole_row(hub: Hub):
    """Even where what is in it is as before: a receiver must not keep columns of the row that was deleted."""
    device = await hub.device()
    await device.write(put("entity", {"id": 1, "x": 1.0, "owner": "old"}))
    frame = await frame_of(device, await device.write(delete("entity", {"id": 1}), insert("entity", {"id": 1, "x": 1.0})))
    row = named(device, frame.changed, "entity")[(1,)]
    assert len(row) == 8 and row["x"] == 1.0 and row["owner"] is None
    assert device.copy.rows("entity")[(1,)]["owner"] is None


async def test_key_that_changes_is_a_delete_and_an_insert(hub: Hub):
    """Through SQL only: by protocol a key's columns name the row. Here a cascade does it."""
    device = await hub.device()
    await device.write(put("chunk", {"zone": 4, "cx": 0, "cy": 0, "tiles": bytes(1024)}), delete("building", {"id": 8}))
    frame = await frame_of(device, await device.write(delete("zone", {"id": 4})))
    assert set(named(device, frame.removed, "chunk")) == {(4, 0, 0)}
    assert set(named(device, frame.removed, "zone")) == {(4,)}


async def test_versions_rise_and_previous_is_what_was_sent_last(hub: Hub):
    device, writer = await hub.device(), await hub.device()
    device.forget()
    before = device.copy.version
    for i in range(30):
        await writer.write(put("entity", {"id": 1, "x": float(i)}))
    await device.complete_to(writer.copy.version)
    for frame in (frame for frame in device.said(Frame) if not frame.more):
        assert frame.previous == before, f"the device was last sent {before}"
        assert frame.version >= before
        before = frame.version


async def test_two_devices_see_the_same_versions_in_the_same_order(hub: Hub):
    one, two, writer = await hub.device(), await hub.device(), await hub.device()
    started = [writer.start(put("entity", {"id": i, "x": float(i)})) for i in range(60)]
    last = max(await asyncio.gather(*(transaction.outcome for transaction in started)))
    for device in (one, two, writer):
        await device.complete_to(last)
    shared = one.history.keys() & two.history.keys()
    assert shared
    for version in shared:
        assert one.history[version] == two.history[version]


async def test_empty_frame_after_a_second_of_nothing(hub: Hub):
    device = await hub.device()
    device.forget()
    began = asyncio.get_running_loop().time()
    frame = await device.next(Frame)
    assert not frame.changed and not frame.removed
    assert frame.version == frame.previous == device.copy.version
    assert asyncio.get_running_loop().time() - began < 10


async def test_empty_frame_tells_the_version_of_what_one_cannot_see(hub: Hub):
    device, writer = await hub.device(subs=[Sub("setting")]), await hub.device()
    version = await writer.write(put("entity", {"id": 1, "zone": 3}))
    await device.complete_to(version)
    frame = device.said(Frame)[-1]
    assert frame.version >= version and not frame.changed and not frame.removed
    assert device.copy.rows("entity") == {}


async def test_time_of_a_frame_is_the_hubs_clock_at_the_commit(hub: Hub):
    device = await hub.device()
    before = (await device.clock()).time
    frame = await frame_of(device, await device.write(put("entity", {"id": 1})))
    assert before <= frame.time <= (await device.clock()).time


# --- scopes


async def test_entering_a_scope_brings_the_whole_row(hub: Hub):
    writer, device = await hub.device(), await hub.device(subs=[Sub("entity", [2])])
    await writer.write(put("entity", {"id": 1, "x": 1.0, "zone": 1, "owner": "me"}))
    frame = await frame_of(device, await writer.write(put("entity", {"id": 1, "zone": 2})))
    row = named(device, frame.changed, "entity")[(1,)]
    assert len(row) == 8 and row["owner"] == "me"


async def test_leaving_a_scope_removes_the_row(hub: Hub):
    writer, device = await hub.device(), await hub.device(subs=[Sub("entity", [2])])
    await device.complete_to(await writer.write(put("entity", {"id": 1, "x": 1.0, "zone": 2})))
    assert list(device.copy.rows("entity")) == [(1,)]
    for zone in (3, None):
        await writer.write(put("entity", {"id": 1, "zone": 2}))
        frame = await frame_of(device, await writer.write(put("entity", {"id": 1, "zone": zone})))
        assert set(named(device, frame.removed, "entity")) == {(1,)} and not frame.changed
        assert device.copy.rows("entity") == {}


async def test_move_between_two_subscribed_scopes_keeps_the_row(hub: Hub):
    writer = await hub.device()
    for subs in ([Sub("entity", [1, 2])], [Sub("entity", [1]), Sub("entity", [2])]):
        device = await hub.device(subs=subs)
        await writer.write(put("entity", {"id": 1, "x": 1.0, "zone": 1}))
        await device.complete_to(await writer.write(put("entity", {"id": 1, "zone": 2})))
        assert device.copy.rows("entity")[(1,)] == writer.copy.rows("entity")[(1,)]


async def test_in_and_out_again_within_one_transaction(hub: Hub):
    """Somebody who holds nothing of a row is told nothing that could make it appear."""
    writer, device = await hub.device(), await hub.device(subs=[Sub("entity", [2])])
    await writer.write(put("entity", {"id": 1, "x": 1.0, "zone": 1}))
    version = await writer.write(update("entity", {"id": 1, "zone": 2}), update("entity", {"id": 1, "zone": 3}))
    await device.complete_to(version)
    assert device.copy.rows("entity") == {}


async def test_out_and_in_again_within_one_transaction(hub: Hub):
    writer, device = await hub.device(), await hub.device(subs=[Sub("entity", [2])])
    await writer.write(put("entity", {"id": 1, "x": 1.0, "zone": 2, "owner": "me"}))
    version = await writer.write(update("entity", {"id": 1, "zone": 3, "x": 2.0}), update("entity", {"id": 1, "zone": 2}))
    await device.complete_to(version)
    row = device.copy.rows("entity")[(1,)]
    assert (row["x"], row["zone"], row["owner"]) == (2.0, 2, "me")


async def test_row_deleted_in_a_scope_and_inserted_in_another(hub: Hub):
    writer = await hub.device()
    old, new = await hub.device(subs=[Sub("entity", [1])]), await hub.device(subs=[Sub("entity", [2])])
    await writer.write(put("entity", {"id": 1, "zone": 1, "owner": "me"}))
    version = await writer.write(delete("entity", {"id": 1}), insert("entity", {"id": 1, "zone": 2}))
    for device in (old, new):
        await device.complete_to(version)
    assert old.copy.rows("entity") == {}
    assert new.copy.rows("entity")[(1,)]["owner"] is None


@pytest.mark.schema("tables")
async def test_trigger_that_moves_rows_to_another_scope(own_hub: Hub):
    writer, near = await own_hub.device(), await own_hub.device(subs=[Sub("thing", [1])])
    far = await own_hub.device(subs=[Sub("thing", [2])])
    await writer.write(insert("thing", {"id": 1, "room": 1, "x": 0.0, "name": "walker"}))
    version = await writer.write(update("thing", {"id": 1, "x": 1.0}))
    for device in (near, far, writer):
        await device.complete_to(version)
    assert near.copy.rows("thing") == {}
    assert far.copy.rows("thing")[(1,)]["name"] == "walker"


@pytest.mark.schema("tables")
async def test_cascades_reach_those_who_see_the_children(own_hub: Hub):
    writer = await own_hub.device()
    await writer.write(insert("room", {"id": 1, "name": "hall"}, {"id": 2, "name": "attic"}))
    await writer.write(insert("member", *({"id": i, "room": room, "name": "x"} for i, room in ((1, 1), (2, 1), (3, 2)))))
    hall, attic = await own_hub.device(subs=[Sub("member", [1])]), await own_hub.device(subs=[Sub("member", [2])])
    assert sorted(hall.copy.rows("member")) == [(1,), (2,)]
    version = await writer.write(delete("room", {"id": 1}))
    for device in (hall, attic, writer):
        await device.complete_to(version)
    assert hall.copy.rows("member") == {}
    assert list(attic.copy.rows("member")) == [(3,)]


@pytest.mark.schema("tables")
async def test_scope_column_within_the_key(own_hub: Hub):
    writer, device = await own_hub.device(), await own_hub.device(subs=[Sub("spot", ["a"])])
    await writer.write(put("spot", {"room": "a", "n": 1, "v": 1.0}, {"room": "b", "n": 1, "v": 2.0}))
    version = await writer.write(put("spot", {"room": "a", "n": 1, "v": 3.0}, {"room": "b", "n": 1, "v": 4.0}))
    await device.complete_to(version)
    assert device.copy.rows("spot") == {("a", 1): {"room": "a", "n": 1, "v": 3.0}}


# --- large frames


async def test_frame_larger_than_max_message_comes_in_parts(hub: Hub):
    writer, small = await hub.device(), await hub.device(max_message=4096)
    version = await writer.write(put("entity", *({"id": i, "x": i / 7, "owner": f"owner of {i}"} for i in range(2000))))
    await small.complete_to(version)
    parts = [frame for frame in small.said(Frame) if frame.version == version and frame.changed]
    assert len(parts) > 5 and [part.more for part in parts] == [True] * (len(parts) - 1) + [False]
    assert small.largest <= 4096
    small.forget()
    version = await writer.write(delete("entity", *({"id": i} for i in range(2000))))
    await small.complete_to(version)
    assert small.largest <= 4096 and small.copy.rows("entity") == {}


async def test_nothing_comes_between_the_parts_of_a_frame_that_would_change_the_copy(hub: Hub):
    """Parts are applied when whole; another frame or a snapshot's end between them would come at no version."""
    writer, small = await hub.device(), await hub.device(max_message=2048)
    version = await writer.write(put("entity", *({"id": i, "x": i / 7} for i in range(2000))))
    await small.complete_to(version)
    inside = False
    for message in small.messages:
        if isinstance(message, Frame):
            assert not inside or message.version == version
            inside = message.more
        assert not (inside and isinstance(message, SnapshotEnd))


async def test_two_devices_change_two_columns_of_one_row(hub: Hub):
    one, two = await hub.device(), await hub.device()
    await one.write(put("entity", {"id": 1, "x": 0.0, "y": 0.0}))
    started = [one.start(put("entity", {"id": 1, "x": 1.0})), two.start(put("entity", {"id": 1, "y": 2.0}))]
    version = max([await transaction.outcome for transaction in started])
    await one.complete_to(version)
    assert (one.copy.rows("entity")[(1,)]["x"], one.copy.rows("entity")[(1,)]["y"]) == (1.0, 2.0)


async def test_acknowledged_before_sent_is_ordered_before(hub: Hub):
    """Promise 4, from device to device, many times."""
    one, two = await hub.device(), await hub.device()
    last = 0
    for i in range(40):
        device = (one, two)[i % 2]
        version = await device.write(put("setting", {"key": "turn", "value": i}))
        assert version > last or version == last
        last = version
    await one.complete_to(last)
    assert one.copy.rows("setting")[("turn",)]["value"] == 39


async def test_settled_is_never_before_the_version_exists(hub: Hub):
    """A version that a device is told of is there for everybody who asks afterwards."""
    one, two = await hub.device(), await hub.device()
    for i in range(20):
        version = await one.write(put("entity", {"id": i}))
        assert (await two.clock()).version >= version
    assert all(settled.version >= 1 for settled in one.said(Settled))
