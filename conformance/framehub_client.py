"""A small client of Framehub's sync protocol, version 1, written from docs/protocol.md alone.

It is meant to be read by people who write a client in another language. It has four parts, each built on the one before:

1. values and blocks      how rows travel: columns, as typed arrays where that is smaller
2. messages               every message that a hub sends, as a small class that checks what it reads
3. the copy               what a device holds of the database, and how snapshots and frames change it
4. the device             hello, writing exactly once, subscribing, resuming after a cut connection

A short session::

    device = Device("ws://127.0.0.1:8080/v1/sync", subs=[Sub("entity", scopes=[1, 2])])
    await device.connect()
    version = await device.write(put("entity", {"id": 7, "zone": 1, "x": 2.5}))
    await device.complete_to(version)
    print(device.copy.rows("entity")[(7,)]["x"])
    device.send_event(("entity", 1), "shot", [2.5, 7])
    await device.close()

The client is strict on purpose: where the hub says something that the document rules out, it raises `Deviation`, where a
game's client would shrug or reconnect. Numbers in brackets, as in `[4]`, are message types of the document.
"""

from __future__ import annotations

import asyncio
import io
import math
import os
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import cbor2
import zstandard
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

SUBPROTOCOL = "framehub.v1.cbor"
PATH = "/v1/sync"
LARGEST_UINT = 2**53 - 1  # of versions, times and numbers of transactions: what a double holds exactly
UNDEFINED = cbor2.undefined  # stands in a block for a value that is too large for a message: read it with [13]
DEFAULT_MAX_MESSAGE = 60 * 1024


class Deviation(Exception):
    """The hub said what the document rules out."""


class Refused(Exception):
    """The hub refused a transaction, a subscription or a read, with a code that is a word."""

    def __init__(self, code: str, text: str, op: int | None = None, row: int | None = None):
        where = "" if op is None else f" (op {op}" + ("" if row is None else f", row {row}") + ")"
        super().__init__(f"{code}: {text}{where}")
        self.code, self.text, self.op, self.row = code, text, op, row


class Ended(Exception):
    """The session is over: with the hub's goodbye where it said one, and the code of the close frame where one came."""

    def __init__(self, goodbye: Goodbye | None, close_code: int | None, words: str = ""):
        super().__init__(f"{goodbye or 'no goodbye'}, close frame {close_code} {words}".rstrip())
        self.goodbye, self.close_code = goodbye, close_code

    @property
    def code(self) -> int | None:
        return self.goodbye.code if self.goodbye else self.close_code


# --------------------------------------------------------------------------------------------------------------------
# 1. Values and blocks
#
# A value is None, int, float, str or bytes. A block is rows of one table that carry the same columns, turned on its side:
# [table, columns, n, c0, c1, …], each column of it n values long.

# The typed arrays of RFC 8746 that the protocol uses, all little endian: the tag, and how Python's struct writes one.
TYPED_ARRAYS = {64: "B", 72: "b", 69: "H", 77: "h", 70: "I", 78: "i", 79: "q", 85: "f", 86: "d"}

# For whole numbers, from small to large; the first that holds all of them is taken.
INTEGER_ARRAYS = [
    (64, 0, 2**8 - 1),
    (72, -(2**7), 2**7 - 1),
    (69, 0, 2**16 - 1),
    (77, -(2**15), 2**15 - 1),
    (70, 0, 2**32 - 1),
    (78, -(2**31), 2**31 - 1),
    (79, -(2**63), 2**63 - 1),
]


@dataclass(frozen=True)
class Block:
    """Rows of one table that carry the same columns. Table and columns are numbers of the schema."""

    table: int
    columns: tuple[int, ...]
    rows: list[tuple]


def encode_block(block: Block) -> list:
    """The CBOR item of a block, each column in the smallest form that loses nothing."""
    columns = zip(*block.rows, strict=True) if block.rows else [()] * len(block.columns)
    return [block.table, list(block.columns), len(block.rows), *(encode_column(list(column)) for column in columns)]


def encode_column(values: list) -> list | cbor2.CBORTag:
    """A typed array for whole numbers or for floats alone; a plain array for all else."""
    kinds = {type(value) for value in values}
    if kinds == {int}:
        low, high = min(values), max(values)
        return typed_array(next(tag for tag, least, most in INTEGER_ARRAYS if least <= low and high <= most), values)
    if kinds == {float}:
        return typed_array(85 if all(map(fits_float32, values)) else 86, values)
    return values


def typed_array(tag: int, values: list) -> cbor2.CBORTag:
    return cbor2.CBORTag(tag, struct.pack(f"<{len(values)}{TYPED_ARRAYS[tag]}", *values))


def fits_float32(value: float) -> bool:
    """Whether nothing is lost when a float travels in 4 bytes."""
    try:
        return struct.unpack("<f", struct.pack("<f", value))[0] == value
    except OverflowError:
        return False


def decode_block(item: Any) -> Block:
    """Reads a block in any form that a sender may choose; elements behind the last column are of a later version."""
    fields = Fields("a block", item)
    table, columns, n = fields.take(uint), fields.take(list_of(uint)), fields.take(uint)
    check(columns and len(set(columns)) == len(columns), f"a block must name columns, each once: {columns}")
    decoded = [decode_column(fields.take(anything), n) for _ in columns]
    return Block(table, tuple(columns), list(zip(*decoded, strict=True)))


def decode_column(item: Any, n: int) -> list:
    if isinstance(item, cbor2.CBORTag):
        values = decode_typed_array(item)
    else:
        check(isinstance(item, list), f"a column must be an array or a typed array, not {item!r:.60}")
        values = [value(element) for element in item]
    check(len(values) == n, f"a column holds {len(values)} values, its block has {n} rows")
    return values


def decode_typed_array(item: cbor2.CBORTag) -> list:
    check(item.tag in TYPED_ARRAYS, f"tag {item.tag} is no typed array of the protocol")
    check(isinstance(item.value, bytes), f"a typed array must be a byte string, not {item.value!r:.60}")
    form = TYPED_ARRAYS[item.tag]
    size = struct.calcsize("<" + form)
    check(len(item.value) % size == 0, f"{len(item.value)} bytes are no array of elements of {size} bytes")
    values = list(struct.unpack(f"<{len(item.value) // size}{form}", item.value))
    check(form not in "fd" or all(map(math.isfinite, values)), "NaN and infinities are not values")
    return values


