/* A file system for SQLite that behaves like mvSQLite's, over local files, for
 * tests: no locks, versions of pages, conflicts found at COMMIT, and faults when
 * they are told to come. Any number of connections and processes share it.
 *
 * With -DMVSIM_EXTENSION it is a loadable extension (sqlite3_mvsim_init), which
 * registers the file systems below beside the default one. Without, it is a
 * library to preload over a dynamically linked libsqlite3: at the first open it
 * becomes the default file system, and it repeats what SQLite answers BUSY to
 * outside of a transaction for ever, as mvSQLite's does.
 *
 *   mvsqlite                        pages of MVSQLITE_SECTOR_SIZE bytes (8192)
 *   mvsqlite-4096, -8192, -16384, -32768
 *
 * Environment, read whenever a database is opened:
 *
 *   MVSQLITE_DATA_PLANE       must be there, else the process aborts
 *   MVSIM_DIR                 a folder: NAMESPACE.mv, one for each namespace ('/' in
 *                             its name is written %2F). An empty file is an empty
 *                             namespace; without one the namespace is missing.
 *   MVSIM_CREATE=1            missing namespaces are made
 *   MVSQLITE_PAGE_CACHE_SIZE  pages that a connection keeps (5000)
 *
 * MVSIM_DIR/NAMESPACE.stats counts: 64-bit little-endian numbers, see `counter`.
 *
 * MVSIM_DIR/plan tells faults, a line each, and is read at each event:
 *
 *   EVENT NAMESPACE K ACTION [ARGUMENT]
 *
 * EVENT is begin (of a transaction), read (of a page that the connection has not
 * got) or commit (of at least one page). NAMESPACE is a name, or * for any. It
 * happens at the K-th such event from now, in whichever process, and the line is
 * then gone; K = * is each of them. Who writes the file holds an exclusive flock
 * on MVSIM_DIR/plan.lock. What happened is appended to MVSIM_DIR/fired.
 *
 *   conflict        commit: BUSY, nothing stored
 *   untrue          commit: stored, and BUSY; if it does conflict, BUSY alone
 *   ioerr, full     an error, nothing stored or read
 *   storeioerr      commit: stored, and an I/O error
 *   slow MS         so many milliseconds later
 *   hang FILE       when FILE is gone
 *   hangfail FILE   an I/O error when FILE is gone, nothing stored or read
 *   abort           the process aborts, nothing stored
 *   storeabort      commit: stored, and the process aborts
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#ifdef MVSIM_EXTENSION
#include "sqlite3ext.h"
SQLITE_EXTENSION_INIT1
#else
#include "sqlite3.h"
#endif

enum { MAX_READ_SET = 2000, MAX_WRITE_SET = 1000, MAX_COMMIT = 50000 };
enum { PATH = 1024 };

typedef enum { BEGINS, COMMITS, CONFLICTS, PAGES_WRITTEN, PAGES_OF_LAST_COMMIT, PAGES_FETCHED, PAGES_CACHED, COUNTERS } counter;

/* fatal is what a panic is in mvSQLite. */
static void fatal(const char *format, ...) {
  va_list args;
  va_start(args, format);
  fputs("mvsim: ", stderr);
  vfprintf(stderr, format, args);
  fputs("\n", stderr);
  va_end(args);
  abort();
}

static void *must(void *p) {
  if (!p) fatal("out of memory");
  return p;
}

/* grow makes room for item i in an array, and zeroes what is new. */
static void *grow(void *p, uint32_t *cap, uint32_t i, size_t size) {
  if (i < *cap) return p;
  uint32_t n = *cap ? *cap : 64;
  while (n <= i) n *= 2;
  p = must(realloc(p, n * size));
  memset((char *)p + *cap * size, 0, (n - *cap) * size);
  *cap = n;
  return p;
}

static void pause_ms(int ms) {
  struct timespec t = {ms / 1000, ms % 1000 * 1000000L};
  while (nanosleep(&t, &t) && errno == EINTR) {
  }
}

static uint64_t now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void lock_file(int fd, int how) {
  while (flock(fd, how)) {
    if (errno != EINTR) fatal("flock: %s", strerror(errno));
  }
}

/* --- namespaces --- */

/* A namespace is a file of records, one for each commit: a header, the numbers of
 * the pages, the pages, and the version again, without which the record is the
 * rest of a process that was killed, and is overwritten. A version is the time of
 * the commit in microseconds, or one more than the last. */
typedef struct {
  uint64_t magic, version;
  uint32_t page_size, pages;
} header;

static const uint64_t record_magic = 0x31637273766d0a01;

typedef struct {
  uint64_t version;
  off_t at;
} place;

typedef struct {
  place *v; /* ascending */
  uint32_t n, cap;
} history;

typedef struct namespace {
  struct namespace *next;
  char path[PATH], dir[PATH], name[PATH];
  pthread_mutex_t lock;
  int fd;
  history *pages; /* by number, from 0 */
  uint32_t cap;
  uint64_t first, last; /* versions; 0: none */
  uint32_t page_size;   /* 0: nothing is stored */
  off_t end;
  uint64_t *stats;
} namespace;

