package evidence

import (
	"math"
	"strconv"
	"time"
	"unsafe"
)

// sayf writes a sentence as [fmt.Sprintf] would, without allocating: it knows
// the verbs %s, %d, %02d, %.0f, %.1f and %%, and values of type string, int,
// int64, uint32, uint64 and float64. The sentence is valid until the next call
// of Collect; who keeps it clones it.
func (k *Collector) sayf(format string, args ...any) string {
	start := len(k.text)
	next := 0
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			k.text = append(k.text, format[i])
			continue
		}
		i++
		switch {
		case i >= len(format):
		case format[i] == '%':
			k.text = append(k.text, '%')
			continue
		default:
			places, wide := 0, false
			for ; format[i] == '.' || format[i] >= '0' && format[i] <= '9'; i++ {
				wide = wide || format[i] == '2'
				places = int(format[i] - '0')
			}
			if next < len(args) {
				k.text = appendValue(k.text, args[next], places, wide)
			}
			next++
		}
	}
	return k.said(start)
}

// said is what has been written from start on.
func (k *Collector) said(start int) string { return view(k.text[start:]) }

// view is a text of bytes that are not written again before the next event.
func view(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // See above.
}

// appendValue appends a number with places after the point, or, where it is
// whole and wide, with at least two digits.
func appendValue(b []byte, v any, places int, wide bool) []byte {
	switch v := v.(type) {
	case string:
		return append(b, v...)
	case float64:
		return strconv.AppendFloat(b, v, 'f', places, 64)
	case uint32:
		return strconv.AppendUint(b, uint64(v), 10)
	case uint64:
		return strconv.AppendUint(b, v, 10)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case int:
		if wide && v >= 0 && v < 10 {
			b = append(b, '0')
		}
		return strconv.AppendInt(b, int64(v), 10)
	}
	return append(b, "(unknown)"...)
}

// ago is a time span in whole seconds, as [time.Duration.String] writes it.
func (k *Collector) ago(ns int64) string {
	seconds := int64(time.Duration(max(0, ns)).Round(time.Second) / time.Second)
	h, m, s := seconds/3600, seconds/60%60, seconds%60
	switch {
	case h > 0:
		return k.sayf("%dh%dm%ds", h, m, s)
	case m > 0:
		return k.sayf("%dm%ds", m, s)
	}
	return k.sayf("%ds", s)
}

// humanSize is a number of bytes in the unit that suits it.
func (k *Collector) humanSize(bytes float64) string {
	for _, unit := range [...]string{"B", "KiB", "MiB", "GiB"} {
		if bytes < 1024 {
			return k.sayf("%.0f %s", math.Round(bytes), unit)
		}
		bytes /= 1024
	}
	return k.sayf("%.1f TiB", bytes)
}