# What follows reads the elements of an array one after the other, each checked by a small function. What a hub leaves out
# at an array's end is null, and what follows the elements that we know belongs to a later version and is ignored.


def check(holds: Any, words: str) -> None:
    if not holds:
        raise Deviation(words)


def anything(item: Any) -> Any:
    return item


def uint(item: Any) -> int:
    check(type(item) is int and 0 <= item <= LARGEST_UINT, f"{item!r:.60} is not an unsigned integer up to 2^53-1")
    return item


def text(item: Any) -> str:
    check(isinstance(item, str), f"{item!r:.60} is not a text")
    return item


def blob(item: Any) -> bytes:
    check(isinstance(item, bytes), f"{item!r:.60} is not a byte string")
    return item


def boolean(item: Any) -> bool:
    check(isinstance(item, bool), f"{item!r:.60} is neither true nor false")
    return item


def number(item: Any) -> float:
    check(type(item) in (int, float) and math.isfinite(item), f"{item!r:.60} is not a finite number")
    return item


def value(item: Any) -> Any:
    """One of SQLite's values, or undefined."""
    if type(item) is int:
        check(-(2**63) <= item < 2**63, f"{item} does not fit 64 bits")
    elif type(item) is float:
        check(math.isfinite(item), "NaN and infinities are not values")
    else:
        check(item is None or item is UNDEFINED or isinstance(item, (str, bytes)), f"{item!r:.60} is not a value")
    return item


def list_of(read: Callable[[Any], Any]) -> Callable[[Any], list]:
    def read_list(items: Any) -> list:
        check(isinstance(items, list), f"{items!r:.60} is not an array")
        return [read(item) for item in items]

    return read_list


def uuid(item: Any) -> bytes:
    check(isinstance(item, bytes) and len(item) == 16, f"{item!r:.60} is not a UUID of 16 bytes")
    return item


class Fields:
    """Reads one array element by element."""

    def __init__(self, what: str, items: Any):
        check(isinstance(items, list), f"{what} must be an array, not {items!r:.60}")
        self.what, self.items, self.place = what, items, 0

    def take(self, read: Callable[[Any], Any], *default: Any) -> Any:
        """The next element; where it is null or left out, the default."""
        item = self.items[self.place] if self.place < len(self.items) else None
        self.place += 1
        if item is None and read is not anything:
            check(default, f"{self.what}: element {self.place - 1} is missing")
            return default[0]
        try:
            return read(item)
        except Deviation as deviation:
            raise Deviation(f"{self.what}, element {self.place - 1}: {deviation}") from None

    def rest(self) -> list:
        return self.items[self.place :]


# --------------------------------------------------------------------------------------------------------------------
# 2. Messages


NOT_NULL, READ_ONLY, HAS_DEFAULT = 1, 2, 4  # flags of a column
READ, INSERT, UPDATE, DELETE, ON_DEMAND = 1, 2, 4, 8, 16  # rights on a table; the last is none: see Table.by_default


@dataclass(frozen=True)
class Column:
    number: int
    name: str
    type: str
    flags: int


@dataclass(frozen=True)
class Table:
    number: int
    name: str
    key_length: int
    scope: int | None
    columns: tuple[Column, ...]
    rights: int
    kind: str  # the document's `class`: durable or live

    @property
    def key_names(self) -> list[str]:
        """A column's number is its place in the list, and the key's columns stand first."""
        return [column.name for column in self.columns[: self.key_length]]

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def by_default(self) -> bool:
        """Whether a device that does not say what it wants gets the table."""
        return self.rights & (READ | ON_DEMAND) == READ and not self.name.startswith("framehub_")

    @property
    def scope_name(self) -> str | None:
        return None if self.scope is None else self.columns[self.scope].name


@dataclass(frozen=True)
class Schema:
    version: int
    tables: tuple[Table, ...]

    def named(self, name: str) -> Table:
        for table in self.tables:
            if table.name == name:
                return table
        raise KeyError(f"the schema has no table {name}")

    def shape(self, name: str) -> tuple | None:
        """What of a table decides whether rows of one schema are rows of another; None where it has no such table."""
        for table in self.tables:
            if table.name == name:
                return table.key_length, table.scope, tuple((column.name, column.type) for column in table.columns)
        return None

    def numbered(self, number: int) -> Table:
        for table in self.tables:
            if table.number == number:
                return table
        raise Deviation(f"the schema has no table number {number}")


def read_schema(item: Any) -> Schema:
    fields = Fields("schema", item)
    schema = Schema(fields.take(uint), tuple(fields.take(list_of(read_table))))
    for what in ("number", "name"):
        check(len({getattr(t, what) for t in schema.tables}) == len(schema.tables), f"two tables have one {what}")
    return schema


def read_table(item: Any) -> Table:
    fields = Fields("table", item)
    table = Table(
        number=fields.take(uint),
        name=fields.take(text),
        key_length=fields.take(uint),
        scope=fields.take(uint, None),
        columns=tuple(read_column(place, column) for place, column in enumerate(fields.take(list_of(anything)))),
        rights=fields.take(uint),
        kind=fields.take(text),
    )
    check(1 <= table.key_length <= len(table.columns), f"table {table.name} has fewer columns than its key")
    check(table.scope is None or table.scope < len(table.columns), f"table {table.name} has no column {table.scope}")
    check(len(set(table.names)) == len(table.names), f"table {table.name} has two columns of one name")
    check(table.kind in ("durable", "live"), f"table {table.name} is of class {table.kind}")
    return table


def read_column(place: int, item: Any) -> Column:
    fields = Fields("column", item)
    column = Column(place, fields.take(text), fields.take(text), fields.take(uint, 0))
    check(column.type in ("INTEGER", "REAL", "TEXT", "BLOB", "ANY"), f"column {column.name}: type {column.type}")
    return column


@dataclass(frozen=True)
class Hello:
    session: bytes
    device: bytes
    epoch: bytes
    version: int
    settled: int | None
    rejected: list[Rejection]
    resumed: bool
    schema: Schema
    limits: dict[str, int]
    capabilities: list[str]
    frame_hz: float
    time: int


@dataclass(frozen=True)
class NewSchema:
    schema: Schema


@dataclass(frozen=True)
class Snapshot:
    id: int
    version: int
    blocks: list[Block]


