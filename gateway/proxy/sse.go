package proxy

import "bytes"

// tail remembers how an event stream ended so far: the last four bytes tell
// whether an event or a line is unfinished, however lines end
// (https://html.spec.whatwg.org/multipage/server-sent-events.html).
type tail struct{ b []byte }

func (t *tail) see(b []byte) {
	if len(b) >= 4 {
		t.b = append(t.b[:0], b[len(b)-4:]...)
		return
	}
	t.b = append(t.b, b...)
	if len(t.b) > 4 {
		t.b = append(t.b[:0], t.b[len(t.b)-4:]...)
	}
}

// half ends half an event, under a name that nobody listens to, so that it is
// not taken for a whole one. Nothing where no event has begun.
func (t *tail) half() []byte {
	var out []byte
	if t.between() {
		return out
	}
	if t.b[len(t.b)-1] != '\n' {
		out = append(out, '\n') // After \r it is the rest of that line's end.
	}
	return append(out, "event: vigil.truncated\n\n"...)
}

// last is the final event. pushback, in milliseconds and empty for none, is after
// what time the client opens the stream again.
func (t *tail) last(problem []byte, pushback string) []byte {
	out := append(t.half(), "event: vigil.revoked\ndata: "...)
	out = append(out, problem...)
	if pushback != "" {
		out = append(append(out, "\nretry: "...), pushback...)
	}
	return append(out, "\n\n"...)
}

// adieu is the end of a stream that the client is to open again elsewhere, which
// dispatches no event.
func (t *tail) adieu(pushback string) []byte {
	return append(append(append(t.half(), "retry: "...), pushback...), "\n\n"...)
}

// between reports whether no event has begun.
func (t *tail) between() bool {
	if len(t.b) == 0 {
		return true
	}
	for _, end := range []string{"\n\n", "\r\n\r\n", "\r\r", "\n\r\n"} {
		if bytes.HasSuffix(t.b, []byte(end)) {
			return true
		}
	}
	return false
}
