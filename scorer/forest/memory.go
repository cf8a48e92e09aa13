package forest

import (
	"math"

	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// A memory is a uniform sample of the rows that were most normal, in the
// coordinates of the columns: the distance to its nearest rows says whether
// the like was seen (Bhatia et al., MemStream, WWW 2022, without the
// autoencoder), and its covariance how the columns belong together.
type memory struct {
	columns int
	offered float64
	ceiling float64 // Surprise up to which a row is remembered.

	near, far []float64 // Rows side by side: coordinates, and deviations.

	// products are the sums over the remembered rows of the products of every two
	// coordinates, lower triangle, and factor the Cholesky factor of the covariance
	// that they gave at the last fit.
	products, factor []float64
	fitted           bool
	due              float64 // Fit anew when offered reaches this.
}

const (
	memoryShare  = 0.25 // Of the learned rows that are too strange to be remembered.
	memoryFrom   = 64   // Rows that are remembered whatever they are.
	fitFrom      = 8    // Rows before the covariance is fitted.
	memoryGrowth = 1.1  // Of the rows between two fits.
	shrinkFloor  = 0.02 // Least weight of independence in the covariance.
)

// newMemory takes all its memory at once.
func newMemory(columns int) memory {
	return memory{
		columns: columns, due: fitFrom,
		near: make([]float64, 0, memoryMax*columns), far: make([]float64, 0, memoryMax*columns),
		products: make([]float64, columns*columns), factor: make([]float64, columns*columns),
	}
}

func (m *memory) rows() int { return len(m.near) / m.columns }

// distance is the mean distance of a row to its nearest rows, per column: as
// many as neighbours says, or a quarter of all where that is less.
func (m *memory) distance(rows, row []float64, neighbours int) float64 {
	n := len(rows) / m.columns
	if n < 4 {
		return 0
	}
	var places [neighboursFar]float64
	nearest := places[:min(neighbours, n/4)]
	for i := range nearest {
		nearest[i] = math.MaxFloat64
	}
	last := len(nearest) - 1
	for i := 0; i < len(rows); i += m.columns {
		limit := nearest[last]
		sum := squaredDistance(row, rows[i:i+m.columns], limit)
		if sum >= limit {
			continue
		}
		at := last
		for at > 0 && nearest[at-1] > sum {
			nearest[at] = nearest[at-1]
			at--
		}
		nearest[at] = sum
	}
	total := 0.0
	for _, d := range nearest {
		total += math.Sqrt(d)
	}
	return total / float64(len(nearest)) / math.Sqrt(float64(m.columns))
}

// squaredDistance is that of two rows, or any number of at least limit
// where it is at least that. Four sums at a time do not wait for each other.
func squaredDistance(a, b []float64, limit float64) float64 {
	var s0, s1, s2, s3 float64
	for len(a) >= 4 && len(b) >= 4 {
		d0, d1, d2, d3 := a[0]-b[0], a[1]-b[1], a[2]-b[2], a[3]-b[3]
		s0 += float64(d0 * d0)
		s1 += float64(d1 * d1)
		s2 += float64(d2 * d2)
		s3 += float64(d3 * d3)
		if s0+s1+(s2+s3) >= limit {
			return limit
		}
		a, b = a[4:], b[4:]
	}
	sum := s0 + s1 + (s2 + s3)
	b = b[:len(a)]
	for j, x := range a {
		d := x - b[j]
		sum += float64(d * d)
	}
	return sum
}

// relation is the mean square of a row's coordinates after what the columns
// have in common was taken out (Mahalanobis 1936). scratch has one place a column.
func (m *memory) relation(row, scratch []float64) float64 {
	if !m.fitted {
		return 0
	}
	sum := 0.0
	for i := range m.columns {
		line := m.factor[i*m.columns : i*m.columns+i+1]
		v := row[i]
		for j, f := range line[:i] {
			v -= float64(f * scratch[j])
		}
		v /= line[i]
		scratch[i] = v
		sum += float64(v * v)
	}
	return sum / float64(m.columns)
}

// offer remembers a learned row that is normal enough; pick says which place
// it takes, which is none where that lies beyond the memory.
func (m *memory) offer(nats float64, near, far []float64, pick func(n float64) int) {
	normal := nats <= m.ceiling
	if m.offered < memoryFrom {
		m.ceiling = max(m.ceiling, nats)
		normal = true
	} else {
		step := max(0.01, min(0.1, 20/m.offered))
		if normal {
			m.ceiling -= float64(step * memoryShare)
		} else {
			m.ceiling += float64(step * (1 - memoryShare))
		}
	}
	m.offered++
	if !normal {
		return
	}
	if m.rows() < memoryMax {
		m.near = append(m.near, near...)
		m.far = append(m.far, far...)
		m.count(near, 1)
	} else if at := pick(m.offered * (1 - memoryShare)); at < memoryMax {
		at *= m.columns
		m.count(m.near[at:at+m.columns], -1)
		copy(m.near[at:], near)
		copy(m.far[at:], far)
		m.count(near, 1)
	}
	if m.offered >= m.due {
		m.fit()
		m.due = float64(m.offered*memoryGrowth) + 1
	}
}

// count adds the products of a row's coordinates, or takes them away, so that a
// fit need not go through all rows. Coordinates are small, see [view], so what
// rounding leaves behind stays far below the shrinkage.
func (m *memory) count(row []float64, sign float64) {
	for i, x := range row {
		if x == 0 {
			continue
		}
		x *= sign
		line := m.products[i*m.columns:]
		for j, y := range row[:i+1] {
			line[j] += float64(x * y)
		}
	}
}

// fit factors the covariance of the remembered coordinates, about 0 because
// they are deviations, shrunk towards independence by one row a column.
func (m *memory) fit() {
	n := m.rows()
	shrink := min(1, float64(m.columns)/float64(m.columns+n)+shrinkFloor)
	weight := (1 - shrink) / float64(n)
	d := m.columns
	for i := range d {
		line := m.factor[i*d : i*d+i+1]
		for j := range line {
			v := float64(m.products[i*d+j] * weight)
			if i == j {
				v += shrink
			}
			other := m.factor[j*d : j*d+j+1]
			for k, o := range other[:j] {
				v -= float64(line[k] * o)
			}
			if i == j {
				line[j] = math.Sqrt(max(v, shrinkFloor/2))
			} else {
				line[j] = v / other[j]
			}
		}
	}
	m.fitted = true
}

// halve gives everything so far half its weight.
func (m *memory) halve() { m.offered /= 2; m.due = m.offered }

func (m *memory) code(c *snapshot.Codec) {
	c.F64(&m.offered)
	c.F64(&m.ceiling)
	c.F64(&m.due)
	c.Bool(&m.fitted)
	snapshot.List(c, &m.near, c.F64)
	snapshot.List(c, &m.far, c.F64)
	snapshot.List(c, &m.products, c.F64)
	snapshot.List(c, &m.factor, c.F64)
}
