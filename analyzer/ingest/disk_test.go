package ingest_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/analyzer/ingest"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// hang makes whoever writes a file wait, as on a disk that hangs, until release is
// called; then he fails.
func hang(t *testing.T, path string) (release func()) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = syscall.Mkfifo(path, 0o600) // Opening it waits for a reader.
	}
	other := filepath.Join(t.TempDir(), "other name")
	if err == nil {
		err = os.Link(path, other)
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		// Whoever waits must not find it any more, or he would make it the file that he
		// meant to replace, and the next who reads that waits for ever.
		_ = os.Remove(path)
		f, err := os.OpenFile(other, os.O_RDONLY|syscall.O_NONBLOCK, 0)
		if err != nil {
			return // Released before.
		}
		_ = os.Remove(other)
		_ = f.Close()
	}
}

// A disk that hangs keeps an analyzer neither from scoring nor from its end, and the next
// life, on the disk as it was, scores on as if there had been one.
func TestADiskThatHangsKeepsNobody(t *testing.T) {
	for name, file := range map[string]string{
		"the state file":    filepath.Join(topic.Requests, "partition-1.state.tmp"),
		"the member's note": "members.json.tmp",
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			dir := t.TempDir()
			hasty := func(o *ingest.Options) {
				o.Config.Drain, o.Config.RebalanceTimeout = 200*time.Millisecond, 500*time.Millisecond
			}
			first := r.start(dir, hasty)
			r.send(1, request(0, "alice", "/"), request(1, "alice", "/"))
			eventually(t, "state is on disk", func() bool {
				_, err := os.Stat(filepath.Join(dir, topic.Requests, "partition-1.state"))
				return err == nil
			})
			first.stop()
			release := hang(t, filepath.Join(dir, file))
			defer release() // Before whatever still runs is waited for.
			second := r.start(dir, hasty)
			r.send(1, request(2, "alice", "/"), request(3, "alice", "/"))
			eventually(t, "what comes is scored", func() bool { return len(r.assessments(1)) == 4 })
			ended := make(chan struct{})
			go func() {
				second.stop()
				close(ended)
			}()
			select {
			case <-ended:
			case <-time.After(30 * time.Second):
				t.Error("the analyzer does not end")
				release()
				<-ended
			}
			release()
			r.start(dir, hasty)
			r.send(1, request(4, "alice", "/"))
			eventually(t, "the next life scores", func() bool { return len(r.assessments(1)) == 5 })
			for offset, score := range r.assessments(1) {
				if score != float64(offset+1) {
					t.Errorf("offset %d scored %v, want %d", offset, score, offset+1)
				}
			}
		})
	}
}