static pthread_mutex_t namespaces_lock = PTHREAD_MUTEX_INITIALIZER;
static namespace *namespaces; /* for the process's whole life */

static void count(namespace *ns, counter c, uint64_t n) { __atomic_fetch_add(&ns->stats[c], n, __ATOMIC_RELAXED); }

static void path_of(char *out, const char *dir, const char *name, const char *suffix) {
  size_t n = (size_t)snprintf(out, PATH, "%s/", dir);
  for (; *name && n + 16 < PATH; name++) n += (size_t)snprintf(out + n, PATH - n, *name == '/' ? "%%2F" : "%c", *name);
  snprintf(out + n, PATH - n, "%s", suffix);
}

static uint64_t *open_stats(const char *dir, const char *name) {
  char path[PATH];
  path_of(path, dir, name, ".stats");
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 || ftruncate(fd, COUNTERS * 8)) fatal("%s: %s", path, strerror(errno));
  void *p = mmap(0, COUNTERS * 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (p == MAP_FAILED) fatal("%s: %s", path, strerror(errno));
  close(fd);
  return p;
}

/* open_namespace returns 0 when it is missing. */
static namespace *open_namespace(const char *dir, const char *name) {
  char path[PATH];
  path_of(path, dir, name, ".mv");
  pthread_mutex_lock(&namespaces_lock);
  namespace *ns = namespaces;
  while (ns && strcmp(ns->path, path)) ns = ns->next;
  if (!ns) {
    const char *create = getenv("MVSIM_CREATE");
    int fd = open(path, O_RDWR | O_CLOEXEC | (create && !strcmp(create, "1") ? O_CREAT : 0), 0600);
    if (fd >= 0) {
      ns = must(calloc(1, sizeof *ns));
      pthread_mutex_init(&ns->lock, 0);
      snprintf(ns->path, PATH, "%s", path);
      snprintf(ns->dir, PATH, "%s", dir);
      snprintf(ns->name, PATH, "%s", name);
      ns->fd = fd;
      ns->stats = open_stats(dir, name);
      ns->next = namespaces;
      namespaces = ns;
    }
  }
  pthread_mutex_unlock(&namespaces_lock);
  return ns;
}

static void remember(namespace *ns, uint32_t page, uint64_t version, off_t at) {
  ns->pages = grow(ns->pages, &ns->cap, page, sizeof *ns->pages);
  history *h = &ns->pages[page];
  h->v = grow(h->v, &h->cap, h->n, sizeof *h->v);
  h->v[h->n++] = (place){version, at};
}

static void pread_all(int fd, void *p, size_t n, off_t at) {
  while (n > 0) {
    ssize_t got = pread(fd, p, n, at);
    if (got <= 0) fatal("a namespace's file is cut off: %s", got ? strerror(errno) : "end of file");
    p = (char *)p + got, n -= (size_t)got, at += got;
  }
}

static off_t size_of(const header *h) { return (off_t)(sizeof *h + (size_t)h->pages * (4 + h->page_size) + 8); }

/* extend reads the records that others have appended. The caller holds ns->lock and
 * a lock on the file. */
static void extend(namespace *ns) {
  struct stat st;
  if (fstat(ns->fd, &st)) fatal("%s: %s", ns->path, strerror(errno));
  header h;
  while (st.st_size - ns->end >= (off_t)sizeof h) {
    uint64_t again;
    pread_all(ns->fd, &h, sizeof h, ns->end);
    if (h.magic != record_magic) fatal("%s is no namespace", ns->path);
    if (ns->end + size_of(&h) > st.st_size) return;
    pread_all(ns->fd, &again, 8, ns->end + size_of(&h) - 8);
    if (again != h.version) return;
    uint32_t *numbers = must(malloc((size_t)h.pages * 4));
    pread_all(ns->fd, numbers, (size_t)h.pages * 4, ns->end + (off_t)sizeof h);
    off_t at = ns->end + (off_t)sizeof h + (off_t)h.pages * 4;
    for (uint32_t i = 0; i < h.pages; i++) remember(ns, numbers[i], h.version, at + (off_t)i * h.page_size);
    free(numbers);
    if (!ns->first) ns->first = h.version;
    ns->last = h.version;
    ns->page_size = h.page_size;
    ns->end += size_of(&h);
  }
}

/* find returns where a page stands as of a version, or a place without a version. */
static place find(const namespace *ns, uint32_t page, uint64_t version) {
  if (page >= ns->cap) return (place){0, 0};
  const history *h = &ns->pages[page];
  uint32_t lo = 0, hi = h->n;
  while (lo < hi) {
    uint32_t mid = (lo + hi) / 2;
    if (h->v[mid].version <= version) lo = mid + 1;
    else hi = mid;
  }
  return lo ? h->v[lo - 1] : (place){0, 0};
}

/* --- faults --- */

typedef enum { NO_FAULT, CONFLICT, UNTRUE, IOERR, STORE_IOERR, FULL, ABORT, STORE_ABORT } fault;

/* take_line looks for the event in the plan and counts it there. It returns the
 * line that is due, its action and argument, or 0. The caller frees the text. */
