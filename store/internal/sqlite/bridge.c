#include "bridge.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct sqlite3_value sqlite3_value;
typedef int64_t sqlite3_int64;
typedef void (*sqlite3_destructor_type)(void *);

#define SQL __attribute__((weak)) extern
SQL int sqlite3_prepare_v3(sqlite3 *, const char *, int, unsigned, sqlite3_stmt **, const char **);
SQL int sqlite3_step(sqlite3_stmt *);
SQL int sqlite3_reset(sqlite3_stmt *);
SQL int sqlite3_finalize(sqlite3_stmt *);
SQL const char *sqlite3_errmsg(sqlite3 *);
SQL int sqlite3_clear_bindings(sqlite3_stmt *);
SQL int sqlite3_bind_null(sqlite3_stmt *, int);
SQL int sqlite3_bind_int64(sqlite3_stmt *, int, sqlite3_int64);
SQL int sqlite3_bind_double(sqlite3_stmt *, int, double);
SQL int sqlite3_bind_text(sqlite3_stmt *, int, const char *, int, sqlite3_destructor_type);
SQL int sqlite3_bind_blob(sqlite3_stmt *, int, const void *, int, sqlite3_destructor_type);
SQL int sqlite3_column_count(sqlite3_stmt *);
SQL sqlite3_value *sqlite3_column_value(sqlite3_stmt *, int);
SQL int sqlite3_value_type(sqlite3_value *);
SQL sqlite3_int64 sqlite3_value_int64(sqlite3_value *);
SQL double sqlite3_value_double(sqlite3_value *);
SQL const unsigned char *sqlite3_value_text(sqlite3_value *);
SQL const void *sqlite3_value_blob(sqlite3_value *);
SQL int sqlite3_value_bytes(sqlite3_value *);
SQL int sqlite3_busy_timeout(sqlite3 *, int);
SQL int sqlite3_extended_errcode(sqlite3 *);
SQL int sqlite3_changes(sqlite3 *);
SQL int sqlite3_db_config(sqlite3 *, int, ...);
SQL int sqlite3_db_status(sqlite3 *, int, int *, int *, int);
SQL int sqlite3_wal_checkpoint_v2(sqlite3 *, const char *, int, int *, int *);
SQL void *sqlite3_preupdate_hook(sqlite3 *,
                                 void (*)(void *, sqlite3 *, int, char const *, char const *, sqlite3_int64, sqlite3_int64),
                                 void *);
SQL int sqlite3_preupdate_old(sqlite3 *, int, sqlite3_value **);
SQL int sqlite3_preupdate_new(sqlite3 *, int, sqlite3_value **);

SQL int sqlite3_stmt_readonly(sqlite3_stmt *);
SQL int sqlite3_bind_parameter_count(sqlite3_stmt *);
SQL const char *sqlite3_column_name(sqlite3_stmt *, int);
SQL void sqlite3_interrupt(sqlite3 *);
SQL void sqlite3_progress_handler(sqlite3 *, int, int (*)(void *), void *);
SQL int sqlite3_limit(sqlite3 *, int, int);
SQL sqlite3_int64 sqlite3_memory_used(void);
SQL int sqlite3_set_authorizer(sqlite3 *, int (*)(void *, int, const char *, const char *, const char *, const char *), void *);
SQL void *sqlite3_wal_hook(sqlite3 *, int (*)(void *, sqlite3 *, const char *, int), void *);

enum { SQLITE_OK = 0, SQLITE_DENY = 1, SQLITE_IGNORE = 2, SQLITE_NOMEM = 7, SQLITE_ROW = 100, SQLITE_DONE = 101 };
enum { SQLITE_INTEGER = 1, SQLITE_FLOAT, SQLITE_TEXT, SQLITE_BLOB, SQLITE_NULL };
enum { SQLITE_DELETE = 9, SQLITE_INSERT = 18, SQLITE_READ = 20, SQLITE_SELECT = 21, SQLITE_TRANSACTION = 22,
       SQLITE_UPDATE = 23, SQLITE_FUNCTION = 31, SQLITE_RECURSIVE = 33 };
enum { SQLITE_PREPARE_PERSISTENT = 1 };
enum { SQLITE_DBSTATUS_DEFERRED_FKS = 10 };

static const sqlite3_destructor_type SQLITE_STATIC = 0;

