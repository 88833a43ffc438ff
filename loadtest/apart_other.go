//go:build unix && !linux

package loadtest

import "syscall"

// apart keeps a child from what the terminal sends to this process.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