static int take_line(const char *dir, const char *event, const char *name, char *action, char *argument) {
  char path[PATH], lock[PATH], due[3 * PATH] = "";
  struct stat st;
  path_of(path, dir, "plan", "");
  if (stat(path, &st) || st.st_size == 0) return 0;
  path_of(lock, dir, "plan.lock", "");
  int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) fatal("%s: %s", lock, strerror(errno));
  lock_file(fd, LOCK_EX);
  FILE *f = fopen(path, "re");
  char *text = 0, *line = 0;
  size_t size = 0, cap = 0;
  FILE *left = must(open_memstream(&text, &size));
  while (f && getline(&line, &cap, f) > 0) {
    char ev[16], ns[PATH], k[16], act[16], arg[PATH] = "";
    if (*line == '\n') continue;
    if (sscanf(line, "%15s %1023s %15s %15s %1023s", ev, ns, k, act, arg) < 4) fatal("the plan says: %s", line);
    int meant = !strcmp(ev, event) && (!strcmp(ns, name) || !strcmp(ns, "*"));
    int each = !strcmp(k, "*"), n = atoi(k) - meant;
    if (meant && !*due && (each || n == 0)) {
      snprintf(due, sizeof due, "%s %s %s %s\n", event, name, act, arg);
      strcpy(action, act);
      strcpy(argument, arg);
      if (!each) continue;
    }
    if (each) fputs(line, left);
    else fprintf(left, "%s %s %d %s %s\n", ev, ns, n > 0 ? n : 1, act, arg);
  }
  if (f) fclose(f);
  fclose(left);
  free(line);
  f = fopen(path, "we");
  if (!f || fwrite(text, 1, size, f) != size || fclose(f)) fatal("%s: %s", path, strerror(errno));
  free(text);
  if (*due) {
    path_of(path, dir, "fired", "");
    f = fopen(path, "ae");
    if (!f || fputs(due, f) < 0 || fclose(f)) fatal("%s: %s", path, strerror(errno));
  }
  close(fd);
  return *due != 0;
}

/* meet lets happen what the plan has for an event, but for what the caller must do. */
static fault meet(const namespace *ns, const char *event) {
  static const struct {
    const char *action;
    fault fault;
  } faults[] = {{"conflict", CONFLICT},       {"untrue", UNTRUE}, {"ioerr", IOERR},     {"hangfail", IOERR},
                {"storeioerr", STORE_IOERR}, {"full", FULL},     {"abort", ABORT},     {"storeabort", STORE_ABORT},
                {"slow", NO_FAULT},           {"hang", NO_FAULT}};
  char action[16], argument[PATH];
  if (!take_line(ns->dir, event, ns->name, action, argument)) return NO_FAULT;
  if (!strcmp(action, "slow")) pause_ms(atoi(argument));
  if (!strncmp(action, "hang", 4)) {
    while (!access(argument, F_OK)) pause_ms(2);
  }
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
    if (strcmp(action, faults[i].action)) continue;
    if (faults[i].fault == ABORT) fatal("the plan says abort at a %s of %s", event, ns->name);
    return faults[i].fault;
  }
  fatal("the plan knows no action %s", action);
  return NO_FAULT;
}

/* --- connections --- */

typedef struct {
  sqlite3_file base;
  namespace *ns; /* 0 until the first lock */
  char dir[PATH], name[PATH];
  uint32_t size; /* of a page */
  int lock;
  int confirmed; /* SQLite says that what it has written is a transaction */
  int pinned;
  uint64_t pin;

  int in_tx;
  uint64_t version; /* that the transaction reads */
  uint64_t known;   /* the last that it has read or written */
  uint32_t ticks;   /* the file's change counter, as SQLite reads it */

  uint8_t **dirty; /* pages that the transaction has written, by number */
  uint32_t dirty_cap, dirty_n;
  uint32_t *read; /* by number: the transaction that has read it last */
  uint32_t read_cap, read_n, tx;

  place *cache; /* by number: which of its versions the connection has */
  uint32_t cache_cap;
  uint32_t *ring; /* the pages in it, the oldest at ring_at */
  uint32_t ring_n, ring_at, ring_max;
} conn;

/* first_page is what an empty namespace has: a database without tables. */
static void first_page(uint8_t *p, uint32_t size) {
  memset(p, 0, size);
  memcpy(p, "SQLite format 3", 16);
  p[16] = (uint8_t)(size >> 8);
  p[18] = p[19] = 1;
  p[21] = 64, p[22] = p[23] = 32;
  p[31] = 1; /* pages */
  p[47] = 4; /* schema format */
  p[59] = 1; /* UTF-8 */
  p[97] = 0x2e, p[98] = 0x76, p[99] = 0x81; /* SQLite 3.45.1 */
  p[100] = 13;
  p[105] = (uint8_t)(size >> 8);
}

static void cached(conn *c, uint32_t page, place where) {
  c->cache = grow(c->cache, &c->cache_cap, page, sizeof *c->cache);
  if (!c->cache[page].version && c->ring_max > 0) {
    if (c->ring_n == c->ring_max) c->cache[c->ring[c->ring_at]].version = 0;
    else c->ring_n++;
    c->ring[c->ring_at] = page;
    c->ring_at = (c->ring_at + 1) % c->ring_max;
  }
  if (c->ring_max > 0) c->cache[page] = where;
}

