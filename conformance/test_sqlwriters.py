"""Other programs write the hub's database with SQL: every device has it with the next frame, in order with the rest."""

import asyncio
import contextlib
import os
import random
import shutil
import sqlite3
import subprocess

import pytest

from framehub_client import Device, Ended, NewSchema, Op, Refused, Sub, insert, put, update
from harness import KILLS, PATIENCE, Hub

HELD_OPEN = float(os.environ.get("FRAMEHUB_HELD_OPEN", "3"))  # seconds that a transaction is held open; 30 in a soak


def shell(hub: Hub, *commands: str) -> str:
    """SQLite's own shell, as a person uses it."""
    program = shutil.which(os.environ.get("SQLITE3", "sqlite3"))
    if program is None:
        assert os.environ.get("CI") != "true", "the sqlite3 shell is missing"
        pytest.skip("SKIPPED: there is no sqlite3 shell here")
    command = [program, "-bail", "-cmd", ".timeout 10000", str(hub.database), *commands]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def entities(device: Device) -> dict[int, dict]:
    return {key[0]: row for key, row in device.copy.rows("entity").items()}


async def see(device: Device, table: str, key: tuple, **columns: object) -> None:
    """Waits until a device has a row with these values, or with none that it has not."""

    def there() -> bool:
        row = device.copy.rows(table).get(key)
        return row is None if not columns else row is not None and columns.items() <= row.items()

    await device.wait(there)


async def accepted(device: Device, *ops: Op) -> None:
    """Writes, again and again while the hub says that it can't."""
    while True:
        try:
            await device.write(*ops)
        except Refused as refused:
            assert refused.code == "unavailable"
            await asyncio.sleep(0.05)
        else:
            return


async def test_the_shell_writes(own_hub: Hub):
    device = await own_hub.device()
    await device.write(insert("entity", *({"id": i, "zone": 1, "score": 0} for i in range(1, 9))))
    await asyncio.to_thread(shell, own_hub, "UPDATE entity SET score = score + 5 WHERE id = 1")
    await see(device, "entity", (1,), score=5, zone=1)
    await asyncio.to_thread(shell, own_hub, "INSERT INTO entity(id, owner) VALUES (20, 'sql')", "DELETE FROM entity WHERE id = 8")
    await see(device, "entity", (20,), owner="sql")
    await see(device, "entity", (8,))
    await asyncio.to_thread(shell, own_hub, "UPDATE entity SET id = id + 100 WHERE id = 2; UPDATE OR REPLACE entity SET id = 4 WHERE id = 3")
    await see(device, "entity", (102,), zone=1)
    await see(device, "entity", (3,))
    await asyncio.to_thread(shell, own_hub, "DELETE FROM entity")
    await device.wait(lambda: not entities(device))


async def test_replace_takes_rows_by_another_unique_key(own_hub: Hub):
    """SQLite fires no delete trigger for them, unless recursive_triggers is on."""
    device = await own_hub.device()
    await device.write(insert("zone", {"id": 901, "name": "old", "west": 0.0, "south": 0.0}))
    await asyncio.to_thread(shell, own_hub, "REPLACE INTO zone(id, name, west, south) VALUES (902, 'old', 1, 1)")
    await see(device, "zone", (902,), name="old", west=1.0)
    await see(device, "zone", (901,))


async def test_triggers_and_cascades_are_the_games(own_hub: Hub):
    device = await own_hub.device()
    await device.write(insert("account", {"owner": "payer", "balance": 100}, {"owner": "payee", "balance": 0}))
    await asyncio.to_thread(own_hub.write_sql, "INSERT INTO transfer(id, payer, payee, amount) VALUES (9001, 'payer', 'payee', 30)")
    await see(device, "account", ("payee",), balance=30)
    await see(device, "account", ("payer",), balance=70)
    await see(device, "transfer", (9001,), amount=30)
    with pytest.raises(sqlite3.IntegrityError):
        own_hub.write_sql("INSERT INTO transfer(id, payer, payee, amount) VALUES (9002, 'payer', 'payee', 3000)")


async def test_rows_move_between_scopes(own_hub: Hub):
    here = await own_hub.device(subs=[Sub("entity", [1])])
    there = await own_hub.device(subs=[Sub("entity", [2])])
    await here.write(insert("entity", {"id": 1, "zone": 1, "x": 1.5}))
    await see(here, "entity", (1,), x=1.5)
    await asyncio.to_thread(own_hub.write_sql, "UPDATE entity SET zone = 2 WHERE id = 1")
    await see(there, "entity", (1,), x=1.5, zone=2)
    await see(here, "entity", (1,))


