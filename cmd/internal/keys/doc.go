// Package keys makes the keys and secrets of an installation and reads them.
//
//	keys.Init ─► secrets/ (tenant key, tokens) + keys/ (root, analyzer, operator, signed key set) ─► gateway, analyzer, vigil
//
// # Contract
//
// Init makes what is missing and never replaces what is there. Every file is
// readable by its owner alone and appears whole or not at all. The root key
// signs the key set and is needed for nothing else: a production installation
// takes it offline after Init.
package keys