enum { stale = 1 }; /* a version that no commit has */

static int has(const conn *c, uint32_t page, place where) {
  return page < c->cache_cap && c->cache[page].version && c->cache[page].version == where.version;
}

static uint8_t *dirty(const conn *c, uint32_t page) { return page < c->dirty_cap ? c->dirty[page] : 0; }

static void mark_read(conn *c, uint32_t page) {
  c->read = grow(c->read, &c->read_cap, page, sizeof *c->read);
  if (c->read[page] == c->tx) return;
  c->read[page] = c->tx;
  c->read_n++;
}

/* stored returns where a page stands that the transaction has not written. */
static place stored(conn *c, uint32_t page) {
  pthread_mutex_lock(&c->ns->lock);
  place where = find(c->ns, page, c->version);
  if (where.version && c->ns->page_size != c->size) where.at = -1;
  pthread_mutex_unlock(&c->ns->lock);
  return where;
}

/* fetch reads a page from the connection's cache, or from the server. */
static int fetch(conn *c, uint32_t page, place where, uint8_t *p) {
  if (where.at < 0) return SQLITE_IOERR_READ; /* of another size */
  if (has(c, page, where)) {
    count(c->ns, PAGES_CACHED, 1);
  } else {
    count(c->ns, PAGES_FETCHED, 1);
    fault f = meet(c->ns, "read");
    if (f != NO_FAULT) return f == FULL ? SQLITE_FULL : SQLITE_IOERR_READ;
    cached(c, page, where);
  }
  pread_all(c->ns->fd, p, c->size, where.at);
  return SQLITE_OK;
}

/* view fills p with a page as the transaction sees it. */
static int view(conn *c, uint32_t page, uint8_t *p) {
  if (dirty(c, page)) {
    memcpy(p, dirty(c, page), c->size);
    return SQLITE_OK;
  }
  place where = stored(c, page);
  if (where.version) return fetch(c, page, where, p);
  if (page > 0) fatal("%s: read of page %u, which does not exist", c->name, page + 1);
  first_page(p, c->size);
  return SQLITE_OK;
}

static void forget_writes(conn *c) {
  for (uint32_t i = 0; c->dirty_n > 0 && i < c->dirty_cap; i++) {
    if (!c->dirty[i]) continue;
    free(c->dirty[i]);
    c->dirty[i] = 0;
    c->dirty_n--;
  }
}

static int begin(conn *c) {
  if (!c->ns && !(c->ns = open_namespace(c->dir, c->name))) {
    fprintf(stderr, "mvsim: there is no namespace %s\n", c->name);
    return SQLITE_IOERR_LOCK;
  }
  count(c->ns, BEGINS, 1);
  if (meet(c->ns, "begin") != NO_FAULT) return SQLITE_IOERR_LOCK;
  pthread_mutex_lock(&c->ns->lock);
  lock_file(c->ns->fd, LOCK_SH);
  extend(c->ns);
  lock_file(c->ns->fd, LOCK_UN);
  c->version = c->pinned ? c->pin : c->ns->last;
  pthread_mutex_unlock(&c->ns->lock);
  c->known = c->version;
  c->in_tx = 1;
  c->tx++;
  c->read_n = 0;
  c->ticks += 2; /* SQLite itself adds one to it when it writes */
  return SQLITE_OK;
}

/* conflicts says whether somebody has committed what the transaction has read or
 * written since it began. The caller holds the namespace's lock. */
static int conflicts(const conn *c) {
  const namespace *ns = c->ns;
  if (ns->last == c->version) return 0;
  if (c->read_n > MAX_READ_SET || c->dirty_n >= MAX_WRITE_SET) return 1;
  for (uint32_t i = 0; i < ns->cap; i++) {
    int touched = dirty(c, i) || (i < c->read_cap && c->read[i] == c->tx);
    if (touched && ns->pages[i].n && ns->pages[i].v[ns->pages[i].n - 1].version > c->version) return 1;
  }
  return 0;
}

static void write_all(int fd, const void *p, size_t n, off_t at) {
  while (n > 0) {
    ssize_t put = pwrite(fd, p, n, at);
    if (put < 0) fatal("write to a namespace: %s", strerror(errno));
    p = (const char *)p + put, n -= (size_t)put, at += put;
  }
}

