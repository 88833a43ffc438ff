"""Events [15]: what is told to who is there, after the rows that came before it, and kept by nobody."""

import asyncio

import pytest

from framehub_client import Event, Sub, put
from harness import Hub, Observer

NOBODY = bytes(16)


def heard(device: Observer) -> list[Event]:
    return [event for event in device.said(Event) if event.refusal is None]


async def flush(*devices: Observer) -> None:
    """Waits until what the devices have sent has been read and sent on, and has come where it comes at all."""
    for device in devices:
        await device.clock()
    await asyncio.sleep(0.1)  # some frames
    for device in devices:
        await device.clock()


async def refused(device: Observer, to, name: str, value=1) -> str:
    device.forget()
    device.send_event(to, name, value)
    return (await device.next(Event, lambda event: event.refusal is not None)).refusal.code


async def test_hub_says_that_it_does_events(hub: Hub):
    assert "events" in (await hub.device()).hello.capabilities


async def test_event_reaches_a_device_and_nobody_else(hub: Hub):
    a, b, c = [await hub.device() for _ in range(3)]
    a.send_event(b.id, "chat", "hei")
    event = await b.next(Event)
    assert (event.sender, event.name, event.value, event.refusal) == (a.id, "chat", "hei", None)
    assert event.version <= (await b.clock()).version
    await flush(a, c)
    assert not heard(a) and not heard(c)


async def test_event_reaches_every_session_of_a_role_but_its_sender(hub: Hub):
    devices = [await hub.device(role=role) for role in ("device", "server", "server", "observer")]
    devices[1].send_event("server", "chat", [1, "two", 3.5, None, b"\x00"])
    await devices[2].next(Event)
    assert heard(devices[2])[0].value == [1, "two", 3.5, None, b"\x00"]
    await flush(*devices)
    assert [len(heard(device)) for device in devices] == [0, 0, 1, 0]


async def test_event_reaches_who_is_subscribed_to_its_scope(hub: Hub):
    one, both = await hub.device([Sub("entity", [1])]), await hub.device([Sub("entity", [1, 2]), Sub("zone")])
    everything, nothing = await hub.device([Sub("entity")], role="observer"), await hub.device([])
    sender = await hub.device([])
    for scope, name in ((1, "in 1"), (2, "in 2"), (2.0, "in 2 again"), (3, "in 3"), (None, "nowhere")):
        sender.send_event(("entity", scope), "chat", name)
    number = sender.copy.schema.named("entity").number
    sender.send_event((number, 1), "chat", "last")
    await both.next(Event, lambda event: event.value == "last")
    await flush(one, everything, nothing)
    assert [e.value for e in heard(one)] == ["in 1", "last"]
    assert [e.value for e in heard(both)] == ["in 1", "in 2", "in 2 again", "last"]
    assert [e.value for e in heard(everything)] == ["in 1", "in 2", "in 2 again", "in 3", "nowhere", "last"]
    assert not heard(nothing)


async def test_event_follows_a_subscription_that_changes(hub: Hub):
    walker, sender = await hub.device([Sub("entity", [1])]), await hub.device([])
    for zone in range(2, 12):
        await walker.subscribe(add=[Sub("entity", [zone])], remove=[Sub("entity", [zone - 1])])
        sender.send_event(("entity", zone - 1), "chat", "behind")
        sender.send_event(("entity", zone), "chat", zone)
        await walker.next(Event, lambda event, zone=zone: event.value == zone)
    assert [e.value for e in heard(walker)] == list(range(2, 12))


async def test_event_comes_after_what_its_sender_wrote_before_it(hub: Hub):
    """The copy has the row by the time that the event comes, whatever else is written meanwhile."""
    sender, watcher, others = await hub.device([]), await hub.device(), [await hub.device([]) for _ in range(3)]
    seen: list[tuple[int, int]] = []
    watcher.on_event = lambda event: seen.append((event.value, watcher.copy.rows("entity")[(1,)]["score"]))
    for i in range(100):
        for other in others:
            other.start(put("entity", {"id": 2 + i, "zone": i % 4}))
        sender.start(put("entity", {"id": 1, "zone": 1, "score": i}))
        sender.send_event(watcher.id, "chat", i)
        if i % 10 == 9:
            await sender.clock()
            await asyncio.sleep(0.02)
    await watcher.next(Event, lambda event: event.value == 99)
    assert [said for said, _ in seen] == list(range(100))
    assert all(said <= row for said, row in seen)


