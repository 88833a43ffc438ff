"""Sections 1, 3, 6, 8 and 9: one session for a device, liveness, the clock, slow readers, and what this hub does not do."""

import asyncio
import time

import cbor2
import pytest
from websockets.frames import Frame as WebSocketFrame
from websockets.frames import Opcode

from framehub_client import Ended, Frame, Snapshot, delete, put
from harness import Hub
from test_snapshots import entities

# --- one session for a device


async def test_second_session_replaces_the_first(hub: Hub):
    first = await hub.raw(hello={"subs": []})
    identity = first.hello[1]["device"]
    second = await hub.raw(hello={"subs": [], "device": identity})
    goodbye = await first.goodbye()
    assert goodbye.code == 4009 and len(goodbye.words) > 5
    second.send([8, 1])
    assert (await second.until(8))[1] == 1


async def test_replaced_device_sees_4009(hub: Hub):
    device = await hub.device()
    second = await hub.raw(hello={"subs": [], "device": device.id})
    with pytest.raises(Ended) as ended:
        await device.wait(lambda: False)
    assert ended.value.code == 4009
    second.send([8, 1])
    assert (await second.until(8))[1] == 1


async def test_many_sessions_of_one_device_leave_one(hub: Hub):
    identity = (await hub.raw(hello={"subs": []})).hello[1]["device"]
    raws = [await hub.raw() for _ in range(8)]
    for raw in raws:
        raw.send([0, {"subs": [], "device": identity}])
    ends = await asyncio.gather(*(alive_or_code(raw) for raw in raws))
    assert sorted(ends, key=str) == [4009] * 7 + ["alive"]


async def alive_or_code(raw) -> int | str:
    """Asks for the clock after a moment: whoever is replaced hears 4009 instead."""
    try:
        for _ in range(20):
            raw.send([8, 1])
            if (answer := await raw.first(8, 12))[0] == 12:
                return answer[1]
            await asyncio.sleep(0.02)
    except EOFError:
        return "no goodbye"
    return "alive"


async def test_two_devices_are_two_sessions(hub: Hub):
    raws = [await hub.raw(hello={"subs": []}) for _ in range(20)]
    assert len({raw.hello[1]["session"] for raw in raws}) == len({raw.hello[1]["device"] for raw in raws}) == 20
    for raw in raws:
        raw.send([8, 1])
        assert (await raw.until(8))[1] == 1


# --- the clock, and what this hub does not do


