// Package tlsfile keeps certificates, keys and trust bundles that live in files
// up to date while the files are replaced under it.
//
//	cert_file + key_file ──► Pair ──► tls.Config.GetClientCertificate
//	ca_file ──► Bundle ──► verify: chain, then name or SPIFFE id
//
// # Contract
//
// Files are looked at no more often than once a second, and read only
// where their time or size has changed. What cannot be read or parsed leaves the
// last good content in force and is told once, through Options.Changed: a
// renewal that went wrong must not take a service down before its certificate
// expires. Open fails where there has never been a good content.
//
// # Concurrency
//
// A [Pair] and a [Bundle] are safe for concurrent use. Reading happens in the
// call that notices the change.
package tlsfile