@dataclass(frozen=True)
class SnapshotEnd:
    id: int
    version: int | None
    refusal: Refused | None


@dataclass(frozen=True)
class Author:
    """A transaction, and the keys of the rows of one table that it wrote; a key is always a tuple here."""

    device: bytes
    seq: int
    table: int
    keys: list[tuple]


@dataclass(frozen=True)
class Frame:
    version: int
    previous: int
    time: int
    changed: list[Block]
    removed: list[Block]
    more: bool
    complete: list[int] | None
    authors: list[Author]


@dataclass(frozen=True)
class Rejection:
    seq: int
    refusal: Refused


@dataclass(frozen=True)
class Settled:
    version: int
    committed: list[int]
    refused: list[Rejection]


@dataclass(frozen=True)
class Clock:
    echo: float
    time: int
    version: int


@dataclass(frozen=True)
class Tick:
    """The answer to a tick of a game server."""

    n: int
    version: int | None
    refusal: Refused | None


@dataclass(frozen=True)
class Holder:
    """Whose ticks close the frames from now on: a device's, or None where the hub's own clock does."""

    device: bytes | None


@dataclass(frozen=True)
class Goodbye:
    code: int
    words: str
    retry: int | None  # milliseconds


@dataclass(frozen=True)
class Piece:
    id: int
    version: int | None
    size: int | None
    bytes: bytes | None
    refusal: Refused | None


@dataclass(frozen=True)
class WillAnswer:
    id: int
    version: int | None
    refusal: Refused | None


@dataclass(frozen=True)
class Event:
    """What somebody told to who is there. With a refusal, it is one of this device's own that the hub did not send on."""

    sender: bytes | None
    version: int | None
    name: str | None
    value: Any  # one, or a list of them
    refusal: Refused | None


@dataclass(frozen=True)
class SqlAnswer:
    id: int
    version: int | None
    columns: list[str] | None
    rows: list[tuple] | None
    refusal: Refused | None


def decode_message(data: bytes, packed: bool = True, largest: int | None = None) -> Any:
    """Reads one message; one that came compressed is unpacked first."""
    item = decode_item(data)
    fields = Fields("a message", item)
    kind = fields.take(uint)
    if kind == 9:
        check(packed, "a packed message in a packed message")
        return decode_message(unpack(fields.take(uint), fields.take(blob), largest), packed=False)
    check(kind in READERS, f"a hub sends no messages of type {kind}")
    fields.what = f"message [{kind}]"
    return READERS[kind](fields)


def decode_item(data: bytes) -> Any:
    """One CBOR item of definite lengths, and nothing behind it."""
    source = io.BytesIO(data)
    try:
        item = cbor2.CBORDecoder(source, allow_indefinite=False, read_size=1).decode()
    except cbor2.CBORDecodeError as error:
        raise Deviation(f"a message is no CBOR: {error}") from error
    check(source.tell() == len(data), f"{len(data) - source.tell()} bytes follow a message")
    return item


def pack(message: bytes) -> bytes:
    """Wraps a message, compressed. Worth it for what is large and repeats itself."""
    return cbor2.dumps([9, len(message), zstandard.ZstdCompressor().compress(message)])


def unpack(size: int, data: bytes, largest: int | None) -> bytes:
    """Unpacks a message; not a byte more than it says, so that a small message cannot become a huge one."""
    check(largest is None or size <= largest, f"a packed message of {size} bytes is larger than {largest}")
    try:
        with zstandard.ZstdDecompressor().stream_reader(data) as reader:
            unpacked = reader.read(size + 1)
    except zstandard.ZstdError as error:
        raise Deviation(f"a packed message is no zstd: {error}") from error
    check(len(unpacked) == size, f"a packed message does not have the {size} bytes that it says")
    return unpacked


def read_hello(fields: Fields) -> Hello:
    said = fields.take(anything)
    check(isinstance(said, dict), "hello holds no map")
    settled = said.get("settled")
    return Hello(
        session=blob(said.get("session")),
        device=uuid(said.get("device")),
        epoch=blob(said.get("epoch")),
        version=uint(said.get("version")),
        settled=None if settled is None else uint(settled),
        rejected=list_of(read_rejection)(said.get("rejected")),
        resumed=boolean(said.get("resumed")),
        schema=read_schema(said.get("schema")),
        limits={text(name): uint(limit) for name, limit in said.get("limits").items()},
        capabilities=list_of(text)(said.get("capabilities")),
        frame_hz=number(said.get("frame_hz")),
        time=uint(said.get("time")),
    )


def read_snapshot(fields: Fields) -> Snapshot:
    return Snapshot(fields.take(uint), fields.take(uint), [decode_block(block) for block in fields.rest()])


def read_snapshot_end(fields: Fields) -> SnapshotEnd:
    end_of, version = fields.take(uint), fields.take(uint, None)
    return SnapshotEnd(end_of, version, read_refusal(fields) if version is None else None)


def read_frame(fields: Fields) -> Frame:
    frame = Frame(
        version=fields.take(uint),
        previous=fields.take(uint),
        time=fields.take(uint),
        changed=fields.take(list_of(decode_block), []),
        removed=fields.take(list_of(decode_block), []),
        more=fields.take(boolean, False),
        complete=fields.take(list_of(uint), None),
        authors=fields.take(list_of(read_author), []),
    )
    check(frame.previous <= frame.version, f"a frame goes back from {frame.previous} to {frame.version}")
    return frame


def read_author(item: Any) -> Author:
    fields = Fields("an author", item)
    return Author(fields.take(uuid), fields.take(uint), fields.take(uint), read_keys(fields.take(anything)))


def read_keys(item: Any) -> list[tuple]:
    """Keys of one table: a column, as a block has them, or an array of arrays where keys are composite."""
    if isinstance(item, cbor2.CBORTag):
        return [(key,) for key in decode_typed_array(item)]
    keys = [tuple(map(value, key)) if isinstance(key, list) else (value(key),) for key in list_of(anything)(item)]
    check(len({len(key) for key in keys}) <= 1 and () not in keys, f"keys of several lengths, or of none: {keys!r:.200}")
    check(not any(part is UNDEFINED for key in keys for part in key), "undefined is no part of a key")
    return keys


