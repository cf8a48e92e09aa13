package event

// Attributes that signals read where an event carries them. Gateways send
// no query and no broken request, because these hold secrets; logs that a team
// has already do.
const (
	// AttributeAnnounced is, in decimal, how many bytes the response to a request
	// said that it has; with the open of a stream.
	AttributeAnnounced = "announced_bytes"
	// AttributeHeld is "true" where a gateway holds the response to a request back
	// until the event is scored: whoever scores it says so at once.
	AttributeHeld = "response_held"
	// AttributeQuery is the query of a request, as it was sent, without the
	// question mark.
	AttributeQuery = "query"
	// AttributeRequest is the beginning of what was sent instead of a request,
	// where a client did not speak HTTP.
	AttributeRequest = "request"
	// AttributeProducer is [ProducerUnsigned] where nothing proves who wrote an event: it
	// is scored for less, and teaches nothing.
	AttributeProducer = "producer"
	// AttributeSummarised is, in decimal, how many refused requests beside its own an
	// event stands for: a gateway does not tell one by one of a flood that has been
	// judged. Their numbers are covered by tombstones.
	AttributeSummarised = "summarised"
)

// ProducerUnsigned is the value of [AttributeProducer] that the analyzer sets.
const ProducerUnsigned = "unsigned"

// Unproven reports whether nothing proves who wrote the event.
func (x *RequestEvent) Unproven() bool {
	return x.GetAttributes()[AttributeProducer] == ProducerUnsigned
}
