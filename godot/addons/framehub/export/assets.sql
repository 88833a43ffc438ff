-- What the export of the Godot addon writes. Give it to the hub with the game's own tables: behind them in the file of
-- --schema, or as a numbered file of `framehub migrate`. The rules for it are in assets.toml.

-- A content, told by the SHA-256 of its chunks' SHA-256, one after the other.
CREATE TABLE asset (
  hash   BLOB PRIMARY KEY CHECK (length(hash) = 32),
  size   INTEGER NOT NULL CHECK (size >= 0),
  chunks BLOB NOT NULL CHECK (length(chunks) = 32 * ((size + 262143) / 262144))
) STRICT;

-- A piece of 256 KiB of a content, or its last one, told by its SHA-256. (A table with a CHECK is left to SQL: the hub
-- keeps nothing of it in memory.)
CREATE TABLE asset_chunk (
  hash BLOB PRIMARY KEY CHECK (length(hash) = 32),
  data BLOB NOT NULL CHECK (length(data) BETWEEN 1 AND 262144)
) STRICT;

-- The files of an export. A tree is told by the SHA-256 of a list with a line for each file, in the order of their paths:
-- the asset's hash in hexadecimal, two spaces, the path.
CREATE TABLE release_asset (
  tree  BLOB NOT NULL CHECK (length(tree) = 32),
  path  TEXT NOT NULL,
  asset BLOB NOT NULL CHECK (length(asset) = 32),
  PRIMARY KEY (tree, path)
) STRICT, WITHOUT ROWID;

-- An export that is complete: what has no row here nobody sees.
CREATE TABLE release (
  number INTEGER PRIMARY KEY CHECK (number > 0),
  tree   BLOB NOT NULL CHECK (length(tree) = 32),
  preset TEXT NOT NULL,    -- of Godot's export presets
  time   INTEGER NOT NULL, -- µs since 1970
  files  INTEGER NOT NULL,
  bytes  INTEGER NOT NULL
) STRICT;

-- The game's rows that the last export of a preset has put: those that its next one no longer has are deleted. The key is
-- JSON: a value, or an array of them.
CREATE TABLE release_row (
  preset TEXT NOT NULL,
  name   TEXT NOT NULL,    -- of the table
  key    TEXT NOT NULL,
  PRIMARY KEY (preset, name, key)
) STRICT, WITHOUT ROWID;
