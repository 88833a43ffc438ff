-- The example city: tables as a game's designer would write them. The hub takes the schema as it is, so every rule
-- here (types, CHECK, UNIQUE, FOREIGN KEY, triggers) holds for every device and for everybody who writes SQL.
-- For SQLite 3.40 or newer.

-- What moves: vehicles and people, a row each, written many times a second by the device that owns it. Every column may
-- be left out of a write, so none is NOT NULL.
CREATE TABLE entity (
  id      INTEGER PRIMARY KEY,
  x       REAL,     -- metres east
  y       REAL,     -- metres north
  heading REAL,     -- degrees, clockwise from north
  speed   REAL,     -- metres per second
  zone    INTEGER,  -- where it is; devices subscribe by this column
  score   INTEGER,
  owner   TEXT
) STRICT;

-- The parts of the city: a grid of squares, 500 m wide.
CREATE TABLE zone (
  id         INTEGER PRIMARY KEY,
  name       TEXT NOT NULL UNIQUE,
  west       REAL NOT NULL,
  south      REAL NOT NULL,
  size       REAL NOT NULL DEFAULT 500 CHECK (size > 0),
  population INTEGER NOT NULL DEFAULT 0 CHECK (population >= 0)
) STRICT;

-- What stands. A building cannot be in a zone that is not there, nor a zone go while it has buildings.
CREATE TABLE building (
  id     INTEGER PRIMARY KEY,
  zone   INTEGER NOT NULL REFERENCES zone (id) ON DELETE RESTRICT,
  kind   TEXT NOT NULL CHECK (kind IN ('home', 'shop', 'work', 'park')),
  x      REAL NOT NULL,
  y      REAL NOT NULL,
  floors INTEGER NOT NULL DEFAULT 1 CHECK (floors BETWEEN 0 AND 200),
  colour TEXT NOT NULL DEFAULT '#888888' CHECK (colour GLOB '#[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]'),
  height REAL GENERATED ALWAYS AS (floors * 3.2) VIRTUAL
) STRICT;
CREATE INDEX building_by_zone ON building (zone);

-- Money. An account never goes below nothing; whoever wants to move money writes a transfer, and the trigger moves it.
-- If there is not enough, the CHECK refuses the transfer and all else in its transaction.
CREATE TABLE account (
  owner   TEXT PRIMARY KEY,
  balance INTEGER NOT NULL DEFAULT 0 CHECK (balance >= 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE transfer (
  id     INTEGER PRIMARY KEY,
  payer  TEXT NOT NULL REFERENCES account (owner),
  payee  TEXT NOT NULL REFERENCES account (owner),
  amount INTEGER NOT NULL CHECK (amount > 0),
  note   TEXT,
  CHECK (payer <> payee)
) STRICT;

CREATE TRIGGER transfer_moves_money AFTER INSERT ON transfer BEGIN
  UPDATE account SET balance = balance - new.amount WHERE owner = new.payer;
  UPDATE account SET balance = balance + new.amount WHERE owner = new.payee;
END;

CREATE TRIGGER transfer_is_final BEFORE UPDATE ON transfer BEGIN
  SELECT RAISE(ABORT, 'a transfer is final: write another one back');
END;

-- The ground: 32 × 32 tiles a row, one byte a tile. The key has three columns and is the table.
CREATE TABLE chunk (
  zone  INTEGER NOT NULL REFERENCES zone (id) ON DELETE CASCADE,
  cx    INTEGER NOT NULL,
  cy    INTEGER NOT NULL,
  tiles BLOB NOT NULL CHECK (length(tiles) = 1024),
  PRIMARY KEY (zone, cx, cy)
) STRICT, WITHOUT ROWID;

-- What the whole city agrees on; a value is of any type and stays as it was written.
CREATE TABLE setting (
  key   TEXT PRIMARY KEY,
  value ANY
) STRICT, WITHOUT ROWID;

-- Private, as every table whose name starts with an underscore: no device sees it. Triggers fill it.
CREATE TABLE _audit (
  id     INTEGER PRIMARY KEY,
  at     TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  what   TEXT NOT NULL,
  owner  TEXT,
  before ANY,
  after  ANY
) STRICT;

CREATE TRIGGER account_is_audited AFTER UPDATE OF balance ON account BEGIN
  INSERT INTO _audit (what, owner, before, after) VALUES ('balance', new.owner, old.balance, new.balance);
END;

CREATE TRIGGER setting_is_audited AFTER UPDATE OF value ON setting BEGIN
  INSERT INTO _audit (what, owner, before, after) VALUES ('setting', new.key, old.value, new.value);
END;

-- What is there from the start.
INSERT INTO zone (id, name, west, south, population) VALUES
  (1, 'Old Harbour', 0, 0, 4200),
  (2, 'Market', 500, 0, 9100),
  (3, 'Station', 0, 500, 6800),
  (4, 'Hill Park', 500, 500, 1300);

INSERT INTO building (id, zone, kind, x, y, floors, colour) VALUES
  (1, 1, 'work', 120, 80, 3, '#7a5c3e'),
  (2, 1, 'home', 310, 240, 5, '#c9b79c'),
  (3, 2, 'shop', 640, 90, 2, '#d98f4e'),
  (4, 2, 'shop', 700, 130, 1, '#4e8fd9'),
  (5, 2, 'home', 860, 410, 12, '#9aa5b1'),
  (6, 3, 'work', 200, 760, 24, '#5d6d7e'),
  (7, 3, 'home', 430, 910, 8, '#b5a7c9'),
  (8, 4, 'park', 750, 750, 0, '#5fa35f');

INSERT INTO account (owner, balance) VALUES ('bank', 1000000), ('alice', 500), ('bob', 500);

INSERT INTO setting (key, value) VALUES ('time_of_day', 8.5), ('weather', 'clear'), ('max_vehicles', 2000);
