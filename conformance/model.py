"""A serial model of section 5: transactions run one after the other, alone, in a database of their own.

Python's own SQLite is the database, so that CHECK, UNIQUE, FOREIGN KEY, triggers and cascades need no model; what is modelled
is what the document adds: the ops, `base`, and refusals with their place. `explain` then looks for an order of everybody's
transactions that gives exactly the outcomes that a hub gave, and after each version the tables that devices saw.
"""

from __future__ import annotations

import contextlib
import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from framehub_client import Op
from harness import Rows, columns_of, exact_row, memory_database, public_tables, read_table

PUT, INSERT, UPDATE, DELETE, ADD, TOUCH, EXPECT = range(7)


class Refusal(Exception):
    def __init__(self, code: str, op: int, row: int | None):
        super().__init__(code, op, row)
        self.code, self.op, self.row = code, op, row


@dataclass
class Known:
    """A transaction with the outcome that a hub gave it."""

    device: int
    ops: list[Op]
    base: int | None
    refusal: tuple[str, int | None, int | None] | None = None
    after: int = 0  # the version that the device knew when it asked: it was committed in a later one
    version: int | None = None  # where it was committed at the latest: an answer may stand for several commits


class Model:
    def __init__(self, schema: Path):
        self.database = memory_database(schema)
        self.tables = {name: columns_of(self.database, name) for name in public_tables(self.database)}
        self.keys = {
            name: [c["name"] for c in sorted((c for c in columns if c["pk"]), key=lambda c: c["pk"])]
            for name, columns in self.tables.items()
        }
        self._watch_changes()

    def _watch_changes(self) -> None:
        """Notes who changed which row in which version; in SQL, so that a rollback takes the notes back too."""
        sql = self.database.execute
        sql("CREATE TEMP TABLE now (device, version)")
        sql("INSERT INTO now VALUES (NULL, 0)")
        sql("CREATE TEMP TABLE changes (tbl, key, device, version, UNIQUE (tbl, key, device))")
        for name, columns in self.tables.items():
            kept = [c["name"] for c in columns if not c["hidden"]]
            differs = " OR ".join(f'old."{c}" IS NOT new."{c}" OR typeof(old."{c}") <> typeof(new."{c}")' for c in kept)
            for event, sides, when in (("INSERT", ["new"], ""), ("DELETE", ["old"], ""), ("UPDATE", ["old", "new"], f"WHEN {differs}")):
                notes = "".join(self._note(name, self._key_text(name, side)) for side in sides)
                sql(f'CREATE TEMP TRIGGER "watch {name} {event}" AFTER {event} ON main."{name}" {when} BEGIN {notes} END')

    def _note(self, table: str, key: str) -> str:
        """Not with OR REPLACE: within a trigger, the statement that fired it decides what a conflict does."""
        whose = f"tbl = '{table}' AND key = {key} AND device IS (SELECT device FROM now)"
        return f"DELETE FROM changes WHERE {whose}; INSERT INTO changes SELECT '{table}', {key}, device, version FROM now; "

    def _key_text(self, table: str, side: str) -> str:
        return " || '|' || ".join(f'quote({side}."{name}")' for name in self.keys[table])

    def dump(self) -> dict[str, Rows]:
        return {name: read_table(self.database, name) for name in self.tables}

    def changes(self) -> list[tuple]:
        return self.database.execute("SELECT * FROM changes ORDER BY tbl, key, device").fetchall()

    @contextlib.contextmanager
    def tentatively(self) -> Iterator[None]:
        """What is done within is undone afterwards."""
        self.database.execute("SAVEPOINT tentative")
        try:
            yield
        finally:
            self.database.execute("ROLLBACK TO tentative")
            self.database.execute("RELEASE tentative")

    # --- one transaction

    def run(self, known: Known, version: int) -> list[Refusal]:
        """Runs a transaction whole. Or runs nothing of it, and returns why: more than one reason where either may be told."""
        conflict = self._conflict(known)
        self.database.execute("SAVEPOINT attempt")
        self.database.execute("UPDATE now SET device = ?, version = ?", (known.device, version))
        reasons = [conflict] if conflict else []
        try:
            for place, op in enumerate(known.ops):
                self._run_op(place, op)
        except Refusal as refusal:
            reasons.append(refusal)
            if self._has_wrong_type(known.ops[refusal.op], refusal.row):
                reasons.append(Refusal("type", refusal.op, refusal.row))
        if reasons:
            self.database.execute("ROLLBACK TO attempt")
        self.database.execute("RELEASE attempt")
        return reasons

    def _conflict(self, known: Known) -> Refusal | None:
        """The first row that somebody else changed after `base`."""
        if known.base is None:
            return None
        for place, op in enumerate(known.ops):
            for number, row in enumerate(op.rows):
                values = dict(zip(op.columns, row, strict=True))
                quoted = [self.database.execute("SELECT quote(?)", (values[name],)).fetchone()[0] for name in self.keys[op.table]]
                found = self.database.execute(
                    "SELECT 1 FROM changes WHERE tbl = ? AND key = ? AND device IS NOT ? AND version > ?",
                    (op.table, "|".join(quoted), known.device, known.base),
                ).fetchone()
                if found:
                    return Refusal("conflict", place, number)
        return None

    def _has_wrong_type(self, op: Op, row: int) -> bool:
        """A row that is refused for another reason may be refused for this one: the document has no order of reasons."""
        declared = {column["name"]: column["type"] for column in self.tables[op.table]}
        return any(declared[name] == "INTEGER" and isinstance(value, str) for name, value in zip(op.columns, op.rows[row], strict=True))

    def _run_op(self, place: int, op: Op) -> None:
        for number, values in enumerate(op.rows):
            try:
                self._run_row(op, dict(zip(op.columns, values, strict=True)))
            except sqlite3.IntegrityError as error:
                code = "type" if error.sqlite_errorname == "SQLITE_CONSTRAINT_DATATYPE" else "constraint"
                raise Refusal(code, place, number) from error
            except LookupError as error:
                raise Refusal(str(error.args[0]), place, number) from error

    def _run_row(self, op: Op, row: dict[str, Any]) -> None:
        key = {name: row[name] for name in self.keys[op.table]}
        others = {name: value for name, value in row.items() if name not in key}
        held = self._row(op.table, key)
        match op.kind:
            case 0:
                if held is None:
                    self._insert(op.table, row)
                else:
                    self._update(op.table, key, others)
            case 1:
                if held is not None:
                    raise LookupError("exists")
                self._insert(op.table, row)
            case 2:
                if held is None:
                    raise LookupError("missing")
                self._update(op.table, key, others)
            case 3:
                self._execute(f'DELETE FROM "{op.table}" WHERE {conditions(key)}', key)
            case 4:
                if held is None:
                    raise LookupError("missing")
                self._update(op.table, key, {name: self._sum(op.table, name, held[name], n) for name, n in others.items()})
            case 5:
                if held is not None:
                    self._update(op.table, key, others)
            case 6:
                if others and (held is None or any(not same(held[name], value) for name, value in others.items())):
                    raise LookupError("conflict")

    def _sum(self, table: str, column: str, held: Any, added: Any) -> Any:
        """NULL counts as 0; whole numbers stay whole, and within 64 bits."""
        declared = next(c["type"] for c in self.tables[table] if c["name"] == column)
        numbers = (int,) if declared == "INTEGER" else (int, float)
        if type(added) not in numbers or type(held) not in (*numbers, type(None)):
            raise LookupError("type")
        total = (held or 0) + added
        if type(total) is int and not -(2**63) <= total < 2**63:
            raise LookupError("constraint")
        return total

    def _row(self, table: str, key: dict) -> dict | None:
        cursor = self._execute(f'SELECT * FROM "{table}" WHERE {conditions(key)}', key)
        row = cursor.fetchone()
        return row and dict(zip((described[0] for described in cursor.description), row, strict=True))

    def _insert(self, table: str, row: dict) -> None:
        names, marks = ", ".join(f'"{name}"' for name in row), ", ".join("?" * len(row))
        self._execute(f'INSERT INTO "{table}" ({names}) VALUES ({marks})', row)

    def _update(self, table: str, key: dict, others: dict) -> None:
        if others:
            settings = ", ".join(f'"{name}" = ?' for name in others)
            self.database.execute(
                f'UPDATE "{table}" SET {settings} WHERE {conditions(key)}', [*others.values(), *key.values()]
            )

    def _execute(self, statement: str, values: dict) -> sqlite3.Cursor:
        return self.database.execute(statement, list(values.values()))


