"""Section 2: values, and blocks in every form. What goes in is what SQL reads and what others get, to the last bit."""

import itertools
import math
import struct
from collections.abc import Callable
from typing import Any

import cbor2
import pytest

from framehub_client import (
    INTEGER_ARRAYS,
    TYPED_ARRAYS,
    Block,
    Op,
    add,
    decode_column,
    delete,
    encode_block,
    expect,
    insert,
    put,
    touch,
    update,
)
from harness import Hub, Observer, exact
from test_ops import outcome_of, refused

pytestmark = pytest.mark.schema("tables")

EXTREMES = [0, 1, -1, 127, 128, -128, -129, 255, 256, 32767, 32768, -32768, -32769, 65535, 65536, 2**31 - 1, 2**31, -(2**31)]
EXTREMES += [-(2**31) - 1, 2**32 - 1, 2**32, 2**53 - 1, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63)]
FLOATS = [0.0, 0.5, -1.25, 0.1, 1 / 3, math.pi, 1e308, -1e308, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308]
FLOATS += [3.4028234663852886e38, 1.401298464324817e-45, 2.0**53, 2.0**53 + 2, 2.0**63, -(2.0**63), 1e15, 123456789.0, 16777217.0]
TEXTS = ["", "a", "grün", "日本語", "\U0001f600", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "e\u0301", "\u202eabc", "\ufeffbom"]
TEXTS += ["\U00010000\U000e0001\U0010ffff", "\ufdd0\uffff\ufffe", "a\0b", "\0", "\0\0", "'\"\\;--", "\r\n\t\x01\x7f\u2028", "x" * 30_000]
BLOBS = [b"", b"\0", b"\xff" * 3, bytes(range(256)), b"text", b"\0" * 30_000]
LONGEST_KEY = 512  # bytes


def nth_row(i: int, column: str, value: Any) -> dict:
    return {"id": i, column: value}


async def round_trip(hub: Hub, column: str, values: list) -> None:
    """All values in one block, and each in a block of its own; the witness and SQL look at them afterwards."""
    device = await hub.device()
    last = await device.write(insert("every", *(nth_row(i, column, value) for i, value in enumerate(values))))
    for i, value in enumerate(values, 1000):
        device.start(insert("every", nth_row(i, column, value)))
    await device.wait(lambda: not device.unsettled)
    await device.complete_to(last)
    await device.complete_to((await device.clock()).version)
    for i, value in enumerate(values):
        for key in ((i,), (1000 + i,)):
            assert exact(device.copy.rows("every")[key][column]) == exact(value)


async def test_integers(own_hub: Hub):
    await round_trip(own_hub, "i", EXTREMES)


async def test_floats(own_hub: Hub):
    await round_trip(own_hub, "r", FLOATS)


async def test_texts(own_hub: Hub):
    await round_trip(own_hub, "t", TEXTS)


async def test_blobs(own_hub: Hub):
    await round_trip(own_hub, "b", BLOBS)


@pytest.mark.parametrize("values", [EXTREMES, FLOATS, TEXTS, BLOBS, [None]], ids=["INTEGER", "REAL", "TEXT", "BLOB", "NULL"])
async def test_column_of_any_type(own_hub: Hub, values: list):
    await round_trip(own_hub, "a", values)


async def test_mixed_types_and_nulls_in_one_column(own_hub: Hub):
    await round_trip(own_hub, "a", [None, 1, 1.0, "1", b"1", None, -(2**63), 0.1, "", b""])
    await (await own_hub.device()).write(delete("every", *({"id": i} for i in range(2000))))
    await round_trip(own_hub, "i", [None, 5, None, -7])
    await (await own_hub.device()).write(delete("every", *({"id": i} for i in range(2000))))
    await round_trip(own_hub, "r", [None, 0.5, None])


async def test_negative_zero_is_what_sqlite_makes_of_it(own_hub: Hub):
    """SQLite keeps no sign of a zero in a column of REALs: a copy holds what SELECT gives, not what was sent."""
    device, other = await own_hub.device(), await own_hub.device()
    version = await device.write(insert("every", {"id": 1, "r": -0.0, "a": -0.0}), put("counter", {"id": 1, "r": 0.5}))
    version = max(version, await device.write(update("every", {"id": 1, "r": -0.0})))
    for one in (device, other):
        await one.complete_to(version)
    await own_hub.merged_to(version)
    ((r, a),) = own_hub.sql("SELECT r, a FROM every")
    for one in (device, other):
        row = one.copy.rows("every")[(1,)]
        assert (exact(row["r"]), exact(row["a"])) == (exact(r), exact(a))


# --- forms