def read_tick(fields: Fields) -> Tick | Holder:
    n = fields.take(uint, None)
    if n is None:
        return Holder(fields.take(uuid, None))
    version = fields.take(uint, None)
    return Tick(n, version, read_refusal(fields) if version is None else None)


def read_settled(fields: Fields) -> Settled:
    return Settled(fields.take(uint), fields.take(list_of(uint), []), fields.take(list_of(read_rejection), []))


def read_rejection(item: Any) -> Rejection:
    fields = Fields("a refusal", item)
    return Rejection(fields.take(uint), Refused(*(fields.take(r) for r in (text, text)), fields.take(uint, None), fields.take(uint, None)))


def read_clock(fields: Fields) -> Clock:
    return Clock(fields.take(number), fields.take(uint), fields.take(uint))


def read_goodbye(fields: Fields) -> Goodbye:
    return Goodbye(fields.take(uint), fields.take(text), fields.take(uint, None))


def read_piece(fields: Fields) -> Piece:
    asked, version = fields.take(uint), fields.take(uint, None)
    if version is None:
        return Piece(asked, None, None, None, read_refusal(fields))
    return Piece(asked, version, fields.take(uint), fields.take(blob), None)


def read_will_answer(fields: Fields) -> WillAnswer:
    asked, version = fields.take(uint), fields.take(uint, None)
    return WillAnswer(asked, version, read_refusal(fields) if version is None else None)


def read_refusal(fields: Fields) -> Refused:
    return Refused(fields.take(text), fields.take(text))


def read_event(fields: Fields) -> Event:
    sender, version = fields.take(uuid, None), fields.take(uint, None)
    if sender is not None:
        check(version is not None, "an event without a version")
        return Event(sender, version, fields.take(text), read_payload(fields.take(anything)), None)
    check(version is None, "an event with a version and without a sender")
    refusal = read_refusal(fields)
    return Event(None, None, fields.take(text, None), None, refusal)


def read_payload(item: Any) -> Any:
    """One value, or a list of 64 at most; none may be undefined."""
    values = list_of(value)(item) if isinstance(item, list) else [value(item)]
    check(len(values) <= 64, f"an event with {len(values)} values")
    check(UNDEFINED not in values, "undefined is not a value")
    return values if isinstance(item, list) else values[0]


def read_sql_answer(fields: Fields) -> SqlAnswer:
    asked, version = fields.take(uint), fields.take(uint, None)
    if version is None:
        return SqlAnswer(asked, None, None, None, read_refusal(fields))
    columns = fields.take(list_of(text), None) or []
    rows = [tuple(row) for row in fields.take(list_of(list_of(value)), None) or []]
    check(all(len(row) == len(columns) and row for row in rows), "a row of an answer has other columns than the answer")
    check(not any(UNDEFINED in row for row in rows), "undefined is not a value here")
    return SqlAnswer(asked, version, list(columns), rows, None)


READERS: dict[int, Callable[[Fields], Any]] = {
    0: read_hello,
    1: lambda fields: NewSchema(fields.take(read_schema)),
    2: read_snapshot,
    3: read_snapshot_end,
    4: read_frame,
    6: read_settled,
    7: read_tick,
    8: read_clock,
    12: read_goodbye,
    13: read_piece,
    14: read_will_answer,
    15: read_event,
    11: read_sql_answer,
}


# --------------------------------------------------------------------------------------------------------------------
# 3. The copy


@dataclass(eq=False)
class Sub:
    """What a device wants to see of one table: all of it, or the rows whose scope column has one of these values."""

    table: str
    scopes: list | None = None
    hz: float | None = None
    since: int | None = None  # the version to which the copy is complete; None: nothing is there yet

    def item(self, with_since: bool = False) -> list:
        return [self.table, self.scopes, self.hz, self.since if with_since else None]

    def covers(self, table: Table, row: dict) -> bool:
        if table.name != self.table:
            return False
        return self.scopes is None or any(same_scope(row.get(table.scope_name), scope) for scope in self.scopes)

    def is_like(self, other: Sub) -> bool:
        """What is removed is told by table and scopes."""
        return self.table == other.table and self.scopes == other.scopes


def same_scope(a: Any, b: Any) -> bool:
    """Values of a scope are compared as SQL's = does: 1 and 1.0 are the same, a text and a blob never, NULL nothing."""
    return a is not None and a == b


Rows = dict[tuple, dict[str, Any]]  # a table's rows by their keys; a key is always a tuple here


