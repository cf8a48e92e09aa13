package analyzer

import "time"

// facetGroup and the scoring group's name make that of the facet stage.
const facetGroup = "-facets"

const (
	// lanesMax is what a gateway allows itself.
	lanesMax = 1024
	// brokersMax bounds the addresses to begin with; a client learns the rest.
	brokersMax = 64

	adminHeaderBytesMax  = 16 << 10
	adminReadTimeout     = 10 * time.Second
	adminWriteTimeout    = 30 * time.Second
	adminIdleTimeout     = time.Minute
	adminShutdownTimeout = 3 * time.Second
	// orderBytesMax bounds an operator's signed order.
	orderBytesMax = 8 << 10
	// relayTimeout bounds how long an operator waits for Kafka: less than his tool waits
	// for an answer, so that he is told why.
	relayTimeout = 5 * time.Second
	// endMax is how much longer than a rebalance the analyzer may take to end before what
	// has not ended is given up.
	endMax = 5 * time.Second
	// storeBackoff is the wait before storing is begun again after a fault.
	storeBackoff = 5 * time.Second
)
