"""Section 5: SQL through the hub, for those who are trusted."""

import asyncio

import pytest

from framehub_client import Device, Refused, Sub, insert, put
from harness import Hub


async def server(hub: Hub, **options: object) -> Device:
    return await hub.device(role="server", **options)


async def test_capability(hub: Hub):
    assert "sql" in (await hub.device(subs=[])).hello.capabilities


async def test_what_it_changes_is_seen_by_others(hub: Hub):
    device, asker = await hub.device(), await server(hub, subs=[])
    await device.write(insert("entity", *({"id": i, "zone": i % 2, "score": i} for i in range(1, 6))))
    answer = await asker.sql("UPDATE entity SET score = score * 10 WHERE zone = ? RETURNING id, score", 1)
    assert answer.columns == ["id", "score"] and sorted(answer.rows) == [(1, 10), (3, 30), (5, 50)]
    await device.complete_to(answer.version)
    assert {key[0]: row["score"] for key, row in device.copy.rows("entity").items()} == {1: 10, 2: 2, 3: 30, 4: 4, 5: 50}
    answer = await asker.sql("DELETE FROM entity WHERE zone = 0")
    assert answer.columns == [] and answer.rows == []
    await device.complete_to(answer.version)
    assert len(device.copy.rows("entity")) == 3


async def test_it_reads_what_it_was_told(hub: Hub):
    asker = await server(hub)
    for i in range(20):
        version = await asker.write(put("entity", {"id": 1, "score": i}))
        answer = await asker.sql("SELECT score, ?1, ?2, ?3, ?4 FROM entity WHERE id = 1", None, 1.5, "grün", b"\0\xff")
        assert answer.version >= version and answer.rows == [(i, None, 1.5, "grün", b"\0\xff")]


async def test_triggers_and_constraints(hub: Hub):
    device, asker = await hub.device(subs=[Sub("account")]), await server(hub, subs=[])
    await asker.sql("INSERT INTO account VALUES ('payer', 100), ('payee', 0)")
    version = (await asker.sql("INSERT INTO transfer(id, payer, payee, amount) VALUES (9001, 'payer', 'payee', 30)")).version
    await device.complete_to(version)
    balances = {row["owner"]: row["balance"] for row in device.copy.rows("account").values()}
    assert (balances["payer"], balances["payee"]) == (70, 30)
    with pytest.raises(Refused) as refused:
        await asker.sql("INSERT INTO transfer(id, payer, payee, amount) VALUES (9002, 'payer', 'payee', 3000)")
    assert refused.value.code == "constraint" and "CHECK" in refused.value.text


@pytest.mark.parametrize("role", ["device", "observer"])
async def test_others_may_not(hub: Hub, role: str):
    with pytest.raises(Refused) as refused:
        await (await hub.device(subs=[], role=role)).sql("SELECT 1")
    assert refused.value.code == "forbidden"


@pytest.mark.parametrize("role", ["server", "editor", "admin"])
@pytest.mark.parametrize(
    "statement",
    [
        "PRAGMA journal_mode = DELETE",
        "ATTACH '/etc/passwd' AS x",
        "CREATE TABLE x(id)",
        "DROP TABLE entity",
        "SELECT * FROM sqlite_schema",
        "SELECT * FROM _framehub_meta",
        "SELECT load_extension('x')",
        "VACUUM INTO '/tmp/x.db'",
        "COMMIT",
    ],
)
async def test_nothing_else_may_be_run(hub: Hub, role: str, statement: str):
    asker = await hub.device(subs=[], role=role)
    with pytest.raises(Refused) as refused:
        await asker.sql(statement)
    assert refused.value.code in ("forbidden", "constraint")
    assert (await asker.sql("SELECT 1")).rows == [(1,)]


async def test_limits(hub: Hub):
    device, asker = await hub.device(), await server(hub, subs=[])
    forever = "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c) "
    for statement in (
        forever + "SELECT i FROM c LIMIT 20000",
        forever + "SELECT count(*) FROM c",
        forever + "INSERT INTO entity(id) SELECT i + 1000 FROM c",
        "SELECT hex(zeroblob(100000))",
    ):
        writing = device.start(put("entity", {"id": 7, "score": 1}))  # goes on beside
        with pytest.raises(Refused) as refused:
            await asker.sql(statement)
        assert refused.value.code == "too_large", statement
        await writing.outcome
    many = [asyncio.create_task(asker.sql("INSERT INTO entity(id, score) VALUES (?, 1)", 100 + i)) for i in range(40)]
    refused = [r for r in await asyncio.gather(*many, return_exceptions=True) if isinstance(r, Refused)]
    assert all(one.code == "rate" for one in refused)
    assert (await asker.sql("SELECT count(*) FROM entity WHERE id BETWEEN 100 AND 200")).rows == [(40 - len(refused),)]
