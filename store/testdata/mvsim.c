/* A file system for tests that behaves to SQLite as mvSQLite 0.3.22 does, as far as a
 * hub can tell, with files in place of its servers. Many connections of many processes
 * use it at once.
 *
 * Compiled with -DMVSIM_EXTENSION it is a loadable extension, and its file system is there
 * under the name mvsqlite. Otherwise it is a library to preload over a program that is
 * linked with libsqlite3, and its file system becomes the default one.
 *
 * A namespace is a file in the folder $MVSIM_DIR, which holds one commit after the other:
 * a head, then pages. A transaction reads at the version that was the last at its
 * beginning; there are no locks; SQLITE_BUSY comes at COMMIT, after SQLite has finished
 * with its journal, where a page that the transaction has read or written has a newer
 * version. A missing namespace is SQLITE_IOERR_LOCK (3850), unless $MVSIM_CREATE is set.
 * NAME@ and 20 hexadecimal digits is the namespace at that version.
 *
 * $MVSIM_DIR/plan says what goes wrong. A line is
 *
 *     OP NAMESPACE N ACTION [ARGUMENT]
 *
 * with OP begin, read or commit (of what has written something); N the number of such
 * calls at which it happens, counted from 1 since the folder was made, by all processes,
 * or 0 for each; and ACTION
 *
 *     conflict       SQLITE_BUSY, and nothing is stored
 *     untrue         SQLITE_BUSY, and it is stored
 *     ioerr          SQLITE_IOERR, and nothing is stored
 *     storeioerr     SQLITE_IOERR, and it is stored
 *     full           SQLITE_FULL, and nothing is stored
 *     slow MS        so many milliseconds later
 *     hang FILE      when that file is gone
 *     hangioerr FILE the same, and then as ioerr
 *     abort          the process ends
 *     storeabort     it is stored, and the process ends
 *
 * $MVSIM_DIR/stats counts, for who reads it with mmap: see struct counts.
 *
 * Not as mvSQLite: versions are small numbers, nothing expires, the mv_ functions are not
 * there, and what SQLite's page cache has is not asked for again, so that reading it
 * makes no conflict.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef MVSIM_EXTENSION
#include "sqlite3ext.h"
SQLITE_EXTENSION_INIT1
#else
#include "sqlite3.h"
#endif

enum { PAGE = 8192, NAME = 120, NAMESPACES = 62, MOST = 50000, IOERR_MISSING = 3850, IOERR_SIZE = 1802 };

/* What is counted of a namespace. */
struct counts {
  char name[NAME];
  _Atomic uint64_t begins, reads, commits, pages_read, pages_written, last_pages;
};

static pthread_mutex_t stats_lock = PTHREAD_MUTEX_INITIALIZER;
static struct counts *stats;
static char stats_path[1024];
static int stats_fd = -1;

static const char *folder(void) {
  const char *dir = getenv("MVSIM_DIR");
  if (!dir) {
    fprintf(stderr, "mvsim: MVSIM_DIR is not set\n");
    abort();
  }
  return dir;
}

/* map_stats maps the folder's counters; those of another folder stay mapped. */
static void map_stats(void) {
  char path[1024];
  snprintf(path, sizeof path, "%s/stats", folder());
  if (stats && !strcmp(path, stats_path)) return;
  if (stats_fd >= 0) close(stats_fd);
  size_t size = NAMESPACES * sizeof(struct counts);
  stats_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (stats_fd < 0 || ftruncate(stats_fd, (off_t)size)) abort();
  stats = mmap(0, size, PROT_READ | PROT_WRITE, MAP_SHARED, stats_fd, 0);
  if (stats == MAP_FAILED) abort();
  snprintf(stats_path, sizeof stats_path, "%s", path);
}

static struct counts *counts_of(const char *name) {
  struct counts *found = 0;
  pthread_mutex_lock(&stats_lock);
  map_stats();
  flock(stats_fd, LOCK_EX);
  for (int i = 0; i < NAMESPACES && !found; i++) {
    if (!stats[i].name[0]) snprintf(stats[i].name, NAME, "%s", name);
    if (!strcmp(stats[i].name, name)) found = &stats[i];
  }
  flock(stats_fd, LOCK_UN);
  pthread_mutex_unlock(&stats_lock);
  if (!found) abort();
  return found;
}

/* What a plan has for a call. */
enum action { NOTHING, CONFLICT, UNTRUE, IOERR, STORE_IOERR, FULL, SLOW, HANG, HANG_IOERR, ABORT, STORE_ABORT };
static const char *const actions[] = {"", "conflict", "untrue", "ioerr", "storeioerr", "full", "slow", "hang", "hangioerr", "abort", "storeabort"};

