// Package freeport finds ports for what must be told its port before it opens it.
//
// Its law: a port that it names is not one that the system gives to connections and
// listeners that ask for any. Such a port may be gone again within milliseconds on a
// machine that makes many connections.
package freeport