def conditions(key: dict) -> str:
    return " AND ".join(f'"{name}" = ?' for name in key)


def same(held: Any, expected: Any) -> bool:
    """1 and 1.0 are the same number; a text and a blob are never the same."""
    return held == expected


# --- looking for an order


@dataclass
class Search:
    """Looks for an order of all devices' transactions that explains what a hub said and showed."""

    model: Model
    queues: list[list[Known]]  # one for each device, in the order of its numbers
    seen: dict[int, dict[str, Rows]]  # the tables at versions that somebody saw
    tried: set = field(default_factory=set)
    best: tuple[int, str] = (-1, "nothing could be run")
    runs: int = 0
    most_runs: int = 200_000  # what has an order has shown it long before

    def explain(self) -> str | None:
        """None where there is an order; else how far the longest one reaches, and why it ends there."""
        sys.setrecursionlimit(50_000)  # the search goes one level deeper for each transaction and each version
        told = {known.version for queue in self.queues for known in queue if known.refusal is None}
        self.last = max(told | self.seen.keys())
        return None if self._search([0] * len(self.queues), 1) else self.best[1]

    def _search(self, at: list[int], version: int) -> bool:
        """Whether what is left of the queues can be run in this version and later ones."""
        at = self._pass_refused(at, version)
        if version > self.last:
            left = [queue[place] for queue, place in zip(self.queues, at, strict=True) if place < len(queue)]
            return not left or self._fail(at, f"nowhere could this be run: {left[0]}")
        state = hash((tuple(at), version, repr(self.model.dump()), repr(self.model.changes())))
        if state in self.tried or self.runs > self.most_runs:
            return False
        self.tried.add(state)
        return self._finish(at, version) or any(self._take(at, version, device) for device in range(len(at)))

    def _pass_refused(self, at: list[int], version: int) -> list[int]:
        """Passes refused transactions whose refusal is right here and now. They change nothing: earlier is never worse."""
        at = list(at)
        for device, queue in enumerate(self.queues):
            while at[device] < len(queue) and (known := queue[at[device]]).refusal and self._refuses(known, version):
                at[device] += 1
        return at

    def _refuses(self, known: Known, version: int) -> bool:
        with self.model.tentatively():
            self.runs += 1
            return any((r.code, r.op, r.row) == known.refusal for r in self.model.run(known, version))

    def _finish(self, at: list[int], version: int) -> bool:
        """Ends a version, if all that must be in it has run and the tables are those that were seen."""
        for device, queue in enumerate(self.queues):
            if any(known.refusal is None and known.version <= version for known in queue[at[device] :]):
                return self._fail(at, f"version {version}: this cannot be run there: {queue[at[device]]}")
        if version in self.seen and (words := difference(self.model.dump(), self.seen[version])):
            return self._fail(at, f"version {version}: {words}")
        return self._search(at, version + 1)

    def _take(self, at: list[int], version: int, device: int) -> bool:
        """Runs a device's next transaction in this version."""
        queue = self.queues[device]
        if at[device] == len(queue):
            return False
        known = queue[at[device]]
        if known.refusal or not known.after < version <= known.version:
            return False
        with self.model.tentatively():
            self.runs += 1
            if self.model.run(known, version):
                return False
            return self._search([place + (d == device) for d, place in enumerate(at)], version)

    def _fail(self, at: list[int], words: str) -> bool:
        if sum(at) > self.best[0]:
            self.best = (sum(at), f"after {at} transactions of the devices: {words}")
        return False


def difference(model: dict[str, Rows], seen: dict[str, Rows]) -> str | None:
    for name, rows in model.items():
        held = seen.get(name, {})
        for key in rows.keys() | held.keys():
            one, other = rows.get(key), held.get(key)
            if (one and exact_row(one)) != (other and exact_row(other)):
                return f"{name} {key} should be {one} and is {other}"
    return None
