package spool

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// errFault means that the disk took back what was mapped.
var errFault = errors.New("mapped file not accessible")

// guard runs f, which touches mapped files. A disk that fails under them, or that
// the system has made read-only, answers by a signal which would end the process:
// here it is an error. f must leave nothing half done that matters.
func guard(f func()) (err error) {
	before := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(before)
		e := recover()
		if e == nil {
			return
		}
		fault, is := e.(interface{ Addr() uintptr })
		if !is {
			panic(e)
		}
		err = fmt.Errorf("%w: address %#x", errFault, fault.Addr())
	}()
	f()
	return nil
}
