package announce

import (
	"errors"

	"go.opentelemetry.io/otel/metric"
)

// metrics are the instruments of this package.
type metrics struct {
	announced   metric.Int64Counter     // Verdicts written, by action, authority.
	withheld    metric.Int64Counter     // Proposals not written, by reason.
	held        metric.Int64Counter     // Verdicts that wait for a person.
	gaveWay     metric.Int64Counter     // Of these, those that were dropped at heldMax or ledgerMax.
	capped      metric.Int64Counter     // Verdicts weakened because their event is old.
	lag         metric.Float64Histogram // From event to acknowledged verdict.
	beats       metric.Int64Counter     // Heartbeats written.
	relayed     metric.Int64Counter     // Operators' envelopes, by result.
	tombstones  metric.Int64Counter     // Lapsed verdicts removed from the topic.
	resigned    metric.Int64Counter     // Verdicts written again under a new key.
	forgotten   metric.Int64Counter     // Targets dropped at targetsMax.
	disbelieved metric.Int64Counter     // Clears without an operator's signature.
	replaced    metric.Int64Counter     // Verdicts written again because another record stood behind theirs.
	unwatched   metric.Int64Counter     // Looks at which operators and feeds had said more than is watched.
	unread      metric.Int64Counter     // Partitions adopted without all that stood of their keys elsewhere.
	unheard     metric.Int64Counter     // Partitions adopted without what waits for a person.
	unkept      metric.Int64Counter     // How often that could not be written.
	retries     metric.Int64Counter     // Writes that had to be repeated, by topic.
}

func newMetrics(m metric.Meter) (*metrics, error) {
	var x metrics
	var errs []error
	counter := func(name, unit, what string) metric.Int64Counter {
		c, err := m.Int64Counter("vigil.analyzer."+name, metric.WithUnit(unit), metric.WithDescription(what))
		errs = append(errs, err)
		return c
	}
	x.announced = counter("verdicts_announced", "{verdict}", "Verdicts written to the topic.")
	x.withheld = counter("verdicts_withheld", "{verdict}", "Proposals that were not announced, by reason.")
	x.held = counter("verdicts_held", "{verdict}", "Verdicts beyond the fuse that wait for a person.")
	x.gaveWay = counter("verdicts_held_dropped", "{verdict}", "Verdicts that waited for a person and gave way because too many do.")
	x.capped = counter("verdicts_capped", "{verdict}", "Verdicts weakened to step_up because their event is old.")
	x.replaced = counter("verdicts_replaced", "{verdict}", "Verdicts in force that were written again, because another record had come behind theirs: a late or repeated one, or somebody else's.")
	x.unwatched = counter("verdicts_unwatched", "{look}", "How often operators and feeds had said more in a partition than is watched for records that replace it.")
	x.unread = counter("past_unread", "{partition}", "Partitions taken over without what stood of their keys in others before the number of partitions was raised, which could not be read.")
	x.unheard = counter("held_unread", "{partition}", "Partitions taken over without what waits for a person, because vigil.control could not be read.")
	x.unkept = counter("held_unwritten", "{outage}", "How often vigil.control could not be told what waits for a person: it is told later, and the verdicts topic has it until then.")
	x.beats = counter("heartbeats", "{heartbeat}", "Heartbeats written.")
	x.relayed = counter("relayed", "{verdict}", "Operators' verdicts received for relaying, by result.")
	x.tombstones = counter("verdict_tombstones", "{verdict}", "Lapsed verdicts removed from the topic.")
	x.resigned = counter("verdicts_resigned", "{verdict}", "Verdicts in force that were signed anew after the analyzer's key changed.")
	x.forgotten = counter("verdict_targets_forgotten", "{target}", "Targets dropped because the partition remembers too many.")
	x.disbelieved = counter("clears_disbelieved", "{record}", "Control records that lift a verdict without an operator's signature.")
	x.retries = counter("write_retries", "{attempt}", "Writes to Kafka that had to be repeated.")
	var err error
	// Milliseconds matter up to a second; above, only that something is wrong.
	x.lag, err = m.Float64Histogram("vigil.analyzer.event_to_verdict", metric.WithUnit("s"),
		metric.WithDescription("From the event at the gateway to its acknowledged verdict."),
		metric.WithExplicitBucketBoundaries(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5, 60))
	errs = append(errs, err)
	return &x, errors.Join(errs...)
}
