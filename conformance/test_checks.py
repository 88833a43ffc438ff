"""Tests of the tests: a hub that lies must be found out, by the client's own checks or by comparing with the database.

A liar stands between a device and a real hub and changes what the hub says. Each lie below is one that a faulty hub could
tell; a check that lets one pass is worth nothing.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import cbor2
import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from framehub_client import (
    SUBPROTOCOL,
    Block,
    Copy,
    Deviation,
    Frame,
    Sub,
    add,
    decode_block,
    decode_message,
    delete,
    encode_block,
    insert,
    put,
    read_schema,
    update,
)
from harness import SCHEMAS, Hub
from model import Known, Model, Search

Message = list[Any]
Lie = Callable[[Message], list[Message]]


class Liar:
    """Passes on what device and hub say, but lies to the device."""

    def __init__(self, hub: Hub, lie: Lie):
        self.hub, self.lie = hub, lie

    async def __aenter__(self) -> str:
        self.server = await serve(self._talk, "127.0.0.1", 0, subprotocols=[SUBPROTOCOL], compression=None, max_size=None)
        return f"ws://127.0.0.1:{self.server.sockets[0].getsockname()[1]}/v1/sync"

    async def __aexit__(self, *exception: Any) -> None:
        self.server.close()
        await self.server.wait_closed()

    async def _talk(self, device: Any) -> None:
        async with connect(self.hub.url, subprotocols=[SUBPROTOCOL], compression=None, max_size=None, proxy=None) as hub:
            both = [asyncio.create_task(self._pass(device, hub, lambda m: [m])), asyncio.create_task(self._pass(hub, device, self._lies))]
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for task in both:
                task.cancel()

    async def _pass(self, one: Any, other: Any, change: Callable[[bytes], list[bytes]]) -> None:
        try:
            async for data in one:
                for said in change(data):
                    await other.send(said)
        except ConnectionClosed:
            pass

    def _lies(self, data: bytes) -> list[bytes]:
        return [cbor2.dumps(said) for said in self.lie(cbor2.loads(data))]


def in_frames(change: Callable[[Message], list[Message] | None]) -> Lie:
    """A lie about frames that change something."""

    def lie(message: Message) -> list[Message]:
        if message[0] != 4 or not (message[4] or message[5]):
            return [message]
        return change(message)

    return lie


def in_rows(change: Callable[[Block], Block | None], of: int = 4) -> Lie:
    """A lie about what is in the blocks of frames, or of snapshots."""

    def lie(message: Message) -> list[Message]:
        if message[0] != of:
            return [message]
        blocks = message[4] if of == 4 else message[3:]
        changed = [encode_block(lied) for block in blocks if (lied := change(decode_block(block))) is not None]
        return [[*message[:4], changed, *message[5:]]] if of == 4 else [[*message[:3], *changed]]

    return lie


def rows_of(table: int, change: Callable[[list[tuple]], list[tuple]]) -> Callable[[Block], Block | None]:
    """Changes the rows of a table's blocks; a block without rows is left out."""

    def of_block(block: Block) -> Block | None:
        if block.table != table:
            return block
        rows = change(block.rows)
        return Block(block.table, block.columns, rows) if rows else None

    return of_block


ENTITY = 5
ZONE = 9


def turn(value: Any) -> Any:
    """Another value, as little different as can be."""
    if value is None:
        return 0
    return float(value) if isinstance(value, int) else int(value) if isinstance(value, float) else value