/* Go lays its structs out like this; the columns' int is 64 bits wide. */
static_assert(sizeof(fh_cell) == 16 && offsetof(fh_cell, len) == 4 && offsetof(fh_cell, num) == 8, "wire.Cell");
static_assert(sizeof(fh_col) == 16 && offsetof(fh_col, at) == 8, "wire.Column");
static_assert(sizeof(fh_change) % _Alignof(fh_cell) == 0, "cells follow their change");

int fh_prepare(sqlite3 *db, const char *sql, int len, sqlite3_stmt **out) {
  return sqlite3_prepare_v3(db, sql, len, SQLITE_PREPARE_PERSISTENT, out, 0);
}

int fh_step_reset(sqlite3_stmt *s) {
  int rc = sqlite3_step(s);
  int rc2 = sqlite3_reset(s);
  return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc2;
}

void fh_reset(sqlite3_stmt *s) { sqlite3_reset(s); }

void fh_finalize(sqlite3_stmt *s) { sqlite3_finalize(s); }

int fh_changes(sqlite3 *db) { return sqlite3_changes(db); }

/* fh_extended returns the extended code of the connection's last error, if that
 * is the error rc tells of. */
int fh_extended(sqlite3 *db, int rc) {
  if (rc == SQLITE_OK || rc >= FH_MISSING) return rc;
  int extended = sqlite3_extended_errcode(db);
  return (extended & 0xff) == (rc & 0xff) ? extended : rc;
}

const char *fh_errmsg(sqlite3 *db) { return sqlite3_errmsg(db); }

/* --- buffers --- */

static void *buf_take(fh_buf *b, size_t n) {
  if (b->failed) return 0;
  if (b->cap - b->len < n) {
    size_t cap = b->cap ? b->cap : 4096;
    while (cap - b->len < n) cap *= 2;
    uint8_t *p = realloc(b->data, cap);
    if (!p) {
      b->failed = 1;
      return 0;
    }
    b->data = p;
    b->cap = cap;
  }
  void *p = b->data + b->len;
  b->len += n;
  return p;
}

void fh_buf_free(fh_buf *b) {
  free(b->data);
  memset(b, 0, sizeof *b);
}

/* --- values --- */

static void cell_of(sqlite3_value *v, int real, fh_buf *text, fh_cell *c) {
  memset(c, 0, sizeof *c);
  switch (sqlite3_value_type(v)) {
  case SQLITE_INTEGER:
    if (!real) {
      c->kind = K_INTEGER;
      c->num = (uint64_t)sqlite3_value_int64(v);
      return;
    }
    /* A REAL column may hold a small integer on disk; SQL reads it as REAL. */
    /* fall through */
  case SQLITE_FLOAT: {
    double d = sqlite3_value_double(v);
    c->kind = K_REAL;
    memcpy(&c->num, &d, sizeof d);
    return;
  }
  case SQLITE_TEXT:
  case SQLITE_BLOB: {
    int is_text = sqlite3_value_type(v) == SQLITE_TEXT;
    const void *p = is_text ? (const void *)sqlite3_value_text(v) : sqlite3_value_blob(v);
    int n = sqlite3_value_bytes(v);
    if (is_text && !p) text->failed = 1; /* no memory to turn UTF-16 into UTF-8; an empty text is not NULL */
    c->kind = is_text ? K_TEXT : K_BLOB;
    c->len = (uint32_t)n;
    c->num = text->len;
    if (n > 0) {
      void *to = buf_take(text, (size_t)n);
      if (to) memcpy(to, p, (size_t)n);
    }
    return;
  }
  default:
    return;
  }
}

static int bind_cell(sqlite3_stmt *s, int i, const fh_cell *c, const uint8_t *data) {
  switch (c->kind) {
  case K_INTEGER:
    return sqlite3_bind_int64(s, i, (sqlite3_int64)c->num);
  case K_REAL: {
    double d;
    memcpy(&d, &c->num, sizeof d);
    return sqlite3_bind_double(s, i, d);
  }
  case K_TEXT:
    return sqlite3_bind_text(s, i, c->len ? (const char *)data + c->num : "", (int)c->len, SQLITE_STATIC);
  case K_BLOB:
    return sqlite3_bind_blob(s, i, c->len ? (const void *)(data + c->num) : (const void *)"", (int)c->len, SQLITE_STATIC);
  default:
    return sqlite3_bind_null(s, i);
  }
}

/* Typed arrays are little endian and of any alignment. */
static uint64_t load(const uint8_t *p, int n) {
  uint64_t v = 0;
  while (n-- > 0) v = v << 8 | p[n];
  return v;
}

