//go:build !linux

package broker

import "syscall"

// attributes puts a child into a group of its own. Only Linux can end it with
// us; elsewhere one that was left behind has to be ended by hand.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
