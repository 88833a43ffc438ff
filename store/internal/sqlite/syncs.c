#include "syncs.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

/* The parts of sqlite3.h that a VFS is made of; SQLite promises not to change
 * them. Symbols are weak for the reason that bridge.h gives. */
typedef int64_t sqlite3_int64;
typedef struct sqlite3_vfs sqlite3_vfs;
typedef struct sqlite3_file sqlite3_file;
typedef struct sqlite3_io_methods sqlite3_io_methods;
typedef void (*sqlite3_syscall_ptr)(void);

struct sqlite3_file {
  const sqlite3_io_methods *pMethods;
};

struct sqlite3_io_methods {
  int iVersion;
  int (*xClose)(sqlite3_file *);
  int (*xRead)(sqlite3_file *, void *, int, sqlite3_int64);
  int (*xWrite)(sqlite3_file *, const void *, int, sqlite3_int64);
  int (*xTruncate)(sqlite3_file *, sqlite3_int64);
  int (*xSync)(sqlite3_file *, int);
  int (*xFileSize)(sqlite3_file *, sqlite3_int64 *);
  int (*xLock)(sqlite3_file *, int);
  int (*xUnlock)(sqlite3_file *, int);
  int (*xCheckReservedLock)(sqlite3_file *, int *);
  int (*xFileControl)(sqlite3_file *, int, void *);
  int (*xSectorSize)(sqlite3_file *);
  int (*xDeviceCharacteristics)(sqlite3_file *);
  int (*xShmMap)(sqlite3_file *, int, int, int, void volatile **); /* from version 2 on */
  int (*xShmLock)(sqlite3_file *, int, int, int);
  void (*xShmBarrier)(sqlite3_file *);
  int (*xShmUnmap)(sqlite3_file *, int);
  int (*xFetch)(sqlite3_file *, sqlite3_int64, int, void **); /* from version 3 on */
  int (*xUnfetch)(sqlite3_file *, sqlite3_int64, void *);
};

struct sqlite3_vfs {
  int iVersion, szOsFile, mxPathname;
  sqlite3_vfs *pNext;
  const char *zName;
  void *pAppData;
  int (*xOpen)(sqlite3_vfs *, const char *, sqlite3_file *, int, int *);
  int (*xDelete)(sqlite3_vfs *, const char *, int);
  int (*xAccess)(sqlite3_vfs *, const char *, int, int *);
  int (*xFullPathname)(sqlite3_vfs *, const char *, int, char *);
  void *(*xDlOpen)(sqlite3_vfs *, const char *);
  void (*xDlError)(sqlite3_vfs *, int, char *);
  void (*(*xDlSym)(sqlite3_vfs *, void *, const char *))(void);
  void (*xDlClose)(sqlite3_vfs *, void *);
  int (*xRandomness)(sqlite3_vfs *, int, char *);
  int (*xSleep)(sqlite3_vfs *, int);
  int (*xCurrentTime)(sqlite3_vfs *, double *);
  int (*xGetLastError)(sqlite3_vfs *, int, char *);
  int (*xCurrentTimeInt64)(sqlite3_vfs *, sqlite3_int64 *); /* from version 2 on */
  int (*xSetSystemCall)(sqlite3_vfs *, const char *, sqlite3_syscall_ptr);
  sqlite3_syscall_ptr (*xGetSystemCall)(sqlite3_vfs *, const char *);
  const char *(*xNextSystemCall)(sqlite3_vfs *, const char *);
};

#define SQL __attribute__((weak)) extern
SQL sqlite3_vfs *sqlite3_vfs_find(const char *);
SQL int sqlite3_vfs_register(sqlite3_vfs *, int);
SQL sqlite3_int64 sqlite3_uri_int64(const char *, const char *, sqlite3_int64);

enum { SQLITE_OPEN_MAIN_DB = 0x100, SQLITE_OPEN_WAL = 0x80000 };

/* --- where is counted --- */

typedef struct {
  atomic_uint_fast64_t count, nanos, buckets[FH_SYNC_BUCKETS];
} counter;

enum { PLACES = 256 };

static struct {
  atomic_int taken;
  int shim; /* the VFS that counts there */
  counter of[FH_SYNC_FILES];
} places[PLACES];

static void count(counter *c, uint64_t nanos) {
  atomic_fetch_add(&c->count, 1);
  atomic_fetch_add(&c->nanos, nanos);
  uint64_t end = 125000;
  for (int i = 0; i < FH_SYNC_BUCKETS; i++, end <<= 1) {
    if (nanos > end) continue;
    atomic_fetch_add(&c->buckets[i], 1);
    return;
  }
}

