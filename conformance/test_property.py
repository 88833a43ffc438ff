"""Several devices write at random, are cut off at random, and one serial order must explain all that the hub answered."""

import asyncio
import random

import pytest

from framehub_client import Device, Refused, Transaction, add, delete, expect, insert, put, touch, update
from harness import SCHEMAS, Cable, Hub, Observer
from model import Known, Model, Search
from test_once import cancel, stay_connected

DEVICES, TRANSACTIONS = 3, 40


class Chooser:
    """Chooses ops at random. Few keys, so that they meet; new values each time, so that none is set to what it is."""

    def __init__(self, chance: random.Random):
        self.chance, self.count = chance, 0

    def number(self) -> int:
        self.count += 1
        return self.count

    def key(self) -> int:
        return self.chance.randrange(4)

    def ops(self) -> list:
        return [self.op() for _ in range(self.chance.choice([1, 1, 1, 2, 3]))]

    def op(self):
        table = self.chance.choice(["every", "every", "counter", "purse", "room", "member", "thing", "spot", "keyed"])
        kind = self.chance.choice([put, put, insert, update, delete, add, touch, expect])
        return getattr(self, table)(kind)

    def rows(self, kind, key, columns: dict) -> list[dict]:
        """One row or two, with some of the columns; those of an `expect` are guessed, mostly wrong."""
        names = self.chance.sample(sorted(columns), self.chance.randint(kind in (add, update, touch), len(columns)))
        if kind is delete:
            names = []
        rows, keys = [], []
        for _ in range(self.chance.choice([1, 1, 2])):
            row = key()
            if row not in keys:
                keys.append(row)
                rows.append({**row, **{name: columns[name]() for name in names}})
        return rows

    def maybe(self, value):
        """A value, at times NULL."""
        return lambda: None if self.chance.random() < 0.1 else value()

    def every(self, kind):
        if kind is add:
            return add("every", *self.rows(add, lambda: {"id": self.key()}, {"i": self.number, "r": lambda: self.number() / 4}))
        wrong = kind in (put, insert, update) and self.chance.random() < 0.05
        columns = {
            "i": (lambda: "no number") if wrong else self.maybe(self.number),
            "r": self.maybe(lambda: self.number() / 4),
            "t": self.maybe(lambda: f"text {self.number()}"),
            "a": self.chance.choice([self.number, lambda: f"any {self.number()}", lambda: self.number() / 8]),
        }
        return kind("every", *self.rows(kind, lambda: {"id": self.key()}, columns))

    def counter(self, kind):
        return kind("counter", *self.rows(kind, lambda: {"id": self.key()}, {"n": self.number, "r": lambda: self.number() / 4}))

    def purse(self, kind):
        coins = (lambda: self.chance.choice([-50, -9, 7, 60])) if kind is add else lambda: self.chance.randint(-20, 1100)
        return kind("purse", *self.rows(kind, lambda: {"id": self.key()}, {"coins": coins}))

    def room(self, kind):
        kind = put if kind in (add, expect) else kind
        return kind("room", *self.rows(kind, lambda: {"id": self.key()}, {"name": lambda: f"room {self.chance.randrange(6)}"}))

    def member(self, kind):
        kind = insert if kind is add else kind
        columns = {"room": self.key, "name": lambda: f"member {self.number()}"}
        return kind("member", *self.rows(kind, lambda: {"id": self.key()}, columns))

    def thing(self, kind):
        kind = touch if kind is add else kind
        columns = {"room": self.key, "x": lambda: self.number() / 4, "name": lambda: self.chance.choice(["walker", "stone"])}
        return kind("thing", *self.rows(kind, lambda: {"id": self.key()}, columns))

    def spot(self, kind):
        columns = {"v": lambda: self.number() / 4}
        return kind("spot", *self.rows(kind, lambda: {"room": self.chance.choice("ab"), "n": self.key()}, columns))

    def keyed(self, kind):
        columns = {"n": self.number} if kind is add else {"n": self.number, "note": lambda: f"note {self.number()}"}
        return kind("keyed", *self.rows(kind, lambda: {"a": self.key(), "b": self.chance.choice("xy")}, columns))


async def write_at_random(device: Observer, chooser: Chooser, chance: random.Random) -> list[Transaction]:
    started = []
    for _ in range(TRANSACTIONS):
        base = None
        if device.copy.version and chance.random() < 0.3:
            base = max(1, device.copy.version - chance.choice([0, 0, 1, 2, 5]))
        started.append(device.start(*chooser.ops(), base=base))
        started[-1].after = device.copy.version
        if chance.random() < 0.4:
            await asyncio.sleep(chance.random() * 0.03)
        if chance.random() < 0.1 and not started[-1].outcome.done():
            await asyncio.wait([started[-1].outcome])
    return started


async def known_of(nth: int, started: list[Transaction]) -> list[Known]:
    known = []
    for transaction in started:
        one = Known(nth, transaction.ops, transaction.base, after=transaction.after)
        try:
            one.version = await transaction.outcome
        except Refused as refused:
            one.refusal = (refused.code, refused.op, refused.row)
        known.append(one)
    return known


async def keep_cutting(cables: list[Cable], chance: random.Random) -> None:
    while True:
        await asyncio.sleep(chance.random() * 0.3)
        chance.choice(cables).cut()


@pytest.mark.slow
@pytest.mark.schema("tables")
@pytest.mark.parametrize("cuts", [False, True], ids=["no cuts", "cuts"])
@pytest.mark.parametrize("nth", range(4))
async def test_one_serial_order_explains_everything(own_hub: Hub, chance: random.Random, nth: int, cuts: bool):
    observer = await own_hub.device()
    observer.REMEMBERED = 100_000
    chooser = Chooser(chance)
    cables = [await Cable(own_hub).__aenter__() for _ in range(DEVICES)]
    devices: list[Device] = []
    for cable in cables:
        device = await own_hub.device(connect=False)
        device.through = cable
        devices.append(device)
    connecting = [asyncio.create_task(stay_connected(device)) for device in devices]
    cutting = [asyncio.create_task(keep_cutting(cables, chance))] if cuts else []
    for device in devices:
        while not device.copy.version:  # base needs a version
            await asyncio.sleep(0.01)
    started = await asyncio.gather(*(write_at_random(device, chooser, chance) for device in devices))
    queues = [await known_of(nth, several) for nth, several in enumerate(started)]
    await cancel([*cutting, *connecting])
    await observer.complete_to((await observer.clock()).version)
    for cable in cables:
        await cable.__aexit__()
    committed = [known for queue in queues for known in queue if known.refusal is None]
    assert len(committed) > DEVICES * TRANSACTIONS / 5, "nearly everything was refused: this proves little"
    search = Search(Model(SCHEMAS["tables"] / "schema.sql"), queues, observer.history)
    words = search.explain()
    print(f"{len(committed)} committed, {DEVICES * TRANSACTIONS - len(committed)} refused, {search.runs} runs of the model")
    assert words is None, words
