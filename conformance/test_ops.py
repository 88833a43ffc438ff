"""Section 5: each op's rules, refusals by code with their place, and transactions that hold or fall as a whole."""

import asyncio
from typing import Any

import pytest

from framehub_client import Device, Op, Refused, Settled, add, delete, expect, insert, op, put, touch, update
from harness import Hub, Raw, exact

TYPE, CONSTRAINT, MISSING, EXISTS, CONFLICT = "type", "constraint", "missing", "exists", "conflict"


async def refused(device: Device, *ops: Op, base: int | None = None) -> Refused:
    with pytest.raises(Refused) as refusal:
        await device.write(*ops, base=base)
    assert len(refusal.value.text) > 5, "a refusal has words"
    return refusal.value


async def row_after(device: Device, version: int, table: str, *key: Any) -> dict | None:
    await device.complete_to(version)
    return device.copy.rows(table).get(key)


# --- 0: put


async def test_put_inserts_and_then_updates(hub: Hub):
    device = await hub.device()
    row = await row_after(device, await device.write(put("entity", {"id": 5, "x": 1.5, "owner": "a"})), "entity", 5)
    assert (row["x"], row["y"], row["owner"]) == (1.5, None, "a")
    row = await row_after(device, await device.write(put("entity", {"id": 5, "x": 2.5})), "entity", 5)
    assert (row["x"], row["owner"]) == (2.5, "a")


async def test_put_of_a_key_alone_inserts_and_changes_nothing_where_a_row_is(hub: Hub):
    device = await hub.device()
    assert await row_after(device, await device.write(put("entity", {"id": 5})), "entity", 5)
    await device.write(put("entity", {"id": 5, "x": 1.0}))
    assert (await row_after(device, await device.write(put("entity", {"id": 5})), "entity", 5))["x"] == 1.0


async def test_put_updates_where_an_insert_would_lack_columns(hub: Hub):
    """An UPDATE first: the NOT NULL columns that are not named are asked for where the row is missing only."""
    device = await hub.device()
    row = await row_after(device, await device.write(put("building", {"id": 1, "floors": 9})), "building", 1)
    assert (row["floors"], row["kind"]) == (9, "work")
    refusal = await refused(device, put("building", {"id": 77, "floors": 9}))
    assert refusal.code == CONSTRAINT and "zone" in refusal.text


async def test_put_of_several_rows_old_and_new(hub: Hub):
    device = await hub.device()
    await device.write(put("entity", {"id": 2, "owner": "b"}))
    version = await device.write(put("entity", *({"id": i, "x": float(i)} for i in range(5))))
    await device.complete_to(version)
    assert {key: row["x"] for key, row in device.copy.rows("entity").items()} == {(i,): float(i) for i in range(5)}
    assert device.copy.rows("entity")[(2,)]["owner"] == "b"


# --- 1: insert, 2: update


async def test_insert_is_refused_where_a_row_exists(hub: Hub):
    device = await hub.device()
    await device.write(insert("entity", {"id": 1}))
    refusal = await refused(device, insert("entity", {"id": 7}), insert("entity", {"id": 8}, {"id": 1}))
    assert (refusal.code, refusal.op, refusal.row) == (EXISTS, 1, 1)
    assert "entity" in refusal.text


async def test_update_is_refused_where_none_exists(hub: Hub):
    device = await hub.device()
    await device.write(insert("entity", {"id": 1}))
    refusal = await refused(device, update("entity", {"id": 1, "x": 1.0}, {"id": 2, "x": 1.0}))
    assert (refusal.code, refusal.op, refusal.row) == (MISSING, 0, 1)
    assert device.copy.rows("entity").get((1,), {}).get("x") is None


async def test_insert_sees_what_the_transaction_did_before(hub: Hub):
    device = await hub.device()
    await device.write(insert("entity", {"id": 1}))
    await device.write(delete("entity", {"id": 1}), insert("entity", {"id": 1, "x": 3.0}))
    refusal = await refused(device, insert("entity", {"id": 2}), insert("entity", {"id": 2}))
    assert (refusal.code, refusal.op, refusal.row) == (EXISTS, 1, 0)
    refusal = await refused(device, delete("entity", {"id": 1}), update("entity", {"id": 1, "x": 4.0}))
    assert (refusal.code, refusal.op) == (MISSING, 1)


# --- 3: delete


