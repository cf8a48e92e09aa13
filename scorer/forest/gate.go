package forest

import "github.com/vigil-gateway/vigil/scorer/snapshot"

// A gate decides which rows teach. Rows below the threshold always do; a
// stranger one must pay with a token, of which each row mints a small part and
// few can be saved, the more tokens the more like it came lately. Rare rows that
// come one by one are therefore learned, a packed burst hardly is, and a true
// shift is learned slowly but surely: one row of 800 at least, and one of 50
// once it has lasted four times as long as all that was ordinary.
//
// The threshold follows the 99 % quantile of the surprise of the rows that
// were learned (Robbins and Monro 1951), so that a burst hardly moves it.
type gate struct {
	rows      float64
	threshold float64
	tokens    float64
	run       float64 // Strange rows in a run that ordinary ones end.
	taught    float64 // Ordinary rows so far.
}

const (
	gateStart = 3.0  // Threshold at first, nats.
	gateShare = 0.01 // Of the rows that are strange.
	gateMint  = 0.02 // Tokens a row.
	gateSaved = 16.0 // Tokens at most.
	gateStep  = 1e-3 // Least step of the threshold, nats.

	gateOutlast = 4.0 // A run longer than this many times all that was ordinary is a shift.
	gateRelief  = 8.0 // By how many rows an ordinary one shortens a run.
)

func newGate() gate { return gate{threshold: gateStart, tokens: gateSaved} }

// strange reports whether a surprise is beyond the threshold.
func (g *gate) strange(nats float64) bool { return g.rows >= warmRows && nats > g.threshold }

// admit reports whether a row of this surprise teaches.
//
// alike is how many rows like it came lately: the more, the dearer it is.
func (g *gate) admit(nats, alike float64) bool {
	strange := g.strange(nats)
	g.rows++
	g.tokens = min(gateSaved, g.tokens+gateMint)
	if g.rows <= warmRows {
		return true
	}
	step := max(gateStep, min(0.1, 50/g.rows))
	if strange {
		g.run++
	} else {
		g.run = max(0, g.run-gateRelief)
		g.taught++
	}
	if !strange {
		g.threshold -= float64(step * gateShare)
		return true
	}
	price := min(gateSaved, 1+alike)
	if g.run > gateOutlast*g.taught {
		price = 1
	}
	if g.tokens < price {
		return false
	}
	g.tokens -= price
	g.threshold += float64(step * (1 - gateShare))
	return true
}

func (g *gate) code(c *snapshot.Codec) {
	c.F64(&g.rows)
	c.F64(&g.threshold)
	c.F64(&g.tokens)
	c.F64(&g.run)
	c.F64(&g.taught)
}
