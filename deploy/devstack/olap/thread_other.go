//go:build !linux

package olap

// yield does nothing: only on Linux a thread has a priority of its own that
// anybody may lower.
func yield(int) {}