/* append stores what the transaction has written as one record. */
static void append(conn *c) {
  namespace *ns = c->ns;
  uint64_t now = now_us();
  header h = {record_magic, now > ns->last ? now : ns->last + 1, c->size, c->dirty_n};
  uint8_t *record = must(malloc((size_t)size_of(&h)));
  memcpy(record, &h, sizeof h);
  uint8_t *number = record + sizeof h, *page = number + (size_t)h.pages * 4;
  for (uint32_t i = 0; i < c->dirty_cap; i++) {
    if (!c->dirty[i]) continue;
    memcpy(number, &i, 4);
    memcpy(page, c->dirty[i], c->size);
    number += 4, page += c->size;
  }
  memcpy(page, &h.version, 8);
  if (ftruncate(ns->fd, ns->end)) fatal("%s: %s", ns->path, strerror(errno));
  write_all(ns->fd, record, (size_t)size_of(&h), ns->end);
  free(record);
  extend(ns);
  for (uint32_t i = 0; i < c->dirty_cap; i++) {
    if (c->dirty[i]) cached(c, i, find(ns, i, h.version));
  }
  c->version = c->known = h.version;
  count(ns, COMMITS, 1);
  count(ns, PAGES_WRITTEN, h.pages);
  __atomic_store_n(&ns->stats[PAGES_OF_LAST_COMMIT], h.pages, __ATOMIC_RELAXED);
}

/* store stores the transaction and returns 1, unless it conflicts. */
static int store(conn *c) {
  pthread_mutex_lock(&c->ns->lock);
  lock_file(c->ns->fd, LOCK_EX);
  extend(c->ns);
  int ok = !conflicts(c);
  if (ok) append(c);
  else count(c->ns, CONFLICTS, 1);
  lock_file(c->ns->fd, LOCK_UN);
  pthread_mutex_unlock(&c->ns->lock);
  return ok;
}

static int commit(conn *c) {
  if (c->dirty_n > MAX_COMMIT) fatal("a commit of %u pages: %u are the most", c->dirty_n, MAX_COMMIT);
  fault f = meet(c->ns, "commit");
  switch (f) {
  case CONFLICT: return SQLITE_BUSY;
  case IOERR: return SQLITE_IOERR_UNLOCK;
  case FULL: return SQLITE_FULL;
  default: break;
  }
  if (!store(c)) return SQLITE_BUSY;
  switch (f) {
  case UNTRUE: return SQLITE_BUSY;
  case STORE_IOERR: return SQLITE_IOERR_UNLOCK;
  case STORE_ABORT: fatal("the plan says abort after a commit to %s", c->name); return SQLITE_ABORT;
  default: return SQLITE_OK;
  }
}

/* finish ends the writing part of a transaction. After anything but a commit that
 * went well nothing can be read until it is rolled back, as mvSQLite has it, and
 * what was written is no longer cached. */
static int finish(conn *c) {
  int rc = SQLITE_OK, keep = c->confirmed && !c->pinned;
  c->confirmed = 0;
  if (keep && c->dirty_n > 0) rc = commit(c);
  if (!keep || rc != SQLITE_OK) {
    c->in_tx = 0;
    for (uint32_t i = 0; i < c->cache_cap; i++) {
      if (dirty(c, i) && c->cache[i].version) c->cache[i].version = stale;
    }
  }
  forget_writes(c);
  return rc;
}

/* --- the files of SQLite --- */

static int c_close(sqlite3_file *f) {
  conn *c = (conn *)f;
  forget_writes(c);
  free(c->dirty);
  free(c->read);
  free(c->cache);
  free(c->ring);
  return SQLITE_OK;
}

static int c_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at) {
  conn *c = (conn *)f;
  uint8_t *page = must(malloc(c->size));
  uint32_t number = (uint32_t)(at / c->size), off = (uint32_t)(at % c->size);
  int rc = SQLITE_OK;
  if (off + (uint32_t)n > c->size) fatal("%s: a read over pages", c->name);
  if (!c->in_tx) {
    if (number) fatal("%s: read of page %u outside of a transaction: after BUSY there must be a ROLLBACK", c->name, number + 1);
    first_page(page, c->size);
  } else {
    mark_read(c, number);
    rc = view(c, number, page);
    if (number == 0) {
      for (int i = 0; i < 4; i++) page[24 + i] = page[92 + i] = (uint8_t)(c->ticks >> (24 - 8 * i));
    }
  }
  if (rc == SQLITE_OK) memcpy(p, page + off, (size_t)n);
  free(page);
  return rc;
}

/* unchanged says whether a write leaves a page as the transaction sees it. What the
 * connection has not got counts as changed. */
static int unchanged(conn *c, uint32_t page, const uint8_t *p) {
  uint8_t *was = dirty(c, page);
  if (was) return !memcmp(p, was, c->size);
  place where = stored(c, page);
  if (!where.version || !has(c, page, where)) return 0;
  was = must(malloc(c->size));
  pread_all(c->ns->fd, was, c->size, where.at);
  int same = !memcmp(p, was, c->size);
  free(was);
  return same;
}

static int c_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at) {
  conn *c = (conn *)f;
  uint32_t number = (uint32_t)(at / c->size);
  if (!c->in_tx) fatal("%s: a write outside of a transaction", c->name);
  if (at % c->size || (uint32_t)n != c->size) fatal("%s: a write that is not one page: the page size can't be changed", c->name);
  uint8_t *page = must(malloc(c->size));
  memcpy(page, p, c->size);
  if (number == 0) {
    if (((uint32_t)page[16] << 8 | page[17]) != c->size) fatal("%s: the page size can't be changed", c->name);
    if (page[18] == 2 || page[19] == 2) fatal("%s: there is no WAL mode", c->name);
    memset(page + 24, 0, 4);
    memset(page + 92, 0, 4);
  }
  if (unchanged(c, number, page)) {
    free(page);
    return SQLITE_OK;
  }
  c->dirty = grow(c->dirty, &c->dirty_cap, number, sizeof *c->dirty);
  c->dirty_n += !c->dirty[number];
  free(c->dirty[number]);
  c->dirty[number] = page;
  return SQLITE_OK;
}