LIES: dict[str, Lie] = {
    "a snapshot lacks a row": in_rows(rows_of(ZONE, lambda rows: rows[:-1]), of=2),
    "a snapshot has a row too many": in_rows(rows_of(ZONE, lambda rows: [*rows, (99, *rows[0][1:])]), of=2),
    "a snapshot is without a value": in_rows(rows_of(3, lambda rows: [(*row[:-1], None) for row in rows]), of=2),
    "a snapshot's row is not whole": in_rows(lambda b: Block(b.table, b.columns[:-1], [r[:-1] for r in b.rows]), of=2),
    "a frame lacks a row": in_rows(rows_of(ENTITY, lambda rows: rows[1:])),
    "a frame has another value": in_rows(rows_of(ENTITY, lambda rows: [(row[0], *map(turn, row[1:])) for row in rows])),
    "a frame's rows are of another table": in_rows(lambda b: Block(b.table + 1, b.columns[:2], [r[:2] for r in b.rows])),
    "a frame brings a new row in part": in_rows(lambda b: Block(b.table, b.columns[:2], [r[:2] for r in b.rows])),
    "a frame has a key twice": in_rows(lambda b: Block(b.table, b.columns, b.rows * 2)),
    "a frame's key is not first": in_rows(lambda b: Block(b.table, b.columns[::-1], [r[::-1] for r in b.rows])),
    "a frame forgets what was removed": in_frames(lambda m: [[*m[:5], [], *m[6:]]]),
    "a frame forgets what was changed": in_frames(lambda m: [[*m[:4], [], *m[5:]]]),
    "a frame is lost": in_frames(lambda m: []),
    "a frame comes twice": in_frames(lambda m: [m, m]),
    "a frame comes in an old version": in_frames(lambda m: [[4, m[1] - 1, m[2] - 1, *m[3:]]]),
    "a frame comes in a new version": in_frames(lambda m: [[4, m[1] + 1, m[2], *m[3:]]]),
    "a frame claims a sub that isn't there": in_frames(lambda m: [[*m[:7], [99]]]),
    "a frame tells a device who wrote": in_frames(lambda m: [[*m[:7], None, [[bytes(16), 1, ENTITY, [1]]]]]),
    "a table nobody knows": in_rows(lambda b: Block(1, b.columns, b.rows)),
    "an outcome of what was never sent": lambda m: [m, [6, 1, [77], []]] if m[0] == 6 else [m],
    "a message that is too large": lambda m: [[*m, bytes(70_000)]] if m[0] == 6 else [m],
    "a message that is not of the protocol": lambda m: [m, [99]] if m[0] == 6 else [m],
    "a second hello": lambda m: [m, m] if m[0] == 0 else [m],
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
async def test_lie_is_found_out(own_hub: Hub, lie: Lie):
    """The device lives through inserts, updates, deletes, and a comparison with the database; somewhere it must fail."""
    async with Liar(own_hub, lie) as url:
        with pytest.raises((Deviation, AssertionError)) as found:
            device = await own_hub.device(url=url)
            await live(own_hub, device)
        own_hub.devices.clear()
        print(f"found out by {found.value!r:.200}")


async def live(own_hub: Hub, device: Any) -> None:
    for ops in (
        [insert("entity", *({"id": i, "x": i / 2, "score": i, "zone": 1} for i in range(5)))],
        [update("entity", {"id": 1, "x": 9.0}, {"id": 2, "x": 9.5})],
        [delete("entity", {"id": 3})],
    ):
        await device.complete_to(await device.write(*ops))
    await own_hub.same_as_database(device)
    device.raise_deviation()


async def test_truth_is_not_found_out(own_hub: Hub):
    """The same without a lie: it is the lies that are found out above, and not the liar."""
    async with Liar(own_hub, lambda message: [message]) as url:
        await live(own_hub, await own_hub.device(url=url))


# --- the copy by itself


SCHEMA = read_schema([1, [[1, "t", 1, 1, [["id", "INTEGER", 1], ["room", "INTEGER"], ["x", "REAL"]], 15, "durable"]]])


def copy_with(*subs: Sub) -> Copy:
    copy = Copy()
    copy.schema, copy.subs, copy.version = SCHEMA, list(subs), 1
    return copy


def frame(version: int, previous: int, changed: list[Block] = (), removed: list[Block] = (), **more: Any) -> Frame:
    rest = {"more": False, "complete": None, "authors": [], **more}
    return Frame(version, previous, 0, list(changed), list(removed), **rest)


def whole(*rows: tuple) -> Block:
    return Block(1, (0, 1, 2), list(rows))


def keys(*values: int) -> Block:
    return Block(1, (0,), [(value,) for value in values])


def test_removed_is_applied_before_changed():
    copy = copy_with(Sub("t"))
    copy.apply([frame(2, 1, [whole((1, 5, 0.5))])], [])
    copy.apply([frame(3, 2, [whole((1, 6, None))], [keys(1)])], [])
    assert copy.rows("t") == {(1,): {"id": 1, "room": 6, "x": None}}


def test_parts_are_applied_as_one_frame():
    """Whatever part a removal comes in, it is applied before what changed."""
    copy = copy_with(Sub("t"))
    copy.apply([frame(2, 1, [whole((1, 5, 0.5))])], [])
    copy.apply([frame(3, 2, [whole((1, 6, 1.5))], more=True), frame(3, 2, [], [keys(1)])], [])
    assert copy.rows("t")[(1,)]["room"] == 6


def test_row_whose_columns_come_in_two_blocks_is_whole():
    copy = copy_with(Sub("t"))
    copy.apply([frame(2, 1, [Block(1, (0, 1), [(1, 5)]), Block(1, (0, 2), [(1, 0.5)])])], [])
    assert copy.rows("t") == {(1,): {"id": 1, "room": 5, "x": 0.5}}


def test_older_snapshot_leaves_newer_rows_of_other_subs_alone():
    one, two = Sub("t", [1]), Sub("t", [2])
    copy = copy_with(one)
    copy.apply([frame(9, 1, [whole((7, 1, 9.0))])], [])
    copy.subs.append(two)
    copy.place([two], [whole((7, 2, 5.0), (8, 2, 8.0))], 5)
    assert copy.rows("t")[(7,)]["x"] == 9.0, "it has moved to room 1 since"
    assert (8,) in copy.rows("t") and copy.version == 9
    assert (one.since, two.since) == (9, 5)


def test_newer_snapshot_replaces_what_was_there():
    sub = Sub("t")
    copy = copy_with(sub)
    copy.apply([frame(2, 1, [whole((1, 1, 1.0), (2, 1, 1.0))])], [])
    copy.place([sub], [whole((2, 1, 2.0))], 5)
    assert copy.rows("t") == {(2,): {"id": 2, "room": 1, "x": 2.0}} and copy.version == 5


def test_frame_that_tells_a_pending_sub_complete_is_found_out():
    one, two = Sub("t", [1]), Sub("t", [2])
    copy = copy_with(one, two)
    for complete in (None, [0, 1], [1]):
        with pytest.raises(Deviation):
            copy.apply([frame(2, 1, complete=complete)], [two])
    copy.apply([frame(2, 1, complete=[0])], [two])
    with pytest.raises(Deviation):
        copy.apply([frame(3, 2, [whole((1, 2, 0.0))], complete=[0])], [two])


# --- the model


def history(*versions: list[tuple]) -> dict:
    """The counters' rows at versions 1, 2, 3, …"""
    empty = Model(SCHEMAS["tables"] / "schema.sql").dump()
    columns = ("id", "n", "r", "a", "t")
    return {v: {**empty, "counter": {row[:1]: dict(zip(columns, row, strict=True)) for row in rows}} for v, rows in enumerate(versions, 1)}


def explain(queues: list[list[Known]], seen: dict) -> str | None:
    return Search(Model(SCHEMAS["tables"] / "schema.sql"), queues, seen).explain()


def one_queue(device: int, *known: tuple) -> list[Known]:
    return [Known(device, [op], base, refusal, 0, version) for op, base, refusal, version in known]


INSERTED, ADDED = (1, 5, None, None, None), (1, 8, None, None, None)


def test_model_explains_what_is_right():
    queues = [
        one_queue(0, (insert("counter", {"id": 1, "n": 5}), None, None, 2)),
        one_queue(1, (insert("counter", {"id": 1, "n": 6}), None, ("exists", 0, 0), None), (add("counter", {"id": 1, "n": 3}), None, None, 3)),
    ]
    assert explain(queues, history([], [INSERTED], [ADDED])) is None


WRONG = {
    "a lost write": ([(put("counter", {"id": 1, "n": 5}), None, None, 2)], [[], []]),
    "a doubled write": ([(put("counter", {"id": 1, "n": 5}), None, None, 2)], [[], [INSERTED], [ADDED]]),
    "another value": ([(put("counter", {"id": 1, "n": 5}), None, None, 2)], [[], [ADDED]]),
    "too late": ([(put("counter", {"id": 1, "n": 5}), None, None, 2)], [[], [], [INSERTED]]),
    "a refusal without a reason": ([(put("counter", {"id": 1, "n": 5}), None, ("exists", 0, 0), None)], [[], []]),
    "no refusal where there is a reason": ([(update("counter", {"id": 1, "n": 5}), None, None, 2)], [[], []]),
    "a refusal in the wrong place": ([(update("counter", {"id": 1, "n": 5}), None, ("missing", 0, 1), None)], [[], []]),
    "another code": ([(update("counter", {"id": 1, "n": 5}), None, ("exists", 0, 0), None)], [[], []]),
}


@pytest.mark.parametrize(("known", "versions"), WRONG.values(), ids=WRONG.keys())
def test_model_finds_out(known: list[tuple], versions: list[list]):
    assert explain([one_queue(0, *known)], history(*versions)) is not None


def test_model_knows_base():
    mine = one_queue(0, (put("counter", {"id": 1, "n": 8}), 1, None, 3))
    others = one_queue(1, (put("counter", {"id": 1, "n": 5}), None, None, 2))
    assert explain([mine, others], history([], [INSERTED], [ADDED])) is not None, "others changed the row after base"
    mine[0].base = 2
    assert explain([mine, others], history([], [INSERTED], [ADDED])) is None


def test_unknown_message_is_a_deviation():
    for data in (b"", b"\x80", b"\x05", cbor2.dumps([99]), cbor2.dumps({0: 1}), b"\x9f\x08\xff", cbor2.dumps([8, 1, 2, 3]) + b"\0"):
        with pytest.raises(Deviation):
            decode_message(data)
