"""Section 6: a game server closes the frames."""

import asyncio
import random
import time

import pytest

from framehub_client import Frame, Holder, Refused, Settled, SnapshotEnd, Sub, Tick, add, put, touch
from harness import Hub, Observer

# A hub whose own clock is far too slow to be taken for a server's tick.
slow = pytest.mark.flags("--frame-hz", "0.2", "--clock-patience", "30s")


async def game_server(hub: Hub, subs: list[Sub] | None = None, **options) -> Observer:
    return await hub.device(subs, role="server", **options)


async def test_hub_says_that_it_has_a_clock_to_take(hub: Hub):
    device = await hub.device()
    assert "clock" in device.hello.capabilities


@slow
async def test_tick_closes_the_frame(hub: Hub):
    server = await game_server(hub)
    before = server.copy.version
    began = time.monotonic()
    writes = [server.start(put("entity", {"id": i, "x": 0.5})) for i in range(3)]
    version = await server.tick()
    assert time.monotonic() - began < 2.5, "the hub's own clock would take up to 5 s"
    assert version > before and [await write.outcome for write in writes] == [version] * 3
    assert server.copy.version == version and {(0,), (1,), (2,)} <= set(server.copy.rows("entity"))
    await server.close()


@slow
async def test_outcomes_then_rows_then_the_answer(hub: Hub):
    server = await game_server(hub)
    for step in range(20):
        server.forget()
        server.start(put("entity", {"id": 1, "score": step}))
        version = await server.tick()
        news = [message for message in server.messages if not isinstance(message, Holder)]
        assert [type(message) for message in news] == [Settled, Frame, Tick]
        assert {message.version for message in news} == {version}
    await server.close()


@slow
async def test_a_tick_has_what_the_server_sent_before_and_others_too(hub: Hub, chance: random.Random):
    """A physics step sees what all devices wrote before the last one, and what it decided itself."""
    server, players = await game_server(hub), [await hub.device([]) for _ in range(5)]
    for step in range(1, 40):
        for i, player in enumerate(players):
            player.start(put("entity", {"id": i, "score": step, "zone": chance.randint(1, 4)}))
        await asyncio.gather(*(player.clock() for player in players))  # answered in order: the hub has read the writes
        server.start(put("entity", {"id": 100, "score": step}), add("zone", {"id": 1, "population": 1}))
        version = await server.tick()
        rows = server.copy.rows("entity")
        assert [rows[(i,)]["score"] for i in (*range(5), 100)] == [step] * 6
        assert server.copy.rows("zone")[(1,)]["population"] == 4200 + step
        assert version == server.copy.version
    await server.close()


@slow
async def test_an_empty_tick_names_the_current_version(hub: Hub):
    server = await game_server(hub)
    version = await server.tick()
    assert version == server.copy.version
    assert [await server.tick() for _ in range(5)] == [version] * 5
    await server.close()


@slow
async def test_ticks_in_one_frame_share_a_version(hub: Hub):
    raw = await hub.raw(hello={"subs": [], "role": "server"})
    for n in (7, 2**53 - 1, 7, 0):
        raw.send([7, n])
    answers = [(await next_tick(raw)) for _ in range(4)]
    assert [answer[1] for answer in answers] == [7, 2**53 - 1, 7, 0], "every one is answered, in their order"
    assert len({answer[2] for answer in answers}) == 1
    raw.abort()


async def next_tick(raw) -> list:
    """The next answer to a tick, past news of who holds the clock."""
    while (message := await raw.until(7))[1] is None:
        pass
    return message


@slow
async def test_more_ticks_than_may_wait_are_all_answered(hub: Hub):
    raw = await hub.raw(hello={"subs": [], "role": "server"})
    for n in range(1000):
        raw.send([7, n])
    assert [(await next_tick(raw))[1] for _ in range(1000)] == list(range(1000))
    raw.abort()


@pytest.mark.parametrize("role", ["device", "observer", "editor", "admin"])
async def test_only_servers_tick(hub: Hub, role: str):
    device = await hub.device(role=role)
    with pytest.raises(Refused) as refused:
        await device.tick()
    assert refused.value.code == "forbidden" and role in refused.value.text
    assert not device.said(Holder)
    assert (await device.clock()).version >= 0


@slow
async def test_one_holder_at_a_time(hub: Hub):
    one, two, device = await game_server(hub), await game_server(hub), await hub.device()
    await one.tick()
    await two.next(Holder)
    assert one.holder == two.holder == one.id
    with pytest.raises(Refused) as refused:
        await two.tick()
    assert refused.value.code == "clock_held" and len(refused.value.text) > 10
    three = await game_server(hub)
    assert three.holder == one.id, "who comes later is told with the hello"
    await one.tick()
    await one.close()
    await two.wait(lambda: two.holder is None)
    await two.tick()
    await three.wait(lambda: three.holder == two.id)
    assert not device.said(Holder), "devices are not told"
    await two.close()