async def test_only_what_was_set_is_sent(own_hub: Hub):
    device = await own_hub.device()
    await device.write(insert("entity", {"id": 1, "zone": 1, "owner": "o" * 5000}))
    await see(device, "entity", (1,), zone=1)
    device.forget()
    await asyncio.to_thread(own_hub.write_sql, "UPDATE entity SET score = 7 WHERE id = 1")
    await see(device, "entity", (1,), score=7)
    assert device.largest < 20_000
    sizes = [block.columns for message in device.messages for block in getattr(message, "changed", ())]
    assert all(len(columns) == 2 for columns in sizes), sizes


async def test_it_is_in_order_with_what_devices_write(own_hub: Hub):
    """Sums that both add up to what both added, and a decision on an older version conflicts."""
    device = await own_hub.device()
    await device.write(insert("entity", {"id": 1, "score": 0}, {"id": 2, "score": 0}))
    base = device.copy.version

    async def outside() -> None:
        for _ in range(50):
            await asyncio.to_thread(own_hub.write_sql, "UPDATE entity SET score = score + 1 WHERE id = 1")

    async def inside() -> None:
        for _ in range(100):
            score = (await asyncio.to_thread(own_hub.sql, "SELECT score FROM entity WHERE id = 2"))[0][0]
            with contextlib.suppress(Refused):
                await device.write(update("entity", {"id": 2, "score": score + 1}))

    await asyncio.gather(outside(), inside())
    await see(device, "entity", (1,), score=50)
    with pytest.raises(Refused) as refused:
        await device.write(update("entity", {"id": 1, "score": 1000}), base=base)
    assert refused.value.code == "conflict"


