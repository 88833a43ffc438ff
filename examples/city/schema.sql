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

-- What can be pushed about on the square where the four zones meet. Whoever touches one moves it, until somebody else
-- does: his game works out where it rolls to, and streams that. So nothing in SQL looks at it.
CREATE TABLE thing (
  id     INTEGER PRIMARY KEY,
  kind   TEXT,  -- 'crate', 'barrel', 'ball' or 'giant', a very large ball
  x      REAL,  -- metres east
  y      REAL,  -- metres north
  z      REAL,  -- metres above the ground, of its middle
  qx     REAL,  -- how it is turned: a quaternion, z upwards
  qy     REAL,
  qz     REAL,
  qw     REAL,
  pusher BLOB   -- the device that moves it
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
  (8, 4, 'park', 750, 750, 0, '#5fa35f'),
  (9, 1, 'home', 446, 450, 6, '#c98f6a'),   -- and around the square
  (10, 1, 'shop', 403, 468, 3, '#8fae9b'),
  (11, 1, 'work', 464, 400, 14, '#7f8fa6'),
  (12, 2, 'work', 554, 448, 11, '#b0a08a'),
  (13, 2, 'home', 598, 466, 5, '#d9b27c'),
  (14, 2, 'shop', 538, 398, 3, '#c77d6b'),
  (15, 3, 'home', 446, 556, 8, '#a8b5c4'),
  (16, 3, 'work', 402, 538, 17, '#6f7f8f'),
  (17, 3, 'home', 466, 604, 4, '#cfa58a');


INSERT INTO thing (id, kind, x, y, z, qx, qy, qz, qw) VALUES
  (1, 'crate', 498.125, 511, 0.6, 0, 0, 0, 1),
  (2, 'crate', 499.375, 511, 0.6, 0, 0, 0, 1),
  (3, 'crate', 500.625, 511, 0.6, 0, 0, 0, 1),
  (4, 'crate', 501.875, 511, 0.6, 0, 0, 0, 1),
  (5, 'crate', 498.75, 511, 1.8, 0, 0, 0, 1),
  (6, 'crate', 500, 511, 1.8, 0, 0, 0, 1),
  (7, 'crate', 501.25, 511, 1.8, 0, 0, 0, 1),
  (8, 'crate', 499.375, 511, 3, 0, 0, 0, 1),
  (9, 'crate', 500.625, 511, 3, 0, 0, 0, 1),
  (10, 'crate', 500, 511, 4.2, 0, 0, 0, 1),
  (11, 'crate', 484, 498, 0.6, 0, 0, 0, 1),
  (12, 'crate', 484, 498, 1.8, 0, 0, 0, 1),
  (13, 'crate', 484, 499.25, 0.6, 0, 0, 0, 1),
  (14, 'crate', 484, 499.25, 1.8, 0, 0, 0, 1),
  (15, 'crate', 484, 500.5, 0.6, 0, 0, 0, 1),
  (16, 'crate', 484, 500.5, 1.8, 0, 0, 0, 1),
  (17, 'barrel', 515, 492, 0.6, 0, 0, 0, 1),
  (18, 'barrel', 516.4, 492.6, 0.6, 0, 0, 0, 1),
  (19, 'barrel', 515.2, 493.9, 0.6, 0, 0, 0, 1),
  (20, 'barrel', 516.8, 494.2, 0.6, 0, 0, 0, 1),
  (21, 'barrel', 518, 493.2, 0.6, 0, 0, 0, 1),
  (22, 'barrel', 517.2, 491.7, 0.6, 0, 0, 0, 1),
  (23, 'ball', 494, 488, 0.5, 0, 0, 0, 1),
  (24, 'ball', 497, 485.5, 0.5, 0, 0, 0, 1),
  (25, 'ball', 500, 489, 0.5, 0, 0, 0, 1),
  (26, 'ball', 503, 485.5, 0.5, 0, 0, 0, 1),
  (27, 'ball', 506, 488, 0.5, 0, 0, 0, 1),
  (28, 'ball', 489, 509, 0.5, 0, 0, 0, 1),
  (29, 'ball', 512, 507, 0.5, 0, 0, 0, 1),
  (30, 'ball', 521, 503, 0.5, 0, 0, 0, 1),
  (31, 'giant', 488, 483, 1.6, 0, 0, 0, 1),
  (32, 'giant', 519, 516, 1.6, 0, 0, 0, 1);

INSERT INTO account (owner, balance) VALUES ('bank', 1000000), ('alice', 500), ('bob', 500);

INSERT INTO setting (key, value) VALUES ('time_of_day', 8.5), ('weather', 'clear'), ('max_vehicles', 2000);