static enum action planned(const char *op, const char *name, uint64_t n) {
  char path[1024], line[1024], want_op[16], want_name[NAME], what[16], arg[768];
  enum action found = NOTHING;
  unsigned long long at;
  snprintf(path, sizeof path, "%s/plan", folder());
  FILE *f = fopen(path, "re");
  if (!f) return NOTHING;
  while (!found && fgets(line, sizeof line, f)) {
    arg[0] = 0;
    if (sscanf(line, "%15s %119s %llu %15s %767s", want_op, want_name, &at, what, arg) < 4) continue;
    if (strcmp(op, want_op) || strcmp(name, want_name) || (at && at != n)) continue;
    for (int i = 1; i <= STORE_ABORT; i++)
      if (!strcmp(what, actions[i])) found = i;
  }
  fclose(f);
  if (found == SLOW) usleep((useconds_t)atoi(arg) * 1000);
  if (found == HANG || found == HANG_IOERR)
    while (!access(arg, F_OK)) usleep(1000);
  if (found == ABORT) abort();
  return found;
}

static int code_of(enum action a) {
  switch (a) {
    case CONFLICT: return SQLITE_BUSY;
    case IOERR: case HANG_IOERR: return SQLITE_IOERR;
    case FULL: return SQLITE_FULL;
    default: return SQLITE_OK;
  }
}

/* A commit: this, then so many times a page's number and its bytes. */
struct head {
  uint64_t magic, version, pages, total, sum; /* total: pages of the database after it */
};
enum { MAGIC = 0x6d7673696d };

struct stored {
  uint64_t version;
  off_t at;
};

struct page { /* by number, from 1 */
  struct stored *all;
  int n;
  unsigned char *written; /* by the transaction */
  int read;               /* by the transaction */
};

typedef struct {
  sqlite3_file base;
  /* A namespace. */
  int fd;
  char name[NAME];
  uint64_t pinned; /* 0: it is not */
  struct counts *counts;
  off_t scanned;
  struct { uint64_t version, total; } *totals;
  int ntotals;
  struct page *pages;
  uint64_t npages;
  int lock;
  uint64_t version, total; /* of the transaction */
  uint64_t nread, nwritten;
  int counted; /* counter is what SQLite has seen at counted_at */
  uint64_t counted_at;
  uint32_t counter;
  /* Anything else: a file in memory. */
  unsigned char *mem;
  sqlite3_int64 size, cap;
} file;

static struct page *page_of(file *f, uint64_t no) {
  if (no >= f->npages) {
    uint64_t n = no * 2 + 64;
    f->pages = realloc(f->pages, n * sizeof *f->pages);
    memset(f->pages + f->npages, 0, (n - f->npages) * sizeof *f->pages);
    f->npages = n;
  }
  return &f->pages[no];
}

static uint64_t sum_of(const unsigned char *p, size_t n, uint64_t sum) {
  for (size_t i = 0; i < n; i += 64) sum = (sum ^ p[i]) * 1099511628211u;
  return sum;
}

enum { ENTRY = 8 + PAGE };

/* scan takes up what has been committed; the caller holds the file's lock. */
static int scan(file *f) {
  struct head h;
  unsigned char *body = 0;
  while (pread(f->fd, &h, sizeof h, f->scanned) == sizeof h && h.magic == MAGIC) {
    size_t size = h.pages * ENTRY;
    body = realloc(body, size + 1);
    if (pread(f->fd, body, size, f->scanned + (off_t)sizeof h) != (ssize_t)size || sum_of(body, size, h.version) != h.sum) break;
    for (uint64_t i = 0; i < h.pages; i++) {
      uint64_t no;
      memcpy(&no, body + i * ENTRY, 8);
      struct page *p = page_of(f, no);
      p->all = realloc(p->all, (size_t)(p->n + 1) * sizeof *p->all);
      p->all[p->n++] = (struct stored){h.version, f->scanned + (off_t)(sizeof h + i * ENTRY + 8)};
    }
    f->totals = realloc(f->totals, (size_t)(f->ntotals + 1) * sizeof *f->totals);
    f->totals[f->ntotals].version = h.version;
    f->totals[f->ntotals++].total = h.total;
    f->scanned += (off_t)(sizeof h + size);
  }
  free(body);
  return SQLITE_OK;
}

static uint64_t last_version(file *f) { return f->ntotals ? f->totals[f->ntotals - 1].version : 0; }

