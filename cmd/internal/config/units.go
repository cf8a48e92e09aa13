package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

type sizeUnit struct {
	suffix string
	bytes  float64
}

// sizeUnits lists longer suffixes first, so that KiB is not read as B.
func sizeUnits() []sizeUnit {
	return []sizeUnit{
		{"KiB", 1 << 10},
		{"MiB", 1 << 20},
		{"GiB", 1 << 30},
		{"TiB", 1 << 40},
		{"kB", 1e3},
		{"KB", 1e3},
		{"MB", 1e6},
		{"GB", 1e9},
		{"TB", 1e12},
		{"B", 1},
	}
}

// parseSize reads a number of bytes: 65536, "64KiB", "1.5 GiB".
func parseSize(s string) (int64, error) {
	t := strings.TrimSpace(s)
	factor := 1.0
	for _, u := range sizeUnits() {
		rest, found := strings.CutSuffix(t, u.suffix)
		if found {
			t, factor = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(strings.ReplaceAll(t, "_", ""), 10, 64)
	if err == nil && factor == 1 {
		return n, nil
	}
	f, err := strconv.ParseFloat(t, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, fmt.Errorf("needs a size such as 65536 or 64KiB, is %q", s)
	}
	if math.Abs(f*factor) >= math.MaxInt64 {
		return 0, fmt.Errorf("%q is too large", s)
	}
	if f*factor != math.Trunc(f*factor) {
		return 0, fmt.Errorf("%q is not a whole number of bytes", s)
	}
	return int64(f * factor), nil
}

// ParseDuration is [time.ParseDuration] with whole days, 7d, and a message that says
// what is missing.
func ParseDuration(s string) (time.Duration, error) {
	t := strings.TrimSpace(s)
	_, err := strconv.ParseFloat(t, 64)
	if err == nil && t != "0" {
		return 0, fmt.Errorf("%q has no unit: a duration needs one, such as %ss, %sms or %sm", s, t, t, t)
	}
	days, found := strings.CutSuffix(t, "d")
	if found {
		n, err := strconv.ParseInt(days, 10, 32)
		if err == nil {
			if n > math.MaxInt64/int64(24*time.Hour) || n < -math.MaxInt64/int64(24*time.Hour) {
				return 0, errors.New("is longer than 292 years")
			}
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(t)
	if err != nil {
		return 0, fmt.Errorf("needs a duration such as 30s, 5m, 12h or 7d, is %q", s)
	}
	return d, nil
}
