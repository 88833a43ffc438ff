"""What the tests share: hub processes, looking into their databases, and connections that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import queue
import socket
import sqlite3
import struct
import subprocess
import threading
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cbor2
from websockets.client import ClientProtocol
from websockets.frames import Close, Opcode
from websockets.frames import Frame as WebSocketFrame
from websockets.uri import parse_uri

from framehub_client import SUBPROTOCOL, UNDEFINED, Device, Ended, Goodbye, Rows, Sub, Table, decode_message, delete, insert, put

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent
KILLS = int(os.environ.get("FRAMEHUB_KILLS", "10"))  # rounds of kill -9; 200 in a soak
SCHEMAS = {"city": PROJECT / "examples/city", "tables": HERE / "tables"}
CONFIGS = {"city": HERE / "city.toml", "tables": HERE / "tables/framehub.toml"}
PATIENCE = 20.0  # seconds to wait for what should come at once; only a failing test ever waits so long

# --------------------------------------------------------------------------------------------------------------------
# A hub


class Hub:
    """A hub process of its own with a temporary database, and all the devices that a test lets talk to it."""

    own = True

    def __init__(self, folder: Path, schema: Path, config: Path, flags: list[str]):
        self.folder, self.schema, self.config, self.flags = folder, schema, config, flags
        self.database = folder / "world.db"
        self.process: subprocess.Popen | None = None
        self.restarts = -1
        self.devices: list[Device] = []
        self.raws: list[Raw] = []
        self.witness: Observer | None = None

    def start(self) -> None:
        """Starts the hub, on the same database as before and on a port that is free, and waits for its address."""
        binary = os.environ.get("FRAMEHUB", str(PROJECT / "bin" / "framehub"))
        command = [binary, "serve", "--config", self.config, "--schema", self.schema, "--db", self.database]
        command += ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", *self.flags]
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=PROJECT)
        self.restarts += 1
        self.url = self._address()

    def _address(self) -> str:
        lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=drain, args=(self.process.stdout, lines), daemon=True).start()
        while True:
            try:
                line = lines.get(timeout=PATIENCE)
            except queue.Empty:
                raise AssertionError("the hub says no address") from None
            assert line, f"the hub did not start:\n{self.log()}"
            if line.startswith("devices"):
                return line.split()[1]

    def kill(self) -> None:
        """As `kill -9`."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    async def stop(self) -> int:
        """As an operator stops it. Returns the exit code."""
        self.process.terminate()
        return await asyncio.to_thread(self.process.wait, PATIENCE)

    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-20_000:]

    # --- devices

    async def device(self, subs: list[Sub] | None = None, connect: bool = True, **options: Any) -> Observer:
        """A device that is connected and holds its first snapshot."""
        device = Observer(options.pop("url", self.url), subs, **options)
        self.devices.append(device)
        if connect:
            await device.connect()
            await device.complete_to(device.hello.version)
        return device

    async def raw(self, hello: dict | None = None, **options: Any) -> Raw:
        """A connection without manners. With `hello` it has been greeted by the hub."""
        raw = await Raw.open(self.url, **options)
        self.raws.append(raw)
        if hello is not None:
            raw.send([0, hello])
            raw.hello = await raw.until(0)
        return raw

    async def reconnect(self, device: Device) -> None:
        """Connects a device to the address that the hub has now."""
        device.url = self.url
        await device.connect()
        await device.complete_to(device.hello.version)

    async def call_witness(self) -> None:
        """Lets somebody watch the whole test through frames."""
        self.witness = Observer(self.url, name="witness")
        await self.witness.connect()
        await self.witness.complete_to(self.witness.hello.version)

    async def dismiss(self) -> None:
        """Ends every connection of the test, and says what a device found out about the hub that no test asked for."""
        for raw in self.raws:
            raw.abort()
        devices = [*self.devices, *([self.witness] if self.witness else [])]
        await asyncio.gather(*(device.cut() for device in devices if device.is_open()), return_exceptions=True)

    async def check(self) -> None:
        """What holds after every test: the witness's copy and a newcomer's are what SQL reads, and nobody was harmed."""
        if not self.runs():
            return
        assert "panic" not in self.log(), self.log()
        for device in self.devices:
            device.raise_deviation()
        if self.witness.ended is not None:
            assert self.restarts > 0, f"the hub ended the session of somebody who did nothing: {self.witness.ended}"
            await self.reconnect(self.witness)
        newcomer = await self.device(connect=False)
        await newcomer.connect()
        await self.merged_to(await self.nudge(newcomer))  # large values are read as they are now, not as they were
        for device in (self.witness, newcomer):
            await self.same_as_database(device)
        await asyncio.to_thread(self.check_file)

    async def nudge(self, device: Device) -> int:
        """Changes something that everybody sees. Without it an empty frame would tell the version, a second later."""
        if "setting" in (table.name for table in device.copy.schema.tables):
            return await device.write(put("setting", {"key": "checked", "value": os.urandom(8)}))
        return await device.write(put("named", {"name": "checked", "n": int.from_bytes(os.urandom(7), "big")}))

    async def same_as_database(self, device: Observer) -> None:
        """Compares a copy, at the version that the database's tables are merged to, with what SQL reads there."""
        while True:
            state = await asyncio.to_thread(self.read_database)
            await device.complete_to(state.merged)
            if state.merged in device.history:
                return await compare(device, state)
            await device.wait_for_message()  # that version was merged with others on its way here

    async def merged_to(self, version: int) -> None:
        """Waits until the database's tables have a version: the frame log has it earlier."""
        while (await asyncio.to_thread(self.read_database)).merged < version:
            await asyncio.sleep(0.02)

    def read_database(self) -> State:
        """All tables that devices may see, read by Python's own SQLite in one transaction."""
        with contextlib.closing(self.open_database()) as database:
            database.execute("BEGIN")
            merged = database.execute("SELECT value FROM _framehub_meta WHERE key = 'merged'").fetchone()[0]
            return State(int(merged), {name: read_table(database, name) for name in public_tables(database)})

    def open_database(self) -> sqlite3.Connection:
        return sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=PATIENCE, isolation_level=None)

    def sql(self, statement: str, *parameters: Any) -> list[tuple]:
        with contextlib.closing(self.open_database()) as database:
            return database.execute(statement, parameters).fetchall()

    def write_sql(self, *statements: str) -> None:
        """Writes the database as any other program does, with Python's own SQLite, all in one transaction."""
        with contextlib.closing(sqlite3.connect(self.database, timeout=PATIENCE, isolation_level=None)) as database:
            database.execute("PRAGMA foreign_keys = ON")
            database.execute("BEGIN IMMEDIATE")
            for statement in statements:
                database.execute(statement)
            database.execute("COMMIT")

    def check_file(self) -> None:
        assert self.sql("PRAGMA integrity_check") == [("ok",)]
        assert self.sql("PRAGMA foreign_key_check") == []


