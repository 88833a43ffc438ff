"""Section 3: how a hub and a device say hello."""

import asyncio
import uuid

import cbor2
import pytest
from websockets.exceptions import InvalidHandshake
from websockets.frames import Close, Opcode

from framehub_client import Refused, Sub, put
from harness import Hub


async def test_hello_says_everything(hub: Hub):
    device = await hub.device()
    hello = device.hello
    assert hello.session and hello.epoch
    assert {"message", "rows", "unsettled", "rate"} <= hello.limits.keys()
    assert hello.limits["unsettled"] == 64
    assert hello.frame_hz > 0
    assert hello.settled is None and hello.rejected == [] and hello.resumed is False
    known = {"zstd", "hz", "budget", "live", "sql", "clock", "presence", "wills", "events"}
    assert set(hello.capabilities) <= known


async def test_device_without_id_gets_a_uuid_v7(hub: Hub):
    one, two = await hub.device(), await hub.device()
    for device in (one, two):
        given = uuid.UUID(bytes=device.id)
        assert given.version == 7 and given.variant == uuid.RFC_4122
    assert one.id != two.id


async def test_device_keeps_its_id(hub: Hub):
    device = await hub.device()
    first, session = device.id, device.hello.session
    await device.close()
    hello = await device.connect()
    assert hello.device == first
    assert hello.session != session


async def test_device_may_bring_its_own_id(hub: Hub):
    own = uuid.uuid4().bytes
    device = await hub.device(device=own)
    assert device.hello.device == own


@pytest.mark.parametrize("role", ["device", "server", "editor", "admin"])
async def test_roles_are_believed_without_auth(hub: Hub, role: str):
    assert (await hub.device(role=role)).hello.resumed is False


async def test_unknown_role_is_refused_in_band(hub: Hub):
    raw = await hub.raw()
    raw.send([0, {"role": "wizard"}])
    goodbye = await raw.goodbye()
    assert goodbye.code in (4000, 4003)
    assert "wizard" in goodbye.words


async def test_connection_without_the_subprotocol_is_refused(hub: Hub):
    """The document names no code: the upgrade may be refused, or the session ended in band."""
    try:
        raw = await hub.raw(subprotocols=[])
    except InvalidHandshake:
        return
    assert (await raw.goodbye()).code == 4000


async def test_subprotocol_is_picked_among_others(hub: Hub):
    raw = await hub.raw(subprotocols=["mqtt", "framehub.v1.cbor", "framehub.v2.cbor"], hello={"subs": []})
    assert raw.protocol.subprotocol == "framehub.v1.cbor"


async def test_unknown_subprotocol_is_refused(hub: Hub):
    try:
        raw = await hub.raw(subprotocols=["framehub.v9.cbor"])
    except InvalidHandshake:
        return
    assert (await raw.goodbye()).code == 4000


@pytest.mark.parametrize(
    ("hello", "message"),
    [(None, [5, 1]), (None, [0, {"role": "wizard"}]), ({"subs": []}, [99]), ({"subs": []}, [0, {}]), ({"subs": []}, [12, 1000, "bye"])],
    ids=["no hello", "refused hello", "unknown type", "second hello", "the device's own goodbye"],
)
async def test_close_frame_has_the_goodbyes_code(hub: Hub, hello: dict | None, message: list):
    """To a device that does not close itself within the second that it is given."""
    raw = await hub.raw(hello=hello)
    raw.send(message)
    frames = await raw.rest()
    assert frames and frames[-1].opcode is Opcode.CLOSE, "the connection ends without a close frame"
    goodbyes = [goodbye for frame in frames[:-1] if (goodbye := cbor2.loads(frame.data))[0] == 12]
    code = Close.parse(frames[-1].data).code
    assert [goodbye[1] for goodbye in goodbyes] == [code]
    assert message[0] != 12 or code == 1000


@pytest.mark.slow
async def test_no_hello_within_5_seconds(hub: Hub):
    raw = await hub.raw()
    began = asyncio.get_running_loop().time()
    goodbye = await raw.goodbye()
    took = asyncio.get_running_loop().time() - began
    assert 4000 <= goodbye.code < 4100 and "hello" in goodbye.words
    assert 4.5 < took < 15


@pytest.mark.parametrize("message", [[5, 1, None, 1, []], [8, 1], [10, 1, [], []], [0]], ids=["write", "clock", "subscribe", "no map"])
async def test_first_message_must_be_a_hello(hub: Hub, message: list):
    raw = await hub.raw()
    raw.send(message)
    assert (await raw.goodbye()).code == 4000