/* as_of reads a page as it was at a version; one that was not there is zeros. */
static void as_of(file *f, uint64_t no, uint64_t version, unsigned char *to) {
  struct page *p = page_of(f, no);
  for (int i = p->n; i-- > 0;) {
    if (p->all[i].version <= version) {
      if (pread(f->fd, to, PAGE, p->all[i].at) != PAGE) abort();
      return;
    }
  }
  memset(to, 0, PAGE);
}

static void big_endian(unsigned char *p, uint32_t v) { p[0] = v >> 24, p[1] = v >> 16, p[2] = v >> 8, p[3] = v; }

/* SQLite finds out by the change counter whether what it has cached is still good: it
 * is after a commit of its own, for which it has counted on, and where nothing has been
 * committed. */
static void count_change(unsigned char *page, uint32_t counter) {
  big_endian(page + 24, counter);
  big_endian(page + 92, counter);
}

static uint32_t counter_of(file *f) {
  if (!f->counted || f->counted_at != f->version) {
    f->counter = (uint32_t)random();
    f->counted = 1;
    f->counted_at = f->version;
  }
  return f->counter;
}

static void forget(file *f) {
  for (uint64_t i = 0; i < f->npages; i++) {
    free(f->pages[i].written);
    f->pages[i].written = 0;
    f->pages[i].read = 0;
  }
  f->nread = f->nwritten = 0;
}

static int m_read(sqlite3_file *file_, void *to, int n, sqlite3_int64 at) {
  file *f = (file *)file_;
  if (f->fd < 0) {
    sqlite3_int64 have = f->size > at ? f->size - at : 0;
    if (have > n) have = n;
    if (have > 0) memcpy(to, f->mem + at, (size_t)have);
    memset((char *)to + have, 0, (size_t)(n - have));
    return have < n ? SQLITE_IOERR_SHORT_READ : SQLITE_OK;
  }
  enum action a = planned("read", f->name, ++f->counts->reads);
  if (code_of(a)) return code_of(a);
  uint64_t no = (uint64_t)(at / PAGE) + 1;
  if (no > f->total) {
    memset(to, 0, (size_t)n);
    return SQLITE_IOERR_SHORT_READ;
  }
  unsigned char whole[PAGE];
  struct page *p = page_of(f, no);
  if (p->written) {
    memcpy(whole, p->written, PAGE);
  } else {
    as_of(f, no, f->version, whole);
    if (no == 1) count_change(whole, counter_of(f));
    if (n == PAGE) {
      f->counts->pages_read++;
      f->nread += !p->read;
      p->read = 1;
    }
  }
  memcpy(to, whole + at % PAGE, (size_t)n);
  return SQLITE_OK;
}

static int m_write(sqlite3_file *file_, const void *from, int n, sqlite3_int64 at) {
  file *f = (file *)file_;
  if (f->fd < 0) {
    if (at + n > f->cap) {
      f->cap = (at + n) * 2 + 4096;
      f->mem = realloc(f->mem, (size_t)f->cap);
    }
    if (at > f->size) memset(f->mem + f->size, 0, (size_t)(at - f->size));
    memcpy(f->mem + at, from, (size_t)n);
    if (at + n > f->size) f->size = at + n;
    return SQLITE_OK;
  }
  if (n != PAGE || at % PAGE) abort(); /* another page size */
  uint64_t no = (uint64_t)(at / PAGE) + 1;
  if (no == 1 && ((const unsigned char *)from)[18] == 2) abort(); /* WAL */
  struct page *p = page_of(f, no);
  if (!p->written) {
    p->written = malloc(PAGE);
    f->nwritten++;
  }
  memcpy(p->written, from, PAGE);
  if (no > f->total) f->total = no;
  return SQLITE_OK;
}

static int m_truncate(sqlite3_file *file_, sqlite3_int64 size) {
  file *f = (file *)file_;
  if (f->fd < 0) {
    if (size < f->size) f->size = size;
    return SQLITE_OK;
  }
  f->total = (uint64_t)(size / PAGE);
  return SQLITE_OK;
}

/* unchanged says whether the first page differs in nothing but what counts changes. */
static int unchanged(file *f) {
  unsigned char was[PAGE], is[PAGE];
  if (!f->version) return 0;
  as_of(f, 1, f->version, was);
  memcpy(is, f->pages[1].written, PAGE);
  count_change(was, 0);
  count_change(is, 0);
  memset(was + 96, 0, 4);
  memset(is + 96, 0, 4);
  return !memcmp(was, is, PAGE);
}

