package mvsqlite

import "syscall"

// endWithParent lets the kernel kill the child when the supervisor has ended. A hub
// that is killed loses nothing; one that is left alone would hold its port and its log.
func endWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