class RemoteHub(Hub):
    """A hub that somebody else runs, with the tables of the example city. Nobody can look into its database."""

    own = False

    def __init__(self, url: str):
        self.url, self.restarts = url, 0
        self.devices, self.raws, self.witness = [], [], None

    def runs(self) -> bool:
        return True

    def kill(self) -> None:
        pass

    def log(self) -> str:
        return ""

    async def call_witness(self) -> None:
        await self._tidy()
        await super().call_witness()

    async def _tidy(self) -> None:
        """Puts the tables back to what the city has in the beginning, whatever the last test left in them."""
        device = await self.device()
        beginning = memory_database(PROJECT / "examples/city/schema.sql")
        tables = {table.name: table for table in device.copy.schema.tables}
        order = [tables[name] for name in ("zone", "account", "building", "chunk", "entity", "setting", "transfer")]
        for table in reversed(order):
            keys = [dict(zip(table.key_names, key, strict=True)) for key in device.copy.rows(table.name)]
            if keys:
                await device.write(delete(table.name, *keys))
        for table in order:
            rows = list(read_table(beginning, table.name).values())
            settable = [column.name for column in table.columns if not column.flags & 2]
            if rows:
                await device.write(insert(table.name, *({name: row[name] for name in settable} for row in rows)))
        await device.close()

    async def check(self) -> None:
        for device in self.devices:
            device.raise_deviation()
        assert self.witness.ended is None, f"the hub ended the session of somebody who did nothing: {self.witness.ended}"
        newcomer = await self.device()
        await self.witness.complete_to(newcomer.hello.version)
        await newcomer.complete_to(self.witness.copy.version)
        assert_same(self.witness.copy.freeze(), newcomer.copy.freeze(), "the witness's copy and a newcomer's")


