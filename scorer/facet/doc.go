// Package facet is the second stage of the scorer: it judges what many actors
// share, where none of them does enough to be judged alone.
//
//	scorer.Engine --Collector--> FacetCut --> [vigil.facets] --> Engine --> entity.Facet --> judge --> Result
//
// # Contract
//
// The first stage adds each sign-in, each page that is not there and each new
// session to small deltas, one for each facet that the event shows, and cuts
// them once a second of the stream clock or every [CutEvents] events. The second
// stage takes cuts in order, drops those at or below its watermark for their
// source (a topic that was made anew is another source), and judges facets alone: never a session, a subject or one address.
// Both are functions of the records; all sums have a fixed order.
//
// A cut that did not fit leaves narrow facets out before broad ones and says
// how many.
//
// # Concurrency
//
// A Collector belongs to the engine that fills it, an Engine to one goroutine.
// Cuts are the collector's own memory and valid until it notes another event; an
// Engine keeps nothing of a cut but names, which do not change.
//
// # Non-obvious
//
// The same failed sign-ins show in every facet that they share. Facets are
// therefore taken narrowest first, those with honest people behind them last,
// and what a facet with a verdict in force explains does not count against a
// broader one.
//
// Whether several suspended sessions of one subject are a matter of him or of the
// device that showed them is seen where all his sessions are: the first stage says
// so, names the session itself, and leaves the device to this one.
//
// That a sign-in fails says little on a day on which everybody's does: a step of
// the test is measured by what fails in the rest of the tenant at the time.
package facet
