//go:build !race

package life_test

const raceEnabled = false
