/* A SQLite extension for tests: a file system whose calls fail when they are told
 * to. It becomes the default one; the SQL functions of the connection that loads
 * it control it. Compiled and loaded by storetest. */
#include <pthread.h>
#include <string.h>

#include "sqlite3ext.h"
SQLITE_EXTENSION_INIT1

enum { OP_WRITE = 1, OP_SYNC = 2, OP_TRUNCATE = 4, OP_READ = 8, OP_SHM = 16, OP_OPEN = 32 };

static struct {
  pthread_mutex_t lock;
  char path[1024]; /* files whose names contain this */
  int ops;         /* calls of these kinds */
  int skip;        /* so many of them go well first */
  int sticky;      /* all after the first fail too */
  int done;        /* the call does what it should, and fails then */
  int code;
  int seen, hits;
} plan = {.lock = PTHREAD_MUTEX_INITIALIZER};

static sqlite3_vfs *real_vfs;

typedef struct {
  sqlite3_file base;
  const char *name;
  sqlite3_file *real;
} file;

/* fault says whether a call is to fail: 0, or the code; *done as in plan. */
static int fault(const char *name, int op, int *done) {
  int code = 0;
  pthread_mutex_lock(&plan.lock);
  if ((plan.ops & op) && name && strstr(name, plan.path)) {
    if (plan.seen == plan.skip || (plan.sticky && plan.seen > plan.skip)) {
      code = plan.code;
      plan.hits++;
    }
    plan.seen++;
  }
  *done = plan.done;
  pthread_mutex_unlock(&plan.lock);
  return code;
}

#define REAL(f) (((file *)(f))->real)
#define CALL(f, op, call)                            \
  do {                                               \
    int done, code = fault(((file *)(f))->name, op, &done); \
    if (code && !done) return code;                  \
    int rc = (call);                                 \
    return rc ? rc : code;                           \
  } while (0)

static int f_close(sqlite3_file *f) { return REAL(f)->pMethods ? REAL(f)->pMethods->xClose(REAL(f)) : SQLITE_OK; }
static int f_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at) { CALL(f, OP_READ, REAL(f)->pMethods->xRead(REAL(f), p, n, at)); }
static int f_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at) { CALL(f, OP_WRITE, REAL(f)->pMethods->xWrite(REAL(f), p, n, at)); }
static int f_truncate(sqlite3_file *f, sqlite3_int64 n) { CALL(f, OP_TRUNCATE, REAL(f)->pMethods->xTruncate(REAL(f), n)); }
static int f_sync(sqlite3_file *f, int flags) { CALL(f, OP_SYNC, REAL(f)->pMethods->xSync(REAL(f), flags)); }
static int f_size(sqlite3_file *f, sqlite3_int64 *n) { return REAL(f)->pMethods->xFileSize(REAL(f), n); }
static int f_lock(sqlite3_file *f, int l) { return REAL(f)->pMethods->xLock(REAL(f), l); }
static int f_unlock(sqlite3_file *f, int l) { return REAL(f)->pMethods->xUnlock(REAL(f), l); }
static int f_reserved(sqlite3_file *f, int *r) { return REAL(f)->pMethods->xCheckReservedLock(REAL(f), r); }
static int f_control(sqlite3_file *f, int op, void *p) { return REAL(f)->pMethods->xFileControl(REAL(f), op, p); }
static int f_sector(sqlite3_file *f) { return REAL(f)->pMethods->xSectorSize(REAL(f)); }
static int f_device(sqlite3_file *f) { return REAL(f)->pMethods->xDeviceCharacteristics(REAL(f)); }
static int f_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **p) {
  CALL(f, OP_SHM, REAL(f)->pMethods->xShmMap(REAL(f), page, size, extend, p));
}
static int f_shm_lock(sqlite3_file *f, int at, int n, int flags) { return REAL(f)->pMethods->xShmLock(REAL(f), at, n, flags); }
static void f_shm_barrier(sqlite3_file *f) { REAL(f)->pMethods->xShmBarrier(REAL(f)); }
static int f_shm_unmap(sqlite3_file *f, int del) { return REAL(f)->pMethods->xShmUnmap(REAL(f), del); }

static const sqlite3_io_methods methods = {
    .iVersion = 2, .xClose = f_close, .xRead = f_read, .xWrite = f_write, .xTruncate = f_truncate, .xSync = f_sync,
    .xFileSize = f_size, .xLock = f_lock, .xUnlock = f_unlock, .xCheckReservedLock = f_reserved, .xFileControl = f_control,
    .xSectorSize = f_sector, .xDeviceCharacteristics = f_device, .xShmMap = f_shm_map, .xShmLock = f_shm_lock,
    .xShmBarrier = f_shm_barrier, .xShmUnmap = f_shm_unmap};

static int f_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *out, int flags, int *out_flags) {
  file *f = (file *)out;
  int done, code = fault(name, OP_OPEN, &done);
  (void)vfs;
  f->base.pMethods = 0;
  if (code) return code;
  f->name = name; /* SQLite keeps it as long as the file is open */
  f->real = (sqlite3_file *)(f + 1);
  int rc = real_vfs->xOpen(real_vfs, name, f->real, flags, out_flags);
  if (f->real->pMethods) f->base.pMethods = &methods;
  return rc;
}

static void set_plan(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  (void)argc;
  pthread_mutex_lock(&plan.lock);
  sqlite3_snprintf(sizeof plan.path, plan.path, "%s", sqlite3_value_text(argv[0]));
  plan.ops = sqlite3_value_int(argv[1]);
  plan.skip = sqlite3_value_int(argv[2]);
  plan.sticky = sqlite3_value_int(argv[3]);
  plan.done = sqlite3_value_int(argv[4]);
  plan.code = sqlite3_value_int(argv[5]);
  int hits = plan.hits;
  plan.seen = plan.hits = 0;
  pthread_mutex_unlock(&plan.lock);
  sqlite3_result_int(ctx, hits);
}

int sqlite3_faults_init(sqlite3 *db, char **err, const sqlite3_api_routines *api) {
  static sqlite3_vfs vfs;
  SQLITE_EXTENSION_INIT2(api);
  (void)err;
  if (!real_vfs) {
    real_vfs = sqlite3_vfs_find(0);
    vfs = *real_vfs;
    vfs.zName = "faults";
    vfs.szOsFile = (int)sizeof(file) + real_vfs->szOsFile;
    vfs.xOpen = f_open;
    int rc = sqlite3_vfs_register(&vfs, 1);
    if (rc) return rc;
  }
  int rc = sqlite3_create_function(db, "faults", 6, SQLITE_UTF8, 0, set_plan, 0, 0);
  return rc ? rc : SQLITE_OK_LOAD_PERMANENTLY;
}
