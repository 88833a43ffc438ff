"""What no client should ever send: it ends that session with words, and harms nobody else.

The golden vectors hold the well-known mistakes, one by one (test_vectors.py). Here are messages that were fine until chance
changed them, and connections that stop in the middle. The witness of each test sees to it that nobody else is harmed.
"""

import asyncio
import random

import cbor2
import pytest
from websockets.frames import Frame as WebSocketFrame
from websockets.frames import Opcode

from framehub_client import Block, encode_block, put
from harness import Hub, Raw

GOODBYES = {1000, 4000, 4008, 4013}


def good_messages(schema: int) -> list[list]:
    """Messages of every kind that a device sends."""
    block = encode_block(Block(5, (0, 1, 5, 7), [(i, i / 3, i % 4, "owner") for i in range(20)]))
    return [
        [5, 1, None, schema, [[0, block], [1, [8, [0, 1, 2, 3], 1, [70], ["Moor"], [0.5], [1.5]]]]],
        [5, 2, 1, schema, [[kind, [5, [0, 6], 3, [1, 2, 3], [4, 5, 6]]] for kind in range(7)]],
        [8, 12345],
        [10, 1, [["zone"], ["entity", [1, 2], None, None]], [["zone"]]],
        [13, 1, 4, [1, 2, 3], 3, 0],
        [7, 1],
        [12, 1000, "bye"],
    ]


async def end_of(raw: Raw) -> int | None:
    """Says something good after the bad: the code of the goodbye, or None if the session goes on."""
    raw.send([8, 99_999])
    answer = await raw.first(8, 12)
    while answer[0] == 8 and answer[1] != 99_999:
        answer = await raw.first(8, 12)
    if answer[0] == 12:
        assert len(answer[2]) > 5, f"a goodbye without words: {answer}"
        return answer[1]
    return None


async def send_bad(hub: Hub, data: bytes) -> int | None:
    raw = await hub.raw(hello={"subs": [], "zstd": True})
    raw.send_bytes(data)
    code = await end_of(raw)
    raw.abort()
    return code


async def test_messages_with_changed_bytes(hub: Hub, chance: random.Random):
    """Taken, refused, or the end of that session with one of three codes."""
    messages = [cbor2.dumps(message) for message in good_messages(1)]
    for _ in range(300):
        data = bytearray(chance.choice(messages))
        for _ in range(chance.randint(1, 3)):
            data[chance.randrange(len(data))] = chance.choice([0, 0xFF, 0x9F, 0xBF, 0x1B, 0x7F, chance.randrange(256)])
        code = await send_bad(hub, bytes(data))
        assert code is None or code in GOODBYES, (code, data.hex())


async def test_messages_cut_short_and_drawn_out(hub: Hub, chance: random.Random):
    for message in good_messages(1):
        data = cbor2.dumps(message)
        for bad in (data[: chance.randrange(len(data))], data + b"\0", data + data, b"\xc1" + data, data[1:]):
            if bad != data:
                assert await send_bad(hub, bad) == 4000, bad.hex()


async def test_messages_of_chance_alone(hub: Hub, chance: random.Random):
    for _ in range(100):
        assert await send_bad(hub, chance.randbytes(chance.randint(0, 60))) == 4000


@pytest.mark.parametrize("depth", [20, 1000, 100_000])
async def test_nesting(hub: Hub, depth: int):
    assert await send_bad(hub, b"\x83\x08\x01" + b"\x81" * depth + b"\x00") == 4000


@pytest.mark.parametrize(
    "head",
    ["9bffffffffffffffff", "bb7fffffffffffffff", "5bffffffffffffffff", "7b7fffffffffffffff", "9a7fffffff"],
)
async def test_sizes_that_are_claimed(hub: Hub, head: str):
    """Nothing is set aside for what has not come."""
    assert await send_bad(hub, bytes.fromhex(head)) == 4000
    assert await send_bad(hub, bytes.fromhex("830801" + head)) == 4000
    assert await send_bad(hub, bytes.fromhex("850501f601" + head)) == 4000


async def test_hellos_with_changed_bytes(hub: Hub, chance: random.Random):
    hello = cbor2.dumps([0, {"subs": [["zone"], ["entity", [1]]], "client": "x", "device": bytes(16), "max_message": 9000, "zstd": True}])
    for _ in range(100):
        data = bytearray(hello)
        data[chance.randrange(len(data))] = chance.randrange(256)
        raw = await hub.raw()
        raw.send_bytes(bytes(data))
        answer = await raw.message()
        assert answer[0] == 0 or (answer[0] == 12 and answer[1] in {4000, 4003, 4013}), (answer, data.hex())
        raw.abort()


async def test_many_bad_messages_at_once_bring_one_goodbye(hub: Hub):
    raw = await hub.raw(hello={"subs": []})
    for _ in range(200):
        raw.send([99])
    goodbyes = [frame for frame in await raw.rest() if frame.opcode is Opcode.BINARY and cbor2.loads(frame.data)[0] == 12]
    assert len(goodbyes) == 1


async def test_nothing_that_follows_a_bad_message_is_done(hub: Hub):
    raw, device = await hub.raw(hello={"subs": []}), await hub.device()
    raw.send([99])
    raw.send([5, 1, None, 1, [[0, [5, [0], 1, [1]]]]])
    await raw.goodbye()
    await device.complete_to(await device.write(put("entity", {"id": 2})))
    assert sorted(device.copy.rows("entity")) == [(2,)]


async def test_write_that_came_before_a_bad_message_is_done(hub: Hub):
    """The order in which messages reached the hub decides, not how the session ended."""
    raw = await hub.raw(hello={"subs": []})
    raw.send([5, 1, None, 1, [[0, [5, [0], 1, [1]]]]])
    raw.send([99])
    identity = raw.hello[1]["device"]
    await raw.goodbye()
    again = await hub.raw(hello={"subs": [], "device": identity})
    if again.hello[1]["settled"] is None:
        assert (await again.until(6))[2] == [1]
    device = await hub.device()
    assert sorted(device.copy.rows("entity")) == [(1,)]


async def test_connections_that_stop_in_the_middle(hub: Hub, chance: random.Random):
    """Within the upgrade, within a WebSocket frame's head, within its data."""
    for _ in range(30):
        raw = await hub.raw(hello={"subs": []})
        frame = WebSocketFrame(Opcode.BINARY, cbor2.dumps(good_messages(1)[0])).serialize(mask=True)
        raw.writer.write(frame[: chance.randrange(1, len(frame))])
        await asyncio.sleep(0)
        raw.abort()
    device = await hub.device()
    assert device.copy.rows("entity") == {}


async def test_many_connections_that_say_nothing(hub: Hub):
    """They wait for their five seconds, and meanwhile others come and go."""
    silent = [await hub.raw() for _ in range(100)]
    for _ in range(5):
        device = await hub.device()
        await device.write(put("entity", {"id": 1}))
    assert len(silent) == 100