@pytest.mark.parametrize("t", [0, 1, -5, 2**53 - 1, 12.25, -0.5, 1e300])
async def test_clock(hub: Hub, t: float):
    raw = await hub.raw(hello={"subs": []})
    raw.send([8, t])
    answer = await raw.until(8)
    assert answer[1] == t and type(answer[1]) is type(t)
    if hub.own:
        assert abs(answer[2] - time.time_ns() // 1000) < 60_000_000, "microseconds since 1970"
    assert answer[3] >= raw.hello[1]["version"]


async def test_clock_runs_and_answers_at_once(hub: Hub):
    device = await hub.device()
    answers = [await device.clock() for _ in range(30)]
    times = [answer.time for answer in answers]
    assert times == sorted(times) and times[-1] > times[0]
    assert times[-1] - times[0] < 20_000_000


async def test_clock_tells_the_version_of_what_was_acknowledged(hub: Hub):
    device = await hub.device()
    version = await device.write(put("entity", {"id": 1}))
    assert (await device.clock()).version >= version


UNDONE = {11: ("sql", [11, 3, "SELECT 1", []])}


@pytest.mark.parametrize("kind", UNDONE)
@pytest.mark.parametrize("role", ["device", "server"])
async def test_what_a_hub_does_not_do_it_says(hub: Hub, kind: int, role: str):
    raw = await hub.raw(hello={"subs": [], "role": role})
    capability, message = UNDONE[kind]
    if capability in raw.hello[1]["capabilities"]:
        pytest.skip(f"this hub does {capability}")
    for message in (message, [kind], [kind, "text"], [kind, -1], [kind, 5], [kind, 6, {"a": [1]}, "later"]):
        raw.send(message)
        answer = await raw.until(kind)
        uint = message[1] if len(message) > 1 and type(message[1]) is int and message[1] >= 0 else None
        assert answer[:4] == [kind, uint, None, "unavailable"] and len(answer[4]) > 5
    raw.send([8, 1])
    assert (await raw.until(8))[1] == 1


# --- liveness


async def test_hub_answers_pings(hub: Hub):
    raw = await hub.raw(hello={"subs": []})
    for data in (b"", b"hello", b"x" * 125):
        raw.send_frame(Opcode.PING, data)
        while (frame := await raw.frame()).opcode is not Opcode.PONG:
            pass
        assert bytes(frame.data) == data


async def test_pong_that_nobody_asked_for_does_no_harm(hub: Hub):
    raw = await hub.raw(hello={"subs": []})
    raw.send_frame(Opcode.PONG, b"unasked")
    raw.send([8, 1])
    assert (await raw.until(8))[1] == 1


@pytest.mark.slow
async def test_hub_pings_and_a_session_that_answers_lives_on(hub: Hub):
    """For longer than two intervals, saying nothing but pongs."""
    raw = await hub.raw(hello={"subs": []})
    pings, began = 0, time.monotonic()
    while time.monotonic() - began < 32:
        frame = await raw.frame()
        assert frame.opcode is not Opcode.CLOSE, frame
        pings += frame.opcode is Opcode.PING
    assert pings >= 2
    raw.send([8, 1])
    assert (await raw.until(8))[1] == 1


@pytest.mark.slow
async def test_session_that_is_silent_for_two_intervals_ends(hub: Hub):
    """It reads everything and answers nothing, not even pings."""
    raw = await hub.raw(hello={"subs": []})
    raw.answers_pings = False
    began = time.monotonic()
    goodbye = await raw.goodbye()
    assert 14 < time.monotonic() - began < 60
    assert 4000 <= goodbye.code < 4100 or goodbye.code in (1001, 1011)
    assert len(goodbye.words) > 5


# --- WebSocket's own rules


async def test_text_message_ends_the_session(hub: Hub):
    raw = await hub.raw(hello={"subs": []})
    raw.send_frame(Opcode.TEXT, b"[8, 1]")
    goodbye = await raw.goodbye()
    assert goodbye.code == 4000 and "text" in goodbye.words


async def test_message_that_is_too_large_ends_the_session(hub: Hub):
    raw = await hub.raw(hello={"subs": []})
    raw.send([8, 1, bytes(raw.hello[1]["limits"]["message"])])
    assert (await raw.goodbye()).code == 4013


async def test_message_of_just_the_limit_is_taken(hub: Hub):
    raw = await hub.raw(hello={"subs": []})
    most = raw.hello[1]["limits"]["message"]
    raw.send([8, 1, bytes(most - len(cbor2.dumps([8, 1, bytes(2**16)])) + 2**16)])
    assert (await raw.until(8))[1] == 1


async def test_large_message_before_hello_ends_the_session(hub: Hub):
    raw = await hub.raw()
    raw.send([0, {"client": "x" * 3_000_000}])
    assert (await raw.goodbye()).code in (4000, 4013)


async def test_fragmented_message_is_refused_or_taken_whole(hub: Hub):
    """`Never fragmented`; the document does not say what becomes of one that is."""
    raw = await hub.raw(hello={"subs": []})
    data = cbor2.dumps([8, 77])
    raw.send_frame(Opcode.BINARY, data[:2], last=False)
    raw.send_frame(Opcode.CONT, data[2:])
    answer = await raw.first(8, 12)
    assert answer[:2] in ([8, 77], [12, 4000])


async def test_hub_never_fragments(hub: Hub):
    writer = await hub.device()
    raw = await hub.raw(hello={"max_message": 1_000_000})
    version = await writer.write(put("entity", *({"id": i, "owner": "x" * 50} for i in range(5000))))
    while True:
        frame = await raw.frame()
        assert frame.fin and frame.opcode in (Opcode.BINARY, Opcode.PING)
        message = cbor2.loads(frame.data)
        if message[0] == 4 and message[1] >= version:
            return


async def test_unmasked_frame_ends_that_session_alone(hub: Hub):
    raw = await hub.raw(hello={"subs": []})
    raw.writer.write(WebSocketFrame(Opcode.BINARY, cbor2.dumps([8, 1])).serialize(mask=False))
    await raw.ended()


async def test_garbage_instead_of_a_websocket(hub: Hub):
    raw = await hub.raw(hello={"subs": []})
    raw.writer.write(b"GET / HTTP/1.1\r\n\r\n" * 50)
    await raw.ended()


# --- slow readers


@pytest.mark.slow
async def test_slow_reader_catches_up_by_merged_frames(own_hub: Hub):
    """It stops reading while others write for seconds: nobody waits for it, and in the end it holds what SQL reads."""
    writer, other = await own_hub.device(subs=[], role="server"), await own_hub.device()  # a device would have its share only
    await writer.write(put("entity", *entities(0, 5000)))
    slow = await own_hub.device(receive_buffer=16_384)
    before = slow.copy.version
    slow.forget()
    slow.reading.clear()
    began = time.monotonic()
    steps = 0
    while time.monotonic() - began < 4:
        steps += 1
        rows = ({"id": i, "x": float(steps), "owner": f"{steps} of {i} " + "x" * 40} for i in range(steps % 3, 5000, 3))
        await writer.write(put("entity", *rows), delete("entity", {"id": 10_000 + steps}))
    assert steps > 10, "nobody waits for a slow reader"
    await other.complete_to(writer.hello.version + steps)
    slow.reading.set()
    await slow.complete_to(writer.hello.version + steps)
    frames = {frame.version for frame in slow.said(Frame)}
    assert slow.copy.version > before
    assert len(frames) < steps, f"{steps} frames, of which {len(frames)} came: nothing was merged"
    await own_hub.same_as_database(slow)
    await own_hub.same_as_database(other)


@pytest.mark.slow
async def test_slow_reader_does_not_lose_deletes(own_hub: Hub):
    writer, slow = await own_hub.device(subs=[], role="server"), await own_hub.device(max_message=4096, receive_buffer=16_384)
    slow.reading.clear()
    for step in range(60):
        await writer.write(put("entity", *({"id": i, "x": float(step), "owner": "y" * 500} for i in range(1000))))
        await writer.write(delete("entity", *({"id": i} for i in range(step % 7, 1000, 7))))
    slow.reading.set()
    await slow.complete_to((await slow.clock()).version)
    assert not slow.said(Snapshot)[2:], "it was not so far behind that it needed a new snapshot"
    await own_hub.same_as_database(slow)
