// Package accesslog reads the access logs that a team has already, so that it
// can try the scoring before it deploys anything.
//
//	access.log ─► Reader.Next ─► event.RequestEvent ─► scorer
//
// # Contract
//
// Apache's and nginx's common and combined formats are read, with or without a
// virtual host or a syslog prefix in front and with any further fields behind;
// so are the lines of AWS load balancers, and access logs in JSON (Caddy,
// Traefik, Envoy, nginx with the usual names), also behind a container's prefix,
// and the requests that Apache refused to read and tells of in its error log.
// A line that a person would still understand is read: a last line without its
// closing quote, "-" where a value is missing, a quote that was not escaped, a
// time that steps back. Anything else is a [LineError] with its line's number,
// and the next call goes on with the next line.
//
// A request that is not HTTP, such as the bytes of a TLS handshake, becomes an
// event with an empty method, and its text in the attribute "request"; a query is
// the attribute "query".
//
// # Concurrency
//
// A Reader has one user at a time.
//
// # Non-obvious
//
// A log knows no session and no template. The subject is the plain name that
// the web server's own authentication logged; ids in a path (digits, UUIDs,
// long hexadecimal words) become {id} in the template, so that a walk over ids
// can be seen.
package accesslog
