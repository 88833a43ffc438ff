/* What the store needs of SQLite and the Go driver does not offer: many rows
 * in one call, a change capture that does not call back into Go, and a few
 * switches. The driver (github.com/mattn/go-sqlite3) brings the library; its
 * symbols are declared here, weak so that cgo's trial link of this package
 * alone succeeds; the program's link resolves them. */
#ifndef FRAMEHUB_BRIDGE_H
#define FRAMEHUB_BRIDGE_H

#include <stddef.h>
#include <stdint.h>

typedef struct sqlite3 sqlite3;
typedef struct sqlite3_stmt sqlite3_stmt;

/* Kinds, forms and ops have the numbers of session/wire. */
enum { K_NULL, K_INTEGER, K_REAL, K_TEXT, K_BLOB };
enum { F_CELLS, F_U8, F_I8, F_U16, F_I16, F_U32, F_I32, F_I64, F_F32, F_F64 };
enum { OP_PUT, OP_INSERT, OP_UPDATE, OP_DELETE, OP_ADD, OP_TOUCH, OP_EXPECT };

/* fh_cell is wire.Cell: num is an integer, a double's bits, or an offset. */
typedef struct {
  uint8_t kind;
  uint32_t len;
  uint64_t num;
} fh_cell;

/* fh_col is wire.Column: at is an offset into data, or an index into cells. */
typedef struct {
  uint8_t form;
  int64_t at;
} fh_col;

enum { FH_ROW = 100, FH_DONE = 101 }; /* SQLITE_ROW and SQLITE_DONE */

/* Outcomes of fh_write beside SQLite's own codes. */
enum { FH_MISSING = 1 << 20, FH_CONFLICT, FH_TYPE, FH_OVERFLOW, FH_EXISTS, FH_TOO_MUCH };

/* fh_stmts are the statements an op runs; their parameter i is the block's
 * column i, from 1. Those an op does not need are NULL. */
typedef struct {
  sqlite3_stmt *update; /* SET the columns WHERE the key; NULL: key columns only */
  sqlite3_stmt *insert;
  sqlite3_stmt *erase;
  sqlite3_stmt *select_; /* the columns beside the key, WHERE the key; 1 where there are none */
  int triggers;          /* an update that changes no row may be a trigger's doing: look */
} fh_stmts;

/* fh_buf is a growable buffer; failed stays set once memory ran out. */
typedef struct {
  uint8_t *data;
  size_t len, cap;
  int failed;
} fh_buf;

/* A captured change: this head, then cells: the scope before (updates and
 * deletes of a table that has one), then for inserts and updates every column's
 * new value, for deletes the key columns' old ones. */
typedef struct {
  uint32_t table;
  uint8_t op; /* 1 insert, 2 update, 3 delete */
  uint8_t has_scope;
  uint32_t cells;
  int64_t rowid;
  uint64_t mask; /* update: bit i: column i changed; bit 63: any from 63 on */
} fh_change;

/* fh_table tells the capture what to record of a table. */
typedef struct {
  const char *name;
  int ncol;
  const int *cid;      /* SQLite's column index of each of ours */
  const uint8_t *real; /* whether the column has REAL affinity */
  int nkey;            /* key columns are the first nkey of ours; 0: the rowid is the key */
  int scope;           /* one of ours, or -1 */
  int ignore;          /* nothing is recorded of this table */
} fh_table;

typedef struct {
  sqlite3 *db;
  fh_table *tables;
  int ntables;
  int last; /* the table of the last change, tried first */
  fh_buf changes, text;
  int suspect; /* a NULL in a key, an infinity, or a text that is not UTF-8 was recorded */
  int unknown; /* a change to a table that is not in tables was seen */
} fh_capture;

int fh_prepare(sqlite3 *db, const char *sql, int len, sqlite3_stmt **out);
int fh_step_reset(sqlite3_stmt *s);
void fh_reset(sqlite3_stmt *s);
void fh_finalize(sqlite3_stmt *s);
int fh_extended(sqlite3 *db, int rc);
const char *fh_errmsg(sqlite3 *db);
int fh_write(sqlite3 *db, int op, const fh_stmts *s, const fh_col *cols, int ncols, int nkey,
             int nrows, const uint8_t *data, const fh_cell *cells, int *row);
int fh_read(sqlite3 *db, sqlite3_stmt *s, const fh_col *cols, int nkey, const uint8_t *data,
            const fh_cell *cells, const int32_t *rows, int n, fh_buf *out, fh_buf *text);
int fh_bind(sqlite3_stmt *s, const fh_cell *cells, int n, const uint8_t *data);
int fh_run_blob(sqlite3_stmt *s, int at, const uint8_t *data, int len);
int fh_fetch(sqlite3_stmt *s, int most, size_t bytes, size_t cap, fh_buf *cells, fh_buf *text, int *rows);
int fh_can_capture(void);
int fh_changes(sqlite3 *db);
void fh_capture_set(fh_capture *c, int on);
void fh_buf_free(fh_buf *b);
void fh_busy_timeout(sqlite3 *db, int ms);
int fh_config(sqlite3 *db, int op, int value);
int fh_deferred_fks(sqlite3 *db);
/* What a connection's authorizer does beside allowing. */
typedef struct {
  const char *left_out; /* what triggers insert into this table is left out; NULL: nothing */
  int no_transactions;  /* statements must not begin or end one */
  int restricted;       /* statements only read and write tables, and accesses tells of which */
  fh_buf accesses;      /* of each an action, a byte, and the table's name with its NUL */
  int64_t deadline;     /* when restricted statements are interrupted, ns of the monotonic clock */
  int64_t used;         /* what SQLite used of the memory when they were restricted, bytes */
  int greedy;           /* one took too much of it, and was interrupted */
} fh_authority;

void fh_authorize(sqlite3 *db, fh_authority *a);
void fh_deadline(sqlite3 *db, fh_authority *a, int64_t ns);
void fh_interrupt(sqlite3 *db);
void fh_restrict(sqlite3 *db, fh_authority *a, int64_t ns);
int fh_prepare_one(sqlite3 *db, const char *sql, int len, sqlite3_stmt **out, int *rest);
int fh_readonly(sqlite3_stmt *s);
int fh_parameters(sqlite3_stmt *s);
int fh_columns(sqlite3_stmt *s);
const char *fh_column_name(sqlite3_stmt *s, int i);
void fh_watch_wal(sqlite3 *db, int *pages);
int fh_checkpoint(sqlite3 *db, int mode, int *log, int *done);

#endif
