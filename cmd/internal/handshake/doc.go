// Package handshake shows that the way from a TLS handshake to evidence is whole.
//
//	two clients ──TLS──► gateway/listen ──JA4──► events of a story ──► scorer ──► client.new_ja4, client.ja4_mismatch
//
// # Contract
//
// The fingerprints are those that the listener has seen of clients that greet it in
// this process; the story is that of testdata/scenarios/forged-browser.txt with them
// in the place of its own.
package handshake
