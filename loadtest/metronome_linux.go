package loadtest

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// beat is how often the runtime is made to look at its timers.
const beat = 200 * time.Microsecond

// metronome makes timers exact to about a beat, until it is silenced: the runtime waits
// for sockets and timers with epoll_wait, which counts in milliseconds, so that a timer
// comes up to one late. A timerfd among the sockets ends that wait at each beat.
func metronome() (silence func(), err error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make a timer that is exact: %w", err)
	}
	every := unix.NsecToTimespec(int64(beat))
	if err := unix.TimerfdSettime(fd, 0, &unix.ItimerSpec{Interval: every, Value: every}, nil); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("start a timer that is exact: %w", err)
	}
	beats := os.NewFile(uintptr(fd), "timerfd")
	done := make(chan struct{})
	go func() {
		defer close(done)
		var expired [8]byte
		for {
			if _, err := beats.Read(expired[:]); err != nil {
				return
			}
		}
	}()
	return func() {
		_ = beats.Close()
		<-done
	}, nil
}
