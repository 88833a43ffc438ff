"""Section 4: frames tell servers which transactions wrote which keys."""

import asyncio
import random

import pytest

from framehub_client import Author, Frame, Sub, delete, insert, put, touch
from harness import Hub, Observer
from test_frames import frame_of


async def game_server(hub: Hub, subs: list[Sub] | None = None, **options) -> Observer:
    return await hub.device(subs, role="server", **options)


def by(device: Observer, frame: Frame, table: str) -> list[tuple[bytes, int, set]]:
    """The authors of a table's rows, in the order that they are told in."""
    number = device.copy.schema.named(table).number
    return [(author.device, author.seq, set(author.keys)) for author in frame.authors if author.table == number]


async def test_who_wrote_is_told(hub: Hub):
    server, one, two = await game_server(hub), await hub.device(), await hub.device()
    version = await one.write(put("entity", {"id": 1}, {"id": 300}))
    frame = await frame_of(server, version)
    assert by(server, frame, "entity") == [(one.id, 1, {(1,), (300,)})] and len(frame.authors) == 1
    frame = await frame_of(server, await two.write(put("entity", {"id": 1, "x": 1.0}), delete("entity", {"id": 300})))
    assert by(server, frame, "entity") == [(two.id, 1, {(1,), (300,)})]


async def test_a_server_is_told_its_own(hub: Hub):
    server = await game_server(hub)
    frame = await frame_of(server, await server.write(put("setting", {"key": "weather", "value": "rain"})))
    assert by(server, frame, "setting") == [(server.id, 1, {("weather",)})]


@pytest.mark.parametrize("role", ["device", "observer", "editor", "admin"])
async def test_nobody_else_is_told(hub: Hub, role: str):
    other, writer = await hub.device(role=role), await hub.device()
    frame = await frame_of(other, await writer.write(put("entity", {"id": 1})))
    assert frame.authors == []


async def test_triggers_and_cascades_are_their_transactions(hub: Hub):
    server, device = await game_server(hub), await hub.device()
    frame = await frame_of(server, await device.write(insert("transfer", {"id": 1, "payer": "alice", "payee": "bob", "amount": 5})))
    assert by(server, frame, "transfer") == [(device.id, 1, {(1,)})]
    assert by(server, frame, "account") == [(device.id, 1, {("alice",), ("bob",)})]
    ground = [{"zone": 4, "cx": i, "cy": -i, "tiles": bytes(1024)} for i in range(3)]
    await device.write(delete("building", {"id": 8}), put("chunk", *ground))
    frame = await frame_of(server, await device.write(delete("zone", {"id": 4})))
    assert by(server, frame, "chunk") == [(device.id, 3, {(4, 0, 0), (4, 1, -1), (4, 2, -2)})]
    assert by(server, frame, "zone") == [(device.id, 3, {(4,)})]


@pytest.mark.flags("--frame-hz", "0.2", "--clock-patience", "30s")
async def test_all_who_wrote_a_row_are_told_in_order(hub: Hub):
    server, devices = await game_server(hub), [await hub.device([]) for _ in range(5)]
    await server.tick()
    for device in devices:
        for x in (1.0, 2.0):
            device.start(put("entity", {"id": 1, "x": x}, {"id": 100 + len(device.unsettled), "x": x}))
        await device.clock()
    frame = await frame_of(server, await server.tick())
    told = by(server, frame, "entity")
    assert [(who, seq) for who, seq, _ in told] == [(device.id, seq) for device in devices for seq in (1, 2)]
    assert all((1,) in keys for _, _, keys in told)
    await server.close()


async def test_who_changes_nothing_wrote_nothing(hub: Hub):
    server, one, two = await game_server(hub), await hub.device(), await hub.device()
    await server.complete_to(await one.write(put("entity", {"id": 1, "x": 1.0})))
    frame = await frame_of(server, await two.write(put("entity", {"id": 1, "x": 1.0}, {"id": 2, "x": 1.0})))
    assert by(server, frame, "entity") == [(two.id, 1, {(2,)})]


async def test_only_what_is_seen_has_authors(hub: Hub):
    server, device = await game_server(hub, [Sub("entity", scopes=[1])]), await hub.device()
    version = await device.write(put("entity", {"id": 1, "zone": 1}, {"id": 2, "zone": 2}), put("setting", {"key": "k", "value": 1}))
    frame = await frame_of(server, version)
    assert by(server, frame, "entity") == [(device.id, 1, {(1,)})] and len(frame.authors) == 1
    frame = await frame_of(server, await device.write(touch("entity", {"id": 1, "zone": 2}, {"id": 2, "zone": 1})))
    assert [block.rows for block in frame.removed] == [[(1,)]]
    assert by(server, frame, "entity") == [(device.id, 2, {(1,), (2,)})], "also who took a row out of sight"


async def test_authors_that_do_not_fit_one_message(hub: Hub):
    server, device = await game_server(hub, max_message=1024), await hub.device()
    ids = random.Random(1).sample(range(10**9), 2000)
    version = await device.write(put("entity", *({"id": i} for i in ids)))
    frame = await frame_of(server, version)
    told = by(server, frame, "entity")
    assert len(told) > 1 and {(who, seq) for who, seq, _ in told} == {(device.id, 1)}
    assert sorted(key for _, _, keys in told for (key,) in keys) == sorted(ids)
    assert server.largest <= 1024


async def test_authors_of_merged_frames(hub: Hub):
    """A server that reads nothing for a while is told of everybody who wrote meanwhile, in the order of the commits."""
    server = await game_server(hub, receive_buffer=4096)
    devices = [await hub.device([]) for _ in range(3)]
    server.forget()
    server.reading.clear()
    last = 0
    for step in range(60):
        writes = [d.start(put("entity", *({"id": i, "owner": f"{n}{step:03}" * 200} for i in range(100)))) for n, d in enumerate(devices)]
        last = max([await write.outcome for write in writes])
    server.reading.set()
    await server.complete_to(last)
    frames = server.said(Frame)
    assert any(frame.version > frame.previous + 1 for frame in frames), "nothing was merged"
    for device in devices:
        seqs = [author.seq for frame in frames for author in frame.authors if author.device == device.id]
        assert list(dict.fromkeys(seqs)) == list(range(1, 61)) and seqs == sorted(seqs)


async def test_every_row_that_is_told_has_an_author(hub: Hub, chance: random.Random):
    server, devices = await game_server(hub), [await hub.device([]) for _ in range(4)]
    wrote: dict[tuple[bytes, int], set[int]] = {}

    async def write(device: Observer) -> None:
        for _ in range(40):
            ids = chance.sample(range(12), chance.randint(1, 5))
            make = chance.choice((put, put, delete))
            rows = [{"id": i} if make is delete else {"id": i, "score": chance.randint(0, 99)} for i in ids]
            transaction = device.start(make("entity", *rows))
            wrote[device.id, transaction.seq] = set(ids)
            await transaction.outcome

    await asyncio.gather(*map(write, devices))
    await server.complete_to((await server.clock()).version)
    table = server.copy.schema.named("entity").number
    for frame in server.said(Frame):
        told = {row[:1] for block in (*frame.changed, *frame.removed) if block.table == table for row in block.rows}
        authors: list[Author] = [author for author in frame.authors if author.table == table]
        assert told == {key for author in authors for key in author.keys}
        for author in authors:
            assert {key for (key,) in author.keys} <= wrote[author.device, author.seq]
