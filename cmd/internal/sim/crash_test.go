package sim_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"

	"github.com/vigil-gateway/vigil/deploy/devstack/bubble"
	"github.com/vigil-gateway/vigil/schemas/seal"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

const (
	// crashSeeds is how many runs TestCrashesLeaveTheStateOfOneLife has;
	// VIGIL_RUNS asks for another number, VIGIL_SEED for the one run of that seed.
	crashSeeds = 5
	// crashLoad is how long requests come.
	crashLoad = 30 * time.Second
	// step is the time between two batches of them.
	step = 250 * time.Millisecond
	// killsMax is how often an analyzer is killed in a run, at least once.
	killsMax = 6
)

// TestCrashesLeaveTheStateOfOneLife kills an analyzer of both stages again and again,
// at instants between a read, its scoring, its verdicts, its cuts, its assessments,
// its snapshot and its commit, and lets its next life begin from whatever the disk
// had by then: both files, the older one, a torn one, none. In the end the bytes of
// every partition's snapshot, every assessment, every cut and every verdict in force
// are those of an analyzer that has read the same topics in one life.
func TestCrashesLeaveTheStateOfOneLife(t *testing.T) {
	first, n := rand.Uint64(), crashSeeds
	for name, to := range map[string]func(uint64){
		"VIGIL_RUNS": func(v uint64) { n = int(v) },
		"VIGIL_SEED": func(v uint64) { first, n = v, 1 },
	} {
		text := os.Getenv(name)
		if text == "" {
			continue
		}
		v, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		to(v)
	}
	var all tallies
	equal := 0
	for i := range n {
		seed := first + uint64(i)
		ok := t.Run(fmt.Sprint("VIGIL_SEED=", seed), func(t *testing.T) {
			root := t.TempDir()
			bubble.Test(t, func(t *testing.T) {
				c := newCrash(t, seed, root)
				c.run(t)
				all.add(&c.tallies)
			})
		})
		if ok {
			equal++
		}
	}
	t.Logf("%d of %d equal one life: %d records, %d kills, %d assessments, %d of them written again, %d cuts, %d verdicts in force", equal, n,
		all.records, sum(all.kills), all.assessments, all.again, all.cuts, all.verdicts)
	for _, what := range slices.Sorted(maps.Keys(all.kills)) {
		t.Logf("  killed %s: %d", what, all.kills[what])
	}
	for _, what := range slices.Sorted(maps.Keys(all.disks)) {
		t.Logf("  restarted with %s: %d", what, all.disks[what])
	}
	if all.verdicts == 0 || all.cuts == 0 || all.again == 0 {
		t.Error("the runs have compared nothing: no verdict, no cut, or nothing that was done twice")
	}
}

// tallies are what runs did.
type tallies struct {
	records, assessments, again, cuts, verdicts int

	kills, disks map[string]int
}

func (a *tallies) add(b *tallies) {
	a.records += b.records
	a.assessments += b.assessments
	a.again += b.again
	a.cuts += b.cuts
	a.verdicts += b.verdicts
	if a.kills == nil {
		a.kills, a.disks = make(map[string]int), make(map[string]int)
	}
	for what, n := range b.kills {
		a.kills[what] += n
	}
	for what, n := range b.disks {
		a.disks[what] += n
	}
}

func sum(m map[string]int) int {
	n := 0
	for _, v := range m {
		n += v
	}
	return n
}

// crash is one run.
type crash struct {
	tallies

	seed    uint64
	rand    *rand.Rand
	root    string
	folders int
	ring    ring
	seals   seal.Keys // Nil where the requests bear none.
	network *network
	kafka   *cluster
	blow    *blow
	traffic *crashTraffic
	life    *twoStages
	calm    bool           // No life is to be ended any more.
	ended   sync.WaitGroup // What earlier lives still do.
}

func newCrash(t *testing.T, seed uint64, root string) *crash {
	t.Helper()
	c := &crash{seed: seed, rand: rand.New(rand.NewPCG(seed, 1)), root: root, ring: newRing(t), network: newNetwork(seed)}
	c.kills, c.disks = make(map[string]int), make(map[string]int)
	c.kafka = newCluster(t, c.network)
	c.blow = newBlow(c.kafka)
	c.traffic = newCrashTraffic(rand.New(rand.NewPCG(seed, 2)))
	return c
}

// run is a run: load and kills, rest, and the comparison.
func (c *crash) run(t *testing.T) {
	t.Helper()
	c.start(t, c.folder(t))
	steps, lives := int(crashLoad/step), 1+c.rand.IntN(killsMax)
	due := make(map[int]bool) // The steps in which somebody is about to strike.
	for len(due) < lives {
		due[c.rand.IntN(steps)] = true
	}
	for i := range steps {
		if due[i] {
			c.blow.arm(c.rand, c.life.node, c.network, instants())
		}
		for p, records := range c.traffic.next(time.Now()) {
			c.kafka.write(t, topic.Requests, p, records)
			c.records += len(records)
		}
		time.Sleep(step)
		c.mourn(t)
	}
	c.calm = true
	c.blow.strike("while nothing was under way")
	c.mourn(t)
	c.life.finish(t, c.kafka)
	got := c.remains(t, c.kafka, c.life.dir)
	want := c.oneLife(t)
	if diff := cmp.Diff(want.verdicts, got.verdicts); diff != "" {
		t.Errorf("verdicts in force (-one life +%d lives):\n%s", 1+sum(c.kills), diff)
	}
	compare(t, "assessments of", want.assessments, got.assessments)
	compare(t, "cut", want.cuts, got.cuts)
	compare(t, "snapshot of", want.states, got.states)
	c.assessments, c.again, c.cuts, c.verdicts = len(got.assessments), got.again, len(got.cuts), len(got.verdicts)
	c.ended.Wait()
	c.kafka.close()
	time.Sleep(10 * time.Minute) // Idle connections end by their timers.
}

