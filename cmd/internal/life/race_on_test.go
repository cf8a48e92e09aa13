//go:build race

package life_test

const raceEnabled = true
