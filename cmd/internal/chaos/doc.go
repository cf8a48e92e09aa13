// Package chaos holds the faults that Vigil is built to withstand: the list of
// them, with the tests that show each, and the tests that need a disk of their own.
//
//	testdata/faults.txt --> every test named in it exists --> testdata/faults.md (for the README)
//	spool --> a file system that lies (FUSE), or is full (tmpfs) --> what the next start finds
//
// # Contract
//
// A fault without a test, and a test that is gone, are red. What the list says was
// seen is what the named tests assert, and no more.
//
// # Non-obvious
//
// The tests of disks mount file systems, which needs root and /dev/fuse: they stand
// behind the build tag "faults", and fail where they cannot mount.
//
// The file system is served by a process of its own. A mapped file whose page is
// missing stops its thread inside the kernel; were the same process to serve that
// page, a garbage collection in between would wait for itself.
package chaos
