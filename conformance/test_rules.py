"""The database's own rules hold for every device: types, CHECK, UNIQUE, FOREIGN KEY, triggers, defaults, generated columns."""

import pytest

from framehub_client import Op, add, delete, insert, put, update
from harness import Hub
from test_ops import refused

BUILDING = {"id": 90, "zone": 1, "kind": "shop", "x": 1.0, "y": 2.0}
WRONG = {
    "CHECK of a column": (insert("building", {**BUILDING, "floors": 201}), ["building", "floors"]),
    "CHECK with a list": (insert("building", {**BUILDING, "kind": "castle"}), ["building", "kind"]),
    "CHECK with a pattern": (insert("building", {**BUILDING, "colour": "red"}), ["building", "colour"]),
    "CHECK of a BLOB's length": (insert("chunk", {"zone": 1, "cx": 0, "cy": 0, "tiles": b"short"}), ["chunk", "tiles"]),
    "CHECK of a row": (insert("transfer", {"id": 1, "payer": "bob", "payee": "bob", "amount": 1}), ["transfer", "payer"]),
    "UNIQUE": (insert("zone", {"id": 5, "name": "Market", "west": 0.0, "south": 0.0}), ["zone", "name"]),
    "UNIQUE, by update": (update("zone", {"id": 1, "name": "Market"}), ["zone", "name"]),
    "FOREIGN KEY, insert": (insert("building", {**BUILDING, "zone": 77}), ["building", "FOREIGN KEY"]),
    "FOREIGN KEY, update": (update("building", {"id": 1, "zone": 77}), ["building", "FOREIGN KEY"]),
    "FOREIGN KEY, RESTRICT": (delete("zone", {"id": 1}), ["zone", "FOREIGN KEY"]),
    "NOT NULL": (update("building", {"id": 1, "kind": None}), ["building", "kind"]),
    "NOT NULL, left out": (insert("zone", {"id": 5, "name": "Moor"}), ["zone", "west"]),
    "RAISE of a trigger": (update("transfer", {"id": 7, "amount": 1}), ["a transfer is final"]),
    "CHECK behind a trigger": (insert("transfer", {"id": 8, "payer": "bob", "payee": "bank", "amount": 9999}), ["balance"]),
}


@pytest.mark.parametrize(("wrong", "words"), WRONG.values(), ids=WRONG.keys())
async def test_rule_refuses_with_words(hub: Hub, wrong: Op, words: list[str]):
    """The text names the table, the column and the rule, and all else of the transaction falls too."""
    device = await hub.device()
    await device.write(insert("transfer", {"id": 7, "payer": "alice", "payee": "bob", "amount": 3}))
    refusal = await refused(device, put("setting", {"key": "weather", "value": "storm"}), wrong)
    assert refusal.code == "constraint"
    assert refusal.op == 1
    for word in words:
        assert word.lower() in refusal.text.lower(), refusal.text
    assert device.copy.rows("setting")[("weather",)]["value"] == "clear"


@pytest.mark.parametrize(("wrong", "words"), WRONG.values(), ids=WRONG.keys())
async def test_refusal_harms_no_other_transaction_of_the_frame(hub: Hub, wrong: Op, words: list[str]):
    device, other = await hub.device(), await hub.device()
    await device.write(insert("transfer", {"id": 7, "payer": "alice", "payee": "bob", "amount": 3}))
    good = [other.start(put("entity", {"id": i, "x": 1.0})) for i in range(5)]
    bad = device.start(wrong)
    good += [other.start(put("entity", {"id": i, "x": 1.0})) for i in range(5, 10)]
    for transaction in good:
        await transaction.outcome
    with pytest.raises(Exception, match="constraint"):
        await bad.outcome
    await other.complete_to((await other.clock()).version)
    assert len(other.copy.rows("entity")) == 10


async def test_row_of_a_refused_block_is_told(hub: Hub):
    device = await hub.device()
    rows = [{**BUILDING, "id": 90 + i, "floors": 500 if i == 3 else 1} for i in range(6)]
    refusal = await refused(device, insert("building", *rows))
    assert (refusal.code, refusal.op, refusal.row) == ("constraint", 0, 3)


async def test_triggers_change_other_rows(hub: Hub):
    device = await hub.device()
    version = await device.write(insert("transfer", {"id": 1, "payer": "alice", "payee": "bob", "amount": 200}))
    await device.complete_to(version)
    balances = {owner: row["balance"] for (owner,), row in device.copy.rows("account").items()}
    assert balances == {"alice": 300, "bank": 1_000_000, "bob": 700}


