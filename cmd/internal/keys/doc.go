// Package keys makes the keys and secrets of an installation and replaces the keys.
//
//	keys.Init ─► secrets/ (tenant key, tokens) + keys/ (root, analyzer, operator, signed key set) ─► gateway, analyzer, vigil
//	Files.Rotate, Files.RotateRoot ─► keys/
//
// # Contract
//
// Init makes what is missing and never replaces what is there. Every file is
// readable by its owner alone and appears whole or not at all. The root key
// signs the key set and is needed for nothing else: a production installation
// takes it offline after Init, and brings it back to rotate.
//
// Rotate gives the holder of a class's private keys the next one, and the key set a
// higher version: the new key begins to sign after Lead, when every gateway has the
// key set, and the old ones are believed for Overlap longer, while what they have
// signed is signed anew. A key that has ended stays listed for as long as anything
// that it signed may stand somewhere; a compromised one is listed no longer.
package keys
