"""The golden vectors: what a hub sends is understood, what a device sends is built, and what is wrong is refused.

This reads them twice: with the client here, and, where it is the hub's task to refuse, with the hub.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import cbor2
import pytest

from framehub_client import (
    UNDEFINED,
    Block,
    Deviation,
    Refused,
    decode_block,
    decode_item,
    decode_message,
    encode_block,
    unpack,
)
from harness import PROJECT, Hub, exact

FOLDER = PROJECT / "session/wire/testdata"


def vectors(file: str, direction: str | None = None, **same: Any) -> list:
    """The vectors of a file, of one direction if it is given, and whose other members are the same as those given."""
    return [
        pytest.param(v, id=v["name"])
        for v in json.loads((FOLDER / file).read_text())
        if direction in (None, v.get("direction")) and all(v.get(name) == value for name, value in same.items())
    ]


# --- from the words of `meaning` to Python's values


def value_of(words: list) -> Any:
    kind, *said = words
    match kind:
        case "NULL":
            return None
        case "undefined":
            return UNDEFINED
        case "INTEGER":
            return int(said[0])
        case "REAL":
            return float(said[0])
        case "TEXT":
            return said[0]
        case "BLOB":
            return bytes.fromhex(said[0])
    raise ValueError(words)


def block_of(meaning: dict) -> Block:
    rows = [tuple(value_of(v) for v in row) for row in meaning["rows"]]
    return Block(meaning["table"], tuple(meaning["columns"]), rows)


def bytes_of(words: str | None) -> bytes | None:
    return None if words is None else bytes.fromhex(words)


def plain(thing: Any) -> Any:
    """Anything that the client decoded, in a form that compares types and bits."""
    if isinstance(thing, Refused):
        return plain({"code": thing.code, "text": thing.text, "op": thing.op, "row": thing.row})
    if dataclasses.is_dataclass(thing):
        return {f.name: plain(getattr(thing, f.name)) for f in dataclasses.fields(thing)}
    if isinstance(thing, (list, tuple)):
        return [plain(element) for element in thing]
    if isinstance(thing, dict):
        return {name: plain(element) for name, element in thing.items()}
    return exact(thing)


# --- blocks


@pytest.mark.parametrize("vector", vectors("blocks.json"))
def test_block_is_understood(vector: dict):
    block = decode_block(decode_item(bytes.fromhex(vector["hex"])))
    assert plain(block) == plain(block_of(vector["meaning"]))


@pytest.mark.parametrize("vector", vectors("blocks.json"))
def test_block_is_built_in_the_smallest_form(vector: dict):
    """Item by item, not byte by byte: the protocol leaves to a sender how long a float in a plain array is."""
    if vector["canonical"]:
        assert plain_item(encode_block(block_of(vector["meaning"]))) == plain_item(decode_item(bytes.fromhex(vector["hex"])))


def plain_item(item: Any) -> Any:
    if isinstance(item, cbor2.CBORTag):
        return ("tag", item.tag, item.value)
    return [plain_item(element) for element in item] if isinstance(item, list) else exact(item)


# --- messages of a hub


@pytest.mark.parametrize("vector", vectors("messages.json", "hub"))
def test_message_of_a_hub_is_understood(vector: dict):
    data, meaning = bytes.fromhex(vector["hex"]), vector["meaning"]
    if vector["type"] == 9:
        assert unpack(*decode_item(data)[1:3], largest=None).hex() == meaning["unpacked"]
        return
    understood = plain(decode_message(data))
    for name, expected in EXPECTED[vector["type"]](meaning).items():
        assert understood[name] == plain(expected), name


def refusal(meaning: dict | None) -> Refused | None:
    return meaning and Refused(meaning["code"], meaning["text"], meaning.get("op"), meaning.get("row"))


def rejections(meaning: list) -> list:
    return [{"seq": one["seq"], "refusal": refusal(one)} for one in meaning]


def schema(meaning: dict) -> dict:
    return {"version": meaning["version"], "tables": [table(one) for one in meaning["tables"]]}


def author(meaning: dict) -> dict:
    keys = [tuple(map(value_of, key)) for key in meaning["keys"]]
    return {**meaning, "device": bytes_of(meaning["device"]), "keys": keys}


def table(meaning: dict) -> dict:
    columns = [{"number": place, **column} for place, column in enumerate(meaning["columns"])]
    kept = {name: meaning[name] for name in ("number", "name", "key_length", "scope", "rights")}
    return {**kept, "columns": columns, "kind": meaning["class"]}


def hello(meaning: dict) -> dict:
    ids = {name: bytes_of(meaning[name]) for name in ("session", "device", "epoch")}
    return {**meaning, **ids, "rejected": rejections(meaning["rejected"]), "schema": schema(meaning["schema"])}


def ticked(meaning: dict) -> dict:
    return {"n": meaning["n"], "version": meaning["version"], "refusal": refusal(meaning["refused"])}


def event(meaning: dict) -> dict:
    said = None if meaning["value"] is None else payload_of(meaning["value"])
    kept = {name: meaning[name] for name in ("version", "name")}
    return {**kept, "value": said, "refusal": refusal(meaning["refused"])}


def payload_of(meaning: Any) -> Any:
    return [value_of(one) for one in meaning["list"]] if isinstance(meaning, dict) else value_of(meaning)


EXPECTED = {
    0: hello,
    1: lambda m: {"schema": schema(m)},
    2: lambda m: {**m, "blocks": [block_of(block) for block in m["blocks"]]},
    3: lambda m: {"id": m["id"], "version": m["version"], "refusal": refusal(m["refused"])},
    4: lambda m: {
        **m,
        "changed": [block_of(b) for b in m["changed"]],
        "removed": [block_of(b) for b in m["removed"]],
        "authors": [author(a) for a in m["authors"]],
    },
    6: lambda m: {"version": m["version"], "committed": m["committed"], "refused": rejections(m["rejected"])},
    8: lambda m: {"echo": value_of(m["echo"]), "time": m["time"], "version": m["version"]},
    12: lambda m: {"code": m["code"], "words": m["text"], "retry": m["retry_ms"]},
    13: lambda m: {**{n: m[n] for n in ("id", "version", "size")}, "bytes": bytes_of(m["data"]), "refusal": refusal(m["refused"])},
    14: lambda m: {"id": m["id"], "version": m["version"], "refusal": refusal(m["refused"])},
    11: lambda m: {
        **{name: m[name] for name in ("id", "version", "columns")},
        "rows": None if m["rows"] is None else [tuple(value_of(one) for one in row) for row in m["rows"]],
        "refusal": refusal(m["refused"]),
    },
    7: lambda m: {"device": bytes_of(m["holder"])} if m["n"] is None else ticked(m),
    15: lambda m: {"sender": bytes_of(m["from"]), **event(m)},
}


@pytest.mark.parametrize("vector", vectors("invalid.json", "hub"))
def test_wrong_message_of_a_hub_is_refused(vector: dict):
    with pytest.raises(Deviation):
        decode_message(bytes.fromhex(vector["hex"]))


# --- messages of a device


@pytest.mark.parametrize("vector", vectors("messages.json", "device"))
def test_message_of_a_device_is_built(vector: dict):
    if vector["canonical"] and vector["type"] in BUILT:
        built = cbor2.dumps(BUILT[vector["type"]](vector["meaning"]))
        assert plain_item(decode_item(built)[1:]) == plain_item(decode_item(bytes.fromhex(vector["hex"]))[1:])


def built_write(meaning: dict) -> list:
    ops = [[one["op"], encode_block(block_of(one["block"]))] for one in meaning["ops"]]
    return [5, meaning["seq"], meaning["base"], meaning["schema_version"], ops]


def built_will(meaning: dict) -> list:
    ops = meaning["ops"] and [[one["op"], encode_block(block_of(one["block"]))] for one in meaning["ops"]]
    return [14, meaning["id"], meaning["schema_version"], ops]


def built_event(meaning: dict) -> list:
    to = meaning["to"]
    if "table" in to:
        whom = [to["table"], value_of(to["scope"])]
    else:
        whom = bytes_of(to["device"]) if "device" in to else to["role"]
    return [15, whom, meaning["name"], payload_of(meaning["value"])]


BUILT = {
    5: built_write,
    7: lambda m: [7, m["n"]],
    14: built_will,
    8: lambda m: [8, value_of(m["echo"])],
    12: lambda m: [12, m["code"], m["text"]],
    15: built_event,
}


@pytest.mark.parametrize("vector", vectors("messages.json", "device"))
async def test_message_of_a_device_is_taken_by_the_hub(hub: Hub, vector: dict):
    """Whatever is in it, and if only to be refused: none of them ends the session."""
    data = bytes.fromhex(vector["hex"])
    raw = await hub.raw(hello=None if vector["type"] == 0 else {"subs": [], "zstd": True})
    raw.send_bytes(data)
    if vector["type"] == 12:
        return
    raw.send([8, 4711])
    answer = await raw.first(8, 12)
    if answer[0] == 12:
        assert "budget" in vector["diagnostic"] and "budget" in answer[2], "what the hub does not do is refused with a word"
    else:
        assert answer[1] in (4711, decode_item(data)[1])


@pytest.mark.parametrize("vector", vectors("invalid.json", "device", limits=None))
async def test_wrong_message_of_a_device_is_refused(hub: Hub, vector: dict):
    of_hello = vector["name"].startswith("hello")
    raw = await hub.raw(hello=None if of_hello else {"subs": [], "zstd": True})
    raw.send_bytes(bytes.fromhex(vector["hex"]))
    if "refused" in vector:  # an event, of which the session does not end
        assert (await raw.until(15))[:4] == [15, None, None, vector["refused"]]
        return
    goodbye = await raw.goodbye()
    assert goodbye.code == vector["code"]
    assert len(goodbye.words) > 10
