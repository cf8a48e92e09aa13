package budget

// Limit bounds the subjects whose day is open, in place of [SubjectsMax].
func (c *Collector) Limit(subjects int) { c.subjectsMax = subjects }