static void cell_at(const fh_col *col, int row, const uint8_t *data, const fh_cell *cells, fh_cell *out) {
  const uint8_t *p = data + col->at;
  int64_t i = 0;
  double d = 0;
  memset(out, 0, sizeof *out);
  switch (col->form) {
  case F_CELLS: *out = cells[col->at + row]; return;
  case F_U8: i = p[row]; break;
  case F_I8: i = (int8_t)p[row]; break;
  case F_U16: i = (uint16_t)load(p + 2 * (size_t)row, 2); break;
  case F_I16: i = (int16_t)load(p + 2 * (size_t)row, 2); break;
  case F_U32: i = (uint32_t)load(p + 4 * (size_t)row, 4); break;
  case F_I32: i = (int32_t)load(p + 4 * (size_t)row, 4); break;
  case F_I64: i = (int64_t)load(p + 8 * (size_t)row, 8); break;
  case F_F32: {
    uint32_t bits = (uint32_t)load(p + 4 * (size_t)row, 4);
    float f;
    memcpy(&f, &bits, sizeof f);
    d = f;
    out->kind = K_REAL;
    memcpy(&out->num, &d, sizeof d);
    return;
  }
  case F_F64:
    out->kind = K_REAL;
    out->num = load(p + 8 * (size_t)row, 8);
    return;
  }
  out->kind = K_INTEGER;
  out->num = (uint64_t)i;
}

/* --- writing --- */

typedef struct {
  sqlite3 *db;
  const fh_stmts *s;
  const fh_col *cols;
  int ncols, nkey;
  const uint8_t *data;
  const fh_cell *cells;
} block;

static int bind_columns(const block *b, sqlite3_stmt *s, int n, int row) {
  int rc = SQLITE_OK;
  for (int i = 0; i < n && rc == SQLITE_OK; i++) {
    fh_cell c;
    cell_at(&b->cols[i], row, b->data, b->cells, &c);
    rc = bind_cell(s, i + 1, &c, b->data);
  }
  return rc;
}

static int run(const block *b, sqlite3_stmt *s, int n, int row) {
  int rc = bind_columns(b, s, n, row);
  return rc == SQLITE_OK ? fh_step_reset(s) : rc;
}

/* found runs the select and says whether the row is there; the statement is
 * left on it when hold is set, and the caller resets it. */
static int found(const block *b, int row, int hold, int *yes) {
  int rc = bind_columns(b, b->s->select_, b->nkey, row);
  if (rc != SQLITE_OK) return rc;
  rc = sqlite3_step(b->s->select_);
  *yes = rc == SQLITE_ROW;
  if (*yes && hold) return SQLITE_OK;
  int rc2 = sqlite3_reset(b->s->select_);
  return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc2;
}

/* update runs the update, or for a block of key columns only looks whether the
 * row is there. A row that a trigger's RAISE(IGNORE) keeps as it is was hit too. */
static int update(const block *b, int row, int *hit) {
  if (!b->s->update) return found(b, row, 0, hit);
  int rc = run(b, b->s->update, b->ncols, row);
  *hit = rc == SQLITE_OK && sqlite3_changes(b->db) > 0;
  return rc == SQLITE_OK && !*hit && b->s->triggers ? found(b, row, 0, hit) : rc;
}

static int sum(const fh_cell *have, const fh_cell *add, fh_cell *out) {
  double x, y;
  if (add->kind != K_INTEGER && add->kind != K_REAL) return FH_TYPE;
  if (have->kind == K_NULL) {
    *out = *add;
    return SQLITE_OK;
  }
  if (have->kind != K_INTEGER && have->kind != K_REAL) return FH_TYPE;
  memset(out, 0, sizeof *out);
  if (have->kind == K_INTEGER && add->kind == K_INTEGER) {
    int64_t r;
    if (__builtin_add_overflow((int64_t)have->num, (int64_t)add->num, &r)) return FH_OVERFLOW;
    out->kind = K_INTEGER;
    out->num = (uint64_t)r;
    return SQLITE_OK;
  }
  if (have->kind == K_INTEGER) x = (double)(int64_t)have->num;
  else memcpy(&x, &have->num, sizeof x);
  if (add->kind == K_INTEGER) y = (double)(int64_t)add->num;
  else memcpy(&y, &add->num, sizeof y);
  x += y;
  if (!isfinite(x)) return FH_OVERFLOW;
  out->kind = K_REAL;
  memcpy(&out->num, &x, sizeof x);
  return SQLITE_OK;
}