static int c_truncate(sqlite3_file *f, sqlite3_int64 n) { return (void)f, (void)n, SQLITE_OK; }
static int c_sync(sqlite3_file *f, int flags) { return (void)f, (void)flags, SQLITE_OK; }

static int c_size(sqlite3_file *f, sqlite3_int64 *n) {
  conn *c = (conn *)f;
  *n = c->size;
  if (!c->in_tx) return SQLITE_OK;
  uint8_t pages[4];
  if (c_read(f, pages, 4, 28)) return SQLITE_IOERR_FSTAT;
  *n = (sqlite3_int64)((uint32_t)pages[0] << 24 | (uint32_t)pages[1] << 16 | (uint32_t)pages[2] << 8 | pages[3]) * c->size;
  return SQLITE_OK;
}

static int c_lock(sqlite3_file *f, int level) {
  conn *c = (conn *)f;
  if (!c->in_tx && c->lock != level) {
    int rc = begin(c);
    if (rc) return rc;
  }
  c->lock = level;
  return SQLITE_OK;
}

static int c_unlock(sqlite3_file *f, int level) {
  conn *c = (conn *)f;
  int was = c->lock, rc = SQLITE_OK;
  c->lock = level;
  if (was >= SQLITE_LOCK_RESERVED && level < SQLITE_LOCK_RESERVED) rc = finish(c);
  if (level == SQLITE_LOCK_NONE) c->in_tx = 0;
  return rc;
}

static int c_reserved(sqlite3_file *f, int *r) { return (void)f, *r = 0, SQLITE_OK; }

static int c_control(sqlite3_file *f, int op, void *p) {
  conn *c = (conn *)f;
  switch (op) {
  case SQLITE_FCNTL_COMMIT_PHASETWO:
    if (c->confirmed) fatal("%s: two commits in one transaction: locking_mode must be normal", c->name);
    c->confirmed = c->lock >= SQLITE_LOCK_RESERVED;
    return SQLITE_OK;
  case SQLITE_FCNTL_VFSNAME:
    *(char **)p = sqlite3_mprintf("mvsqlite");
    return SQLITE_OK;
  default:
    return SQLITE_NOTFOUND;
  }
}

static int c_sector(sqlite3_file *f) { return (int)((conn *)f)->size; }
static int c_device(sqlite3_file *f) { return (void)f, SQLITE_IOCAP_POWERSAFE_OVERWRITE; }

static const sqlite3_io_methods conn_methods = {
    .iVersion = 2, .xClose = c_close, .xRead = c_read, .xWrite = c_write, .xTruncate = c_truncate, .xSync = c_sync,
    .xFileSize = c_size, .xLock = c_lock, .xUnlock = c_unlock, .xCheckReservedLock = c_reserved, .xFileControl = c_control,
    .xSectorSize = c_sector, .xDeviceCharacteristics = c_device};

/* Journals and temporary files are in memory. */
typedef struct {
  sqlite3_file base;
  uint8_t *data;
  sqlite3_int64 size, cap;
} memory;

static int m_close(sqlite3_file *f) { return free(((memory *)f)->data), SQLITE_OK; }

static int m_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at) {
  memory *m = (memory *)f;
  sqlite3_int64 have = m->size > at ? m->size - at : 0;
  if (have > n) have = n;
  if (have) memcpy(p, m->data + at, (size_t)have);
  memset((char *)p + have, 0, (size_t)(n - have));
  return have < n ? SQLITE_IOERR_SHORT_READ : SQLITE_OK;
}

static int m_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at) {
  memory *m = (memory *)f;
  if (at + n > m->cap) {
    m->cap = (at + n) * 2;
    m->data = must(realloc(m->data, (size_t)m->cap));
  }
  if (at > m->size) memset(m->data + m->size, 0, (size_t)(at - m->size));
  memcpy(m->data + at, p, (size_t)n);
  if (at + n > m->size) m->size = at + n;
  return SQLITE_OK;
}

static int m_truncate(sqlite3_file *f, sqlite3_int64 n) {
  memory *m = (memory *)f;
  if (n < m->size) m->size = n;
  return SQLITE_OK;
}

static int m_size(sqlite3_file *f, sqlite3_int64 *n) { return *n = ((memory *)f)->size, SQLITE_OK; }
static int m_lock(sqlite3_file *f, int level) { return (void)f, (void)level, SQLITE_OK; }
static int m_control(sqlite3_file *f, int op, void *p) { return (void)f, (void)op, (void)p, SQLITE_NOTFOUND; }
static int m_sector(sqlite3_file *f) { return (void)f, 4096; }