async def test_second_hello_ends_the_session(hub: Hub):
    raw = await hub.raw(hello={"subs": []})
    raw.send([0, {"subs": []}])
    assert (await raw.goodbye()).code == 4000


@pytest.mark.parametrize("most", [0, 1, 100])
async def test_max_message_that_is_too_small(hub: Hub, most: int):
    """The document has no least: a hub refuses in band, or takes 0 for the default, and never sends more than it may."""
    raw = await hub.raw()
    raw.send([0, {"max_message": most}])
    answer = await raw.message()
    if most == 0 and answer[0] == 0:
        return
    assert answer[0] == 12 and answer[1] in (4000, 4013)


async def test_larger_max_message_than_the_hub_takes(hub: Hub):
    device = await hub.device(max_message=2**40)
    assert device.hello.limits["message"] > 0


async def test_without_subs_a_device_gets_every_table(hub: Hub):
    device = await hub.device()
    assert [sub.table for sub in device.copy.subs] == [table.name for table in device.hello.schema.tables]
    assert len(device.copy.rows("zone")) == 4


async def test_with_empty_subs_a_device_gets_nothing(hub: Hub):
    device = await hub.device(subs=[])
    device.forget()
    version = await (await hub.device()).write(put("zone", {"id": 1, "population": 5}))
    await device.complete_to(version)
    assert not any(device.copy.freeze().values())


async def test_null_subs_are_absent_subs(hub: Hub):
    raw = await hub.raw(hello={"subs": None})
    assert (await raw.until(2))[3:]


@pytest.mark.parametrize(
    "sub",
    [["nowhere"], [99], ["_audit"], [1], ["_framehub_meta"], ["sqlite_schema"], ["zone", [1]], ["entity", [1]]],
    ids=lambda sub: str(sub[0]) + ("" if len(sub) == 1 else " scoped"),
)
async def test_subs_that_cannot_be_done_are_refused_whole(hub: Hub, sub: list):
    """A table that is unknown or private, or scopes for a table without a scope column; the last one is good."""
    raw = await hub.raw(hello={"subs": [["building"], sub]})
    answer = await raw.message()
    if sub == ["entity", [1]]:
        assert answer[0] == 2
        return
    assert answer[0] == 3 and answer[1] == 0 and answer[2] is None
    code, text = answer[3], answer[4]
    assert code in {"unknown_table", "unknown_column"}
    assert str(sub[0]) in text
    raw.send([8, 1])
    assert (await raw.until(8))[1] == 1, "the session goes on"


async def test_refused_subs_leave_a_device_without_any(hub: Hub):
    raw = await hub.raw(hello={"subs": [["building"], ["nowhere"]]})
    writer = await hub.device()
    version = await writer.write(put("building", {"id": 1, "floors": 9}))
    while (frame := await raw.until(4))[1] < version:
        assert not any(frame[4:6])
    assert not any(frame[4:6])


async def test_refused_subs_by_the_client(hub: Hub):
    device = await hub.device(subs=[Sub("zone"), Sub("nowhere")], connect=False)
    await device.connect()
    await device.wait(lambda: not device._pending)
    assert device.copy.subs == []
    with pytest.raises(Refused) as refused:
        await device.subscribe([Sub("nowhere")])
    assert refused.value.code == "unknown_table"
    await device.subscribe([Sub("zone")])
    assert len(device.copy.rows("zone")) == 4


async def test_elements_of_a_later_version_are_ignored(hub: Hub):
    raw = await hub.raw()
    raw.send([0, {"subs": [["zone", None, None, None, "later", [1]]], "later": {"a": [1]}}, "later", 7])
    assert (await raw.message())[0] == 0
    assert len((await raw.until(2))[3][1]) == 6
    raw.send([8, 5, "later"])
    assert (await raw.until(8))[1] == 5


async def test_hz_and_budget_where_the_hub_does_not_do_them(hub: Hub):
    """What is not among the capabilities is refused with a word, and nothing else is harmed."""
    raw = await hub.raw(hello={"subs": [["zone", None, 5]]})
    answer = await raw.message()
    if "hz" in raw.hello[1]["capabilities"]:
        assert answer[0] == 2
    else:
        assert answer[:3] == [3, 0, None] and answer[3] == "unavailable"


async def test_hub_does_not_give_way_to_strangers_on_its_path(hub: Hub):
    with pytest.raises(InvalidHandshake):
        raw_url, hub.url = hub.url, hub.url.replace("/v1/sync", "/v1/elsewhere")
        try:
            await hub.raw()
        finally:
            hub.url = raw_url