/* add reads the row's numbers, adds, and updates. Only numbers are read, so no
 * text is copied. A block of key columns only adds nothing. */
static int add(const block *b, int row) {
  int yes, rc = found(b, row, b->s->update != 0, &yes);
  if (rc != SQLITE_OK) return rc;
  if (!yes) return FH_MISSING;
  if (!b->s->update) return SQLITE_OK;
  fh_buf none = {0, 0, 0, 1};
  for (int i = b->nkey; i < b->ncols && rc == SQLITE_OK; i++) {
    fh_cell have, delta, result;
    cell_of(sqlite3_column_value(b->s->select_, i - b->nkey), 0, &none, &have);
    cell_at(&b->cols[i], row, b->data, b->cells, &delta);
    rc = sum(&have, &delta, &result);
    if (rc == SQLITE_OK) rc = bind_cell(b->s->update, i + 1, &result, b->data);
  }
  int rc2 = sqlite3_reset(b->s->select_);
  if (rc == SQLITE_OK) rc = rc2;
  if (rc == SQLITE_OK) rc = bind_columns(b, b->s->update, b->nkey, row);
  return rc == SQLITE_OK ? fh_step_reset(b->s->update) : rc;
}

static int same_number(const fh_cell *a, const fh_cell *b) {
  double x, y;
  if (a->kind == K_INTEGER && b->kind == K_INTEGER) return a->num == b->num;
  if (a->kind == K_REAL && b->kind == K_REAL) {
    memcpy(&x, &a->num, sizeof x);
    memcpy(&y, &b->num, sizeof y);
    return x == y;
  }
  const fh_cell *i = a->kind == K_INTEGER ? a : b, *r = a->kind == K_INTEGER ? b : a;
  if (i->kind != K_INTEGER || r->kind != K_REAL) return 0;
  memcpy(&x, &r->num, sizeof x);
  return x >= -9223372036854775808.0 && x < 9223372036854775808.0 && (int64_t)x == (int64_t)i->num && x == floor(x);
}

static int same(sqlite3_value *v, const fh_cell *want, const uint8_t *data) {
  int type = sqlite3_value_type(v);
  if (type == SQLITE_TEXT || type == SQLITE_BLOB) {
    if (want->kind != (type == SQLITE_TEXT ? K_TEXT : K_BLOB)) return 0;
    const void *p = type == SQLITE_TEXT ? (const void *)sqlite3_value_text(v) : sqlite3_value_blob(v);
    uint32_t n = (uint32_t)sqlite3_value_bytes(v);
    return n == want->len && (n == 0 || !memcmp(p, data + want->num, n));
  }
  if (type == SQLITE_NULL) return want->kind == K_NULL;
  fh_buf none = {0, 0, 0, 1};
  fh_cell have;
  cell_of(v, 0, &none, &have);
  return same_number(&have, want);
}

static int expect(const block *b, int row) {
  if (b->ncols == b->nkey) return SQLITE_OK;
  int yes, rc = found(b, row, 1, &yes);
  if (rc != SQLITE_OK) return rc;
  if (!yes) return FH_CONFLICT;
  for (int i = b->nkey; i < b->ncols && rc == SQLITE_OK; i++) {
    fh_cell want;
    cell_at(&b->cols[i], row, b->data, b->cells, &want);
    if (!same(sqlite3_column_value(b->s->select_, i - b->nkey), &want, b->data)) rc = FH_CONFLICT;
  }
  int rc2 = sqlite3_reset(b->s->select_);
  return rc == SQLITE_OK ? rc2 : rc;
}

/* insert looks first: the table's own conflict clause (REPLACE, IGNORE) is for
 * other keys, and an error's text does not say whose key it was. */
static int insert(const block *b, int row) {
  int yes, rc = found(b, row, 0, &yes);
  if (rc != SQLITE_OK) return rc;
  return yes ? FH_EXISTS : run(b, b->s->insert, b->ncols, row);
}

static int write_row(const block *b, int op, int row) {
  int rc, hit = 0;
  switch (op) {
  case OP_PUT:
    rc = update(b, row, &hit);
    return rc == SQLITE_OK && !hit ? run(b, b->s->insert, b->ncols, row) : rc;
  case OP_INSERT:
    return insert(b, row);
  case OP_UPDATE:
    rc = update(b, row, &hit);
    return rc == SQLITE_OK && !hit ? FH_MISSING : rc;
  case OP_DELETE:
    return run(b, b->s->erase, b->nkey, row);
  case OP_ADD:
    return add(b, row);
  case OP_TOUCH:
    return update(b, row, &hit);
  default:
    return expect(b, row);
  }
}

