package store

import "os"

// Sizes returns the bytes of the files of the game database and of the frame log, with
// their write-ahead logs; 0 on mvSQLite, where there are none. It asks the file system.
func (s *Store) Sizes() (database, log int64) {
	if s.opts.MVSQLite {
		return 0, 0
	}
	return bytesOfFiles(s.opts.Path), bytesOfFiles(s.opts.logPath())
}

func bytesOfFiles(path string) (bytes int64) {
	for _, name := range []string{path, path + "-wal"} {
		if info, err := os.Stat(name); err == nil {
			bytes += info.Size()
		}
	}
	return bytes
}