async def test_a_transaction_that_is_held_open(own_hub: Hub):
    """Meanwhile writes are refused in words, reads and sessions go on; afterwards everything does."""
    device = await own_hub.device()
    await device.write(put("entity", {"id": 1, "score": 1}))
    with contextlib.closing(sqlite3.connect(own_hub.database, timeout=PATIENCE, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        database.execute("UPDATE entity SET score = 100 WHERE id = 1")
        with pytest.raises(Refused) as refused:
            await device.write(put("entity", {"id": 2, "score": 2}))
        assert refused.value.code == "unavailable"
        late = await own_hub.device()
        assert entities(late)[1]["score"] == 1
        await asyncio.sleep(HELD_OPEN)
        database.execute("COMMIT")
    await see(device, "entity", (1,), score=100)
    await accepted(device, put("entity", {"id": 2, "score": 2}))


async def test_what_was_written_while_no_hub_ran(own_hub: Hub):
    device = await own_hub.device()
    await device.write(insert("entity", *({"id": i, "zone": 1, "score": 0} for i in range(1, 5))))
    assert await own_hub.stop() == 0
    own_hub.write_sql("UPDATE entity SET score = 9 WHERE id = 1", "DELETE FROM entity WHERE id = 2", "INSERT INTO entity(id) VALUES (77)")
    own_hub.start()
    await own_hub.reconnect(device)
    assert device.hello.resumed
    await see(device, "entity", (1,), score=9)
    await see(device, "entity", (77,), zone=None)
    await see(device, "entity", (2,))


async def test_kills_between_both(own_hub: Hub, chance: random.Random):
    """kill -9 while a device and another program write: what either was told is committed is there, and once."""
    device = await own_hub.device()
    await device.write(insert("entity", {"id": 1, "score": 0}, {"id": 2, "score": 0}))
    told = {"sql": 0, "device": 0}

    async def outside(stop: asyncio.Event) -> None:
        while not stop.is_set():
            await asyncio.to_thread(own_hub.write_sql, "UPDATE entity SET score = score + 1 WHERE id = 1")
            told["sql"] += 1

    async def inside(stop: asyncio.Event) -> None:
        while not stop.is_set():
            with contextlib.suppress(Ended):
                await device.write(put("entity", {"id": 1000 + told["device"], "score": told["device"]}))
                told["device"] += 1

    for _ in range(KILLS):
        stop = asyncio.Event()
        writing = [asyncio.create_task(outside(stop)), asyncio.create_task(inside(stop))]
        await asyncio.sleep(chance.uniform(0.05, 0.4))
        own_hub.kill()
        stop.set()
        await asyncio.wait(writing, timeout=1)  # the device's last one waits for the next connection
        if chance.random() < 0.5:
            own_hub.write_sql("UPDATE entity SET score = score + 1 WHERE id = 1")
            told["sql"] += 1
        own_hub.start()
        await own_hub.reconnect(device)
        await asyncio.gather(*writing)
    await see(device, "entity", (1,), score=told["sql"])
    assert told["device"] > 0 and {1000 + i for i in range(told["device"])} <= entities(device).keys()


async def test_the_schema_changes(own_hub: Hub):
    """Sessions are told, and sent what they need; those of other tables are not disturbed."""
    device = await own_hub.device()
    other = await own_hub.device(subs=[Sub("account")])
    await device.write(insert("entity", {"id": 1, "zone": 1, "score": 3}), put("account", {"owner": "a", "balance": 1}))
    version = device.hello.schema.version

    await asyncio.to_thread(own_hub.write_sql, "ALTER TABLE entity ADD COLUMN mood TEXT DEFAULT 'fine'")
    await see(device, "entity", (1,), mood="fine", score=3)
    assert device.copy.schema.version > version
    await device.write(update("entity", {"id": 1, "mood": "better"}))
    await see(device, "entity", (1,), mood="better")

    await asyncio.to_thread(own_hub.write_sql, "ALTER TABLE entity DROP COLUMN heading")
    await device.wait(lambda: "heading" not in device.copy.schema.named("entity").names)
    await see(device, "entity", (1,), mood="better")
    await device.wait(lambda: "heading" not in entities(device)[1])

    await asyncio.to_thread(own_hub.write_sql, "CREATE TABLE quest(id INTEGER PRIMARY KEY, name TEXT) STRICT", "INSERT INTO quest VALUES (1, 'begin')")
    await device.wait(lambda: device.copy.schema.shape("quest"))  # no rule lets anybody write it
    await see(device, "quest", (1,), name="begin")
    with pytest.raises(Refused) as refused:
        await device.write(put("quest", {"id": 2, "name": "x"}))
    assert refused.value.code == "forbidden"

    await asyncio.to_thread(own_hub.write_sql, "UPDATE quest SET name = 'go on'")
    await see(device, "quest", (1,), name="go on")
    await asyncio.to_thread(own_hub.write_sql, "DROP TABLE quest")
    await device.wait(lambda: device.copy.schema.shape("quest") is None and not device.copy.rows("quest"))

    # A table made anew, as one does for what ALTER TABLE can't, looks as before and has other rows.
    sql = own_hub.sql("SELECT sql FROM sqlite_schema WHERE name = 'account'")[0][0]
    await asyncio.to_thread(
        own_hub.write_sql,
        "PRAGMA defer_foreign_keys = ON",
        "CREATE TABLE aside AS SELECT * FROM account",
        "DROP TABLE account",
        sql,
        "INSERT INTO account SELECT owner, balance + 1000 FROM aside",
        "DROP TABLE aside",
    )
    for one in (device, other):
        await see(one, "account", ("a",), balance=1001)
        assert one.is_open() and len(one.said(NewSchema)) >= 1
    await other.write(put("account", {"owner": "a", "balance": 5}))
    await see(device, "account", ("a",), balance=5)


async def test_a_schema_that_the_hub_cannot_live_with(own_hub: Hub):
    """The scope column is dropped: SQLite refuses, for the hub's triggers read it. Renamed, the hub says why it stops."""
    device = await own_hub.device()
    with pytest.raises(sqlite3.OperationalError):
        own_hub.write_sql("ALTER TABLE entity DROP COLUMN zone")
    await asyncio.to_thread(own_hub.write_sql, "ALTER TABLE entity RENAME COLUMN zone TO place")
    with pytest.raises(Refused) as refused:
        await device.write(put("account", {"owner": "a", "balance": 1}))
    assert refused.value.code == "unavailable"
    assert "zone" in own_hub.log() and "scope" in own_hub.log()
    await asyncio.to_thread(own_hub.write_sql, "ALTER TABLE entity RENAME COLUMN place TO zone")
    await accepted(device, put("account", {"owner": "a", "balance": 1}))