async def test_delete_of_nothing_is_no_error(hub: Hub):
    device = await hub.device()
    await device.write(insert("entity", {"id": 1}))
    version = await device.write(delete("entity", {"id": 1}, {"id": 2}))
    assert await row_after(device, version, "entity", 1) is None


async def test_delete_with_more_than_the_key_is_refused(hub: Hub):
    device = await hub.device()
    await device.write(insert("entity", {"id": 1, "x": 1.0}))
    refusal = await refused(device, delete("entity", {"id": 1, "x": 1.0}))
    assert refusal.op == 0
    assert (1,) in device.copy.rows("entity")


# --- 4: add


@pytest.mark.schema("tables")
@pytest.mark.parametrize(
    ("column", "before", "added", "after"),
    [
        ("n", 5, 3, 8),
        ("n", 5, -8, -3),
        ("n", None, 3, 3),
        ("n", 2**63 - 2, 1, 2**63 - 1),
        ("n", -(2**63) + 1, -1, -(2**63)),
        ("n", 2**53, 1, 2**53 + 1),
        ("r", 0.5, 0.25, 0.75),
        ("r", None, 0.1, 0.1),
        ("r", 0.5, 2, 2.5),
        ("r", 1e308, 1.0, 1e308),
        ("a", 1, 2, 3),
        ("a", None, 2, 2),
        ("a", 1, 0.5, 1.5),
        ("a", 0.5, 1, 1.5),
    ],
)
async def test_add(own_hub: Hub, column: str, before: Any, added: Any, after: Any):
    device = await own_hub.device()
    await device.write(insert("counter", {"id": 1, column: before}))
    row = await row_after(device, await device.write(add("counter", {"id": 1, column: added})), "counter", 1)
    assert exact(row[column]) == exact(after)


@pytest.mark.schema("tables")
@pytest.mark.parametrize(
    ("column", "before", "added", "code"),
    [
        ("n", 2**63 - 1, 1, CONSTRAINT),
        ("n", -(2**63), -1, CONSTRAINT),
        ("n", 5, 0.5, TYPE),
        ("n", 5, "3", TYPE),
        ("n", 5, None, TYPE),
        ("n", 5, b"3", TYPE),
        ("r", 1e308, 1e308, CONSTRAINT),
        ("r", 0.5, "x", TYPE),
        ("t", "5", 3, TYPE),
        ("a", "5", 3, TYPE),
        ("a", b"5", 3, TYPE),
        ("a", 2**63 - 1, 1, CONSTRAINT),
    ],
)
async def test_add_is_refused(own_hub: Hub, column: str, before: Any, added: Any, code: str):
    """Whoever adds gets the sum or a refusal; never a sum that is rounded or of another type."""
    device = await own_hub.device()
    await device.write(insert("counter", {"id": 1, column: before}))
    refusal = await refused(device, add("counter", {"id": 1, column: added}))
    assert (refusal.code, refusal.op, refusal.row) == (code, 0, 0)
    assert "counter" in refusal.text and column in refusal.text


@pytest.mark.schema("tables")
async def test_add_to_a_missing_row(own_hub: Hub):
    device = await own_hub.device()
    await device.write(insert("counter", {"id": 1, "n": 1}))
    refusal = await refused(device, add("counter", {"id": 1, "n": 1}, {"id": 2, "n": 1}))
    assert (refusal.code, refusal.op, refusal.row) == (MISSING, 0, 1)


@pytest.mark.schema("tables")
async def test_adds_of_several_devices_all_count(own_hub: Hub):
    devices = [await own_hub.device() for _ in range(4)]
    await devices[0].write(insert("counter", {"id": 1, "n": 0, "r": 0.0}))
    started = [device.start(add("counter", {"id": 1, "n": i, "r": 0.5})) for i in range(25) for device in devices]
    last = max(await asyncio.gather(*(transaction.outcome for transaction in started)))
    row = await row_after(devices[0], last, "counter", 1)
    assert (row["n"], row["r"]) == (4 * sum(range(25)), 50.0)


@pytest.mark.schema("tables")
async def test_add_obeys_a_check(own_hub: Hub):
    device = await own_hub.device()
    await device.write(insert("purse", {"id": 1, "coins": 5}))
    refusal = await refused(device, add("purse", {"id": 1, "coins": -6}))
    assert refusal.code == CONSTRAINT and "purse" in refusal.text and "coins" in refusal.text
    assert (await row_after(device, await device.write(add("purse", {"id": 1, "coins": -5})), "purse", 1))["coins"] == 0


