package incident

import "time"

const (
	// LinkNats is from where on a finding belongs to an incident: one in ten of a
	// tenant's findings within [Quiet] does before anything is looked at, and five to
	// one is wanted after it, which is ln 10 + ln 5.
	LinkNats = 4.0
	// Quiet is how long after its last finding an incident still takes another.
	Quiet = 6 * time.Hour

	// OpenMax bounds the incidents of a tenant that take findings. The one that was
	// quiet for longest gives way.
	OpenMax = 256
	// TenantsMax bounds the tenants of a book; the one that was quiet for longest
	// gives way.
	TenantsMax = 256
	// ShownMax bounds what an incident remembers of what its findings showed, per
	// kind. What is beyond counts as new each time.
	ShownMax = 512
	// FindingsMax bounds the ids by which an incident knows its findings again.
	FindingsMax = 4096
	// MembersMax bounds each list of members of one finding and of an incident's row.
	MembersMax = 256
	// WordBytesMax bounds what a person says in one word.
	WordBytesMax = 1000
)

const (
	// judgedNats is what it adds that a verdict names what the other finding shows:
	// the facet stage has then weighed it against the honest people behind it.
	judgedNats = 3.0
	// tempoNats bounds what it adds that the same signal follows so soon on itself.
	tempoNats = 4.0
	// tempoLeast is the shortest time between two findings that tempo counts with.
	tempoLeast = time.Minute
	// shareLeast keeps a thing that nobody shows from being proof.
	shareLeast = 1e-4
)
