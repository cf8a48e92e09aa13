// Package route says which upstream a request is for and what it takes to get
// there.
//
//	*http.Request ──► Table.Match ──► Match{Route, Template, Resource, Path}
//
// # Contract
//
// The path is normalised once, here. Match.Path is what is authorised, what is
// logged and what is forwarded; nobody looks at the request's own path again.
// A path that two parties could read differently (encoded slashes,
// backslashes, dot segments, empty segments, parameters after a semicolon,
// control characters, bytes that are not UTF-8) is refused, never repaired.
//
// The most specific route wins: an exact host before a wildcard before any
// host; within a host, segment by segment, a literal before {id} before
// {path...}; a route that names its methods before one that takes all. HEAD
// follows GET. What no route takes is refused: there is no default route. A method
// that may change something and that a route with credentials does not list does
// not go to a route around it that asks for less and takes every method; and a path
// that is, but for its case or a slash at its end, that of a sign-in or of a route that
// asks for more goes to none that does not spell it out. A route asks for more where it
// has a credential, scope, acr, amr, binding, max_age or posture that the other has not.
// What COPY and MOVE write to (their Destination) is held to the same: it is on a route of
// the same upstream that asks for no more.
//
// # Concurrency
//
// A [Table] is immutable and safe for concurrent use. Its owner swaps it whole.
//
// # Non-obvious
//
// A catch-all route would make every path its own template, and a walk over
// ids invisible: behind {path...} the segments that look like ids are replaced
// by {id}, and the last of them is the resource.
package route
