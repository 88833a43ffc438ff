/* A VFS that counts and times what it takes to sync a database's files, and
 * otherwise is the default one. */
#ifndef FRAMEHUB_SYNCS_H
#define FRAMEHUB_SYNCS_H

#include <stdint.h>

enum { FH_SYNC_BUCKETS = 20 };

/* fh_sync_times is what the syncs of one file took. Bucket i is those of at
 * most 125 µs << i that no bucket before it has; the rest are in none. */
typedef struct {
  uint64_t count, nanos, buckets[FH_SYNC_BUCKETS];
} fh_sync_times;

enum { FH_SYNC_DATABASE, FH_SYNC_WAL, FH_SYNC_FILES };

/* fh_syncs_open returns the number of a place to count in, empty, which a file
 * asks for with syncs=NUMBER in its URI and the place's VFS; -1: there is none. */
int fh_syncs_open(void);
const char *fh_syncs_vfs(int place);
void fh_syncs_close(int place);
void fh_syncs_read(int place, int file, fh_sync_times *into);

#endif