# --- 5: touch


async def test_touch_sets_what_exists_and_skips_the_rest(hub: Hub):
    device = await hub.device()
    await device.write(insert("entity", {"id": 1, "owner": "a"}))
    version = await device.write(touch("entity", {"id": 1, "x": 1.0}, {"id": 2, "x": 2.0}))
    assert await row_after(device, version, "entity", 2) is None
    row = device.copy.rows("entity")[(1,)]
    assert (row["x"], row["owner"]) == (1.0, "a")


async def test_late_touch_brings_nothing_back(hub: Hub):
    device, other = await hub.device(), await hub.device()
    await device.write(insert("entity", {"id": 1, "x": 1.0}))
    await other.write(delete("entity", {"id": 1}))
    assert await row_after(device, await device.write(touch("entity", {"id": 1, "x": 2.0})), "entity", 1) is None


# --- 6: expect


@pytest.mark.schema("tables")
@pytest.mark.parametrize(
    ("column", "held", "expected", "holds"),
    [
        ("i", 1, 1, True),
        ("i", 1, 1.0, True),
        ("i", 1, 2, False),
        ("i", None, None, True),
        ("i", None, 0, False),
        ("i", 0, None, False),
        ("i", 2**53 + 1, float(2**53), False),
        ("r", 1.0, 1, True),
        ("r", 0.1, 0.1, True),
        ("r", 0.1, 0.10000000000000002, False),
        ("r", 0.0, -0.0, True),
        ("t", "a", "a", True),
        ("t", "a", "A", False),
        ("t", "é", "e\u0301", False),
        ("t", "a", "a ", False),
        ("t", "a\0b", "a\0c", False),
        ("t", "a\0b", "a\0b", True),
        ("t", "1", 1, False),
        ("t", "a", b"a", False),
        ("b", b"\0\1", b"\0\1", True),
        ("b", b"\0\1", b"\0\2", False),
        ("b", b"a", "a", False),
        ("a", "1", 1, False),
        ("a", 1, 1.0, True),
        ("a", 1.0, 1, True),
        ("a", b"a", "a", False),
    ],
)
async def test_expect(own_hub: Hub, column: str, held: Any, expected: Any, holds: bool):
    device = await own_hub.device()
    await device.write(insert("every", {"id": 1, column: held}))
    ops = put("every", {"id": 2}), expect("every", {"id": 1, column: expected})
    if holds:
        assert await row_after(device, await device.write(*ops), "every", 2)
        return
    refusal = await refused(device, *ops)
    assert (refusal.code, refusal.op, refusal.row) == (CONFLICT, 1, 0)
    assert "every" in refusal.text and column in refusal.text


async def test_expect_of_a_row_that_is_missing(hub: Hub):
    device = await hub.device()
    await device.write(insert("entity", {"id": 1, "x": None}))
    refusal = await refused(device, expect("entity", {"id": 1, "x": None}, {"id": 2, "x": None}))
    assert (refusal.code, refusal.op, refusal.row) == (CONFLICT, 0, 1)


async def test_expect_of_keys_alone_says_nothing_of_the_rows(hub: Hub):
    device = await hub.device()
    await device.write(insert("entity", {"id": 1}))
    await device.write(expect("entity", {"id": 1}, {"id": 2}), put("entity", {"id": 3}))


async def test_expect_sees_what_the_transaction_did_before(hub: Hub):
    device = await hub.device()
    await device.write(put("entity", {"id": 1, "x": 1.0}), expect("entity", {"id": 1, "x": 1.0}))
    await device.write(expect("entity", {"id": 1, "x": 1.0}), put("entity", {"id": 1, "x": 2.0}))
    assert (await refused(device, put("entity", {"id": 1, "x": 3.0}), expect("entity", {"id": 1, "x": 2.0}))).op == 1


# --- whole or not at all


@pytest.mark.parametrize(
    "last",
    [insert("entity", {"id": 1}), update("entity", {"id": 99, "x": 1.0}), put("zone", {"id": 1, "size": -1.0})],
    ids=["exists", "missing", "constraint"],
)
async def test_refused_transaction_leaves_nothing(hub: Hub, last: Op):
    device = await hub.device()
    before = await device.write(put("entity", {"id": 1, "x": 1.0}))
    await device.complete_to(before)
    held = device.copy.freeze()
    await refused(
        device,
        put("entity", {"id": 1, "x": 2.0}, {"id": 2, "x": 2.0}),
        delete("building", {"id": 1}),
        add("account", {"owner": "alice", "balance": 5}),
        insert("transfer", {"id": 1, "payer": "alice", "payee": "bob", "amount": 5}),
        last,
    )
    await device.complete_to((await device.clock()).version)
    assert device.copy.freeze() == held