class Copy:
    """What a device holds of the database: rows by table and key, and to which version each sub is complete."""

    def __init__(self) -> None:
        self.epoch: bytes | None = None
        self.schema: Schema | None = None
        self.version: int | None = None  # the newest that was sent, snapshotted or resumed
        self.subs: list[Sub] = []  # in the order that `complete` counts in
        self._rows: dict[str, Rows] = {}

    def rows(self, table: str) -> Rows:
        return self._rows.setdefault(table, {})

    def freeze(self) -> dict[str, Rows]:
        """The rows as they are now. Rows are replaced, never changed, so that copying the tables is enough."""
        return {name: dict(rows) for name, rows in self._rows.items()}

    def covered(self, table: Table, row: dict, subs: Iterable[Sub]) -> bool:
        return any(sub.covers(table, row) for sub in subs)

    def forget(self, removed: list[Sub]) -> None:
        """Takes subs out of the list. What stood behind them moves up, and rows that no other sub covers go."""
        for gone in removed:
            self.subs.remove(next(sub for sub in self.subs if sub.is_like(gone)))
        self._drop_uncovered({sub.table for sub in removed}, self.subs)

    def place(self, subs: list[Sub], blocks: list[Block], version: int) -> None:
        """Puts a whole snapshot in place of what was there of these subs.

        A snapshot may be older than the last frame. Then a row that came by another sub is newer than the snapshot's, and
        stays.
        """
        others = [sub for sub in self.subs if sub not in subs]
        older = self.version is not None and version < self.version
        self._drop_uncovered({sub.table for sub in subs}, others)
        for table, key, row in self._gather(blocks):
            check(len(row) == len(table.columns), f"a snapshot's row {table.name} {key} is not whole")
            check(self.covered(table, row, subs), f"a snapshot holds {table.name} {key}, which nobody asked for")
            if not (older and key in self.rows(table.name)):
                self.rows(table.name)[key] = row
        for sub in subs:
            sub.since = version
        self.version = max(self.version or 0, version)

    def apply(self, parts: list[Frame], pending: list[Sub]) -> None:
        """Applies a frame that is there in whole. `pending` are subs whose snapshot has not come yet."""
        frame = parts[-1]
        check(all((p.version, p.previous) == (frame.version, frame.previous) for p in parts), "parts of two frames")
        own = self.version or 0
        check(frame.previous <= own, f"a gap: this copy is of version {own}, the frame goes on from {frame.previous}")
        check(frame.previous == own, f"told twice: this copy is of version {own}, the frame begins at {frame.previous}")
        complete = self._complete(frame, pending)
        self._check_authors(parts)
        for block in (block for part in parts for block in part.removed):
            self._remove(block)
        for table, key, row in self._gather(block for part in parts for block in part.changed):
            self._change(table, key, row, [sub for sub in self.subs if sub not in pending])
        for sub in complete:
            sub.since = frame.version
        self.version = frame.version

    def _complete(self, frame: Frame, pending: list[Sub]) -> list[Sub]:
        """The subs that are complete to the frame's version: all of them, or those whose places it tells."""
        places = range(len(self.subs)) if frame.complete is None else frame.complete
        check(all(place < len(self.subs) for place in places), f"complete names places {places} of {len(self.subs)} subs")
        complete = [self.subs[place] for place in places]
        check(not any(sub in pending for sub in complete), "a sub whose snapshot is under way is told to be complete")
        return complete

    def _check_authors(self, parts: list[Frame]) -> None:
        """Who is told to have written a row wrote one that the frame tells."""
        told: set[tuple[int, tuple]] = set()
        for block in (block for part in parts for block in (*part.changed, *part.removed)):
            length = self.schema.numbered(block.table).key_length
            told.update((block.table, row[:length]) for row in block.rows)
        for author in (author for part in parts for author in part.authors):
            for key in author.keys:
                check((author.table, key) in told, f"table {author.table} {key} has an author, and did not change")

    def _remove(self, block: Block) -> None:
        table = self.schema.numbered(block.table)
        check(block.columns == tuple(range(table.key_length)), f"removed rows of {table.name} with columns {block.columns}")
        for key in block.rows:
            self.rows(table.name).pop(key, None)

    def _change(self, table: Table, key: tuple, row: dict, subs: list[Sub]) -> None:
        held = self.rows(table.name).get(key)
        check(held or len(row) == len(table.columns), f"{table.name} {key} is new, but is not whole: {list(row)}")
        row = {**(held or {}), **row}
        check(self.covered(table, row, subs), f"{table.name} {key} came, but no sub covers it: {row!r:.200}")
        self.rows(table.name)[key] = row

    def _gather(self, blocks: Iterable[Block]) -> Iterable[tuple[Table, tuple, dict]]:
        """All rows of some blocks, by key; one that came in several blocks with other columns is put together."""
        gathered: dict[tuple[str, tuple], dict] = {}
        for block in blocks:
            table = self.schema.numbered(block.table)
            check(block.columns[: table.key_length] == tuple(range(table.key_length)), f"{table.name}: the key is not first")
            check(max(block.columns) < len(table.columns), f"{table.name} has no column {max(block.columns)}")
            check(len({row[: table.key_length] for row in block.rows}) == len(block.rows), f"{table.name}: a key twice")
            names = [table.columns[column].name for column in block.columns]
            for row in block.rows:
                whole = gathered.setdefault((table.name, row[: table.key_length]), {})
                whole.update(zip(names, row, strict=True))
        for (name, key), row in gathered.items():
            yield self.schema.named(name), key, row

    def _drop_uncovered(self, tables: set[str], subs: list[Sub]) -> None:
        for name in tables:
            if self.schema.shape(name) is None:
                self._rows.pop(name, None)
                continue
            table = self.schema.named(name)
            self._rows[name] = {key: row for key, row in self.rows(name).items() if self.covered(table, row, subs)}


# --------------------------------------------------------------------------------------------------------------------
# 4. The device
#
# Writes are built with names, and get the schema's numbers when they are sent: a transaction may have to wait for a
# connection, and the schema may be another one by then.


@dataclass(frozen=True)
class Op:
    kind: int
    table: str
    columns: tuple[str, ...]
    rows: list[tuple]

    def item(self, schema: Schema) -> list:
        """The op with numbers. Within a block the key's columns stand first, in their order."""
        table = schema.named(self.table)
        numbers = {column.name: column.number for column in table.columns}
        order = sorted(range(len(self.columns)), key=lambda place: numbers[self.columns[place]])
        columns = tuple(numbers[self.columns[place]] for place in order)
        rows = [tuple(row[place] for place in order) for row in self.rows]
        return [self.kind, encode_block(Block(table.number, columns, rows))]


def op(kind: int, table: str, rows: Iterable[dict[str, Any]]) -> Op:
    rows = list(rows)
    columns = tuple(rows[0])
    if any(row.keys() != rows[0].keys() for row in rows):
        raise ValueError("the rows of one op name the same columns: give the others an op of their own")
    return Op(kind, table, columns, [tuple(row[column] for column in columns) for row in rows])


def put(table: str, *rows: dict) -> Op:
    """Sets the named columns of rows, and inserts those that are missing."""
    return op(0, table, rows)


def insert(table: str, *rows: dict) -> Op:
    """Inserts rows; refused where one exists."""
    return op(1, table, rows)


def update(table: str, *rows: dict) -> Op:
    """Sets the named columns of rows; refused where one is missing."""
    return op(2, table, rows)


def delete(table: str, *keys: dict) -> Op:
    """Deletes rows; one that is missing is no error."""
    return op(3, table, keys)


def add(table: str, *rows: dict) -> Op:
    """Adds numbers to columns of rows."""
    return op(4, table, rows)


def touch(table: str, *rows: dict) -> Op:
    """Sets the named columns of rows that exist, and skips the others."""
    return op(5, table, rows)


def expect(table: str, *rows: dict) -> Op:
    """Refused with `conflict` unless every row has these values; with keys alone it only names rows for `base`."""
    return op(6, table, rows)


