// Package keycloak runs Keycloak, which many people's identity provider is, so that
// signing in is tested against more than one implementation.
//
//	test ── Start(Options), AddRealm ──► java ──► Keycloak on loopback
//
// # Contract
//
// It runs from the folder that "make keycloak" has prepared, in the production mode
// and on its in-memory database: after [Server.Close] everything is forgotten. A
// realm, with its clients and people, is what the caller says, in Keycloak's own words
// (RealmRepresentation of its admin API).
//
// # Concurrency
//
// A [Server] is one process; Close ends it, and so does the end of its parent.
//
// # Non-obvious
//
// A start takes 8 to 25 seconds and half a gigabyte. Keycloak marks its cookies Secure
// on http too: browsers send them to loopback all the same, other clients drop them.
package keycloak