def forms_of(value: int | float) -> list[tuple[str, Any]]:
    """Every form that a column of this one number may have, the wide ones too."""
    if isinstance(value, int):
        tags = [tag for tag, least, most in INTEGER_ARRAYS if least <= value <= most]
        return [("plain", [value]), *((f"tag {tag}", cbor2.CBORTag(tag, struct.pack("<" + TYPED_ARRAYS[tag], value))) for tag in tags)]
    tags = (85, 86)
    return [("plain", [value]), *((f"tag {tag}", cbor2.CBORTag(tag, struct.pack("<" + TYPED_ARRAYS[tag], value))) for tag in tags)]


EVERY_FORM = [(value, form) for value in (0, 7, -7, 300, -300, 70_000, -70_000, 2**40, -(2**40)) for form in forms_of(value)]
EVERY_FORM += [(value, form) for value in (0.5, 2.0) for form in forms_of(value)]


async def test_every_form_of_numbers_is_accepted_for_every_column(own_hub: Hub):
    """A form says how numbers travel, and nothing of the column: whole numbers may come for a REAL column too."""
    raw, device = await own_hub.raw(hello={"subs": []}), await own_hub.device()
    table = device.copy.schema.named("every")
    numbers = {column.name: column.number for column in table.columns}
    expected, seq = {}, 0
    for (value, (_, item)), column in itertools.product(EVERY_FORM, ("i", "r", "a")):
        if column == "i" and isinstance(value, float):
            continue
        seq += 1
        raw.send([5, seq, None, 1, [[1, [table.number, [0, numbers[column]], 1, [seq], item]]]])
        expected[(seq,)] = (column, float(value) if column == "r" else value)
        if seq % 50 == 0:
            assert await outcome_of(raw, seq) == (None, None)
    assert await outcome_of(raw, seq) == (None, None)
    await device.complete_to((await device.clock()).version)
    for key, (column, value) in expected.items():
        assert key in device.copy.rows("every"), f"{value!r} was refused for {column}"
        assert exact(device.copy.rows("every")[key][column]) == exact(value), (key, column)


@pytest.mark.parametrize("tag", [64, 72, 69, 77, 70, 78, 79])
async def test_keys_in_every_form(own_hub: Hub, tag: int):
    raw, device = await own_hub.raw(hello={"subs": []}), await own_hub.device()
    number = device.copy.schema.named("every").number
    keys = cbor2.CBORTag(tag, struct.pack("<3" + TYPED_ARRAYS[tag], 1, 2, 3))
    for seq, op in enumerate([[1, [number, [0], 3, keys]], [0, [number, [0, 1], 3, keys, [7, 8, 9]]]], 1):
        raw.send([5, seq, None, 1, [op]])
        assert await outcome_of(raw, seq) == (None, None)
    await device.complete_to((await device.clock()).version)
    assert {key: row["i"] for key, row in device.copy.rows("every").items()} == {(1,): 7, (2,): 8, (3,): 9}


async def test_hub_sends_the_smallest_form(own_hub: Hub):
    """Every block that it sends is what our encoder makes of its rows: the smallest form that loses nothing."""
    raw, device = await own_hub.raw(hello={}), await own_hub.device()
    pairs = [("i", EXTREMES[i], EXTREMES[-i]) for i in range(len(EXTREMES))]
    pairs += [("r", FLOATS[i], FLOATS[-i]) for i in range(len(FLOATS))]
    pairs += [("a", 1, 0.5), ("a", 1, 300), ("a", 0.5, 0.1), ("a", None, 1), ("a", 2, 2.0)]
    for column, one, other in pairs:  # each in a frame of its own, so that none is merged with the next
        await device.write(put("every", {"id": 1, column: one}, {"id": 2, column: other}))
    last, seen = (await device.clock()).version, 0
    while (frame := await raw.until(4))[1] < last:
        for item in frame[4]:
            block = Block(item[0], tuple(item[1]), list(zip(*map(decoded, item[3:]), strict=True)))
            assert repr(encode_block(block)) == repr(item)
            seen += 1
    assert seen >= len(pairs) - 5


def decoded(item: Any) -> list:
    n = len(item) if isinstance(item, list) else len(item.value) // struct.calcsize("<" + TYPED_ARRAYS[item.tag])
    return decode_column(item, n)


# --- keys


async def test_composite_key_in_another_order_than_its_columns(own_hub: Hub):
    device = await own_hub.device()
    await device.write(insert("keyed", {"a": 1, "b": "x", "n": 1}, {"a": 1, "b": "y", "n": 2}, {"a": 2, "b": "x", "n": 3}))
    version = await device.write(put("keyed", {"a": 1, "b": "y", "note": "found"}), delete("keyed", {"a": 2, "b": "x"}))
    await device.complete_to(version)
    assert {key: row["note"] for key, row in device.copy.rows("keyed").items()} == {(1, "x"): None, (1, "y"): "found"}