/* fh_write runs an op on every row of a block, and stops at the first that
 * fails, telling which. Texts are bound in place, so bindings are cleared
 * before the caller's memory can go. */
int fh_write(sqlite3 *db, int op, const fh_stmts *s, const fh_col *cols, int ncols, int nkey,
             int nrows, const uint8_t *data, const fh_cell *cells, int *row) {
  block b = {db, s, cols, ncols, nkey, data, cells};
  int rc = SQLITE_OK;
  for (*row = 0; *row < nrows; ++*row) {
    rc = write_row(&b, op, *row);
    if (rc != SQLITE_OK) break;
  }
  rc = fh_extended(db, rc);
  if (s->update) sqlite3_clear_bindings(s->update);
  if (s->insert) sqlite3_clear_bindings(s->insert);
  if (s->erase) sqlite3_clear_bindings(s->erase);
  if (s->select_) sqlite3_clear_bindings(s->select_);
  return rc;
}

/* --- reading --- */

/* fh_read finds the rows of a block that rows names by their keys. For each it
 * appends a cell that is 1 when the row is there, else 0, and the select's
 * columns, NULL where it is not. */
int fh_read(sqlite3 *db, sqlite3_stmt *s, const fh_col *cols, int nkey, const uint8_t *data,
            const fh_cell *cells, const int32_t *rows, int n, fh_buf *out, fh_buf *text) {
  fh_stmts stmts = {.select_ = s};
  block b = {.db = db, .s = &stmts, .cols = cols, .ncols = nkey, .nkey = nkey, .data = data, .cells = cells};
  int ncol = sqlite3_column_count(s), rc = SQLITE_OK;
  out->len = text->len = 0;
  for (int i = 0; i < n && rc == SQLITE_OK; i++) {
    fh_cell *c = buf_take(out, sizeof(fh_cell) * (size_t)(1 + ncol));
    int yes = 0;
    if (!c) return SQLITE_NOMEM;
    memset(c, 0, sizeof(fh_cell) * (size_t)(1 + ncol));
    rc = found(&b, rows[i], 1, &yes);
    c->kind = K_INTEGER;
    c->num = (uint64_t)yes;
    if (rc != SQLITE_OK || !yes) continue;
    for (int j = 0; j < ncol; j++) cell_of(sqlite3_column_value(s, j), 0, text, &c[1 + j]);
    rc = sqlite3_reset(s);
    if (text->failed) rc = SQLITE_NOMEM;
  }
  sqlite3_clear_bindings(s);
  return fh_extended(db, rc);
}

/* fh_bind binds parameters 1..n with copies of the cells' bytes. */
int fh_bind(sqlite3_stmt *s, const fh_cell *cells, int n, const uint8_t *data) {
  const sqlite3_destructor_type transient = (sqlite3_destructor_type)-1;
  for (int i = 0; i < n; i++) {
    const fh_cell *c = &cells[i];
    int rc;
    if (c->kind == K_TEXT)
      rc = sqlite3_bind_text(s, i + 1, c->len ? (const char *)data + c->num : "", (int)c->len, transient);
    else if (c->kind == K_BLOB)
      rc = sqlite3_bind_blob(s, i + 1, c->len ? (const void *)(data + c->num) : (const void *)"", (int)c->len, transient);
    else
      rc = bind_cell(s, i + 1, c, data);
    if (rc != SQLITE_OK) return rc;
  }
  return SQLITE_OK;
}

/* fh_run_blob binds a blob in place, the other parameters being bound already,
 * and runs the statement to its end. */
int fh_run_blob(sqlite3_stmt *s, int at, const uint8_t *data, int len) {
  int rc = sqlite3_bind_blob(s, at, len ? (const void *)data : (const void *)"", len, SQLITE_STATIC);
  if (rc == SQLITE_OK) rc = fh_step_reset(s);
  sqlite3_clear_bindings(s);
  return rc;
}

/* fh_fetch steps until most rows or bytes of text are there, or the statement
 * is done, which it answers with SQLITE_DONE and a reset; SQLITE_ROW: there may
 * be more. With cap, it ends before it copies more than so many bytes of text. */