def drain(stream: Any, lines: queue.Queue[str]) -> None:
    """Reads what a process prints to its end, so that it never waits for a reader."""
    for line in stream:
        lines.put(line)
    lines.put("")


class Observer(Device):
    """A device that remembers what it had at each version, so that it can be compared with a database at one of them."""

    REMEMBERED = 500  # versions

    def __init__(self, url: str, subs: list[Sub] | None = None, name: str = "device", **options: Any):
        self.receive_buffer: int | None = options.pop("receive_buffer", None)
        super().__init__(url, subs, client=f"conformance {name}", **options)
        self.history: dict[int, dict[str, Rows]] = {}
        self.messages: list[Any] = []
        self.largest = 0
        self.on_frame = self._remember
        self.on_message = self._note

    def _remember(self, version: int) -> None:
        """Notes the copy, unless some sub of it is at another version."""
        if not self._pending and all(sub.since == version for sub in self.copy.subs):
            self.history[version] = self.copy.freeze()
            while len(self.history) > self.REMEMBERED:
                del self.history[next(iter(self.history))]

    def _note(self, message: Any, size: int) -> None:
        self.messages.append(message)
        self.largest = max(self.largest, size)

    def said(self, kind: type) -> list[Any]:
        """All messages of a kind since the last forget()."""
        return [message for message in self.messages if isinstance(message, kind)]

    def forget(self) -> None:
        self.messages.clear()

    async def next(self, kind: type, holds: Callable[[Any], Any] = lambda message: True) -> Any:
        """The first message of a kind for which something holds, since the last forget()."""
        found: list[Any] = []
        await self.wait(lambda: found.extend(m for m in self.said(kind) if holds(m)) or found)
        return found[0]

    async def wait_for_message(self) -> None:
        seen = len(self.messages)
        await self.wait(lambda: len(self.messages) > seen)

    async def open_socket(self, **options: Any) -> Any:
        """With a buffer that is small enough to be full soon, where a test wants that."""
        if self.receive_buffer is None:
            return await super().open_socket(**options)
        return await super().open_socket(sock=await plain_socket(self.url, self.receive_buffer), **options)

    def is_open(self) -> bool:
        return self._socket is not None and self.ended is None

    def raise_deviation(self) -> None:
        """Raises what made the device give up, if it did."""
        if self.failed is not None:
            raise self.failed


# --------------------------------------------------------------------------------------------------------------------
# Databases and comparing


@dataclass
class State:
    """A database's public tables at the version that they are merged to."""

    merged: int
    tables: dict[str, Rows]


