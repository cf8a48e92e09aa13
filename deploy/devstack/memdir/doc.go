// Package memdir makes folders for tests that must not wait for a disk.
//
// Its law: where the machine has no file system in memory, the folder is on the disk,
// and the test is slower and sees the same.
package memdir
