package event

// Attributes that signals read where an event carries them. Gateways send
// neither, because queries hold secrets; logs that a team has already do.
const (
	// AttributeQuery is the query of a request, as it was sent, without the
	// question mark.
	AttributeQuery = "query"
	// AttributeRequest is the beginning of what was sent instead of a request,
	// where a client did not speak HTTP.
	AttributeRequest = "request"
)