static int conflicts(file *f) {
  uint64_t last = last_version(f);
  if (last == f->version) return 0;
  if (f->nread > 2000 || f->nwritten >= 1000) return 1;
  for (uint64_t i = 1; i < f->npages; i++) {
    struct page *p = &f->pages[i];
    if ((p->read || p->written) && p->n && p->all[p->n - 1].version > f->version) return 1;
  }
  return 0;
}

static int store(file *f) {
  struct head h = {MAGIC, last_version(f) + 1, f->nwritten, f->total, 0};
  size_t size = h.pages * ENTRY, at = sizeof h;
  unsigned char *out = malloc(sizeof h + size);
  for (uint64_t i = 1; i < f->npages; i++) {
    struct page *p = &f->pages[i];
    if (!p->written) continue;
    memcpy(out + at, &i, 8);
    memcpy(out + at + 8, p->written, PAGE);
    at += ENTRY;
  }
  h.sum = sum_of(out + sizeof h, size, h.version);
  memcpy(out, &h, sizeof h);
  int ok = !ftruncate(f->fd, f->scanned) && pwrite(f->fd, out, sizeof h + size, f->scanned) == (ssize_t)(sizeof h + size);
  free(out);
  if (!ok) return SQLITE_FULL;
  f->counts->pages_written += h.pages;
  f->counts->last_pages = h.pages;
  forget(f);
  scan(f);
  f->version = f->counted_at = h.version;
  f->counted = f->counter > 0;
  return SQLITE_OK;
}

static int commit(file *f) {
  if (!f->nwritten) return SQLITE_OK;
  if (f->nwritten > MOST) abort();
  f->counted = 0;
  enum action a = planned("commit", f->name, ++f->counts->commits);
  if (a == CONFLICT || a == IOERR || a == HANG_IOERR || a == FULL || f->pinned) {
    forget(f);
    return code_of(a);
  }
  flock(f->fd, LOCK_EX);
  scan(f);
  const unsigned char *first = page_of(f, 1)->written;
  f->counter = first && last_version(f) == f->version ? (uint32_t)first[24] << 24 | (uint32_t)first[25] << 16 | (uint32_t)first[26] << 8 | first[27] : 0;
  if (page_of(f, 1)->written && unchanged(f)) {
    free(f->pages[1].written);
    f->pages[1].written = 0;
    f->nwritten--;
  }
  int rc = SQLITE_OK;
  if (conflicts(f)) {
    rc = SQLITE_BUSY;
    forget(f);
  } else {
    rc = store(f);
  }
  flock(f->fd, LOCK_UN);
  if (rc || a == UNTRUE || a == STORE_IOERR) f->counted = 0;
  if (a == STORE_ABORT) abort();
  if (rc == SQLITE_OK && a == UNTRUE) rc = SQLITE_BUSY;
  if (rc == SQLITE_OK && a == STORE_IOERR) rc = SQLITE_IOERR;
  return rc;
}

/* set_total finds how many pages the database has at the transaction's version. */
static void set_total(file *f) {
  f->total = 0;
  for (int i = f->ntotals; i-- > 0;) {
    if (f->totals[i].version <= f->version) {
      f->total = f->totals[i].total;
      break;
    }
  }
  if (f->pinned > last_version(f)) f->total = 0;
}

static int begin(file *f) {
  enum action a = planned("begin", f->name, ++f->counts->begins);
  if (code_of(a)) return code_of(a);
  flock(f->fd, LOCK_SH);
  scan(f);
  flock(f->fd, LOCK_UN);
  forget(f);
  f->version = f->pinned ? f->pinned : last_version(f);
  set_total(f);
  return SQLITE_OK;
}

static int m_lock(sqlite3_file *file_, int lock) {
  file *f = (file *)file_;
  if (f->fd < 0) return SQLITE_OK;
  if (f->lock == SQLITE_LOCK_NONE) {
    int rc = begin(f);
    if (rc) return rc;
  }
  f->lock = lock;
  return SQLITE_OK;
}

static int m_unlock(sqlite3_file *file_, int lock) {
  file *f = (file *)file_;
  if (f->fd < 0) return SQLITE_OK;
  if (f->lock > SQLITE_LOCK_SHARED) { /* rolled back, or committed, or told BUSY */
    for (uint64_t i = 0; i < f->npages; i++) {
      free(f->pages[i].written);
      f->pages[i].written = 0;
    }
    f->nwritten = 0;
    set_total(f);
  }
  f->lock = lock;
  return SQLITE_OK;
}

static int m_control(sqlite3_file *file_, int op, void *arg) {
  file *f = (file *)file_;
  (void)arg;
  if (op == SQLITE_FCNTL_COMMIT_PHASETWO && f->fd >= 0) return commit(f);
  return SQLITE_NOTFOUND;
}

