// Package bubble is testing/synctest for tests that also run under the race
// detector.
//
// Its law: under the race detector no two timers of a bubble fire at once. Up to Go
// 1.26 all timers of a bubble share one context of the detector, and a timer fires on
// the thread of whoever looks at its channel: two at once destroy that context, and
// the process dies by SIGSEGV or by a CHECK of ThreadSanitizer (golang/go issue
// 78156). So there a bubble has one processor, and the next one waits for it; other
// builds are as they were. What races is found by what happens before what, not by
// what happens at once, so one processor hides no race that two would show in the
// same order of events.
package bubble