int fh_fetch(sqlite3_stmt *s, int most, size_t bytes, size_t cap, fh_buf *cells, fh_buf *text, int *rows) {
  int ncol = sqlite3_column_count(s);
  cells->len = text->len = 0;
  for (*rows = 0; *rows < most && text->len < bytes; ++*rows) {
    int rc = sqlite3_step(s);
    if (rc == SQLITE_DONE) {
      sqlite3_reset(s);
      return rc;
    }
    if (rc != SQLITE_ROW) return sqlite3_reset(s);
    fh_cell *c = buf_take(cells, sizeof(fh_cell) * (size_t)ncol);
    if (!c) return SQLITE_NOMEM;
    for (int i = 0; i < ncol; i++) {
      sqlite3_value *v = sqlite3_column_value(s, i);
      if (cap && text->len + (size_t)sqlite3_value_bytes(v) > cap) {
        sqlite3_reset(s);
        return FH_TOO_MUCH;
      }
      cell_of(v, 0, text, &c[i]);
    }
    if (text->failed) return SQLITE_NOMEM;
  }
  return SQLITE_ROW;
}

/* --- change capture --- */

static int table_of(fh_capture *c, const char *name) {
  if (c->last < c->ntables && !strcmp(c->tables[c->last].name, name)) return c->last;
  for (int i = 0; i < c->ntables; i++) {
    if (!strcmp(c->tables[i].name, name)) return c->last = i;
  }
  return -1;
}

static int cells_differ(const fh_cell *a, const fh_cell *b, const fh_buf *text) {
  if (a->kind != b->kind || a->len != b->len) return 1;
  if (a->kind == K_TEXT || a->kind == K_BLOB)
    return a->len && memcmp(text->data + a->num, text->data + b->num, a->len);
  return a->num != b->num;
}

/* utf8_length returns how many bytes the character at p takes, of at most n, or
 * 0 where it is none; Go's package unicode/utf8 draws the same line. */
static size_t utf8_length(const uint8_t *p, size_t n) {
  uint8_t low = 0x80, high = 0xbf;
  size_t len;
  if (p[0] < 0x80) return 1;
  if (p[0] >= 0xc2 && p[0] <= 0xdf) len = 2;
  else if (p[0] >= 0xe0 && p[0] <= 0xef) len = 3;
  else if (p[0] >= 0xf0 && p[0] <= 0xf4) len = 4;
  else return 0;
  if (p[0] == 0xe0) low = 0xa0;  /* overlong */
  if (p[0] == 0xed) high = 0x9f; /* surrogates */
  if (p[0] == 0xf0) low = 0x90;  /* overlong */
  if (p[0] == 0xf4) high = 0x8f; /* beyond U+10FFFF */
  if (n < len || p[1] < low || p[1] > high) return 0;
  for (size_t i = 2; i < len; i++) {
    if ((p[i] & 0xc0) != 0x80) return 0;
  }
  return len;
}

static int is_utf8(const uint8_t *p, size_t n) {
  while (n >= 8) { /* mostly ASCII, eight at a time */
    uint64_t v;
    memcpy(&v, p, 8);
    if (v & 0x8080808080808080u) break;
    p += 8;
    n -= 8;
  }
  while (n > 0) {
    size_t len = utf8_length(p, n);
    if (!len) return 0;
    p += len;
    n -= len;
  }
  return 1;
}

typedef int (*getter)(sqlite3 *, int, sqlite3_value **);

static void value_cell(fh_capture *c, const fh_table *t, getter get, int col, fh_cell *out) {
  sqlite3_value *v = 0;
  if (get(c->db, t->cid[col], &v) != SQLITE_OK || !v) {
    c->text.failed = 1;
    memset(out, 0, sizeof *out);
    return;
  }
  cell_of(v, t->real[col], &c->text, out);
  if (out->kind == K_REAL && (out->num >> 52 & 0x7ff) == 0x7ff) c->suspect = 1;
  if (out->kind == K_NULL && col < t->nkey) c->suspect = 1;
  if (out->kind == K_TEXT && !c->text.failed && !is_utf8(c->text.data + out->num, out->len)) c->suspect = 1;
}

static fh_change *change_head(fh_capture *c, int table, int op, int cells, int64_t rowid) {
  fh_change *h = buf_take(&c->changes, sizeof(fh_change) + sizeof(fh_cell) * (size_t)cells);
  if (!h) return 0;
  memset(h, 0, sizeof *h);
  h->table = (uint32_t)table;
  h->op = (uint8_t)op;
  h->cells = (uint32_t)cells;
  h->rowid = rowid;
  return h;
}

