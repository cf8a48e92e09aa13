package attacklog

import (
	"regexp"
	"strconv"
	"time"
)

// stamps are the ways to write a time that logs have in front, with their
// layouts; what a layout lacks is that of the start of the log.
//
//nolint:gochecknoglobals // A constant: Go has no constant tables.
var stamps = []struct {
	pattern *regexp.Regexp
	layouts []string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)`), []string{time.RFC3339, "2006-01-02T15:04:05Z0700"}},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?`), []string{"2006-01-02T15:04:05"}},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d +\d{1,2}:\d\d:\d\d`), []string{"2006-01-02 15:04:05", "2006-01-02  15:04:05"}},
	{regexp.MustCompile(`\d{4}/\d\d/\d\d(?: -)? \d\d:\d\d:\d\d`), []string{"2006/01/02 15:04:05", "2006/01/02 - 15:04:05"}},
	{regexp.MustCompile(`\d\d/\d\d/\d{4}, \d{1,2}:\d\d:\d\d [AP]M`), []string{"01/02/2006, 3:04:05 PM"}},
	{regexp.MustCompile(`\d\d/\d\d/\d\d,? \d{1,2}:\d\d:\d\d(?: [AP]M)?`), []string{"01/02/06 15:04:05", "01/02/06, 15:04:05", "01/02/06, 3:04:05 PM"}},
	{regexp.MustCompile(`[A-Z][a-z]{2} [A-Z][a-z]{2} +\d{1,2} \d\d:\d\d:\d\d(?:\.\d+)? \d{4}`), []string{"Mon Jan _2 15:04:05 2006"}},
	{regexp.MustCompile(`[A-Z][a-z]{2} +\d{1,2} \d\d:\d\d:\d\d`), []string{"Jan _2 15:04:05", "Jan 2 15:04:05"}},
	{regexp.MustCompile(`"ts":(\d{9,10}(?:\.\d+)?)`), nil},
}

// clock reads the times of one log. A line without any happens when the one
// before it did.
type clock struct{ last time.Time }

// firstYear is that of logs that name none: syslog does not.
const firstYear = 2026

func (c *clock) of(line string) time.Time {
	if c.last.IsZero() {
		c.last = time.Date(firstYear, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	for i := range stamps {
		m := stamps[i].pattern.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		if stamps[i].layouts == nil {
			seconds, err := strconv.ParseFloat(m[1], 64)
			if err == nil {
				c.last = time.UnixMicro(int64(seconds * 1e6)).UTC()
			}
			return c.last
		}
		for _, layout := range stamps[i].layouts {
			t, err := time.Parse(layout, m[0])
			if err != nil {
				continue
			}
			if t.Year() == 0 {
				t = t.AddDate(firstYear, 0, 0)
			}
			c.last = t
			return t
		}
	}
	return c.last
}
