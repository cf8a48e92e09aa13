package cold

const (
	// BytesLeast is the smallest bound of a shelf.
	BytesLeast = 1 << 20
	// BytesMost is the largest.
	BytesMost = 16 << 30

	// segmentsLive is into how many segments a log is cut, and segmentsKept how many
	// of them stay on the disk, for marks of the past.
	segmentsLive = 8
	segmentsKept = 2 * segmentsLive
	// entitiesPer is for how many bytes of a segment it may hold one operation: a
	// subject that was seen once takes some 150.
	entitiesPer = 96
	// bufferBytes are written at once.
	bufferBytes = 64 << 10
	// readBytes are read at once of a record whose length is not known yet.
	readBytes = 4 << 10
	// foldersMade is how many folders there are above a segment that Open may have made:
	// that of the log, of the shelf and of the topic.
	foldersMade = 3
	// indexLeast is the room of the smallest index.
	indexLeast = 1 << 10
)