static fh_cell *cells_of(fh_change *h) { return (fh_cell *)(h + 1); }

static void capture_insert(fh_capture *c, int ti, int64_t rowid) {
  const fh_table *t = &c->tables[ti];
  fh_change *h = change_head(c, ti, 1, t->ncol, rowid);
  if (!h) return;
  for (int i = 0; i < t->ncol; i++) value_cell(c, t, sqlite3_preupdate_new, i, &cells_of(h)[i]);
}

static void capture_delete(fh_capture *c, int ti, int64_t rowid) {
  const fh_table *t = &c->tables[ti];
  int scoped = t->scope >= 0;
  fh_change *h = change_head(c, ti, 3, scoped + t->nkey, rowid);
  if (!h) return;
  fh_cell *out = cells_of(h);
  h->has_scope = (uint8_t)scoped;
  if (scoped) value_cell(c, t, sqlite3_preupdate_old, t->scope, out++);
  for (int i = 0; i < t->nkey; i++) value_cell(c, t, sqlite3_preupdate_old, i, out++);
}

/* capture_update records an update, as a delete and an insert when it changed
 * the key, and not at all when it changed nothing. */
static void capture_update(fh_capture *c, int ti, int64_t old_rowid, int64_t rowid) {
  const fh_table *t = &c->tables[ti];
  int scoped = t->scope >= 0;
  size_t changes = c->changes.len, text = c->text.len;
  int moved = t->nkey == 0 && old_rowid != rowid, any = moved;
  fh_change *h = change_head(c, ti, 2, scoped + t->ncol, rowid);
  if (!h) return;
  fh_cell *out = cells_of(h), scope = {0};
  h->has_scope = (uint8_t)scoped;
  for (int i = 0; i < t->ncol; i++) {
    fh_cell old, *now = &out[scoped + i];
    value_cell(c, t, sqlite3_preupdate_new, i, now);
    size_t keep = c->text.len;
    value_cell(c, t, sqlite3_preupdate_old, i, &old);
    if (c->text.failed) return;
    if (cells_differ(&old, now, &c->text)) {
      h->mask |= (uint64_t)1 << (i < 63 ? i : 63);
      any = 1;
      moved |= i < t->nkey;
    }
    if (i == t->scope) scope = old;
    else c->text.len = keep;
  }
  if (scoped) out[0] = scope;
  if (any && !moved) return;
  c->changes.len = changes;
  c->text.len = text;
  if (!any) return;
  capture_delete(c, ti, old_rowid);
  capture_insert(c, ti, rowid);
}

static void hook(void *arg, sqlite3 *db, int op, char const *schema, char const *name,
                 sqlite3_int64 old_rowid, sqlite3_int64 rowid) {
  fh_capture *c = arg;
  (void)db;
  if (strcmp(schema, "main")) return;
  int ti = table_of(c, name);
  if (ti < 0) {
    c->unknown = 1;
    return;
  }
  if (c->tables[ti].ignore) return;
  if (op == SQLITE_INSERT) capture_insert(c, ti, rowid);
  else if (op == SQLITE_DELETE) capture_delete(c, ti, old_rowid);
  else capture_update(c, ti, old_rowid, rowid);
}

int fh_can_capture(void) { return sqlite3_preupdate_hook != 0; }

void fh_capture_set(fh_capture *c, int on) { sqlite3_preupdate_hook(c->db, on ? hook : 0, c); }

/* --- switches --- */

void fh_busy_timeout(sqlite3 *db, int ms) { sqlite3_busy_timeout(db, ms); }

int fh_config(sqlite3 *db, int op, int value) {
  int now = 0;
  return sqlite3_db_config(db, op, value, &now);
}

int fh_deferred_fks(sqlite3 *db) {
  int now = 0, high = 0;
  if (sqlite3_db_status(db, SQLITE_DBSTATUS_DEFERRED_FKS, &now, &high, 0) != SQLITE_OK) return -1;
  return now;
}

/* restricted_to says whether a restricted statement may do something, and notes of
 * which table. That triggers, views or WITH make it do so is no excuse: SQLite names
 * all three alike. */
