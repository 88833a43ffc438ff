//go:build !linux

package mvsqlite

import "syscall"

// endWithParent does nothing: CheckProgram refuses what is not Linux.
func endWithParent() *syscall.SysProcAttr { return nil }
