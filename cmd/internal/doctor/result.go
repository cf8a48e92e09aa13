package doctor

// Level is how bad something is.
type Level string

// Levels, from good to bad.
const (
	// Green is as it should be.
	Green Level = "green"
	// Yellow works, and should be seen to.
	Yellow Level = "yellow"
	// Red does not work, or is open to whoever comes.
	Red Level = "red"
)

// Result is what a check has found; a check with several faults has several.
type Result struct {
	// Check is the check's name.
	Check string `json:"check"`
	Level Level  `json:"level"`
	// Text is what was seen, in one line.
	Text string `json:"text"`
	// Hint is what to do about it; empty where it is green.
	Hint string `json:"hint,omitempty"`
}

// Worst is the worst level of any result; green for none.
func Worst(results []Result) Level {
	worst := Green
	for _, r := range results {
		if r.Level == Red || r.Level == Yellow && worst == Green {
			worst = r.Level
		}
	}
	return worst
}
