package profile

import "github.com/vigil-gateway/vigil/scorer/fetch"

// Fetch reads the habit ahead of its use, see package fetch.
func (c *Categorical) Fetch() byte { return fetch.List(c.values) }

// Fetch reads the habit ahead of its use, see package fetch.
func (h *Numeric) Fetch() byte { return fetch.List(h.cells) }

// Fetch reads the habit ahead of its use, see package fetch.
func (w *Week) Fetch() byte { return fetch.List(w.cells) }
