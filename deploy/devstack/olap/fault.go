package olap

import "net/http"

// Fault is what goes wrong with one request, for tests of the code that talks
// to ClickHouse.
type Fault int

// Faults.
const (
	// FaultNone serves the request.
	FaultNone Fault = iota
	// FaultRefuse answers 503 and does nothing, as a proxy does before a dead server.
	FaultRefuse
	// FaultMemory answers 500 with exception 241, as a server at its memory limit does.
	FaultMemory
	// FaultHang neither does nor answers anything until the client gives up or the server closes.
	FaultHang
	// FaultDrop closes the connection and does nothing.
	FaultDrop
	// FaultCut executes the statement and closes the connection without an
	// answer: the client cannot know that it happened.
	FaultCut
)

// FaultFunc decides what goes wrong with a request. It may look at the method,
// headers and URL, not at the body. It is called from many goroutines.
type FaultFunc func(r *http.Request) Fault

// SetFault installs f for every request that comes after; nil ends all faults.
func (s *Server) SetFault(f FaultFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// Pause drops every request until Resume, as a ClickHouse that is down.
func (s *Server) Pause() { s.SetFault(func(*http.Request) Fault { return FaultDrop }) }

// Resume ends all faults.
func (s *Server) Resume() { s.SetFault(nil) }

func (s *Server) faultOf(r *http.Request) Fault {
	s.mu.Lock()
	f := s.fault
	s.mu.Unlock()
	if f == nil {
		return FaultNone
	}
	return f(r)
}

// suffer applies a fault that comes before the statement. It reports whether
// the request has ended by it.
func (s *Server) suffer(f Fault, w http.ResponseWriter, r *http.Request) bool {
	switch f {
	case FaultNone, FaultCut:
		return false
	case FaultRefuse:
		http.Error(w, "service unavailable", http.StatusServiceUnavailable)
	case FaultMemory:
		fail(w, refuse(241, "(total) memory limit exceeded. (MEMORY_LIMIT_EXCEEDED)"))
	case FaultHang:
		select {
		case <-r.Context().Done():
		case <-s.stopping.Done():
		}
		panic(http.ErrAbortHandler)
	case FaultDrop:
		panic(http.ErrAbortHandler) // net/http's way to close a connection without an answer.
	}
	return true
}
