"""Section 1: messages that come compressed, in both directions, and compressed ones that lie."""

import cbor2
import pytest
import zstandard

from framehub_client import Frame, put
from harness import Hub, Raw
from test_ops import outcome_of
from test_snapshots import entities, fill

LATER = 2**53 - 1


@pytest.fixture(autouse=True)
def only_where_the_hub_does_it(request: pytest.FixtureRequest):
    """Set by the tests themselves: a hub says in its hello whether it knows zstd."""


async def packing(hub: Hub, **hello) -> Raw:
    raw = await hub.raw(hello={"subs": [], "zstd": True, **hello})
    if "zstd" not in raw.hello[1]["capabilities"]:
        pytest.skip("this hub does no zstd")
    return raw


def packed(data: bytes, size: int | None = None, **options) -> list:
    return [9, len(data) if size is None else size, zstandard.ZstdCompressor(**options).compress(data)]


async def test_large_messages_come_packed(hub: Hub):
    writer = await hub.device(subs=[])
    version = await fill(writer, 3000)
    raw = await packing(hub, subs=None)
    kinds, got = set(), 0
    while got < version:
        message = await raw.message()
        kinds.add(message[0])
        if message[0] == 9:
            message = cbor2.loads(zstandard.ZstdDecompressor().decompress(message[2], max_output_size=message[1]))
        got = message[1] if message[0] == 4 else message[2] if message[0] == 3 else got
    assert 9 in kinds


async def test_nothing_comes_packed_unasked(hub: Hub):
    writer = await hub.device(subs=[])
    version = await fill(writer, 3000)
    raw = await hub.raw(hello={})
    while (message := await raw.message())[:1] != [4] or message[1] < version:
        assert message[0] != 9


async def test_copy_is_the_same_with_and_without(hub: Hub):
    plain, packed_ = await hub.device(), await hub.device(zstd=True)
    for i in range(10):
        version = await packed_.write(put("entity", *entities(i * 50, 400, owner="somebody")))
    for device in (plain, packed_):
        await device.complete_to(version)
    assert plain.copy.freeze() == packed_.copy.freeze()
    assert packed_.said(Frame)


@pytest.mark.parametrize("options", [{}, {"level": 19}, {"write_content_size": False}, {"write_checksum": True}])
async def test_write_that_is_packed(hub: Hub, options: dict):
    raw = await packing(hub)
    for seq in (1, 2):
        data = cbor2.dumps([5, seq, None, raw.hello[1]["schema"][0], [[0, [5, [0, 7], 200, list(range(200)), ["x"] * 200]]]])
        raw.send(packed(data, **options))
        assert await outcome_of(raw, seq) == (None, None)


async def test_small_and_odd_messages_may_be_packed(hub: Hub):
    raw = await packing(hub)
    raw.send(packed(cbor2.dumps([8, 5])))
    assert (await raw.until(8))[1] == 5
    raw.send([*packed(cbor2.dumps([8, 6])), "later"])
    assert (await raw.until(8))[1] == 6
    two_frames = b"".join(zstandard.ZstdCompressor().compress(part) for part in (cbor2.dumps([8, 7])[:2], cbor2.dumps([8, 7])[2:]))
    raw.send([9, 3, two_frames])
    answer = await raw.first(8, 12)
    assert answer[:2] in ([8, 7], [12, 4000]), "of zstd data in two frames the document says nothing"


CLOCK = cbor2.dumps([8, 1])
LIES = {
    "says too little": (packed(CLOCK, size=len(CLOCK) - 1), 4000),
    "says too much": (packed(CLOCK, size=len(CLOCK) + 1), 4000),
    "says nothing": (packed(CLOCK, size=0), 4000),
    "is cut off": ([9, 3, packed(CLOCK)[2][:-1]], 4000),
    "is no zstd": ([9, 3, b"not zstd"], 4000),
    "is empty": ([9, 3, b""], 4000),
    "holds a packed message": (packed(cbor2.dumps(packed(CLOCK))), 4000),
    "holds a hello": (packed(cbor2.dumps([0, {}])), 4000),
    "says more than the limit": (packed(CLOCK, size=2**30), 4013),
    "says more than anything": (packed(CLOCK, size=LATER), 4013),
    "is a bomb that says what it is": (packed(bytes(2**26)), 4013),
    "is a bomb that lies": ([9, 1000, packed(bytes(2**26))[2]], 4000),
    "is a bomb of unknown size": ([9, 1000, packed(bytes(2**26), write_content_size=False)[2]], 4000),
    "is a bomb just below the limit": ([9, 1_000_000, packed(bytes(2**26), write_content_size=False)[2]], 4000),
    "wants a huge window": ([9, 3, bytes.fromhex("28b52ffd00f8") + packed(CLOCK, write_content_size=False)[2][6:]], 4000),
}


@pytest.mark.parametrize(("message", "code"), LIES.values(), ids=LIES.keys())
async def test_packed_message_that_lies(hub: Hub, message: list, code: int):
    raw = await packing(hub)
    raw.send(message)
    goodbye = await raw.goodbye()
    assert goodbye.code == code and len(goodbye.words) > 5


async def test_packed_message_that_was_not_agreed(hub: Hub):
    """Compression is `agreed in hello`. The document does not say whether a hub takes it from a device that agreed to nothing."""
    raw = await hub.raw(hello={"subs": []})
    raw.send(packed(CLOCK))
    answer = await raw.first(8, 12)
    assert answer[:2] in ([8, 1], [12, 4000])


async def test_packed_hello_is_refused(hub: Hub):
    raw = await hub.raw()
    raw.send(packed(cbor2.dumps([0, {"zstd": True}])))
    assert (await raw.goodbye()).code == 4000
