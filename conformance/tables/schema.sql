-- Tables with everything that the example city does not have: every type, keys of every kind, rows that leave their scope
-- by themselves, defaults, cascades.

-- A column of each type.
CREATE TABLE every (id INTEGER PRIMARY KEY, i INTEGER, r REAL, t TEXT, b BLOB, a ANY) STRICT;

-- The key's columns stand neither first nor in the key's order.
CREATE TABLE keyed (note TEXT, b TEXT NOT NULL, n INTEGER, a INTEGER NOT NULL, PRIMARY KEY (a, b)) STRICT;

-- Keys that are no whole numbers.
CREATE TABLE named (name TEXT PRIMARY KEY, n INTEGER) STRICT, WITHOUT ROWID;
CREATE TABLE hashed (hash BLOB PRIMARY KEY, n INTEGER) STRICT, WITHOUT ROWID;
CREATE TABLE anything (k ANY PRIMARY KEY, n INTEGER) STRICT, WITHOUT ROWID;

-- Scopes: of any type, as part of the key, and of rows that a trigger or a cascade moves.
CREATE TABLE thing (id INTEGER PRIMARY KEY, room ANY, x REAL, name TEXT) STRICT;
CREATE TABLE spot (room TEXT NOT NULL, n INTEGER NOT NULL, v REAL, PRIMARY KEY (room, n)) STRICT, WITHOUT ROWID;
CREATE TABLE room (id INTEGER PRIMARY KEY, name TEXT UNIQUE) STRICT;
CREATE TABLE member (
  id   INTEGER PRIMARY KEY,
  room INTEGER NOT NULL REFERENCES room (id) ON DELETE CASCADE ON UPDATE CASCADE,
  name TEXT
) STRICT;
CREATE TABLE big (id INTEGER PRIMARY KEY, room INTEGER, one BLOB, two BLOB, three TEXT) STRICT;

-- Columns that fill themselves.
CREATE TABLE defaults (
  id INTEGER PRIMARY KEY,
  i  INTEGER NOT NULL DEFAULT 7,
  r  REAL NOT NULL DEFAULT 0.1,
  t  TEXT NOT NULL DEFAULT 'as it is',
  b  BLOB DEFAULT x'00ff',
  e  TEXT NOT NULL DEFAULT (upper('abc')),
  n  INTEGER
) STRICT;
CREATE TABLE shape (
  id   INTEGER PRIMARY KEY,
  w    REAL NOT NULL,
  h    REAL NOT NULL DEFAULT 1.5,
  area REAL GENERATED ALWAYS AS (w * h) STORED,
  name TEXT GENERATED ALWAYS AS ('shape ' || id) VIRTUAL
) STRICT;

-- Numbers to count with, and one that has rules.
CREATE TABLE counter (id INTEGER PRIMARY KEY, n INTEGER, r REAL, a ANY, t TEXT) STRICT;
CREATE TABLE purse (id INTEGER PRIMARY KEY, coins INTEGER NOT NULL CHECK (coins BETWEEN 0 AND 1000)) STRICT;

-- A trigger writes another table's row, and a private one.
CREATE TABLE total (id INTEGER PRIMARY KEY, coins INTEGER NOT NULL) STRICT;
CREATE TABLE _secret (id INTEGER PRIMARY KEY, what TEXT NOT NULL) STRICT;
CREATE TRIGGER purse_new AFTER INSERT ON purse BEGIN
  INSERT INTO total VALUES (1, new.coins) ON CONFLICT (id) DO UPDATE SET coins = coins + new.coins;
  INSERT INTO _secret (what) VALUES ('purse ' || new.id);
END;
CREATE TRIGGER purse_changed AFTER UPDATE OF coins ON purse BEGIN
  UPDATE total SET coins = coins + new.coins - old.coins WHERE id = 1;
END;
CREATE TRIGGER purse_gone AFTER DELETE ON purse BEGIN
  UPDATE total SET coins = coins - old.coins WHERE id = 1;
END;

-- A thing that is called 'walker' goes to the next room as soon as it is moved.
CREATE TRIGGER thing_walks AFTER UPDATE OF x ON thing WHEN new.name = 'walker' BEGIN
  UPDATE thing SET room = old.room + 1 WHERE id = new.id;
END;

-- A table that is not STRICT: SQLite converts what it can, and keeps the rest as it is.
CREATE TABLE loose (id INTEGER PRIMARY KEY, i INTEGER, v VARCHAR(10), n NUMERIC, x);
