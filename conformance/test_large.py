"""Sections 2 and 4: values, rows and frames that do not fit into one message of the device."""

import os
from typing import Any

import pytest

from framehub_client import DEFAULT_MAX_MESSAGE, UNDEFINED, Frame, Refused, Snapshot, Sub, delete, insert, put, update
from harness import Hub, Observer

pytestmark = pytest.mark.schema("tables")
LARGE = os.urandom(200_000)
LARGE_TEXT = "grün und groß: " * 12_000


async def writer_of_large(hub: Hub) -> Observer:
    """A device with messages of a mebibyte, which gets large values whole."""
    return await hub.device(max_message=1_048_576, subs=[Sub("big")])


async def test_large_value_comes_whole_to_those_who_take_it(own_hub: Hub):
    writer = await writer_of_large(own_hub)
    await writer.complete_to(await writer.write(insert("big", {"id": 1, "one": LARGE})))
    assert writer.copy.rows("big")[(1,)]["one"] == LARGE


async def test_large_value_comes_as_undefined_by_frame(own_hub: Hub):
    writer, device = await writer_of_large(own_hub), await own_hub.device()
    await device.complete_to(await writer.write(insert("big", {"id": 1, "room": 7, "one": LARGE, "two": b"small", "three": LARGE_TEXT})))
    row = device.copy.rows("big")[(1,)]
    assert (row["room"], row["one"], row["two"], row["three"]) == (7, UNDEFINED, b"small", UNDEFINED)
    assert device.largest <= DEFAULT_MAX_MESSAGE


async def test_large_value_comes_as_undefined_by_snapshot(own_hub: Hub):
    writer = await writer_of_large(own_hub)
    version = await writer.write(insert("big", *({"id": i, "one": LARGE if i == 5 else b"small"} for i in range(10))))
    await own_hub.merged_to(version)
    device = await own_hub.device()
    assert device.said(Snapshot)
    assert [key for key, row in device.copy.rows("big").items() if row["one"] is UNDEFINED] == [(5,)]
    assert device.largest <= DEFAULT_MAX_MESSAGE


async def test_large_value_is_read_in_pieces(own_hub: Hub):
    writer, device = await writer_of_large(own_hub), await own_hub.device()
    await device.complete_to(await writer.write(insert("big", {"id": 1, "one": LARGE, "three": LARGE_TEXT})))
    assert await device.read("big", (1,), "one") == LARGE
    assert (await device.read("big", (1,), "three")).decode() == LARGE_TEXT, "a text's pieces are its UTF-8"
    assert device.largest <= DEFAULT_MAX_MESSAGE


async def test_large_value_that_becomes_small_comes_again(own_hub: Hub):
    writer, device = await writer_of_large(own_hub), await own_hub.device()
    await writer.write(insert("big", {"id": 1, "one": LARGE}))
    await device.complete_to(await writer.write(update("big", {"id": 1, "one": b"small"})))
    assert device.copy.rows("big")[(1,)]["one"] == b"small"


async def test_other_columns_of_a_row_with_a_large_value(own_hub: Hub):
    writer, device = await writer_of_large(own_hub), await own_hub.device()
    await device.complete_to(await writer.write(insert("big", {"id": 1, "one": LARGE})))
    device.forget()
    await device.complete_to(await writer.write(update("big", {"id": 1, "two": b"new"})))
    assert device.copy.rows("big")[(1,)]["two"] == b"new"
    numbers = {number for frame in device.said(Frame) for block in frame.changed for number in block.columns}
    assert numbers == {0, 3}, "the large value did not change, and does not come again"


async def test_row_whose_values_fit_but_not_together(own_hub: Hub):
    """Each value fits a message, all three do not: the row comes in several blocks, or with something left out to be read."""
    writer, device = await writer_of_large(own_hub), await own_hub.device()
    one, two, three = os.urandom(40_000), os.urandom(40_000), "x" * 40_000
    version = await writer.write(insert("big", {"id": 1, "one": one, "two": two, "three": three}), insert("big", {"id": 2, "one": b"a"}))
    await device.complete_to(version)
    await own_hub.merged_to(version)
    late = await own_hub.device()
    for reader in (device, late):
        assert reader.largest <= DEFAULT_MAX_MESSAGE
        row = reader.copy.rows("big")[(1,)]
        for column, expected in (("one", one), ("two", two), ("three", three.encode())):
            held = row[column] if row[column] is not UNDEFINED else await reader.read("big", (1,), column)
            assert (held.encode() if isinstance(held, str) else held) == expected


async def test_many_large_values_at_once(own_hub: Hub):
    writer, device = await writer_of_large(own_hub), await own_hub.device()
    started = [writer.start(insert("big", {"id": i, "one": bytes([i]) * 150_000, "two": os.urandom(30_000)})) for i in range(12)]
    last = max([await transaction.outcome for transaction in started])
    await device.complete_to(last)
    assert all(row["one"] is UNDEFINED and len(row["two"]) == 30_000 for row in device.copy.rows("big").values())
    assert device.largest <= DEFAULT_MAX_MESSAGE


