"""Section 3: the schema that a hub tells, against what SQLite's own pragmas say about the database file."""

import pytest

from framehub_client import HAS_DEFAULT, NOT_NULL, READ_ONLY, Refused, Sub, Table, put
from harness import Hub, columns_of

STORED_AND_VIRTUAL = (2, 3)  # `hidden` of table_xinfo, for generated columns
ALL_RIGHTS = 15


def by_pragma(hub: Hub) -> dict[str, list[dict]]:
    """Every public table's columns, as PRAGMA table_xinfo has them."""
    with hub.open_database() as database:
        names = [n for (n,) in database.execute("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'")]
        return {name: columns_of(database, name) for name in names if not name.startswith(("_", "sqlite_"))}


def in_protocol_order(columns: list[dict]) -> list[dict]:
    """Key columns first, in key order, then the others in SQL's order."""
    key = sorted((c for c in columns if c["pk"]), key=lambda c: c["pk"])
    return key + [c for c in columns if not c["pk"]]


def flags_of(column: dict) -> int:
    """A key's columns are never NULL, whatever the pragma says of INTEGER PRIMARY KEY."""
    flags = NOT_NULL if column["notnull"] or column["pk"] else 0
    flags |= READ_ONLY if column["hidden"] in STORED_AND_VIRTUAL else 0
    return flags | (HAS_DEFAULT if column["dflt_value"] is not None else 0)


def type_of(column: dict) -> str:
    """A STRICT table's types are the protocol's. For others the document is silent; SQLite's affinity is the likely meaning."""
    declared = column["type"].upper()
    for part, type_ in (("INT", "INTEGER"), ("CHAR", "TEXT"), ("TEXT", "TEXT"), ("BLOB", "BLOB"), ("REAL", "REAL"), ("DOUB", "REAL")):
        if part in declared:
            return type_
    return "ANY"


@pytest.mark.parametrize("schema", [pytest.param(s, marks=pytest.mark.schema(s)) for s in ("city", "tables")])
async def test_schema_is_what_the_pragmas_say(own_hub: Hub, schema: str):
    told = (await own_hub.device()).hello.schema
    expected = by_pragma(own_hub)
    assert sorted(table.name for table in told.tables) == sorted(expected)
    for table in told.tables:
        columns = in_protocol_order(expected[table.name])
        assert table.names == [c["name"] for c in columns], table.name
        assert [c.type for c in table.columns] == [type_of(c) for c in columns], table.name
        assert [c.flags for c in table.columns] == [flags_of(c) for c in columns], table.name
        assert table.key_length == sum(1 for c in columns if c["pk"]), table.name
        assert table.rights == ALL_RIGHTS and table.kind == "durable"


async def test_scope_columns_are_what_the_rules_say(hub: Hub):
    scopes = {table.name: table.scope_name for table in (await hub.device()).hello.schema.tables}
    assert scopes == {**dict.fromkeys(scopes), "entity": "zone"}


@pytest.mark.schema("tables")
async def test_scope_column_within_the_key(own_hub: Hub):
    schema = (await own_hub.device()).hello.schema
    assert schema.named("spot").scope == 0
    assert schema.named("thing").scope_name == "room"


@pytest.mark.schema("tables")
async def test_key_columns_stand_first_in_key_order(own_hub: Hub):
    table = (await own_hub.device()).hello.schema.named("keyed")
    assert table.names == ["a", "b", "note", "n"] and table.key_length == 2


async def test_numbers_stay_over_sessions(own_hub: Hub):
    first = (await own_hub.device()).hello.schema
    await own_hub.stop()
    own_hub.start()
    assert (await own_hub.device()).hello.schema == first


def private_numbers(tables: tuple[Table, ...]) -> list[int]:
    """Numbers that a private table might have: those between and beside the public ones."""
    public = {table.number for table in tables}
    return [number for number in range(max(public) + 6) if number not in public]


async def test_private_tables_are_never_seen(hub: Hub):
    device = await hub.device(subs=[])
    assert not [table.name for table in device.hello.schema.tables if table.name.startswith(("_", "sqlite_"))]
    for name in ("_audit", "_framehub_meta", "_framehub_device", "sqlite_schema", "sqlite_master", "main._audit", '"_audit"'):
        with pytest.raises(Refused) as refused:
            await device.subscribe([Sub(name)])
        assert refused.value.code == "unknown_table"


async def test_private_tables_have_no_number_that_works(hub: Hub):
    device = await hub.device(subs=[])
    for number in private_numbers(device.hello.schema.tables):
        with pytest.raises(Refused) as refused:
            await device.subscribe([Sub(number)])
        assert refused.value.code == "unknown_table", number
    raw = await hub.raw(hello={"subs": []})
    for seq, number in enumerate(private_numbers(device.hello.schema.tables), 1):
        raw.send([5, seq, None, device.hello.schema.version, [[0, [number, [0], 1, [1]]]]])
        refusals = (await raw.until(6))[3]
        assert refusals[0][:2] == [seq, "unknown_table"], number


@pytest.mark.parametrize("number", [0, 1, 99])
async def test_private_values_are_not_read_in_pieces(hub: Hub, number: int):
    raw = await hub.raw(hello={"subs": []})
    raw.send([13, 1, number, 1, 0, 0])
    answer = await raw.until(13)
    assert answer[:3] == [13, 1, None] and answer[3] == "unknown_table"


async def test_what_triggers_write_privately_is_not_seen(own_hub: Hub):
    """The trigger of `account` writes the private table `_audit` in the same transaction."""
    device = await own_hub.device()
    device.forget()
    version = await device.write(put("account", {"owner": "alice", "balance": 77}))
    await device.complete_to(version)
    tables = {block.table for frame in device.messages if hasattr(frame, "changed") for block in frame.changed}
    assert tables == {device.hello.schema.named("account").number}
    await own_hub.check()
    assert own_hub.sql("SELECT what, owner, after FROM _audit") == [("balance", "alice", 77)]
