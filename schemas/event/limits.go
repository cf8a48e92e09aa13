package event

// Limits of one event. A gateway cuts fields to size before it emits; a
// decoder refuses what is larger, because only a stranger sends it.
const (
	// RecordBytesMax bounds a record on the wire. A full event is about 600 B.
	RecordBytesMax = 64 << 10
	// FieldBytesMax bounds each string: a path or user agent of a browser is
	// below 2 KiB, and a hostile one teaches nothing more after that.
	FieldBytesMax = 2 << 10
	// ListMax bounds amr, network_tags and waf_rules.
	ListMax = 64
	// AttributesMax bounds the attribute map.
	AttributesMax = 32
)