// compare tells which of two sets of bytes differ, the first few of them.
func compare(t *testing.T, what string, want, got map[string][]byte) {
	t.Helper()
	wrong := 0
	all := maps.Clone(want)
	maps.Copy(all, got)
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if string(want[key]) == string(got[key]) {
			continue
		}
		if wrong++; wrong <= 3 {
			t.Errorf("%s %s: one life has %d bytes, this has %d, and they differ", what, key, len(want[key]), len(got[key]))
		}
	}
	if wrong > 3 {
		t.Errorf("%s …: %d of %d differ", what, wrong, len(all))
	}
	if len(want) == 0 {
		t.Errorf("%s …: one life has none", what)
	}
}

// folder makes an empty folder.
func (c *crash) folder(t *testing.T) string {
	t.Helper()
	c.folders++
	dir := filepath.Join(c.root, fmt.Sprint("folder-", c.folders))
	err := os.Mkdir(dir, 0o700)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// start begins a life on what is in a folder.
func (c *crash) start(t *testing.T, dir string) {
	t.Helper()
	node := fmt.Sprint("analyzer#", 1+sum(c.kills))
	if sum(c.kills) > 0 && !c.calm && c.rand.IntN(4) == 0 { // Lives may also end before they have begun to work.
		c.blow.arm(c.rand, node, c.network, takeovers())
	}
	c.life = startStages(t, stagesOptions{network: c.network, kafka: c.kafka, ring: c.ring, node: node, dir: dir, stages: both(), often: c.rand.IntN(2) == 0})
}

// mourn begins the next life where the last one has been ended.
func (c *crash) mourn(t *testing.T) {
	t.Helper()
	how, dead := c.blow.struck()
	if !dead {
		return
	}
	if c.rand.IntN(2) == 0 { // It lives on for a while, cut off, and may save what nobody has heard of.
		time.Sleep(time.Duration(c.rand.IntN(4000)) * time.Millisecond)
		how += ", cut off first"
	}
	bubble.Wait()
	next := c.folder(t)
	err := os.CopyFS(next, os.DirFS(c.life.dir))
	if err != nil {
		t.Fatal(err)
	}
	c.life.stop()
	c.ended.Go(c.life.ended.Wait)
	c.kills[how]++
	disk := c.spoil(t, next)
	c.disks[disk]++
	t.Logf("%v: %s killed %s, restarted with %s", time.Now().Format("15:04:05.000"), c.life.node, how, disk)
	if c.rand.IntN(2) == 0 {
		time.Sleep(time.Duration(c.rand.IntN(3000)) * time.Millisecond)
	}
	c.start(t, next)
}

// spoil leaves in a folder what another instant of a crash, or a worse one, would have.
func (c *crash) spoil(t *testing.T, dir string) string {
	t.Helper()
	n := c.rand.IntN(6)
	if n < 3 {
		return "its disk"
	}
	if n == 3 {
		err := os.RemoveAll(dir)
		if err != nil {
			t.Fatal(err)
		}
		return "an empty disk"
	}
	for _, name := range []string{topic.Requests, topic.Facets} {
		files, err := filepath.Glob(filepath.Join(dir, name, "partition-*.state"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if c.rand.IntN(2) == 0 {
				continue
			}
			info, err := os.Stat(file)
			if err == nil && n == 4 {
				err = os.Remove(file)
			} else if err == nil {
				err = os.Truncate(file, info.Size()/2)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	return []string{"some newest files missing", "some newest files torn"}[n-4]
}

// oneLife gives what one life makes of the records as they stand: each stage alone
// on a broker of its own, so that the second one reads the very cuts, repeated ones
// among them, that the many lives have left.
func (c *crash) oneLife(t *testing.T) *remains {
	t.Helper()
	out := newRemains()
	for _, stage := range both() {
		net := newNetwork(c.seed)
		k := newCluster(t, net)
		for p, records := range c.kafka.copied(t, stage.stage.Topic) {
			k.write(t, stage.stage.Topic, p, records)
		}
		l := startStages(t, stagesOptions{network: net, kafka: k, ring: c.ring, node: "one life", dir: c.folder(t), stages: []stageOf{stage}, seals: c.seals})
		l.finish(t, k)
		one := c.remains(t, k, l.dir)
		out.take(one, stage.stage.Topic)
		k.close()
	}
	return out
}

// write appends records to a partition.
func (k *cluster) write(t *testing.T, name string, partition int, records []kafka.Record) {
	t.Helper()
	if len(records) == 0 {
		return
	}
	resp, err := k.client.Produce(t.Context(), &kafka.ProduceRequest{
		Topic: name, Partition: partition, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(records...),
	})
	if err == nil {
		err = resp.Error
	}
	if err != nil {
		t.Fatalf("write %s/%d: %v", name, partition, err)
	}
}

// copied is every record of a topic, by partition, to be written elsewhere.
func (k *cluster) copied(t *testing.T, name string) map[int][]kafka.Record {
	t.Helper()
	out := make(map[int][]kafka.Record)
	for _, r := range k.read(t, name) {
		if r.offset != int64(len(out[r.partition])) {
			t.Fatalf("%s/%d: offset %d comes as number %d", name, r.partition, r.offset, len(out[r.partition]))
		}
		out[r.partition] = append(out[r.partition], kafka.Record{Key: kafka.NewBytes(r.key), Value: kafka.NewBytes(r.value), Headers: r.headers})
	}
	return out
}