static int m_close(sqlite3_file *file_) {
  file *f = (file *)file_;
  if (f->fd >= 0) {
    forget(f);
    for (uint64_t i = 0; i < f->npages; i++) free(f->pages[i].all);
    close(f->fd);
  }
  free(f->pages);
  free(f->totals);
  free(f->mem);
  return SQLITE_OK;
}

static int m_size(sqlite3_file *file_, sqlite3_int64 *size) {
  file *f = (file *)file_;
  *size = f->fd < 0 ? f->size : (sqlite3_int64)f->total * PAGE;
  return SQLITE_OK;
}

static int m_sync(sqlite3_file *f, int flags) { return (void)f, (void)flags, SQLITE_OK; }
static int m_reserved(sqlite3_file *f, int *r) { return (void)f, *r = 0, SQLITE_OK; }
static int m_sector(sqlite3_file *f) { return (void)f, PAGE; } /* from which SQLite makes its page size */
static int m_device(sqlite3_file *f) { return (void)f, 0; }

static const sqlite3_io_methods methods = {
    .iVersion = 1, .xClose = m_close, .xRead = m_read, .xWrite = m_write, .xTruncate = m_truncate, .xSync = m_sync, .xFileSize = m_size,
    .xLock = m_lock, .xUnlock = m_unlock, .xCheckReservedLock = m_reserved, .xFileControl = m_control, .xSectorSize = m_sector,
    .xDeviceCharacteristics = m_device};

/* open_namespace opens the file of a namespace; a / in its name is no folder. */
static int open_namespace(file *f, const char *name) {
  const char *at = strrchr(name, '@');
  size_t n = at ? (size_t)(at - name) : strlen(name);
  char path[1024];
  if (n >= NAME) return SQLITE_CANTOPEN;
  memcpy(f->name, name, n);
  for (size_t i = 0; i < n; i++)
    if (f->name[i] == '/') f->name[i] = '_';
  if (at) f->pinned = strtoull(at + 1, 0, 16);
  snprintf(path, sizeof path, "%s/%s", folder(), f->name);
  f->fd = open(path, O_RDWR | O_CLOEXEC | (getenv("MVSIM_CREATE") ? O_CREAT : 0), 0600);
  if (f->fd < 0) return errno == ENOENT ? IOERR_MISSING : SQLITE_CANTOPEN;
  f->counts = counts_of(f->name);
  return SQLITE_OK;
}

static int v_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *out, int flags, int *out_flags) {
  file *f = (file *)out;
  (void)vfs;
  if (!getenv("MVSQLITE_DATA_PLANE")) {
    fprintf(stderr, "mvsim: MVSQLITE_DATA_PLANE is not set\n");
    abort();
  }
  memset(f, 0, sizeof *f);
  f->fd = -1;
  const char *size = getenv("MVSQLITE_SECTOR_SIZE");
  if (size && atoi(size) != PAGE) return IOERR_SIZE;
  if (flags & SQLITE_OPEN_MAIN_DB) {
    int rc = open_namespace(f, name);
    if (rc) return rc;
  }
  f->base.pMethods = &methods;
  if (out_flags) *out_flags = flags;
  return SQLITE_OK;
}

static int v_delete(sqlite3_vfs *vfs, const char *name, int sync) { return (void)vfs, (void)name, (void)sync, SQLITE_OK; }
static int v_access(sqlite3_vfs *vfs, const char *name, int flags, int *out) { return (void)vfs, (void)name, (void)flags, *out = 0, SQLITE_OK; }
static int v_full(sqlite3_vfs *vfs, const char *name, int n, char *out) { return (void)vfs, snprintf(out, (size_t)n, "%s", name), SQLITE_OK; }

static void add_vfs(int as_default) {
  static sqlite3_vfs vfs;
  if (vfs.zName) return;
  vfs = *sqlite3_vfs_find(0);
  vfs.zName = "mvsqlite";
  vfs.szOsFile = sizeof(file);
  vfs.xOpen = v_open;
  vfs.xDelete = v_delete;
  vfs.xAccess = v_access;
  vfs.xFullPathname = v_full;
  sqlite3_vfs_register(&vfs, as_default);
}

#ifdef MVSIM_EXTENSION
int sqlite3_mvsim_init(sqlite3 *db, char **err, const sqlite3_api_routines *api) {
  SQLITE_EXTENSION_INIT2(api);
  (void)db, (void)err;
  add_vfs(0);
  return SQLITE_OK_LOAD_PERMANENTLY;
}
#else
__attribute__((constructor)) static void preloaded(void) {
  sqlite3_initialize();
  add_vfs(1);
}
#endif
