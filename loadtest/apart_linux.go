package loadtest

import "syscall"

// apart keeps a child from what the terminal sends to this process, and ends it
// should this process be killed.
func apart() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
