package evidence

// Finding is what one signal found in one event, before weight and clip.
type Finding struct {
	Signal Signal
	// Nats is at most the signal's maximum in the model, and positive; only
	// reassurance is negative.
	Nats float64
	// Strong says that the finding supports what its signal's ceiling in the
	// model allows; otherwise it supports a step-up at most.
	Strong bool
	// Text is one sentence for a person, valid until the next event.
	Text string
}

// Common reports whether the finding says less the more honest subjects show the
// same: it is about how somebody behaves, not about what he can prove or knows.
func (f *Finding) Common() bool {
	d := f.Signal.Describe()
	return f.Nats > 0 && !d.Hard && d.Group != Credential && d.Group != Payload && d.Group != Binding
}