async def test_transactions_of_one_device_run_one_after_the_other(hub: Hub):
    """Sent at once, some refused: each sees what the ones before it left, and only that."""
    device = await hub.device()
    started = [
        device.start(insert("entity", {"id": 1, "score": 0})),
        device.start(insert("entity", {"id": 1, "score": 50})),  # exists
        device.start(add("entity", {"id": 1, "score": 1}), update("entity", {"id": 2, "x": 1.0})),  # missing: its add is undone
        device.start(expect("entity", {"id": 1, "score": 0}), add("entity", {"id": 1, "score": 10})),
        device.start(delete("entity", {"id": 1})),
        device.start(touch("entity", {"id": 1, "score": 99})),
        device.start(update("entity", {"id": 1, "score": 98})),  # missing
        device.start(insert("entity", {"id": 1, "score": 7})),
    ]
    outcomes = await asyncio.gather(*(transaction.outcome for transaction in started), return_exceptions=True)
    codes = [outcome.code if isinstance(outcome, Refused) else None for outcome in outcomes]
    assert codes == [None, EXISTS, MISSING, None, None, None, MISSING, None]
    assert (await row_after(device, outcomes[-1], "entity", 1))["score"] == 7


async def test_one_of_several_devices_wins_a_key(hub: Hub):
    devices = [await hub.device() for _ in range(4)]
    for key in range(10):
        started = [device.start(insert("entity", {"id": key, "owner": str(i)})) for i, device in enumerate(devices)]
        outcomes = await asyncio.gather(*(transaction.outcome for transaction in started), return_exceptions=True)
        winners = [i for i, outcome in enumerate(outcomes) if not isinstance(outcome, Exception)]
        assert len(winners) == 1
        assert all(o.code == EXISTS for o in outcomes if isinstance(o, Refused))
        row = await row_after(devices[0], outcomes[winners[0]], "entity", key)
        assert row["owner"] == str(winners[0])


async def test_refusals_settle_in_order_with_the_rest(hub: Hub):
    device = await hub.device()
    started = [device.start((insert if i % 3 else update)("entity", {"id": i, "x": 1.0})) for i in range(30)]
    await asyncio.gather(*(transaction.outcome for transaction in started), return_exceptions=True)
    told = [sorted([*m.committed, *(r.seq for r in m.refused)]) for m in device.said(Settled)]
    flat = [seq for message in told for seq in message]
    assert flat == sorted(flat) and len(flat) == 30


# --- refusals of what makes no sense


@pytest.mark.schema("tables")
@pytest.mark.parametrize(
    ("row", "code"),
    [
        ({"i": "text"}, TYPE),
        ({"i": 1.5}, TYPE),
        ({"i": b"1"}, TYPE),
        ({"r": "text"}, TYPE),
        ({"r": b"1"}, TYPE),
        ({"t": b"bytes"}, TYPE),
        ({"b": "text"}, TYPE),
        ({"b": 5}, TYPE),
        ({"b": 0.5}, TYPE),
    ],
    ids=lambda value: str(value),
)
@pytest.mark.parametrize("kind", [0, 1, 2, 5])
async def test_value_of_a_wrong_type(own_hub: Hub, row: dict, code: str, kind: int):
    device = await own_hub.device()
    await device.write(put("every", {"id": 1}))
    refusal = await refused(device, put("every", {"id": 3}), op(kind, "every", [{"id": 1 if kind != 1 else 2, **row}]))
    assert (refusal.code, refusal.op, refusal.row) == (code, 1, 0)
    assert "every" in refusal.text and next(iter(row)) in refusal.text


@pytest.mark.schema("tables")
async def test_read_only_columns(own_hub: Hub):
    device = await own_hub.device()
    for op_ in (insert("shape", {"id": 1, "w": 1.0, "area": 2.0}), put("shape", {"id": 1, "w": 1.0, "name": "x"})):
        refusal = await refused(device, put("every", {"id": 1}), op_)
        assert (refusal.code, refusal.op) == ("read_only", 1)
        assert "shape" in refusal.text