async def test_money_cannot_be_spent_twice(hub: Hub):
    """Several devices spend the same 500 at once, 100 each: five of twelve succeed."""
    devices = [await hub.device() for _ in range(4)]
    started = [
        device.start(insert("transfer", {"id": i * 10 + n, "payer": "alice", "payee": "bob", "amount": 100}))
        for n in range(3)
        for i, device in enumerate(devices)
    ]
    outcomes = [await settled(transaction) for transaction in started]
    assert sum(outcomes) == 5
    await devices[0].complete_to((await devices[0].clock()).version)
    assert devices[0].copy.rows("account")[("alice",)]["balance"] == 0


async def settled(transaction) -> bool:
    try:
        return bool(await transaction.outcome)
    except Exception as refusal:
        assert refusal.code == "constraint"
        return False


async def test_deferred_rules_look_at_the_end_of_an_op_not_of_its_rows(hub: Hub):
    """A building and its new zone in one transaction, the zone first: each op finds what the ones before it left."""
    device = await hub.device()
    zone, building = {"id": 9, "name": "Moor", "west": 0.0, "south": 0.0}, {**BUILDING, "zone": 9}
    await device.write(insert("zone", zone), insert("building", building))
    await device.write(delete("building", {"id": 90}), delete("zone", {"id": 9}))
    assert (await refused(device, insert("building", building), insert("zone", zone))).op == 0


async def test_generated_columns_follow(hub: Hub):
    device = await hub.device()
    version = await device.write(update("building", {"id": 1, "floors": 10}))
    await device.complete_to(version)
    assert device.copy.rows("building")[(1,)]["height"] == 32.0


@pytest.mark.schema("tables")
async def test_stored_and_virtual_columns_follow(own_hub: Hub):
    device = await own_hub.device()
    version = await device.write(insert("shape", {"id": 1, "w": 2.0}))
    await device.complete_to(version)
    assert device.copy.rows("shape")[(1,)] == {"id": 1, "w": 2.0, "h": 1.5, "area": 3.0, "name": "shape 1"}
    await device.complete_to(await device.write(update("shape", {"id": 1, "h": 4.0})))
    assert device.copy.rows("shape")[(1,)]["area"] == 8.0


@pytest.mark.schema("tables")
@pytest.mark.parametrize("write", [insert, put])
async def test_defaults_fill_what_is_left_out(own_hub: Hub, write):
    device = await own_hub.device()
    version = await device.write(write("defaults", {"id": 1}))
    await device.complete_to(version)
    row = {"id": 1, "i": 7, "r": 0.1, "t": "as it is", "b": b"\x00\xff", "e": "ABC", "n": None}
    assert device.copy.rows("defaults")[(1,)] == row


@pytest.mark.schema("tables")
async def test_null_is_not_the_default(own_hub: Hub):
    device = await own_hub.device()
    assert (await refused(device, insert("defaults", {"id": 1, "i": None}))).code == "constraint"
    version = await device.write(insert("defaults", {"id": 1, "b": None}))
    await device.complete_to(version)
    assert device.copy.rows("defaults")[(1,)]["b"] is None


@pytest.mark.schema("tables")
async def test_cascades(own_hub: Hub):
    device = await own_hub.device()
    await device.write(insert("room", {"id": 1, "name": "a"}, {"id": 2, "name": "b"}))
    await device.write(insert("member", *({"id": i, "room": 1 + i % 2} for i in range(10))))
    version = await device.write(delete("room", {"id": 2}))
    await device.complete_to(version)
    assert sorted(device.copy.rows("member")) == [(i,) for i in range(0, 10, 2)]


@pytest.mark.schema("tables")
async def test_triggers_of_a_joined_write_run_for_each(own_hub: Hub):
    """Many writes of one row in one frame: the trigger's sum shows whether each of them was run."""
    devices = [await own_hub.device() for _ in range(3)]
    await devices[0].write(insert("purse", {"id": 1, "coins": 0}, {"id": 2, "coins": 0}))
    started = [device.start(add("purse", {"id": 1 + i % 2, "coins": 1})) for i in range(30) for device in devices]
    started += [devices[0].start(put("purse", {"id": 2, "coins": 500 + i})) for i in range(10)]
    for transaction in started:
        await transaction.outcome
    await devices[0].complete_to((await devices[0].clock()).version)
    purses = sum(row["coins"] for row in devices[0].copy.rows("purse").values())
    assert devices[0].copy.rows("total")[(1,)]["coins"] == purses
    await own_hub.merged_to(devices[0].copy.version)
    assert own_hub.sql("SELECT what FROM _secret ORDER BY id") == [("purse 1",), ("purse 2",)]
