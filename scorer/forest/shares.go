package forest

import "math"

// Shares says which dimensions made the last score: it fills dst, which has
// one place a column, with shares in [0, 1] that add up to 1, or to 0 where
// nothing is known yet. Each member speaks with its surprise: Peak for the
// strangest column, Near and Far by the squared distance to the nearest
// remembered row, Relation by the terms of the quadratic form. It costs more
// than the score, so ask for it only where a person will read it.
func (d *Detector) Shares(dst []float64) {
	clear(dst)
	if len(dst) != len(d.columns) {
		return
	}
	part := d.part
	for i, fill := range [voicesMax]func([]float64){
		func(p []float64) { p[strangest(d.views)] = 1 },
		func(p []float64) { d.memory.apart(p, d.memory.near, d.near) },
		func(p []float64) { d.memory.apart(p, d.memory.far, d.far) },
		func(p []float64) { d.memory.terms(p, d.near, d.scratch) },
	} {
		if d.members&(1<<i) == 0 || d.raw[i] == 0 {
			continue
		}
		clear(part)
		fill(part)
		normalize(part)
		for j, p := range part {
			dst[j] += float64(d.nats[i] * p)
		}
	}
	normalize(dst)
}

func strangest(views []view) int {
	best := 0
	for j, v := range views {
		if v.nats > views[best].nats {
			best = j
		}
	}
	return best
}

func normalize(parts []float64) {
	total := 0.0
	for _, p := range parts {
		total += p
	}
	if !(total > 0) {
		clear(parts)
		return
	}
	for j := range parts {
		parts[j] /= total
	}
}

// apart is the squared distance to the nearest of the rows, column by column.
func (m *memory) apart(dst, rows, row []float64) {
	least, at := math.MaxFloat64, -1
	for i := 0; i < len(rows); i += m.columns {
		sum := 0.0
		for j, x := range rows[i : i+m.columns] {
			sum += float64((row[j] - x) * (row[j] - x))
		}
		if sum < least {
			least, at = sum, i
		}
	}
	if at < 0 {
		return
	}
	for j, x := range rows[at : at+m.columns] {
		dst[j] = float64((row[j] - x) * (row[j] - x))
	}
}

// terms is the quadratic form of relation, column by column; a term below 0,
// which reassures, counts as 0. solved is what relation left in its scratch.
func (m *memory) terms(dst, row, solved []float64) {
	if !m.fitted {
		return
	}
	d := m.columns
	for i := d - 1; i >= 0; i-- {
		v := solved[i]
		for k := i + 1; k < d; k++ {
			v -= float64(m.factor[k*d+i] * dst[k])
		}
		dst[i] = v / m.factor[i*d+i]
	}
	for i, x := range row {
		dst[i] = max(0, float64(dst[i]*x))
	}
}
