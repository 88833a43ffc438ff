package backup

import (
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// yield lets this process have only what nobody else wants: of the processors (SCHED_IDLE)
// and of the disk. It does so for all of its threads, and those that they will start. One
// that is merely less urgent than the hub's frames still keeps a processor for some
// milliseconds before it gives it to them. That it is forbidden is no harm.
func yield() {
	const ofThread, onlyWhenIdle = 1, 3 << 13 // IOPRIO_WHO_PROCESS, IOPRIO_CLASS_IDLE
	done := map[string]bool{}
	for more := true; more; { // a thread that was looked at already starts no others
		threads, _ := os.ReadDir("/proc/self/task")
		more = false
		for _, t := range threads {
			if id, err := strconv.Atoi(t.Name()); err == nil && !done[t.Name()] {
				done[t.Name()], more = true, true
				priority := int32(0)
				_, _, _ = unix.Syscall(unix.SYS_SCHED_SETSCHEDULER, uintptr(id), unix.SCHED_IDLE, uintptr(unsafe.Pointer(&priority)))
				_, _, _ = unix.Syscall(unix.SYS_IOPRIO_SET, ofThread, uintptr(id), onlyWhenIdle)
			}
		}
	}
}
