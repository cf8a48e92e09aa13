// Package keyfile reads the files by which every service is told whom to believe:
// the tenant's key, the key set with its root, the admin token, passwords.
//
//	configuration --path--> [TenantKey], [KeySet], [Token] --> pseudonyms, verdict.KeySet, admin port
//
// # Contract
//
// Every fault names the configuration key at fault, which is the same in every
// service. Files are small; a longer one than [BytesMax] is not read. Nothing is
// kept or logged of what they hold.
//
// # Concurrency
//
// All functions are safe for concurrent use.
package keyfile
