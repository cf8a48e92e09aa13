package model

import "time"

// Limits of a model file; those of its rules are in package rules.
const (
	// FileBytesMax bounds a model file; the one that ships has 5 KiB.
	FileBytesMax = 1 << 20
	// ExceptionsMax bounds the exceptions: each is looked at for each event.
	ExceptionsMax = 256
	// ExceptionFor is the longest that one may hold: who still needs it then
	// says so again.
	ExceptionFor = 90 * 24 * time.Hour
	// RouteClassesMax bounds the classes, PatternsMax the routes and templates
	// of each.
	RouteClassesMax = 32
	PatternsMax     = 64
	// PeerGroupsMax bounds the peer groups, each of whose lists has at most
	// PatternsMax entries: an actor is looked up in them with each of his deltas,
	// and each takes up to 100 KiB of every tenant's state.
	PeerGroupsMax = 64
	// GroupWeightLeast and GroupWeightMost bound the weight of a group: whatever
	// people say about verdicts, a quarter is the most that it changes.
	GroupWeightLeast = 0.75
	GroupWeightMost  = 1.25
	// TextBytesMax bounds an id, an owner, a reason and a text.
	TextBytesMax = 512
)
