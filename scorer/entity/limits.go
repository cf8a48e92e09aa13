package entity

import "time"

// Limits of what one entity remembers. Whatever is pushed out is the oldest or
// the rarest.
const (
	// GatewaysMax bounds the gateways whose ticks the clock weighs.
	GatewaysMax = 512
	// JumpMax is how far one tick may move the clock; a partition that slept for
	// a weekend catches up in sixty ticks.
	JumpMax = time.Hour
	// TicksFrom is before every true tick: a machine without a battery begins in
	// 1970, or on the first day of 2000.
	TicksFrom = int64(946_857_600e9)
	// AloneMax is from how many ticks on the clock of the only gateway is believed
	// for good: a day, at one a second.
	AloneMax = 86_400
	// FarMax is from where on a time is wrong beyond doubt, or the clock is. Of
	// events FarLeast in a row must agree to move a clock that far, and BackLeast to
	// set it back, which costs what was seen until then: a line with a wrong year
	// moves nothing, a month without a line is caught up with.
	FarMax    = 30 * 24 * time.Hour
	FarLeast  = 2
	BackLeast = 5
	// LiveFor is how long a gateway counts for the clock after its last tick, on
	// the clock itself.
	LiveFor = 30 * time.Second
	// SkewMax is how far an event's own time may be from the clock before it is
	// cut to it.
	SkewMax = 10 * time.Minute

	// PlacesMax bounds the places of a session.
	PlacesMax = 6
	// StreamsMax bounds the open streams of a session whose bytes are told apart.
	StreamsMax = 64
	// WalksMax bounds the path templates of a session whose ids are followed.
	WalksMax = 4
	// ParkedMax bounds the path templates of a session, beside them, whose walks may
	// go on: the ids of one after the other of so many kinds are still in a row.
	ParkedMax = 8
	// RecentMax bounds the rings of distinct hashes in a session.
	RecentMax = 32
	// AccountsMax bounds the accounts that are told apart at one address.
	AccountsMax = 128
	// FacetNamesMax bounds the accounts and addresses of a facet that are told
	// apart, and the networks of an account.
	FacetNamesMax = 128
	// ASNsMax bounds the autonomous systems of all tenants that are told apart, and
	// ASNVoicesMax the subjects of each who are known to be at home there, or
	// doubted there.
	ASNsMax      = 4096
	ASNVoicesMax = 16
	// ArrivalsMax bounds the values of a tenant whose arrival is followed.
	ArrivalsMax = 256
	// CandidatesMax bounds the values of a subject that wait to be known.
	CandidatesMax = 12
	// FlagsMax bounds the firewall findings of a session that are told apart.
	FlagsMax = 8
	// TokensMax bounds the tokens of a session whose keys are remembered.
	TokensMax = 4
	// ReasonsMax bounds the reasons of a suspicion; one per signal.
	ReasonsMax = 16
	// MarksMax bounds the signals and custom rules whose counts an actor's suspicion
	// remembers.
	MarksMax = 64
	// SeenMax bounds the values of each kind that a session remembers.
	SeenMax = 24
	// OpenSessionsMax bounds the sessions of a subject that wait to teach.
	OpenSessionsMax = 16
	// CarriedMax bounds the sessions of a subject whose suspicion is inherited.
	CarriedMax = 4

	// Kept values of a subject's and of a tenant's habits.
	subjectValuesMax = 12
	subjectRoutesMax = 32
	tenantValuesMax  = 512
	tenantRoutesMax  = 2048
	// Those of a peer group, of which there are as many as the model names.
	groupValuesMax = 128
	groupRoutesMax = 512
	// SizesMax bounds the templates of a tenant whose sizes of answers are known,
	// and their parameters whose shapes are.
	SizesMax = 1024
	// BeatLeast is how many gaps of a session say how even they are.
	BeatLeast = 30
	// Answers of one delta whose sizes are taught.
	sizesPerDelta = 12
	// Observations of one kind that one delta teaches.
	samplesPerDelta = 120

	// RefusalsMax bounds what a tenant follows because it was refused, and
	// RefusalSubjectsMax the subjects whose answers it remembers of each.
	RefusalsMax        = 256
	RefusalSubjectsMax = 16
)
