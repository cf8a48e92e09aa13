//go:build race

package ablation_test

const raceEnabled = true
