"""Section 4: `[10]`, with which a device changes what it sees while it is connected."""

import asyncio
import contextlib
import random

import pytest

from framehub_client import Frame, Refused, Snapshot, Sub, delete, put
from harness import Hub, Observer, assert_same_rows
from test_snapshots import entities


async def test_add(hub: Hub):
    device = await hub.device(subs=[])
    await device.subscribe([Sub("zone"), Sub("setting")])
    assert len(device.copy.rows("zone")) == 4 and device.copy.rows("setting")
    version = await device.write(put("zone", {"id": 1, "population": 99}))
    await device.complete_to(version)
    assert device.copy.rows("zone")[(1,)]["population"] == 99


async def test_add_by_number(hub: Hub):
    device = await hub.device(subs=[])
    raw = await hub.raw(hello={"subs": []})
    number = device.hello.schema.named("zone").number
    raw.send([10, 1, [[number]]])
    assert (await raw.until(2))[3][:3] == [number, [0, 1, 2, 3, 4, 5], 4]
    raw.send([10, 2, [], [["zone"]]])
    while (answer := await raw.until(3))[1] != 2:
        pass
    assert answer[2] is not None, "added by number, removed by name"


async def test_remove(hub: Hub):
    device, writer = await hub.device(subs=[Sub("zone"), Sub("setting")]), await hub.device()
    await device.subscribe(remove=[Sub("zone")])
    assert device.copy.rows("zone") == {} and device.copy.rows("setting")
    device.forget()
    version = await writer.write(put("zone", {"id": 1, "population": 99}), put("setting", {"key": "weather", "value": "fog"}))
    await device.complete_to(version)
    tables = {block.table for frame in device.said(Frame) for block in frame.changed}
    assert tables == {device.copy.schema.named("setting").number}


async def test_add_and_remove_at_once(hub: Hub):
    writer = await hub.device()
    await writer.write(put("entity", *entities(0, 40)))
    device = await hub.device(subs=[Sub("entity", [0]), Sub("entity", [1])])
    await device.subscribe([Sub("entity", [2])], [Sub("entity", [0])])
    assert {row["zone"] for row in device.copy.rows("entity").values()} == {1, 2}
    assert [sub.scopes for sub in device.copy.subs] == [[1], [2]], "what stood behind the removed one moves up"


async def test_same_sub_removed_and_added_is_snapshotted_again(hub: Hub):
    device = await hub.device(subs=[Sub("zone")])
    device.forget()
    await device.subscribe([Sub("zone")], [Sub("zone")])
    assert device.said(Snapshot) and len(device.copy.rows("zone")) == 4


async def test_nothing_to_change_is_answered_too(hub: Hub):
    device = await hub.device(subs=[])
    assert await device.subscribe() >= device.hello.version
    raw = await hub.raw(hello={"subs": []})
    for message in ([10, 1], [10, 2, None, None], [10, 3, []]):
        raw.send(message)
        answer = await raw.until(3)
        while answer[1] == 0:
            answer = await raw.until(3)
        assert answer[1] == message[1] and answer[2] is not None


@pytest.mark.parametrize(
    ("add", "remove", "code"),
    [
        ([Sub("building"), Sub("nowhere")], [], "unknown_table"),
        ([Sub("building"), Sub("zone", [1])], [], None),
        ([Sub("building")], [Sub("nowhere")], None),
        ([Sub("building")], [Sub("entity")], None),
        ([Sub("building")], [Sub("setting"), Sub("entity", [1])], None),
        ([Sub("building")], [Sub("zone"), Sub("zone")], None),
    ],
    ids=["unknown", "no scope column", "remove of unknown", "remove of what isn't there", "remove with other scopes", "remove twice"],
)
async def test_change_that_cannot_be_done_is_refused_whole(hub: Hub, add: list, remove: list, code: str | None):
    device, writer = await hub.device(subs=[Sub("zone"), Sub("setting")]), await hub.device()
    device.forget()
    with pytest.raises(Refused) as refused:
        await device.subscribe(add, remove)
    assert code in (None, refused.value.code) and len(refused.value.text) > 5
    assert not device.said(Snapshot)
    version = await writer.write(put("building", {"id": 1, "floors": 9}), put("zone", {"id": 1, "population": 1}))
    await device.complete_to(version)
    assert device.copy.rows("building") == {} and device.copy.rows("zone")[(1,)]["population"] == 1
    await device.subscribe([Sub("building")])
    assert device.copy.rows("building")