static const sqlite3_io_methods memory_methods = {
    .iVersion = 1, .xClose = m_close, .xRead = m_read, .xWrite = m_write, .xTruncate = m_truncate, .xSync = c_sync,
    .xFileSize = m_size, .xLock = m_lock, .xUnlock = m_lock, .xCheckReservedLock = c_reserved, .xFileControl = m_control,
    .xSectorSize = m_sector, .xDeviceCharacteristics = c_device};

/* --- the file system --- */

static sqlite3_vfs *local; /* the default one before */

static uint32_t page_size(const sqlite3_vfs *vfs) {
  const char *s = getenv("MVSQLITE_SECTOR_SIZE");
  long n = vfs->pAppData ? (long)(intptr_t)vfs->pAppData : s ? strtol(s, 0, 10) : 8192;
  if (n != 4096 && n != 8192 && n != 16384 && n != 32768) fatal("MVSQLITE_SECTOR_SIZE is %ld", n);
  return (uint32_t)n;
}

/* pin_to reads a version of 20 hexadecimal digits, of which the last four are 0. */
static void pin_to(conn *c, const char *version) {
  char *end;
  if (strlen(version) != 20 || strspn(version, "0123456789abcdefABCDEF") != 20) {
    fprintf(stderr, "mvsim: the version %s is malformed, and mvSQLite would hang for ever\n", version);
    for (;;) pause();
  }
  char head[17];
  snprintf(head, sizeof head, "%s", version);
  c->pin = strtoull(head, &end, 16);
  c->pinned = 1;
}

static int v_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *out, int flags, int *out_flags) {
  if (out_flags) *out_flags = flags;
  if (!(flags & SQLITE_OPEN_MAIN_DB)) {
    memset(out, 0, sizeof(memory));
    out->pMethods = &memory_methods;
    return SQLITE_OK;
  }
  const char *dir = getenv("MVSIM_DIR"), *cache = getenv("MVSQLITE_PAGE_CACHE_SIZE");
  if (!getenv("MVSQLITE_DATA_PLANE")) fatal("MVSQLITE_DATA_PLANE is not set");
  if (!dir) fatal("MVSIM_DIR is not set");
  conn *c = (conn *)out;
  memset(c, 0, sizeof *c);
  c->size = page_size(vfs);
  c->ring_max = cache ? (uint32_t)strtoul(cache, 0, 10) : 5000;
  c->ring = must(calloc(c->ring_max + 1, sizeof *c->ring));
  snprintf(c->dir, PATH, "%s", dir);
  while (*name == '/') name++;
  snprintf(c->name, PATH, "%s", name);
  char *at = strchr(c->name, '@');
  if (at) {
    *at++ = 0;
    if (*at) pin_to(c, at);
  }
  c->base.pMethods = &conn_methods;
  return SQLITE_OK;
}

static int v_delete(sqlite3_vfs *vfs, const char *name, int sync) { return (void)vfs, (void)name, (void)sync, SQLITE_OK; }
static int v_access(sqlite3_vfs *vfs, const char *name, int flags, int *out) { return (void)vfs, (void)name, (void)flags, *out = 0, SQLITE_OK; }
static int v_path(sqlite3_vfs *vfs, const char *name, int n, char *out) { return (void)vfs, sqlite3_snprintf(n, out, "%s", name), SQLITE_OK; }
static void *v_dlopen(sqlite3_vfs *vfs, const char *name) { return (void)vfs, local->xDlOpen(local, name); }
static void v_dlerror(sqlite3_vfs *vfs, int n, char *out) { (void)vfs, local->xDlError(local, n, out); }
static void (*v_dlsym(sqlite3_vfs *vfs, void *lib, const char *name))(void) { return (void)vfs, local->xDlSym(local, lib, name); }
static void v_dlclose(sqlite3_vfs *vfs, void *lib) { (void)vfs, local->xDlClose(local, lib); }
static int v_random(sqlite3_vfs *vfs, int n, char *out) { return (void)vfs, local->xRandomness(local, n, out); }
static int v_sleep(sqlite3_vfs *vfs, int us) { return (void)vfs, local->xSleep(local, us); }
static int v_time(sqlite3_vfs *vfs, double *out) { return (void)vfs, local->xCurrentTime(local, out); }
static int v_error(sqlite3_vfs *vfs, int n, char *out) { return (void)vfs, local->xGetLastError(local, n, out); }
static int v_time64(sqlite3_vfs *vfs, sqlite3_int64 *out) { return (void)vfs, local->xCurrentTimeInt64(local, out); }

static int register_all(int as_default) {
  static const char *names[] = {"mvsqlite-4096", "mvsqlite-8192", "mvsqlite-16384", "mvsqlite-32768", "mvsqlite"};
  static const int sizes[] = {4096, 8192, 16384, 32768, 0};
  static sqlite3_vfs vfs[5];
  if (local) return SQLITE_OK;
  local = sqlite3_vfs_find(0);
  int rc = SQLITE_OK;
  for (int i = 0; i < 5 && rc == SQLITE_OK; i++) {
    vfs[i] = (sqlite3_vfs){.iVersion = 2, .szOsFile = sizeof(conn), .mxPathname = PATH - 16, .zName = names[i],
                           .pAppData = (void *)(intptr_t)sizes[i], .xOpen = v_open, .xDelete = v_delete, .xAccess = v_access,
                           .xFullPathname = v_path, .xDlOpen = v_dlopen, .xDlError = v_dlerror, .xDlSym = v_dlsym,
                           .xDlClose = v_dlclose, .xRandomness = v_random, .xSleep = v_sleep, .xCurrentTime = v_time,
                           .xGetLastError = v_error, .xCurrentTimeInt64 = v_time64};
    rc = sqlite3_vfs_register(&vfs[i], as_default && !sizes[i]);
  }
  return rc;
}