async def raw_outcome(hub: Hub, *message: Any) -> list:
    """What becomes of one transaction that this client would never send."""
    raw = await hub.raw(hello={"subs": []})
    raw.send([5, 1, *message])
    answer = await raw.first(6, 12)
    if answer[0] == 12:
        return ["goodbye", answer[1], answer[2]]
    return [*answer[3][0], None, None][1:5] if answer[3] else ["committed"]


@pytest.mark.parametrize(
    ("ops", "code"),
    [
        ([[0, [99, [0], 1, [1]]]], "unknown_table"),
        ([[0, [5, [0, 8], 1, [1], [1]]]], "unknown_column"),
        ([[0, [5, [0, 1999], 1, [1], [1]]]], "unknown_column"),
        ([[6, [5, [0, 8], 1, [1], [1]]]], "unknown_column"),
        ([[3, [99, [0], 1, [1]]]], "unknown_table"),
    ],
)
async def test_unknown_numbers(hub: Hub, ops: list, code: str):
    schema = (await hub.device()).copy.schema
    assert schema.named("entity").number == 5 or not hub.own, "these are the city's numbers"
    outcome = await raw_outcome(hub, None, schema.version, [[0, [5, [0], 1, [7]]], *ops])
    assert outcome[0] == code and outcome[2] == 1, outcome


@pytest.mark.parametrize(
    "block",
    [
        pytest.param([5, [1], 1, [1.0]], id="no key"),
        pytest.param([5, [1, 0], 1, [1.0], [1]], id="the key is not first"),
        pytest.param([4, [1, 0, 2, 3], 1, [1], [1], [1], [bytes(1024)]], id="the key in another order"),
        pytest.param([4, [0, 1, 3], 1, [1], [1], [bytes(1024)]], id="half a key"),
        pytest.param([5, [0, 1], 2, [1, 1], [1.0, 2.0]], id="a key twice"),
        pytest.param([5, [0, 1], 2, [1, 1.0], [1.0, 2.0]], id="a key twice, as another number"),
        pytest.param([5, [0, 1], 1, [None], [1.0]], id="a key of NULL"),
        pytest.param([5, [0, 1], 1, ["one"], [1.0]], id="a key of another type"),
    ],
)
@pytest.mark.parametrize("kind", range(7))
async def test_blocks_whose_keys_are_wrong(hub: Hub, block: list, kind: int):
    """The document says what a block is, not with which code another one is refused: a word, or the session's end."""
    version = (await hub.device()).hello.schema.version
    outcome = await raw_outcome(hub, None, version, [[kind, block]])
    if block[3] in ([1, 1], [1, 1.0]) and outcome[0] == "committed":
        return  # nor does it say that a hub must refuse a key that comes twice; the serial order gives it a meaning
    assert outcome[0] != "committed"
    if outcome[0] == "goodbye":
        assert outcome[1] == 4000
    else:
        assert outcome[2] == 0, outcome


@pytest.mark.parametrize("version", [0, 2, 1000])
async def test_unknown_schema_version(hub: Hub, version: int):
    assert (await raw_outcome(hub, None, version, []))[0] == "schema"


async def test_nothing_is_a_transaction_too(hub: Hub):
    assert await raw_outcome(hub, None, 1, []) == ["committed"]
    assert await raw_outcome(hub, None, 1, [[0, [5, [0], 0, []]]]) == ["committed"]


async def test_transaction_with_more_rows_than_the_limit(hub: Hub):
    device = await hub.device()
    most = device.hello.limits["rows"]
    refusal = await refused(device, put("entity", *({"id": i} for i in range(most + 1))))
    assert refusal.code == "too_large"
    await device.write(put("entity", *({"id": i} for i in range(most))))
    await device.write(delete("entity", *({"id": i} for i in range(most))))


# --- numbers


async def test_number_that_is_settled_is_not_run_again(hub: Hub):
    raw = await hub.raw(hello={"subs": []})
    version = raw.hello[1]["schema"][0]
    put_op = [0, [5, [0, 6], 1, [1], [0]]]
    add_op = [4, [5, [0, 6], 1, [1], [1]]]
    raw.send([5, 1, None, version, [put_op]])
    raw.send([5, 2, None, version, [add_op]])
    while 2 not in (await raw.until(6))[2]:
        pass
    for _ in range(3):
        raw.send([5, 2, None, version, [add_op]])
    raw.send([5, 9, None, version, [add_op]])
    while 9 not in (await raw.until(6))[2]:
        pass
    device = await hub.device()
    await device.complete_to(device.hello.version)
    assert device.copy.rows("entity")[(1,)]["score"] == 2


