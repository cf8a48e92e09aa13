//go:build e2e

package e2e_test

import (
	"context"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// bothKills is how often TestKillBothLosesNothing kills; VIGIL_KILLS sets another number.
const bothKills = 6

// killsOf is VIGIL_KILLS, else what is given.
func killsOf(t *testing.T, otherwise int) int {
	t.Helper()
	text := os.Getenv("VIGIL_KILLS")
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("VIGIL_KILLS: %v", err)
	}
	return n
}

// TestKillBothLosesNothing kills gateway and analyzer at random instants of load, also
// both at once and while they still start. In the end every request is a row or a
// counted loss and none is two, and the analyzer has said of every event what one
// would have said that never stopped.
func TestKillBothLosesNothing(t *testing.T) {
	n := killsOf(t, bothKills)
	seed := seedOf(t)
	random := rand.New(rand.NewPCG(seed, 0))
	m := newMill(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	wait := m.load(ctx, seed, 12)
	killed := map[string]int{}
	for i := range n {
		instant := time.NewTimer(time.Duration(random.Int64N(int64(1500 * time.Millisecond))))
		<-instant.C
		whom := random.IntN(5)
		if whom != 1 && i > 0 || i == 1 {
			m.gateway.kill()
			killed["gateway"]++
			m.startGateway(t)
			m.books.examine(t, m.gateway)
		}
		if whom > 2 || whom == 1 || i == 0 {
			m.analyzer.kill()
			killed["analyzer"]++
			m.relaunch(t)
		}
	}
	m.ready(t)
	stop()
	wait()
	m.theft(t)
	t.Logf("killed: %v", killed)
	m.balance(t)
}
