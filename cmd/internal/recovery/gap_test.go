package recovery_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/vigil-gateway/vigil/deploy/devstack/olap/olaptest"
	"github.com/vigil-gateway/vigil/schemas/assessment"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// assessed is how many records of a requests partition have an assessment.
func (r *rig) assessed(partition int) int64 {
	r.t.Helper()
	next := int64(0)
	_, err := r.writer.Read(r.t.Context(), topic.Assessments, partition, 0, func(m kafka.Message) {
		b, err := assessment.Decode(m.Value)
		if err != nil {
			r.t.Error(err)
			return
		}
		next = max(next, b.LastOffset+1)
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return next
}

// The verdict gap after kill -9: on the same disk, and on a machine that has only
// ClickHouse to restore from. What is not measured is asserted: where each partition's
// state came from.
func TestGapAfterKill(t *testing.T) {
	if testing.Short() {
		t.Skip("kills processes and waits out a session")
	}
	r := newRig(t)
	here := filepath.Join(r.dir, "here")
	each := r.prepare(here)
	t.Logf("%d entities in %d partitions, %d B each on disk, %d MiB in all", *entities, *partitions, each, each**entities>>20)
	p := r.start(here)
	r.send()
	r.scored(p)
	p = r.again(p, "own disk", here, "state=disk")
	begin := time.Now()
	r.archived(p)
	t.Logf("in ClickHouse %v later", time.Since(begin).Round(time.Millisecond))
	r.again(p, "ClickHouse", filepath.Join(r.dir, "there"), "state=archive")
}

// again kills a process, starts the next, and prints how long nobody was judged.
func (r *rig) again(p *process, what, stateDir, from string) *process {
	r.t.Helper()
	r.send()
	r.scored(p)
	killed := time.Now()
	p.kill()
	r.send()
	p = r.start(stateDir)
	started := time.Now()
	r.scored(p)
	scored := time.Now()
	r.t.Logf("from %s: %v from kill -9 to the last partition's first assessment, %v of it since the next process began, which has used %v of a core", what,
		scored.Sub(killed).Round(time.Millisecond), scored.Sub(started).Round(time.Millisecond), p.used(r.t))
	if got := len(p.said("partition begun", "topic="+topic.Requests, from)); got != *partitions {
		r.t.Errorf("%d partitions were restored from %s, want %d; the analyzer says:\n%s", got, what, *partitions, strings.Join(p.said(""), "\n"))
	}
	return p
}

// used is the processor time that a process has had, which a busy machine changes
// least; 0 where the system does not tell as Linux does.
func (p *process) used(t *testing.T) time.Duration {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(b), ") ") // The name before may hold anything.
	fields := strings.Fields(after)
	const userTime, systemTime, tick = 11, 12, 10 * time.Millisecond
	var sum time.Duration
	for _, i := range []int{userTime, systemTime} {
		n, err := strconv.Atoi(fields[i])
		if err != nil {
			t.Fatal(err)
		}
		sum += time.Duration(n) * tick
	}
	return sum
}

// archived waits until ClickHouse has a whole snapshot of each partition.
func (r *rig) archived(p *process) {
	r.t.Helper()
	end := time.Now().Add(*patience)
	database := r.config.Store.Database
	for {
		got := "0"
		if strings.TrimSpace(olaptest.Exec(r.t, "SELECT count() FROM system.tables WHERE database = '"+database+"' AND name = 'snapshots'")) == "1" {
			got = strings.TrimSpace(olaptest.Exec(r.t, "SELECT uniqExact(kafka_partition) FROM (SELECT kafka_partition FROM "+database+
				".snapshots WHERE kafka_topic = '"+topic.Requests+"' GROUP BY kafka_partition, epoch, kafka_offset HAVING uniqExact(chunk) = any(chunks))"))
		}
		if got == strconv.Itoa(*partitions) {
			return
		}
		if time.Now().After(end) {
			r.t.Fatalf("%s of %d partitions are archived; the analyzer says:\n%s", got, *partitions, strings.Join(p.said(""), "\n"))
		}
		time.Sleep(50 * time.Millisecond)
	}
}
