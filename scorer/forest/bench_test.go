package forest_test

import (
	"strconv"
	"testing"
)

// BenchmarkNext scores and learns one row.
func BenchmarkNext(b *testing.B) {
	for _, columns := range []int{3, 10, 40} {
		b.Run(strconv.Itoa(columns), func(b *testing.B) {
			d, rng := detector(b, columns), seeded(1)
			normal(b, d, rng, 20000, columns)
			rows := make([][]float64, 1024)
			for i := range rows {
				rows[i] = make([]float64, columns)
				for j := range rows[i] {
					rows[i][j] = rng.NormFloat64()
				}
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				_, err := d.Next(rows[i%len(rows)])
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