class Transaction:
    """A transaction from when it was asked for until it is settled, over as many connections as that takes."""

    def __init__(self, seq: int, ops: list[Op], base: int | None):
        self.seq, self.ops, self.base = seq, ops, base
        self.sent = False  # on the connection that there is now
        self.outcome: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def message(self, schema: Schema) -> list:
        return [5, self.seq, self.base, schema.version, [one.item(schema) for one in self.ops]]

    def commit(self, version: int) -> None:
        if not self.outcome.done():
            self.outcome.set_result(version)

    def refuse(self, refusal: Exception) -> None:
        if not self.outcome.done():
            self.outcome.set_exception(refusal)
            self.outcome.exception()  # somebody may not ask, and that is no error


class Device:
    """What a device keeps over all its connections, and the connection that it has now, if any."""

    def __init__(self, url: str, subs: list[Sub] | None = None, **options: Any):
        """`subs` None: every table. `options` go into hello as they are: role, token, max_message, budget, zstd, client."""
        self.url, self.wanted, self.options = url, subs, options
        self.id: bytes | None = options.pop("device", None)
        self.copy = Copy()
        self.hello: Hello | None = None
        self.last_seq = 0
        self.has_settled = False  # whether the hub ever told this device the outcome of anything
        self.unsettled: dict[int, Transaction] = {}  # by number, which is the order that they were written in
        self.ended: Exception | None = None
        self.failed: Exception | None = None
        self.on_message: Callable[[Any, int], None] = lambda message, size: None  # sees all, before it is applied
        self.on_frame: Callable[[int], None] = lambda version: None  # called when a frame or a snapshot is in place
        self.on_event: Callable[[Event], None] = lambda event: None  # an event has come, or one was refused
        self.reading = asyncio.Event()  # cleared by somebody who wants no messages for a while
        self.reading.set()
        self._socket: Any = None
        self._outgoing: asyncio.Queue[bytes] = asyncio.Queue()
        self._tasks: list[asyncio.Task] = []  # one that reads, one that writes
        self._waiting: set[asyncio.Future] = set()
        self._answers: dict[tuple, asyncio.Future] = {}  # what was asked, and will be answered with its id
        self._last_id = 0
        self._last_tick = 0

    # --- coming and going

    async def connect(self) -> Hello:
        """Says hello, and goes on where the last connection ended."""
        if self._tasks:
            await self.cut()  # whatever is left of the last connection
        self.ended, self.hello = None, None
        self._parts: list[Frame] = []  # of a frame that is not whole yet
        self._staged: dict[int, list[Block]] = {}  # snapshots that are not whole yet, by id
        self._changes: dict[int, tuple[list[Sub], list[Sub]]] = {}  # what [10] asked for, by id
        self._pending: list[Sub] = []  # subs whose snapshot has not come yet
        self._events: list[tuple[int, list]] = []  # that wait for the transactions written before them
        self._heard = 0  # the version of the last event; 0: a snapshot has come since, whose rows may be older
        self._last_id = 0
        self.holder: bytes | None = None  # who closes the frames, told to servers; None: the hub's own clock
        self._socket = await self.open_socket()
        self._outgoing = asyncio.Queue()
        self._send([0, self._hello()])
        self._tasks = [asyncio.create_task(run(self._socket)) for run in (self._read, self._write)]
        await self.wait(lambda: self.hello is not None)
        return self.hello

    async def open_socket(self, **options: Any) -> Any:
        """A WebSocket to the hub: its one subprotocol, and never permessage-deflate."""
        return await connect(
            self.url,
            subprotocols=[SUBPROTOCOL],
            compression=None,
            max_size=None,
            max_queue=4,
            ping_interval=15,
            close_timeout=2,
            proxy=None,
            additional_headers=self.options.get("headers"),
            **options,
        )

    def _hello(self) -> dict[str, Any]:
        said = {name: option for name, option in self.options.items() if name != "headers"}
        if self.id is not None:
            said["device"] = self.id
        if self.copy.epoch is not None:
            said["epoch"] = self.copy.epoch
            said["subs"] = [sub.item(with_since=True) for sub in self.copy.subs]
        elif self.wanted is not None:
            said["subs"] = [sub.item() for sub in self.wanted]
        return said

    async def leave(self) -> None:
        """Says that it does not mean to come back, and waits for the hub to answer in kind."""
        self._send([12, 1000, "leaving"])
        await asyncio.gather(self._tasks[0], return_exceptions=True)
        await self._finish()

    async def close(self) -> None:
        """Goes; what is not settled yet is asked for again at the next connect."""
        if self._socket is not None:
            await self._socket.close()
            await self._finish()

    async def cut(self) -> None:
        """Goes without a word, as a cable does that somebody trips over."""
        self._socket.transport.abort()
        await self._finish()

    async def _finish(self) -> None:
        reader, writer = self._tasks
        await asyncio.gather(reader, return_exceptions=True)
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)

    async def _read(self, socket: Any) -> None:
        """Reads messages until the connection ends. Whatever ends it is told to everybody who waits."""
        goodbye = None
        try:
            async for data in socket:
                await self.reading.wait()
                check(isinstance(data, bytes), "the hub sent a text message")
                largest = self.options.get("max_message", DEFAULT_MAX_MESSAGE)
                check(len(data) <= largest, f"a message of {len(data)} bytes, where {largest} is the most")
                message = decode_message(data)
                self.on_message(message, len(data))
                if isinstance(message, Goodbye):
                    goodbye = message
                    break  # the hub lets the device close, so that the goodbye isn't lost
                self._handle(message)
                self._wake()
            await socket.close()
        except ConnectionClosed:
            pass
        except Exception as error:
            self.give_up(error)
            socket.transport.abort()
        for transaction in self.unsettled.values():
            transaction.sent = False
        self.ended = self.ended or Ended(goodbye, socket.close_code, socket.close_reason or "")
        for answer in self._answers.values():
            answer.cancel()
        self._answers.clear()
        self._wake()

    def give_up(self, error: Exception) -> None:
        """Tells everybody who waits for an outcome, now or later, that none can be hoped for: the hub broke the protocol."""
        self.ended = self.failed = error
        for transaction in self.unsettled.values():
            transaction.refuse(error)

    async def _write(self, socket: Any) -> None:
        """Sends what is queued, in order. A connection that ends meanwhile is the reader's to tell."""
        while True:
            try:
                await socket.send(await self._outgoing.get())
            except ConnectionClosed:
                return

    async def wait(self, condition: Callable[[], Any]) -> None:
        """Waits until the condition holds, which is asked again after every message."""
        while not condition():
            if self.ended is not None:
                raise self.ended
            news = asyncio.get_running_loop().create_future()
            self._waiting.add(news)
            await news

    def _wake(self) -> None:
        for news in self._waiting:
            if not news.done():
                news.set_result(None)
        self._waiting.clear()

    async def complete_to(self, version: int) -> None:
        """Waits until the copy of every sub is complete to a version."""
        await self.wait(lambda: not self._pending and (self.copy.version or 0) >= version and self._complete_to(version))

    def _complete_to(self, version: int) -> bool:
        return all((sub.since or 0) >= version for sub in self.copy.subs)

    # --- what the hub says

    def _handle(self, message: Any) -> None:
        check(self.hello is not None or isinstance(message, Hello), f"before its hello the hub says {message}")
        match message:
            case Hello():
                self._handle_hello(message)
            case NewSchema():
                self._handle_schema(message.schema)
            case Snapshot():
                self._ask_for_everything(message.id)
                self._staged.setdefault(message.id, []).extend(message.blocks)
            case SnapshotEnd():
                self._handle_snapshot_end(message)
            case Frame():
                self._handle_frame(message)
            case Settled():
                self._handle_settled(message)
            case Tick():
                self._answer((7, message.n), message)
            case Holder():
                self.holder = message.device
            case Clock():
                self._answer((8, message.echo), message)
            case Piece():
                self._answer((13, message.id), message)
            case WillAnswer():
                self._answer((14, message.id), message)
            case Event():
                self._heard = max(self._heard, message.version or 0)
                self.on_event(message)
            case SqlAnswer():
                self._answer((11, message.id), message)

    def _handle_hello(self, hello: Hello) -> None:
        check(self.hello is None, "a second hello")
        check(self.id in (None, hello.device), "the hub gave a device that has an id another one")
        check(hello.resumed is False or self.copy.epoch == hello.epoch, "resumed into another epoch")
        self._settle_by_hello(hello)
        self.id = hello.device
        self._subscribe_by_hello(hello)
        self.hello = hello
        self._send_unsent()

    def _settle_by_hello(self, hello: Hello) -> None:
        """Numbers up to `settled` have their outcome and are never sent again; those after it are sent again.

        `settled` is null for a device that the hub has forgotten, but also for one that it has never settled anything for.
        The device can tell: it was forgotten if it ever was told an outcome.
        """
        refused = {rejection.seq: rejection.refusal for rejection in hello.rejected}
        for seq, transaction in list(self.unsettled.items()):
            if hello.settled is None and self.has_settled:
                self._outcome(seq, Refused("forgotten", "the hub has forgotten this device"))
            elif seq <= (hello.settled or 0):
                self._outcome(seq, refused.get(seq, hello.version))
            elif hello.epoch != self.copy.epoch and transaction.base is not None:
                self._outcome(seq, Refused("stale", "the hub has a new epoch"))
        self.last_seq = max(self.last_seq, hello.settled or 0)
        self.has_settled = self.has_settled or hello.settled is not None

    def _subscribe_by_hello(self, hello: Hello) -> None:
        """Subs with a `since` go on with frames if the hub resumes; all others are snapshotted under id 0."""
        if self.copy.epoch is None:
            readable = [Sub(table.name) for table in hello.schema.tables if table.by_default]
            self.copy.subs = readable if self.wanted is None else self.wanted
        if not hello.resumed:
            for sub in self.copy.subs:
                sub.since = None
            self.copy.version = None
        self.copy.epoch, self.copy.schema = hello.epoch, hello.schema
        self._pending = [sub for sub in self.copy.subs if sub.since is None]
        self._changes[0] = (list(self._pending), [])

    def _handle_schema(self, schema: Schema) -> None:
        """Another schema. A snapshot of id 0 follows of the subs whose tables it touched, or that it took away."""
        check(not self._parts, "another schema in the middle of a frame")
        was, self.copy.schema = self.copy.schema, schema
        touched = [sub for sub in self.copy.subs if was.shape(sub.table) != schema.shape(sub.table)]
        if touched:
            for sub in touched:
                sub.since = None
            asked = self._changes.get(0, ([], []))[0]
            self._changes[0] = (asked + [sub for sub in touched if sub not in asked], [])
            self._pending += [sub for sub in touched if sub not in self._pending]
        if self.wanted is None:
            self._subscribe_to_the_rest()

    def _subscribe_to_the_rest(self) -> None:
        """Who did not say what it wants wants every table, also those that it may only read since now."""
        known = {sub.table for added, _ in self._changes.values() for sub in added} | {sub.table for sub in self.copy.subs}
        tables = [table for table in self.copy.schema.tables if table.by_default]
        if added := [Sub(table.name) for table in tables if table.name not in known]:
            self._last_id += 1
            self._changes[self._last_id] = (added, [])
            self._send([10, self._last_id, [sub.item() for sub in added], []])

    def _ask_for_everything(self, id_: int) -> None:
        """A snapshot of id 0 that nobody asked for is of every sub: the log is of no use to this device any more."""
        if id_ == 0 and 0 not in self._changes:
            self._changes[0] = (list(self.copy.subs), [])
            self._pending = list(self.copy.subs)

    def _handle_snapshot_end(self, end: SnapshotEnd) -> None:
        self._ask_for_everything(end.id)
        check(end.id in self._changes, f"[3] of id {end.id}, which nobody asked for")
        added, removed = self._changes.pop(end.id)
        self._heard = 0
        blocks = self._staged.pop(end.id, [])
        self._pending = [sub for sub in self._pending if sub not in added]
        if end.refusal is not None:
            check(not blocks, "a refused subscription has rows")
            if end.id == 0:
                self.copy.subs = []  # the device is then subscribed to nothing
        else:
            self.copy.forget(removed)
            if end.id > 0:
                self.copy.subs.extend(added)
            self.copy.place(added, blocks, end.version)
            self.on_frame(end.version)
        self._answer((10, end.id), end)

    def _handle_frame(self, frame: Frame) -> None:
        check(not frame.authors or self.options.get("role") == "server", "authors are for servers")
        news = frame.changed or frame.removed
        check(not news or frame.version > self._heard, f"after an event of version {self._heard} come rows of {frame.version}")
        self._parts.append(frame)
        if not frame.more:
            self.copy.apply(self._parts, self._pending)
            self._parts = []
            self.on_frame(frame.version)

    def _handle_settled(self, settled: Settled) -> None:
        outcomes: dict[int, Any] = dict.fromkeys(settled.committed, settled.version)
        outcomes.update({rejection.seq: rejection.refusal for rejection in settled.refused})
        for seq in sorted(outcomes):
            self._outcome(seq, outcomes[seq])
        self.has_settled = True
        self._send_unsent()

    # --- writing

    async def write(self, *ops: Op, base: int | None = None) -> int:
        """Runs one transaction. Returns a version that includes it, or raises why it was refused.

        It is not always the version that brought it: one answer may stand for several commits, and hello tells outcomes
        without versions.
        """
        return await self.start(*ops, base=base).outcome

    def start(self, *ops: Op, base: int | None = None) -> Transaction:
        """Starts a transaction and waits for nothing; it survives the connection, not this process."""
        self.last_seq += 1
        transaction = Transaction(self.last_seq, list(ops), base)
        self.unsettled[transaction.seq] = transaction
        if self.failed is not None:
            transaction.refuse(self.failed)
        self._send_unsent()
        return transaction

    def _send_unsent(self) -> None:
        """Sends what waits, in order, and no more than the hub lets a device have under way."""
        if self.hello is None or self.ended is not None:
            return
        under_way = list(self.unsettled.values())[: self.hello.limits.get("unsettled", 64)]
        for transaction in under_way:
            if not transaction.sent:
                transaction.sent = True
                self._send(transaction.message(self.copy.schema))
        unsent = min((seq for seq, transaction in self.unsettled.items() if not transaction.sent), default=math.inf)
        while self._events and self._events[0][0] < unsent:
            self._send(self._events.pop(0)[1])

    def _outcome(self, seq: int, outcome: int | Refused) -> None:
        """What became of a number. It may be told twice: a number that was sent again is answered again."""
        check(seq <= self.last_seq, f"the hub settles number {seq}, which was never sent")
        transaction = self.unsettled.pop(seq, None)
        if transaction is None:
            return
        if isinstance(outcome, Refused):
            transaction.refuse(outcome)
        else:
            transaction.commit(outcome)

    async def will(self, *ops: Op) -> int:
        """Sets what the hub does when this device has gone; without ops nothing. Returns a version from which it is durable."""
        self._last_id += 1
        said = [one.item(self.copy.schema) for one in ops] or None
        answer = await self.ask((14, self._last_id), [14, self._last_id, self.copy.schema.version, said])
        if answer.refusal is not None:
            raise answer.refusal
        return answer.version

    # --- telling

    def send_event(self, to: bytes | str | tuple[str, Any], name: str, value: Any = None) -> bool:
        """Tells something to a device, a role, or who is subscribed to a scope of a table; says whether it was sent.

        It goes behind the transactions that were started before it. Without a connection it is lost: what it tells of would
        be over. Whether it reached anybody, nobody knows.
        """
        if self.hello is None or self.ended is not None:
            return False
        self._events.append((self.last_seq, [15, list(to) if isinstance(to, tuple) else to, name, value]))
        self._send_unsent()
        return True

    # --- asking

    async def subscribe(self, add: Iterable[Sub] = (), remove: Iterable[Sub] = ()) -> int:
        """Changes what the device sees. Returns the snapshot's version, or raises why it was refused."""
        self._last_id += 1
        added, removed = list(add), list(remove)
        self._changes[self._last_id] = (added, removed)
        message = [10, self._last_id, [sub.item() for sub in added], [sub.item()[:2] for sub in removed]]
        end = await self.ask((10, self._last_id), message)
        if end.refusal is not None:
            raise end.refusal
        return end.version

    async def read(self, table: str, key: tuple, column: str) -> str | bytes:
        """Reads, piece by piece, a value that came as UNDEFINED. Starts again if it changed meanwhile."""
        where = self.copy.schema.named(table)
        place = where.names.index(column)
        sent_key = list(key) if len(key) > 1 else key[0]
        data, size = b"", None
        while size is None or len(data) < size:
            self._last_piece = getattr(self, "_last_piece", 0) + 1
            asked = self._last_piece
            piece = await self.ask((13, asked), [13, asked, where.number, sent_key, place, len(data)])
            if piece.refusal is not None:
                raise piece.refusal
            check(piece.bytes or piece.size == len(data), "an empty piece of a value that is not at its end")
            data, size = (data + piece.bytes, piece.size) if size in (None, piece.size) else (b"", None)
        check(len(data) == size, f"pieces of {len(data)} bytes make a value of {size}")
        return data

    async def sql(self, statement: str, *params: Any) -> SqlAnswer:
        """Runs one statement at the hub, for the roles server, editor and admin."""
        self._last_id += 1
        answer = await self.ask((11, self._last_id), [11, self._last_id, statement, list(params)])
        if answer.refusal is not None:
            raise answer.refusal
        return answer

    async def clock(self) -> Clock:
        """The hub's time and version. The time between asking and the answer is the round trip."""
        token = int.from_bytes(os.urandom(6), "big")
        return await self.ask((8, token), [8, token])

    async def tick(self) -> int:
        """Closes a frame, for a server. When it returns, the copy has the version that it returns, which includes all that
        this device has sent before; or it raises why the hub refuses.
        """
        self._last_tick += 1
        answer = await self.ask((7, self._last_tick), [7, self._last_tick])
        if answer.refusal is not None:
            raise answer.refusal
        return answer.version

    async def ask(self, name: tuple, message: list) -> Any:
        """Sends a message, and waits for the answer that `_handle` gives under that name."""
        if self.ended is not None:
            raise self.ended
        answer = asyncio.get_running_loop().create_future()
        self._answers[name] = answer
        self._send(message)
        try:
            return await answer
        except asyncio.CancelledError:
            if self.ended is not None:
                raise self.ended from None
            raise

    def _answer(self, name: tuple, message: Any) -> None:
        answer = self._answers.pop(name, None)
        if answer is not None and not answer.done():
            answer.set_result(message)

    def _send(self, message: list) -> None:
        """Queues a message, compressed where both sides do that and it is worth it."""
        data = cbor2.dumps(message)
        if self.options.get("zstd") and self.hello and "zstd" in self.hello.capabilities and len(data) > 512:
            data = pack(data)
        self._outgoing.put_nowait(data)
