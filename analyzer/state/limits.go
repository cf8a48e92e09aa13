package state

const (
	// headerBytesMax bounds a file's header: five short fields.
	headerBytesMax = 64 << 10
	// kept is the number of files per partition: the newest and the one before.
	kept = 2
)
