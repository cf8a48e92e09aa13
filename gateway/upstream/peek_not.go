//go:build !unix

package upstream

// nothingToRead is not known here: no connection is used twice.
func nothingToRead(uintptr) bool { return false }
