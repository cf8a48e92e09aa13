//go:build embedded

package main

// embedded says whether this build has the engines that up and demo run on.
const embedded = true