/* --- the SQL functions --- */

/* connection returns a database's connection. On one of another file system mvSQLite's
 * functions crash. */
static conn *connection(sqlite3_context *ctx, sqlite3_value *name) {
  sqlite3_file *f = 0;
  int rc = sqlite3_file_control(sqlite3_context_db_handle(ctx), (const char *)sqlite3_value_text(name), SQLITE_FCNTL_FILE_POINTER, &f);
  if (rc || !f || f->pMethods != &conn_methods) {
    fprintf(stderr, "mvsim: mv_*() on a database that is not mvSQLite's\n");
    raise(SIGSEGV);
  }
  return (conn *)f;
}

static void answer_version(sqlite3_context *ctx, uint64_t version) {
  char text[32];
  snprintf(text, sizeof text, "%016llx0000", (unsigned long long)version);
  sqlite3_result_text(ctx, text, -1, SQLITE_TRANSIENT);
}

static void last_known_version(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  (void)argc;
  conn *c = connection(ctx, argv[0]);
  if (c->known) answer_version(ctx, c->known);
}

static void time2version(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  (void)argc;
  conn *c = connection(ctx, argv[0]);
  uint64_t at = (uint64_t)sqlite3_value_int64(argv[1]) * 1000000;
  at = at ? at - at % 5000000 : now_us();
  if (c->ns && c->ns->first && c->ns->first <= at) answer_version(ctx, at);
}

static void pin_version(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  conn *c = connection(ctx, argv[0]);
  if (!sqlite3_get_autocommit(sqlite3_context_db_handle(ctx)) || c->in_tx) {
    sqlite3_result_error(ctx, "a version can't be pinned within a transaction", -1);
  } else if (argc == 2) {
    pin_to(c, (const char *)sqlite3_value_text(argv[1]));
  } else {
    c->pinned = 0;
  }
}

#ifdef MVSIM_EXTENSION
#define API const sqlite3_api_routines
#else
#define API void
#endif

static int add_functions(sqlite3 *db, char **err, API *api) {
  (void)err, (void)api;
  int flags = SQLITE_UTF8 | SQLITE_DIRECTONLY;
  int rc = sqlite3_create_function(db, "mv_last_known_version", 1, flags, 0, last_known_version, 0, 0);
  if (!rc) rc = sqlite3_create_function(db, "mv_time2version", 2, flags, 0, time2version, 0, 0);
  if (!rc) rc = sqlite3_create_function(db, "mv_pin_version", 2, flags, 0, pin_version, 0, 0);
  return rc ? rc : sqlite3_create_function(db, "mv_unpin_version", 1, flags, 0, pin_version, 0, 0);
}

#ifdef MVSIM_EXTENSION

int sqlite3_mvsim_init(sqlite3 *db, char **err, const sqlite3_api_routines *api) {
  SQLITE_EXTENSION_INIT2(api);
  int rc = register_all(0);
  if (!rc) rc = sqlite3_auto_extension((void (*)(void))add_functions);
  if (!rc) rc = add_functions(db, err, api);
  return rc ? rc : SQLITE_OK_LOAD_PERMANENTLY;
}

#else

static void *next(const char *name) { return must(dlsym(RTLD_NEXT, name)); }

static void set_up(void) {
  int rc = register_all(1);
  if (!rc) rc = sqlite3_auto_extension((void (*)(void))add_functions);
  if (rc) fatal("register: %d", rc);
}

int sqlite3_open_v2(const char *name, sqlite3 **out, int flags, const char *vfs) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, set_up);
  return ((int (*)(const char *, sqlite3 **, int, const char *))next("sqlite3_open_v2"))(name, out, flags, vfs);
}

int sqlite3_open(const char *name, sqlite3 **out) {
  return sqlite3_open_v2(name, out, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, 0);
}

int sqlite3_step(sqlite3_stmt *s) {
  static int (*step)(sqlite3_stmt *);
  if (!step) step = (int (*)(sqlite3_stmt *))next("sqlite3_step");
  sqlite3 *db = sqlite3_db_handle(s);
  int alone = db && sqlite3_get_autocommit(db), rc;
  while ((rc = step(s)) == SQLITE_BUSY && alone) {
    sqlite3_file *f = 0;
    if (sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &f) || !f || f->pMethods != &conn_methods) {
      fprintf(stderr, "mvsim: BUSY outside of a transaction, of a database that is not mvSQLite's\n");
      raise(SIGSEGV);
    }
    pause_ms(100);
  }
  return rc;
}

#endif