async def test_large_value_of_a_row_that_enters_a_scope(own_hub: Hub):
    writer, device = await writer_of_large(own_hub), await own_hub.device(subs=[Sub("big", [1])])
    await writer.write(insert("big", {"id": 1, "room": 2, "one": LARGE}))
    await device.complete_to(await writer.write(update("big", {"id": 1, "room": 1})))
    assert device.copy.rows("big")[(1,)]["one"] is UNDEFINED
    assert await device.read("big", (1,), "one") == LARGE


# --- [13]


async def piece(hub: Hub, *asked: Any) -> list:
    raw = await hub.raw(hello={"subs": []})
    raw.send([13, 1, *asked])
    return await raw.until(13)


async def big_number(hub: Hub) -> int:
    writer = await writer_of_large(hub)
    await writer.write(insert("big", {"id": 1, "one": LARGE, "two": None, "three": "ä" * 10, "room": 5}))
    return writer.copy.schema.named("big").number


@pytest.mark.parametrize("offset", [0, 1, 100_000, len(LARGE) - 1, len(LARGE)])
async def test_piece_begins_at_its_offset(own_hub: Hub, offset: int):
    number = await big_number(own_hub)
    kind, asked, version, size, data = await piece(own_hub, number, 1, 2, offset)
    assert (kind, asked, size) == (13, 1, len(LARGE)) and version > 0
    assert data == LARGE[offset : offset + len(data)] and (data or offset == len(LARGE))
    assert len(data) <= DEFAULT_MAX_MESSAGE


async def test_piece_beyond_the_end_is_empty_or_refused(own_hub: Hub):
    number = await big_number(own_hub)
    answer = await piece(own_hub, number, 1, 2, len(LARGE) + 1)
    assert answer[2] is None or answer[4] == b""


@pytest.mark.parametrize(
    ("key", "column", "code"),
    [(2, 2, {"missing"}), (1, 99, {"unknown_column"}), ([1, 2], 2, {"type", "missing"}), ("x", 2, {"type", "missing"})],
    ids=["missing row", "unknown column", "key of another length", "key of another type"],
)
async def test_piece_of_what_is_not_there(own_hub: Hub, key: Any, column: int, code: set[str]):
    number = await big_number(own_hub)
    answer = await piece(own_hub, number, key, column, 0)
    assert answer[:3] == [13, 1, None] and answer[3] in code and len(answer[4]) > 5


async def test_piece_of_a_small_text(own_hub: Hub):
    number = await big_number(own_hub)
    assert (await piece(own_hub, number, 1, 4, 0))[3:] == [20, "ä".encode() * 10], "size and pieces count bytes of UTF-8"


@pytest.mark.parametrize("column", [1, 3], ids=["INTEGER", "NULL"])
async def test_piece_of_what_has_no_pieces(own_hub: Hub, column: int):
    """The document says nothing of numbers and NULL; whatever the answer is, the session goes on."""
    number = await big_number(own_hub)
    assert (await piece(own_hub, number, 1, column, 0))[:2] == [13, 1]


async def test_reader_of_pieces_notices_a_change(own_hub: Hub):
    """Both values have one size: `version` is what tells the reader that the second piece is of another one."""
    number = await big_number(own_hub)
    raw, writer = await own_hub.raw(hello={"subs": []}), await writer_of_large(own_hub)
    raw.send([13, 1, number, 1, 2, 0])
    first = await raw.until(13)
    await writer.write(update("big", {"id": 1, "one": os.urandom(len(LARGE))}))
    raw.send([13, 2, number, 1, 2, len(first[4])])
    assert (await raw.until(13))[2] > first[2]


async def test_version_of_a_piece_stays_while_others_write_elsewhere(own_hub: Hub):
    """Otherwise nobody could read a large value while anybody writes anything."""
    number = await big_number(own_hub)
    raw, writer = await own_hub.raw(hello={"subs": []}), await writer_of_large(own_hub)
    raw.send([13, 1, number, 1, 2, 0])
    first = await raw.until(13)
    await writer.write(put("counter", {"id": 1, "n": 1}))
    raw.send([13, 2, number, 1, 2, len(first[4])])
    second = await raw.until(13)
    assert second[4] == LARGE[len(first[4]) :][: len(second[4])]
    assert second[2] >= first[2]


async def test_read_of_a_value_that_is_deleted_meanwhile(own_hub: Hub):
    writer, device = await writer_of_large(own_hub), await own_hub.device()
    await device.complete_to(await writer.write(insert("big", {"id": 1, "one": LARGE})))
    await writer.write(delete("big", {"id": 1}))
    with pytest.raises(Refused) as refused:
        await device.read("big", (1,), "one")
    assert refused.value.code == "missing"


async def test_key_that_is_larger_than_a_message(own_hub: Hub):
    """A key cannot be left out of a block. The document does not say what then; at least nothing else may break."""
    writer, device = await own_hub.device(max_message=1_048_576), await own_hub.device()
    try:
        await writer.write(put("named", {"name": "k" * 100_000, "n": 1}))
    except Refused as refused:
        assert refused.code == "too_large"
        return
    version = await writer.write(put("counter", {"id": 1, "n": 1}))
    await writer.complete_to(version)
    await device.complete_to(version)
    await writer.write(delete("named", {"name": "k" * 100_000}))