void fh_syncs_read(int place, int file, fh_sync_times *into) {
  counter *c = &places[place].of[file];
  into->count = atomic_load(&c->count);
  into->nanos = atomic_load(&c->nanos);
  for (int i = 0; i < FH_SYNC_BUCKETS; i++) into->buckets[i] = atomic_load(&c->buckets[i]);
}

/* --- files --- */

/* A file is ours, and behind it in the same memory the real one. */
typedef struct {
  sqlite3_file base;
  counter *counter; /* 0: its syncs are not counted */
} file;

static sqlite3_file *real(sqlite3_file *f) { return (sqlite3_file *)((file *)f + 1); }

#define REAL(f, method) real(f)->pMethods->method
static int f_close(sqlite3_file *f) { return REAL(f, xClose)(real(f)); }
static int f_read(sqlite3_file *f, void *to, int n, sqlite3_int64 at) { return REAL(f, xRead)(real(f), to, n, at); }
static int f_write(sqlite3_file *f, const void *from, int n, sqlite3_int64 at) { return REAL(f, xWrite)(real(f), from, n, at); }
static int f_truncate(sqlite3_file *f, sqlite3_int64 n) { return REAL(f, xTruncate)(real(f), n); }
static int f_size(sqlite3_file *f, sqlite3_int64 *n) { return REAL(f, xFileSize)(real(f), n); }
static int f_lock(sqlite3_file *f, int how) { return REAL(f, xLock)(real(f), how); }
static int f_unlock(sqlite3_file *f, int how) { return REAL(f, xUnlock)(real(f), how); }
static int f_reserved(sqlite3_file *f, int *is) { return REAL(f, xCheckReservedLock)(real(f), is); }
static int f_control(sqlite3_file *f, int op, void *arg) { return REAL(f, xFileControl)(real(f), op, arg); }
static int f_sector(sqlite3_file *f) { return REAL(f, xSectorSize)(real(f)); }
static int f_device(sqlite3_file *f) { return REAL(f, xDeviceCharacteristics)(real(f)); }
static int f_shm_map(sqlite3_file *f, int i, int n, int extend, void volatile **to) { return REAL(f, xShmMap)(real(f), i, n, extend, to); }
static int f_shm_lock(sqlite3_file *f, int at, int n, int flags) { return REAL(f, xShmLock)(real(f), at, n, flags); }
static void f_shm_barrier(sqlite3_file *f) { REAL(f, xShmBarrier)(real(f)); }
static int f_shm_unmap(sqlite3_file *f, int remove) { return REAL(f, xShmUnmap)(real(f), remove); }
static int f_fetch(sqlite3_file *f, sqlite3_int64 at, int n, void **to) { return REAL(f, xFetch)(real(f), at, n, to); }
static int f_unfetch(sqlite3_file *f, sqlite3_int64 at, void *p) { return REAL(f, xUnfetch)(real(f), at, p); }

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* f_sync counts a sync that fails, too: it has taken its time. */
static int f_sync(sqlite3_file *f, int flags) {
  counter *c = ((file *)f)->counter;
  if (!c) return REAL(f, xSync)(real(f), flags);
  uint64_t began = now();
  int rc = REAL(f, xSync)(real(f), flags);
  count(c, now() - began);
  return rc;
}

/* A file can't do more than the real one: SQLite asks the version. */
#define METHODS(version)                                                                                                     \
  {                                                                                                                          \
    version, f_close, f_read, f_write, f_truncate, f_sync, f_size, f_lock, f_unlock, f_reserved, f_control, f_sector,        \
        f_device, f_shm_map, f_shm_lock, f_shm_barrier, f_shm_unmap, f_fetch, f_unfetch                                      \
  }
static const sqlite3_io_methods methods[] = {METHODS(1), METHODS(2), METHODS(3)};

/* --- the VFS --- */

static sqlite3_vfs *real_vfs(sqlite3_vfs *v) { return v->pAppData; }

