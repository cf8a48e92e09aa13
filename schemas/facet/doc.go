// Package facet defines what the first stage of the scorer tells the second
// about facets: what many requests share, such as a prefix or a route.
//
//	scorer (first stage) --FacetCut--> topic "vigil.facets" --FacetCut--> scorer/facet (second stage)
//
// # Contract
//
// A cut covers a range of offsets of one requests partition and holds the
// deltas of one tenant. Cuts are a function of the records, so a repeated range
// is equal, and a reader drops what ends at or below the highest offset that it
// has taken from that partition for that tenant. A topic that was deleted and
// made anew has another id: its offsets begin anew, and so does what is dropped.
//
// # Non-obvious
//
// The key is the tenant alone, and not the facet: which target is the narrowest
// can only be told where all facets of a tenant meet.
package facet
