// Package config turns a file, environment variables and flags into one
// immutable configuration, or into the list of everything that is wrong with them.
//
//	defaults ◄─ file (YAML) ◄─ VIGIL_… ◄─ --set k=v   later wins
//	    └────────► Load ─► T.Validate ─► Loaded[T]{Config, origins}
//	                 └───► Faults: file:line:column: key: what is wrong
//
// # Contract
//
// The type T is any struct whose fields carry mapstructure tags in snake_case;
// its reflect walk is the list of known keys, so no key is written twice. An
// unknown key is a fault, a number without its unit is a fault, and all faults
// come at once; only that a file is another role's is told alone. T's own
// Validate, if it has one, reports faults prefixed by their keys; they are mapped
// back to the place in the file that said so.
//
// Relative paths under keys that end in _file, _files or _dir count from the
// folder of the configuration file; from the environment and from flags they
// count from the working directory. Files that keys name must exist, unless
// [Sources].Written lists the key, and T's own CheckFiles, if it has one, must be
// able to read them; its faults are mapped back as those of Validate are.
//
// # Concurrency
//
// Load is pure but for reading files. A [Loaded] is immutable. A [Reloader]
// has one goroutine, the one that calls Run.
//
// # Non-obvious
//
// Viper lower-cases every key, also those of a user's own maps, so maps are
// refused in T: use a list whose entries have a name. Viper's WatchConfig is
// racy and AutomaticEnv is not seen by Unmarshal; neither is used. Viper merges
// a map of lists by replacing the list, which is what we want, but mapstructure
// would merge a list into defaults entry by entry, so lists are emptied first.
//
// Kubernetes puts VIGIL_GATEWAY_PORT=tcp://… into every pod beside a service
// of that name, so an unknown variable is a warning, never a fault.
package config