@pytest.mark.parametrize(
    ("table", "key", "keys"),
    [
        ("named", "name", [*TEXTS[:-1], "x" * LONGEST_KEY, "é" * (LONGEST_KEY // 2)]),
        ("hashed", "hash", [*BLOBS[:-1], b"\0" * LONGEST_KEY]),
        ("anything", "k", [0, 1, -1, 2**63 - 1, -(2**63), 0.5, 1e300, "", "1", "a\0b", b"", b"1", 2**53 + 1]),
        ("every", "id", [0, -1, 2**63 - 1, -(2**63), 2**53 + 1]),
    ],
)
async def test_keys_of_every_type(own_hub: Hub, table: str, key: str, keys: list):
    device = await own_hub.device()
    column = "i" if table == "every" else "n"
    await device.write(insert(table, *({key: k, column: i} for i, k in enumerate(keys))))
    for i, k in enumerate(keys):
        await device.write(update(table, {key: k, column: i + 100}), expect(table, {key: k, column: i + 100}))
        await device.write(add(table, {key: k, column: 1}), touch(table, {key: k, column: i + 200}))
    await device.complete_to((await device.clock()).version)
    assert {k: row[column] for (k,), row in device.copy.rows(table).items()} == {k: i + 200 for i, k in enumerate(keys)}
    await device.write(delete(table, *({key: k} for k in keys[::2])))
    version = await device.write(put(table, {key: keys[0], column: -1}))
    await device.complete_to(version)
    assert len(device.copy.rows(table)) == len(keys) - len(keys[::2]) + 1


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("named", {"name": "x" * (LONGEST_KEY + 1)}),
        ("named", {"name": "é" * (LONGEST_KEY // 2) + "e"}),
        ("hashed", {"hash": b"\0" * (LONGEST_KEY + 1)}),
        ("hashed", {"hash": b"\0" * 30_000}),
    ],
    ids=["a byte", "a byte in UTF-8", "a byte of a BLOB", "far"],
)
@pytest.mark.parametrize("op", [put, insert, update, add, touch, delete, expect])
async def test_key_that_is_too_long(own_hub: Hub, op: Callable[..., Op], table: str, row: dict):
    device = await own_hub.device()
    whole = row if op is delete else {**row, "n": 1}
    assert (await refused(device, op(table, whole))).code in ("too_large", "missing")
    assert device.copy.rows(table) == {}


@pytest.mark.parametrize(("one", "other"), [("a", "A"), ("é", "e\u0301"), ("a", "a "), ("a", "a\0"), ("a\0b", "a\0c")])
async def test_keys_that_look_alike_are_two(own_hub: Hub, one: str, other: str):
    device = await own_hub.device()
    version = await device.write(insert("named", {"name": one, "n": 1}, {"name": other, "n": 2}))
    await device.complete_to(version)
    assert {key: row["n"] for key, row in device.copy.rows("named").items()} == {(one,): 1, (other,): 2}


async def test_key_that_is_one_number_in_two_forms(own_hub: Hub):
    """1 and 1.0 are one key for SQLite, whose column keeps the number that came first."""
    device = await own_hub.device()
    await device.write(insert("anything", {"k": 1, "n": 1}))
    assert (await refused(device, insert("anything", {"k": 1.0, "n": 2}))).code == "exists"
    version = await device.write(put("anything", {"k": 1.0, "n": 3}))
    await device.complete_to(version)
    assert [(exact(key[0]), row["n"]) for key, row in device.copy.rows("anything").items()] == [(exact(1), 3)]


async def test_key_of_null_is_refused(own_hub: Hub):
    device = await own_hub.device()
    for table, key in (("named", "name"), ("anything", "k"), ("every", "id")):
        assert (await refused(device, insert(table, {key: None}))).code in ("constraint", "type")


# --- tables that are not STRICT


async def test_loose_table_holds_what_sqlite_makes_of_a_value(own_hub: Hub):
    device, other = await own_hub.device(), await own_hub.device()
    values = [1, 1.0, 1.5, "1", "x", b"1", None, "1.5", 2**62]
    started = [device.start(insert("loose", {"id": i, "i": v, "v": v, "n": v, "x": v})) for i, v in enumerate(values)]
    for transaction in started:
        await transaction.outcome
    await watched(own_hub, other, "loose")


async def watched(hub: Hub, device: Observer, table: str) -> None:
    """Compares a device's copy of a table with SQL, now."""
    version = (await device.clock()).version
    await device.complete_to(version)
    await hub.merged_to(version)
    expected = hub.read_database().tables[table]
    assert {key: list(map(exact, row.values())) for key, row in device.copy.rows(table).items()} == {
        key: list(map(exact, row.values())) for key, row in expected.items()
    }
