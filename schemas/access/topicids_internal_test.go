package access

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Many who ask at once share questions, also one that fails; who asks later, because
// something may have changed since, is told what is so by then.
func TestTopicIDsShareQuestions(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	var questions atomic.Int32
	slow := make(chan struct{})
	c.ControlKey(int16(kmsg.Metadata), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if questions.Add(1) == 1 {
			c.SleepControl(func() { <-slow })
		}
		return nil, nil, false
	})
	ids := NewTopicIDs(nil, "test", c.ListenAddrs())
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var all sync.WaitGroup
	var mu sync.Mutex
	told := make(map[string]int)
	ask := func() {
		id, err := ids.Of(ctx, "t")
		if err != nil {
			t.Errorf("Of() = %v", err)
		}
		mu.Lock()
		defer mu.Unlock()
		told[id]++
	}
	came := func() uint64 {
		ids.mu.Lock()
		defer ids.mu.Unlock()
		return ids.topics["t"].clock
	}
	const many = 31
	all.Go(ask)
	for questions.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	for range many {
		all.Go(ask)
	}
	for came() < 2+many { // The first, its question, and all others.
		time.Sleep(time.Millisecond)
	}
	close(slow)
	all.Wait()
	if n := questions.Load(); n != 2 || len(told) != 1 {
		t.Errorf("%d who asked have put %d questions and were told %v, want 2 questions and one id", 1+many, n, told)
	}
	_, err = ids.Of(ctx, "nothing")
	again, _ := ids.Of(ctx, "t")
	if err == nil || questions.Load() != 4 || told[again] == 0 {
		t.Errorf("Of() a topic that is not there = %v, then %d questions were put and the id is %q", err, questions.Load(), again)
	}
	gone, stop := context.WithCancel(ctx)
	stop()
	_, err = ids.Of(gone, "t")
	later, laterErr := ids.Of(ctx, "t")
	if err == nil || laterErr != nil || later != again {
		t.Errorf("who gives up has %v, and who comes next is told %q, %v", err, later, laterErr)
	}
}