async def test_outcome_of_a_number_that_comes_again_is_told_again(hub: Hub):
    """`its outcome goes to the device's current session`: refused stays refused, committed stays committed."""
    raw = await hub.raw(hello={"subs": []})
    version = raw.hello[1]["schema"][0]
    transactions = {1: [[1, [5, [0], 1, [1]]]], 2: [[1, [5, [0], 1, [1]]]]}  # the second insert finds the first one's row
    for seq, ops in transactions.items():
        raw.send([5, seq, None, version, ops])
    first = [await outcome_of(raw, seq) for seq in transactions]
    assert [code for code, _ in first] == [None, EXISTS]
    for seq, ops in transactions.items():
        raw.send([5, seq, None, version, ops])
        assert await outcome_of(raw, seq) == first[seq - 1]


async def outcome_of(raw: Raw, seq: int) -> tuple[str | None, str | None]:
    """Code and text of a number that a hub settles next; None where it was committed."""
    waiting = raw.__dict__.setdefault("outcomes", [])
    while True:
        for outcome in waiting:
            if outcome[0] == seq:
                waiting.remove(outcome)
                return outcome[1:]
        answer = await raw.until(6)
        waiting += [(committed, None, None) for committed in answer[2]]
        waiting += [tuple(rejection[:3]) for rejection in answer[3]]


async def test_gaps_in_the_numbers_are_allowed(hub: Hub):
    device = await hub.device()
    for step in (1, 5, 1000, 2**40):
        device.last_seq += step
        await device.write(put("entity", {"id": 1}))
    await device.close()
    assert (await device.connect()).settled == device.last_seq


async def test_more_than_64_under_way(own_hub: Hub):
    """The document leaves open what becomes of the 65th: it is refused in order, or the session ends with 4008."""
    raw = await own_hub.raw(hello={"subs": []})
    version = raw.hello[1]["schema"][0]
    for seq in range(1, 401):
        raw.send([5, seq, None, version, [[0, [5, [0], 1, [seq]]]]])
    settled: dict[int, str | None] = {}
    while len(settled) < 400 and (answer := await raw.first(6, 12))[0] == 6:
        settled |= {seq: None for seq in answer[2]} | {rejection[0]: rejection[1] for rejection in answer[3]}
    assert list(settled) == list(range(1, len(settled) + 1)), "outcomes settle in order"
    assert set(settled.values()) <= {None, "rate"}
    assert answer[0] == 6 or answer[1] == 4008
    again = await own_hub.raw(hello={"subs": [], "device": raw.hello[1]["device"]})
    settled_at_last = again.hello[1]["settled"] or 0
    while answer[0] == 12 and settled_at_last < 64:  # what the hub had taken before the goodbye settles here
        settled_at_last = max((await again.until(6))[2])
    device = await own_hub.device()
    assert sorted(device.copy.rows("entity")) == [(i,) for i in range(1, len(device.copy.rows("entity")) + 1)]
    assert len(device.copy.rows("entity")) >= settled_at_last


async def test_refusals_are_told_again_in_hello(hub: Hub):
    """`rejected` lists the refusals among the last numbers, as message 6 told them."""
    device = await hub.device()
    await device.write(insert("entity", {"id": 1}))
    refusal = await refused(device, put("entity", {"id": 2}), insert("entity", {"id": 3}, {"id": 1}))
    await device.write(put("entity", {"id": 4}))
    await device.close()
    hello = await device.connect()
    assert hello.settled == 3
    (told,) = hello.rejected
    assert told.seq == 2
    assert (told.refusal.code, told.refusal.text, told.refusal.op, told.refusal.row) == (EXISTS, refusal.text, 1, 1)


async def test_only_refusals_among_the_last_64_numbers_are_told(hub: Hub):
    device = await hub.device()
    for i in range(130):
        device.start((update if i % 2 else put)("entity", {"id": 1000 + i, "x": 1.0}))
    await device.wait(lambda: not device.unsettled)
    await device.close()
    hello = await device.connect()
    told = [rejection.seq for rejection in hello.rejected]
    assert told == sorted(told) and set(told) >= {seq for seq in range(67, 131) if seq % 2 == 0}
    assert len(told) <= 33, "one more than the last 64 numbers does no harm, all of them would grow without end"