async def test_news_of_the_holder_comes_after_the_hello_and_before_its_answers(hub: Hub):
    raw = await hub.raw(hello={"subs": [], "role": "server"})
    raw.send([7, 1])
    assert await raw.until(7) == [7, None, raw.hello[1]["device"]]
    assert (await raw.until(7))[:2] == [7, 1]


async def test_silent_holder_loses_the_clock_and_has_it_back(hub: Hub):
    server, device = await game_server(hub), await hub.device()
    await server.tick()
    began = time.monotonic()
    await device.write(put("entity", {"id": 1}))
    waited = time.monotonic() - began
    assert 0.5 < waited < 10, "the hub waits a second for the server, and no longer"
    await server.wait(lambda: server.holder is None)
    await device.write(put("entity", {"id": 2}))
    await server.tick()
    await server.wait(lambda: server.holder == server.id)
    await server.close()
    await device.write(put("entity", {"id": 3}))


@slow
async def test_own_clock_rests_while_a_server_ticks(hub: Hub):
    server, device = await game_server(hub), await hub.device()
    version = await server.tick()
    for step in range(10):
        write = device.start(put("entity", {"id": 1, "score": step}))
        await device.clock()
        await asyncio.sleep(0.05)
        assert not write.outcome.done() and device.copy.version <= version
        version = await server.tick()
        assert await write.outcome == version
    await server.close()


@slow
async def test_holder_that_is_cut_off_loses_the_clock_at_once(hub: Hub):
    one, two = await game_server(hub), await game_server(hub)
    await one.tick()
    await two.wait(lambda: two.holder == one.id)
    await one.cut()
    await two.wait(lambda: two.holder is None)
    await two.tick()
    await two.close()


async def test_what_a_tick_was_told_is_durable(own_hub: Hub):
    """A server drives, the hub is killed under it, and the server goes on where it was."""
    server = await game_server(own_hub)
    step = 0
    for _ in range(3):
        for _ in range(10):
            step += 1
            server.start(put("entity", {"id": 1, "score": step}))
            version = await server.tick()
        own_hub.kill()
        own_hub.start()
        await own_hub.reconnect(server)
        assert server.holder is None, "a hub that starts closes its frames itself"
        assert server.copy.version >= version and server.copy.rows("entity")[(1,)]["score"] == step
    await server.tick()
    assert server.holder == server.id
    await server.close()


@slow
async def test_a_server_that_does_not_read_is_answered_in_order(hub: Hub):
    """What an answer speaks of is in the copy when the answer comes, however far behind the server was."""
    server, writer = await game_server(hub, receive_buffer=4096), await hub.device()
    await server.tick()
    seen: list[tuple[int, int]] = []
    handle = server.on_message

    def note(message, size: int) -> None:
        if isinstance(message, Tick):
            seen.append((message.version, server.copy.version))
        handle(message, size)

    server.on_message = note
    server.reading.clear()
    ticks = []
    for step in range(60):
        writer.start(put("entity", *({"id": i, "score": step, "owner": f"{step:03}" * 300} for i in range(100))))
        await writer.clock()
        ticks.append(asyncio.create_task(server.tick()))
        await asyncio.sleep(0.01)
    server.reading.set()
    versions = await asyncio.gather(*ticks)
    assert versions == sorted(versions)
    assert all(copy >= answer for answer, copy in seen), seen
    await server.close()


@slow
async def test_subscriptions_change_while_a_server_ticks(hub: Hub):
    server = await game_server(hub, [Sub("zone")])
    await server.tick()
    for step in range(10):
        change = asyncio.create_task(server.subscribe(add=[Sub("entity", scopes=[step])]))
        server.start(put("entity", {"id": step, "zone": step}))
        version = await server.tick()
        await change
        await server.tick()
        assert server.copy.rows("entity")[(step,)]["zone"] == step
        assert server.copy.version >= version
    assert server.said(SnapshotEnd)
    await server.close()


async def test_two_servers_that_both_want_the_clock(hub: Hub, chance: random.Random):
    """Whoever is refused goes on as one that does not drive; every write of both is applied once."""
    servers = [await game_server(hub) for _ in range(2)]
    await servers[0].write(put("entity", {"id": 1, "score": 0}))

    async def drive(server: Observer) -> int:
        refused = 0
        for _ in range(100):
            write = server.start(touch("entity", {"id": 1, "x": 0.0}), add("entity", {"id": 1, "score": 1}))
            try:
                version = await server.tick()
                assert write.outcome.done() and version >= await write.outcome
            except Refused as refusal:
                assert refusal.code == "clock_held"
                refused += 1
            await asyncio.sleep(chance.random() / 100)
        return refused

    refused = await asyncio.gather(*map(drive, servers))
    assert 0 in refused and 100 in refused, "the first one keeps the clock while it ticks"
    await servers[refused.index(0)].close()
    loser = servers[refused.index(100)]
    await loser.wait(lambda: loser.holder is None)
    await loser.tick()
    assert loser.copy.rows("entity")[(1,)]["score"] == 200
    await loser.close()