def public_tables(database: sqlite3.Connection) -> list[str]:
    names = [name for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")]
    return [name for name in names if not name.startswith(("_", "sqlite_"))]


def columns_of(database: sqlite3.Connection, table: str) -> list[sqlite3.Row]:
    """PRAGMA table_xinfo, generated columns and all: cid, name, type, notnull, dflt_value, pk, hidden."""
    cursor = database.execute(f'PRAGMA table_xinfo("{table}")')
    names = [described[0] for described in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def read_table(database: sqlite3.Connection, table: str) -> Rows:
    columns = columns_of(database, table)
    names = [column["name"] for column in columns]
    key = [c["name"] for c in sorted((c for c in columns if c["pk"]), key=lambda c: c["pk"])]
    quoted = ", ".join(f'"{name}"' for name in names)
    rows = (dict(zip(names, row, strict=True)) for row in database.execute(f'SELECT {quoted} FROM "{table}"'))
    return {tuple(row[name] for name in key): row for row in rows}


def memory_database(schema: Path) -> sqlite3.Connection:
    """A database in memory with the schema and its first rows, as SQLite itself understands them."""
    database = sqlite3.connect(":memory:", isolation_level=None)
    database.execute("PRAGMA foreign_keys = ON")
    database.executescript(schema.read_text())
    return database


async def compare(device: Observer, state: State) -> None:
    """A device's copy at the state's version against SQL, each sub by itself."""
    copy = device.history[state.merged]
    for table in device.copy.schema.tables:
        covered = {key: row for key, row in state.tables[table.name].items() if device.copy.covered(table, row, device.copy.subs)}
        held = copy.get(table.name, {})
        assert_same_rows(await with_large_values(device, table, held, covered), covered, f"{table.name} at {state.merged}")


async def with_large_values(device: Device, table: Table, held: Rows, expected: Rows) -> Rows:
    """The rows with what came as undefined read in pieces. A piece is bytes; SQL says whether it was a text."""
    whole: Rows = {}
    for key, row in held.items():
        for name in [name for name, value in row.items() if value is UNDEFINED]:
            data = await device.read(table.name, key, name)
            is_text = isinstance(expected.get(key, {}).get(name), str)
            row = {**row, name: data.decode() if is_text else data}
        whole[key] = row
    return whole


def assert_same(a: dict[str, Rows], b: dict[str, Rows], what: str) -> None:
    for name in a.keys() | b.keys():
        assert_same_rows(a.get(name, {}), b.get(name, {}), f"{what}: {name}")


def assert_same_rows(held: Rows, expected: Rows, what: str) -> None:
    missing, surplus = expected.keys() - held.keys(), held.keys() - expected.keys()
    assert not missing, f"{what}: {len(missing)} rows are missing, among them {expected[next(iter(missing))]!r:.300}"
    assert not surplus, f"{what}: {len(surplus)} rows too many, among them {held[next(iter(surplus))]!r:.300}"
    for key, row in expected.items():
        assert exact_row(held[key]) == exact_row(row), f"{what}: {held[key]!r:.500} instead of {row!r:.500}"


def exact_row(row: dict[str, Any]) -> dict[str, Any]:
    return {name: exact(value) for name, value in row.items()}


def exact(value: Any) -> Any:
    """A value with its type, and with all its bits where it is a float: 1 is not 1.0, and -0.0 is not 0.0."""
    return (type(value), struct.pack("<d", value)) if isinstance(value, float) else (type(value), value)


# --------------------------------------------------------------------------------------------------------------------
# A connection without manners


async def plain_socket(url: str, receive_buffer: int | None = None) -> socket.socket:
    """A TCP connection to a hub."""
    where = urllib.parse.urlsplit(url)
    plain = socket.socket()
    plain.setblocking(False)
    if receive_buffer is not None:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    await asyncio.get_running_loop().sock_connect(plain, (where.hostname, where.port))
    return plain


class Raw:
    """A WebSocket that sends what it is told, answers pings or not, and shows every frame that comes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, protocol: ClientProtocol):
        self.reader, self.writer, self.protocol = reader, writer, protocol
        self.answers_pings = True
        self.hello: list | None = None
        self.frames: list[WebSocketFrame] = []

    @classmethod
    async def open(cls, url: str, subprotocols: list[str] | None = None, receive_buffer: int | None = None) -> Raw:
        """Does the WebSocket's handshake. A refused one raises what the library makes of it."""
        reader, writer = await asyncio.open_connection(sock=await plain_socket(url, receive_buffer), limit=receive_buffer or 2**20)
        offered = [SUBPROTOCOL] if subprotocols is None else subprotocols
        protocol = ClientProtocol(parse_uri(url), subprotocols=offered or None, max_size=None)
        raw = cls(reader, writer, protocol)
        protocol.send_request(protocol.connect())
        raw.flush()
        await raw._shake_hands()
        return raw

    async def _shake_hands(self) -> None:
        while self.protocol.handshake_exc is None and self.protocol.state.name == "CONNECTING":
            await self._receive()
        if self.protocol.handshake_exc is not None:
            raise self.protocol.handshake_exc

    async def _receive(self) -> None:
        data = await self.reader.read(65536)
        if data:
            self.protocol.receive_data(data)
        else:
            self.protocol.receive_eof()
        events = self.protocol.events_received()
        self.frames += [event for event in events if isinstance(event, WebSocketFrame)]
        answers = self.protocol.data_to_send()  # the library has its pongs and its half of a closing ready
        if self.answers_pings:
            self.writer.writelines(answers)

    # --- sending

    def flush(self) -> None:
        self.writer.writelines(self.protocol.data_to_send())

    def send(self, item: Any) -> None:
        self.send_bytes(cbor2.dumps(item))

    def send_bytes(self, data: bytes) -> None:
        self.send_frame(Opcode.BINARY, data)

    def send_frame(self, opcode: Opcode, data: bytes, last: bool = True) -> None:
        """Writes one WebSocket frame, however little sense it makes."""
        self.writer.write(WebSocketFrame(opcode, data, last).serialize(mask=True))

    def abort(self) -> None:
        self.writer.transport.abort()

    # --- receiving

    async def frame(self) -> WebSocketFrame:
        """The next WebSocket frame."""
        while not self.frames:
            if self.reader.at_eof():
                raise EOFError("the connection has ended")
            await self._receive()
        return self.frames.pop(0)

    async def message(self) -> list:
        """The next message, as CBOR says it."""
        while True:
            frame = await self.frame()
            if frame.opcode is Opcode.BINARY:
                return cbor2.loads(frame.data)
            assert frame.opcode in (Opcode.PING, Opcode.PONG), f"instead of a message came {frame}"

    async def until(self, kind: int) -> list:
        """The next message of a type."""
        return await self.first(kind)

    async def first(self, *kinds: int) -> list:
        """The next message of one of these types."""
        while (message := await self.message())[0] not in kinds:
            pass
        return message

    async def goodbye(self) -> Goodbye:
        """What the hub says in band before it closes; then this side closes, as the protocol wants it."""
        goodbye = decode_message(cbor2.dumps(await self.until(12)))
        self.send_frame(Opcode.CLOSE, Close(1000, "").serialize())
        await self.ended()
        return goodbye

    async def ended(self) -> None:
        """Waits until the hub has ended the connection, whatever it says until then."""
        await self.rest()

    async def rest(self) -> list[WebSocketFrame]:
        """All that comes until the hub ends the connection, pings and pongs left out."""
        frames = []
        with contextlib.suppress(EOFError, ConnectionError):
            while True:
                frames.append(await self.frame())
        return [frame for frame in frames if frame.opcode not in (Opcode.PING, Opcode.PONG)]


# --------------------------------------------------------------------------------------------------------------------
# A cable that can be cut


class Cable:
    """A TCP connection's way to the hub, cut when told, or after so many bytes, wherever that is in a message."""

    def __init__(self, hub: Hub):
        self.hub = hub
        self.budget: Callable[[], float] = lambda: math.inf  # bytes in both directions that a new connection lasts
        self.cuts = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task] = set()

    async def __aenter__(self) -> Cable:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"ws://127.0.0.1:{self.server.sockets[0].getsockname()[1]}/v1/sync"
        return self

    async def __aexit__(self, *exception: Any) -> None:
        self.server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, near: asyncio.StreamReader, near_writer: asyncio.StreamWriter) -> None:
        where = urllib.parse.urlsplit(self.hub.url)
        try:
            far, far_writer = await asyncio.open_connection(where.hostname, where.port)
        except OSError:
            near_writer.transport.abort()
            return
        left = [self.budget()]
        both = (near_writer, far_writer)
        self._writers.update(both)
        for reader, writer in ((near, far_writer), (far, near_writer)):
            task = asyncio.create_task(self._carry(reader, writer, left, both))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, left: list[float], both: tuple) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(4096):
                writer.write(data[: int(min(left[0], len(data)))])
                left[0] -= len(data)
                if left[0] <= 0:
                    self.cuts += 1
                    await asyncio.sleep(0)  # lets what was written go
                    break
                await writer.drain()
        self._abort(both)

    def cut(self) -> None:
        """Ends every connection, as when the network is gone."""
        self._abort(tuple(self._writers))

    def _abort(self, writers: tuple) -> None:
        for writer in writers:
            writer.transport.abort()
            self._writers.discard(writer)