static int restricted_to(fh_authority *a, int action, const char *first, const char *second) {
  switch (action) {
  case SQLITE_RECURSIVE:
    return SQLITE_OK;
  case SQLITE_FUNCTION:
    return second && !strcmp(second, "load_extension") ? SQLITE_DENY : SQLITE_OK;
  case SQLITE_SELECT:
  case SQLITE_READ:
  case SQLITE_INSERT:
  case SQLITE_UPDATE:
  case SQLITE_DELETE: {
    size_t len = strlen(first ? first : "") + 1;
    uint8_t *to = buf_take(&a->accesses, 1 + len);
    if (!to) return SQLITE_DENY;
    to[0] = (uint8_t)action;
    memcpy(to + 1, first ? first : "", len);
    return SQLITE_OK;
  }
  default:
    return SQLITE_DENY;
  }
}

static int authorize(void *arg, int action, const char *first, const char *second, const char *schema, const char *trigger) {
  fh_authority *a = arg;
  (void)schema;
  if (action == SQLITE_INSERT && trigger && a->left_out && !strcmp(first, a->left_out)) return SQLITE_IGNORE;
  if (action == SQLITE_TRANSACTION && a->no_transactions) return SQLITE_DENY;
  return a->restricted ? restricted_to(a, action, first, second) : SQLITE_OK;
}

/* fh_authorize makes a, which may change, the connection's authority: what it says
 * when a statement is prepared. */
void fh_authorize(sqlite3 *db, fh_authority *a) { sqlite3_set_authorizer(db, authorize, a); }

static int64_t monotonic(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The most memory that a restricted statement may take, to sort for one, in bytes.
 * SQLite counts that of all connections together, so it is more than others take. */
enum { MOST_MEMORY = 128 << 20 };

static int overdue(void *arg) {
  fh_authority *a = arg;
  if (a->restricted && sqlite3_memory_used() - a->used > MOST_MEMORY) a->greedy = 1;
  return a->greedy || monotonic() > a->deadline;
}

/* fh_deadline has statements interrupted after ns nanoseconds; 0: never. */
void fh_deadline(sqlite3 *db, fh_authority *a, int64_t ns) {
  enum { STEPS = 1000 }; /* of the virtual machine */
  a->deadline = monotonic() + ns;
  sqlite3_progress_handler(db, ns ? STEPS : 0, ns ? overdue : 0, a);
}

void fh_interrupt(sqlite3 *db) { sqlite3_interrupt(db); }

/* fh_restrict restricts statements for ns nanoseconds, after which they are
 * interrupted; 0: they are free again. */
void fh_restrict(sqlite3 *db, fh_authority *a, int64_t ns) {
  enum { LENGTH = 0, LONGEST = 1 << 20, PATTERN = 8, PATTERNS = 1000 }; /* SQLITE_LIMIT_LENGTH, _LIKE_PATTERN_LENGTH */
  a->restricted = ns != 0;
  a->accesses.len = 0;
  a->greedy = 0;
  a->used = sqlite3_memory_used();
  fh_deadline(db, a, ns);
  sqlite3_limit(db, LENGTH, ns ? LONGEST : 1000000000);
  sqlite3_limit(db, PATTERN, ns ? PATTERNS : 50000);
}

/* fh_prepare_one compiles the first statement of sql; *rest is where what follows
 * it begins. */
int fh_prepare_one(sqlite3 *db, const char *sql, int len, sqlite3_stmt **out, int *rest) {
  const char *tail = sql + len;
  int rc = sqlite3_prepare_v3(db, sql, len, 0, out, &tail);
  *rest = (int)(tail - sql);
  return rc;
}

int fh_readonly(sqlite3_stmt *s) { return sqlite3_stmt_readonly(s); }

int fh_parameters(sqlite3_stmt *s) { return sqlite3_bind_parameter_count(s); }

int fh_columns(sqlite3_stmt *s) { return sqlite3_column_count(s); }

const char *fh_column_name(sqlite3_stmt *s, int i) { return sqlite3_column_name(s, i); }

static int wal_grown(void *pages, sqlite3 *db, const char *name, int n) {
  (void)db;
  if (!strcmp(name, "main")) *(int *)pages = n;
  return SQLITE_OK;
}

/* fh_watch_wal keeps the WAL's length, in pages, after each commit of this
 * connection in *pages. */
void fh_watch_wal(sqlite3 *db, int *pages) { sqlite3_wal_hook(db, wal_grown, pages); }

int fh_checkpoint(sqlite3 *db, int mode, int *log, int *done) {
  return sqlite3_wal_checkpoint_v2(db, "main", mode, log, done);
}