@pytest.mark.parametrize("second", [1, 2])
async def test_id_that_does_not_rise(hub: Hub, second: int):
    """`id` is greater than the last one; the document does not say what becomes of one that is not."""
    raw = await hub.raw(hello={"subs": []})
    for asked in (2, second):
        raw.send([10, asked, [["zone"]]])
        answer = await raw.first(3, 12)
        while answer[0] == 3 and answer[1] == 0:
            answer = await raw.first(3, 12)
    assert (answer[0] == 12 and answer[1] == 4000) or answer[:3] == [3, second, None]


async def test_removal_is_told_by_table_and_scopes(hub: Hub):
    writer = await hub.device()
    await writer.write(put("entity", *entities(0, 40)))
    device = await hub.device(subs=[Sub("entity", [1, 2]), Sub("entity", [2]), Sub("entity")])
    await device.subscribe(remove=[Sub("entity")])
    assert {row["zone"] for row in device.copy.rows("entity").values()} == {1, 2}
    await device.subscribe(remove=[Sub("entity", [1, 2])])
    assert {row["zone"] for row in device.copy.rows("entity").values()} == {2}
    version = await writer.write(put("entity", {"id": 1, "x": 5.0}), put("entity", {"id": 2, "x": 5.0}))
    await device.complete_to(version)
    assert {row["zone"] for row in device.copy.rows("entity").values()} == {2}


async def test_two_subs_alike(hub: Hub):
    """The document does not forbid them; if they are taken, one of them can be removed and the other stays."""
    device = await hub.device(subs=[Sub("zone")])
    try:
        await device.subscribe([Sub("zone")])
    except Refused:
        return
    await device.subscribe(remove=[Sub("zone")])
    assert len(device.copy.rows("zone")) == 4
    version = await device.write(put("zone", {"id": 1, "population": 7}))
    await device.complete_to(version)
    assert device.copy.rows("zone")[(1,)]["population"] == 7


async def test_several_changes_under_way(hub: Hub):
    """Each takes effect at the [3] of its id, in order."""
    writer = await hub.device()
    await writer.write(put("entity", *entities(0, 400)))
    device = await hub.device(subs=[])
    changes = [device.subscribe([Sub("entity", [i])], [Sub("entity", [i - 1])] if i else []) for i in range(4)]
    await asyncio.gather(*(asyncio.ensure_future(change) for change in changes))
    assert [sub.scopes for sub in device.copy.subs] == [[3]]
    assert {row["zone"] for row in device.copy.rows("entity").values()} == {3}


async def test_interest_that_moves_over_a_busy_table(own_hub: Hub, chance: random.Random):
    """Scopes come and go while rows move between them, are deleted and come again; then the copy is what SQL reads."""
    writer = await own_hub.device(subs=[])
    await writer.write(put("entity", *entities(0, 3000)))
    device = await own_hub.device(subs=[Sub("entity", [0])], max_message=8192)
    moving = asyncio.create_task(keep_moving(writer, chance))
    held = [0]
    for _ in range(40):
        added = [zone for zone in range(8) if zone not in held and chance.random() < 0.4]
        removed = [zone for zone in held if chance.random() < 0.4]
        await device.subscribe([Sub("entity", [zone]) for zone in added], [Sub("entity", [zone]) for zone in removed])
        held = [zone for zone in held if zone not in removed] + added
        if chance.random() < 0.3:
            await own_hub.same_as_database(device)
    moving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await moving
    await own_hub.same_as_database(device)


async def keep_moving(writer: Observer, chance: random.Random) -> None:
    step = 0
    while True:
        step += 1
        ids = chance.sample(range(3000), 60)
        moves = put("entity", *({"id": i, "zone": chance.choice([None, *range(8)]), "x": float(step)} for i in ids[:40]))
        await writer.write(moves, delete("entity", *({"id": i} for i in ids[40:])))


async def test_subscriptions_changed_by_many_devices(own_hub: Hub, chance: random.Random):
    writer = await own_hub.device()
    await writer.write(put("entity", *entities(0, 500)))
    devices = [await own_hub.device(subs=[]) for _ in range(10)]
    for _ in range(5):
        await asyncio.gather(*(change_at_random(device, chance) for device in devices))
        await writer.write(put("entity", *({"id": chance.randrange(500), "zone": chance.randrange(6)} for _ in range(1))))
    version = await writer.write(put("entity", {"id": 1, "x": 1.0}))
    for device in devices:
        await device.complete_to(version)
        covered = {k: row for k, row in writer.copy.rows("entity").items() if any(row["zone"] in s.scopes for s in device.copy.subs)}
        await writer.complete_to(version)
        assert_same_rows(device.copy.rows("entity"), covered, "a device with scopes of its own")


async def change_at_random(device: Observer, chance: random.Random) -> None:
    remove = [Sub("entity", sub.scopes) for sub in device.copy.subs if chance.random() < 0.5]
    await device.subscribe([Sub("entity", chance.sample(range(6), 2))], remove)