#define VFS(v, method) real_vfs(v)->method
static int v_delete(sqlite3_vfs *v, const char *name, int sync) { return VFS(v, xDelete)(real_vfs(v), name, sync); }
static int v_access(sqlite3_vfs *v, const char *name, int flags, int *can) { return VFS(v, xAccess)(real_vfs(v), name, flags, can); }
static int v_full(sqlite3_vfs *v, const char *name, int n, char *to) { return VFS(v, xFullPathname)(real_vfs(v), name, n, to); }
static void *v_dlopen(sqlite3_vfs *v, const char *name) { return VFS(v, xDlOpen)(real_vfs(v), name); }
static void v_dlerror(sqlite3_vfs *v, int n, char *to) { VFS(v, xDlError)(real_vfs(v), n, to); }
static void (*v_dlsym(sqlite3_vfs *v, void *h, const char *name))(void) { return VFS(v, xDlSym)(real_vfs(v), h, name); }
static void v_dlclose(sqlite3_vfs *v, void *h) { VFS(v, xDlClose)(real_vfs(v), h); }
static int v_random(sqlite3_vfs *v, int n, char *to) { return VFS(v, xRandomness)(real_vfs(v), n, to); }
static int v_sleep(sqlite3_vfs *v, int micros) { return VFS(v, xSleep)(real_vfs(v), micros); }
static int v_time(sqlite3_vfs *v, double *t) { return VFS(v, xCurrentTime)(real_vfs(v), t); }
static int v_error(sqlite3_vfs *v, int n, char *to) { return VFS(v, xGetLastError)(real_vfs(v), n, to); }
static int v_time64(sqlite3_vfs *v, sqlite3_int64 *t) { return VFS(v, xCurrentTimeInt64)(real_vfs(v), t); }

/* place_of returns where a file's syncs are counted. Whoever asks for a place
 * that there is not gets none. */
static counter *place_of(const char *name, int flags) {
  if (!name || !(flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL))) return 0;
  sqlite3_int64 place = sqlite3_uri_int64(name, "syncs", -1);
  if (place < 0 || place >= PLACES || !atomic_load(&places[place].taken)) return 0;
  return &places[place].of[flags & SQLITE_OPEN_WAL ? FH_SYNC_WAL : FH_SYNC_DATABASE];
}

static int v_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *got) {
  file *ours = (file *)f;
  memset(ours, 0, sizeof *ours);
  int rc = VFS(v, xOpen)(real_vfs(v), name, real(f), flags, got);
  if (!real(f)->pMethods) return rc;
  int version = real(f)->pMethods->iVersion;
  ours->base.pMethods = &methods[version > 3 ? 2 : version - 1];
  ours->counter = place_of(name, flags);
  return rc;
}

/* One for each VFS that has been the default when somebody began to count: a
 * program may make another one that. */
enum { SHIMS = 8 };
static const char *const names[SHIMS] = {"framehub-syncs-0", "framehub-syncs-1", "framehub-syncs-2", "framehub-syncs-3",
                                         "framehub-syncs-4", "framehub-syncs-5", "framehub-syncs-6", "framehub-syncs-7"};
static sqlite3_vfs shims[SHIMS];
static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;

/* shim_of returns the number of the shim over a VFS, -1 where there is no room. */
static int shim_of(sqlite3_vfs *usual) {
  for (int i = 0; usual && i < SHIMS; i++) {
    sqlite3_vfs *v = &shims[i];
    if (v->pAppData == usual) return i;
    if (v->pAppData) continue;
    *v = (sqlite3_vfs){
        .iVersion = usual->iVersion > 2 ? 2 : usual->iVersion, /* system calls are for tests of SQLite's own */
        .szOsFile = (int)sizeof(file) + usual->szOsFile, .mxPathname = usual->mxPathname, .zName = names[i], .pAppData = usual,
        .xOpen = v_open, .xDelete = v_delete, .xAccess = v_access, .xFullPathname = v_full,
        .xDlOpen = v_dlopen, .xDlError = v_dlerror, .xDlSym = v_dlsym, .xDlClose = v_dlclose, .xRandomness = v_random,
        .xSleep = v_sleep, .xCurrentTime = v_time, .xGetLastError = v_error, .xCurrentTimeInt64 = v_time64,
    };
    sqlite3_vfs_register(v, 0);
    return i;
  }
  return -1;
}

int fh_syncs_open(void) {
  pthread_mutex_lock(&making);
  int shim = shim_of(sqlite3_vfs_find(0));
  pthread_mutex_unlock(&making);
  for (int i = 0; shim >= 0 && i < PLACES; i++) {
    int untaken = 0;
    if (!atomic_compare_exchange_strong(&places[i].taken, &untaken, 1)) continue;
    memset(places[i].of, 0, sizeof places[i].of);
    places[i].shim = shim;
    return i;
  }
  return -1;
}

const char *fh_syncs_vfs(int place) { return names[places[place].shim]; }

void fh_syncs_close(int place) { atomic_store(&places[place].taken, 0); }