async def test_events_make_no_version(hub: Hub):
    a, b = await hub.device(), await hub.device()
    before = (await a.clock()).version
    for i in range(20):
        a.send_event(b.id, "chat", i)
    await b.next(Event, lambda event: event.value == 19)
    assert (await a.clock()).version == before
    assert {event.version for event in heard(b)} == {before}


async def test_events_come_in_their_order(hub: Hub):
    a, b = await hub.device([]), await hub.device([])
    for i in range(600):
        a.send_event(b.id, "chat", i)
    await b.next(Event, lambda event: event.value == 599)
    assert [event.value for event in heard(b)] == list(range(600))


async def test_event_to_nobody_is_no_error(hub: Hub):
    device = await hub.device(role="server")
    for to in (NOBODY, "admin", ("entity", 77), device.id, "server"):
        device.send_event(to, "chat", 1)
    await flush(device)
    assert not device.said(Event)


async def test_event_is_lost_where_the_device_is_not_there(hub: Hub):
    a, b = await hub.device([]), await hub.device([])
    await b.cut()
    await asyncio.sleep(0.1)
    a.send_event(b.id, "chat", "lost")
    await flush(a)
    await hub.reconnect(b)
    a.send_event(b.id, "chat", "again")
    await b.next(Event)
    assert [event.value for event in heard(b)] == ["again"]


REFUSED = {
    "no rule": ("server", "shout", 1, "forbidden"),
    "not this role": (NOBODY, "order", 1, "forbidden"),
    "an unknown role": ("king", "chat", 1, "missing"),
    "an unknown table": (("nowhere", 1), "chat", 1, "unknown_table"),
    "a private table": (("_framehub_meta", 1), "chat", 1, "unknown_table"),
    "a table without a scope column": (("zone", 1), "chat", 1, "unknown_column"),
    "a scope of the wrong type": (("entity", "one"), "chat", 1, "type"),
    "a value larger than the rule allows": ("server", "chat", "x" * 520, "too_large"),
    "a value larger than any may be": ("server", "whisper", b"x" * 16_400, "too_large"),
    "too many values": ("server", "chat", [1] * 65, "too_large"),
    "a name that is too long": ("server", "x" * 65, 1, "too_large"),
}


@pytest.mark.parametrize(("to", "name", "value", "code"), REFUSED.values(), ids=REFUSED.keys())
async def test_refusal_is_told(hub: Hub, to, name: str, value, code: str):
    device = await hub.device([])
    assert await refused(device, to, name, value) == code
    told = device.said(Event)[-1]
    assert told.name == (name if len(name) <= 64 else None) and len(told.refusal.text) > 10


async def test_rule_of_another_role(hub: Hub):
    server, device = await hub.device([], role="server"), await hub.device([])
    assert await refused(server, "device", "order") == "forbidden", "the rule lets it go to a device only"
    server.send_event(device.id, "order", 1)
    assert (await device.next(Event)).name == "order"
    assert await refused(await hub.device([], role="observer"), "device", "whisper") == "forbidden"


async def test_rate_of_an_event(hub: Hub):
    device, server = await hub.device([]), await hub.device([], role="server")
    for i in range(20):
        device.send_event("server", "whisper", i)
    await flush(device, server)
    refusals = [event for event in device.said(Event) if event.refusal]
    assert [event.value for event in heard(server)] == [0, 1, 2]
    assert {(event.name, event.refusal.code) for event in refusals} == {("whisper", "rate")} and len(refusals) == 17
    for i in range(20):  # the server is not bound by it
        server.send_event(device.id, "whisper", i)
    await device.next(Event, lambda event: event.value == 19)


async def test_slow_device_loses_events_and_nobody_waits_for_it(hub: Hub):
    slow = await hub.device([], receive_buffer=4096)
    quick, sender = await hub.device([]), await hub.device([], role="server")
    slow.reading.clear()
    count, blob = 2000, b"x" * 10_000  # more than what the machine's own buffers take
    try:
        for i in range(count):
            for device in (slow, quick):
                sender.send_event(device.id, "whisper", [i, blob])
            if i % 10 == 9:  # no more at once than the hub keeps for a session
                await quick.next(Event, lambda event, i=i: event.value[0] == i)
                quick.forget()
    finally:
        slow.reading.set()
    while not any(event.name == "order" for event in heard(slow)):
        sender.send_event(slow.id, "order", "over")
        await flush(slow)
    numbers = [event.value[0] for event in heard(slow) if event.name == "whisper"]
    assert numbers == sorted(set(numbers)) and 0 < len(numbers) < count
