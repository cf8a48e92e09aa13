package spool

import (
	"errors"
	"io"
)

// Errors of a folder that cannot be used.
var (
	// ErrLocked means that another gateway that runs has the folder.
	ErrLocked = errors.New("another gateway uses this spool")
	// ErrForeign means that the folder's events are another gateway's.
	ErrForeign = errors.New("the spool belongs to another gateway")
)

// Disk is the folder of a spool. [Folder] is a real one; tests put one in its
// place that fails as disks do.
type Disk interface {
	// Lock makes the folder ours until the closer is closed or the process
	// ends. The error wraps [ErrLocked] where it is another's.
	Lock() (io.Closer, error)
	// List names the files.
	List() ([]string, error)
	// Create makes a file of size zero bytes whose blocks are all taken, so that
	// to write to it cannot fail for want of space. It replaces one that is there.
	Create(name string, size int) (File, error)
	// Open opens a file that is there.
	Open(name string) (File, error)
	// Remove deletes a file.
	Remove(name string) error
	// SetAside moves a file out of the way for a person to look at.
	SetAside(name string) error
	// Sync makes what Create, Remove and SetAside did survive a power loss.
	Sync() error
}

// File is an open file in memory: what is written to its bytes survives the end
// of the process, and a power loss after Sync.
type File interface {
	// Bytes are the file's content, shared with the file until Close.
	Bytes() []byte
	// Sync makes what was written before survive a power loss. After an error
	// nothing is known of what has, and to try again would not tell.
	Sync() error
	// Close gives the bytes back; they must not be touched after it.
	Close() error
}
