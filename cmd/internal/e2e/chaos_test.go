//go:build e2e

package e2e_test

import (
	"bufio"
	"context"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/deploy/devstack/olap/olaptest"
)

const (
	// chaosLasts is how long TestChaos lets things fail; VIGIL_MINUTES sets another time.
	chaosLasts = 2 * time.Minute
	// chaosCalm is about how often all is well for long enough to end a session.
	chaosCalm = 30 * time.Second
	// memoryMax is what a program may have needed in the end.
	memoryMax = 1 << 30
)

// TestChaos lets both programs, the broker and ClickHouse fail at random under load:
// killed, stopped for a while, cut off. Sessions that were ended in between stay ended
// at all times. In the end the books balance, both programs end when they are asked to,
// and neither disk nor memory is beyond its cap.
func TestChaos(t *testing.T) {
	lasts := chaosLasts
	if text := os.Getenv("VIGIL_MINUTES"); text != "" {
		minutes, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatalf("VIGIL_MINUTES: %v", err)
		}
		lasts = time.Duration(minutes * float64(time.Minute))
	}
	seed := seedOf(t)
	c := &chaos{mill: newMill(t), random: rand.New(rand.NewPCG(seed, 0)), did: make(map[string]int)}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	wait := c.load(ctx, seed, 10)
	calm := time.Now()
	for begin := time.Now(); time.Since(begin) < lasts; {
		c.fail(t)
		if time.Since(calm) > chaosCalm {
			c.heal(t)
			c.victims = append(c.victims, c.reported(t))
			calm = time.Now()
		}
		c.caps(t)
	}
	c.heal(t)
	stop()
	wait()
	c.enforced(t)
	c.theft(t)
	t.Logf("done: %v; %d sessions were ended meanwhile", c.did, len(c.victims))
	c.balance(t)
}

// chaos is an installation and what is wrong with it at the moment.
type chaos struct {
	*mill

	random  *rand.Rand
	did     map[string]int
	away    bool // Kafka is.
	down    bool // The analyzer is.
	victims []*person
}

// moment is a random time up to a limit.
func (c *chaos) moment(limit time.Duration) {
	instant := time.NewTimer(time.Duration(c.random.Int64N(int64(limit))))
	<-instant.C
}

// fail lets one thing go wrong, or end.
func (c *chaos) fail(t *testing.T) {
	t.Helper()
	c.moment(3 * time.Second)
	faults := map[string]func(*testing.T){
		"gateway killed": func(t *testing.T) {
			c.gateway.kill()
			c.startGateway(t)
			c.enforced(t)
		},
		"analyzer killed": func(t *testing.T) {
			c.analyzer.kill()
			c.relaunch(t)
		},
		"analyzer away": func(t *testing.T) {
			if c.down {
				c.relaunch(t)
			} else {
				c.analyzer.kill()
			}
			c.down = !c.down
		},
		"gateway stopped":   func(*testing.T) { c.freeze(c.gateway, 3*time.Second) },
		"analyzer stopped":  func(*testing.T) { c.freeze(c.analyzer, 8*time.Second) }, // Long enough to be a zombie.
		"kafka away":        c.kafkaAway,
		"kafka hangs":       func(*testing.T) { c.hang(6 * time.Second) },
		"clickhouse broken": func(*testing.T) { olaptest.Server(t).SetFault(breakClickHouse(c.random.Uint64()).next) },
		"clickhouse well":   func(*testing.T) { olaptest.Server(t).Resume() },
	}
	names := slices.Sorted(maps.Keys(faults))
	name := names[c.random.IntN(len(names))]
	if c.down && name != "analyzer away" && strings.HasPrefix(name, "analyzer") {
		return
	}
	c.did[name]++
	faults[name](t)
}

// kafkaAway ends the broker, or starts it again.
func (c *chaos) kafkaAway(t *testing.T) {
	t.Helper()
	if c.away {
		c.kafka.Return(t)
	} else {
		c.kafka.Crash()
	}
	c.away = !c.away
}

// freeze stops a program for a while, and lets it go on as if nothing had been.
func (c *chaos) freeze(p *process, limit time.Duration) {
	_ = p.cmd.Process.Signal(syscall.SIGSTOP) // It may have ended.
	c.moment(limit)
	_ = p.cmd.Process.Signal(syscall.SIGCONT)
}

// hang stops the broker for a while.
func (c *chaos) hang(limit time.Duration) {
	k, is := c.kafka.(apacheKafka)
	if !is || c.away {
		return
	}
	k.Pause()
	c.moment(limit)
	k.Resume()
}

// heal ends all that is wrong and waits until both programs say so.
func (c *chaos) heal(t *testing.T) {
	t.Helper()
	if c.away {
		c.kafkaAway(t)
	}
	if c.down {
		c.relaunch(t)
		c.down = false
	}
	olaptest.Server(t).Resume()
	c.ready(t)
}

// enforced checks that every session that was ended is still refused.
func (c *chaos) enforced(t *testing.T) {
	t.Helper()
	for _, p := range c.victims {
		c.refused(t, p)
	}
}

// caps looks at what the programs need of disk and memory.
func (c *chaos) caps(t *testing.T) {
	t.Helper()
	var spooled int64
	err := filepath.WalkDir(filepath.Join(c.dir, "gateway-state", "spool"), func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil //nolint:nilerr // A segment may go away while it is looked at.
		}
		info, err := d.Info()
		if err == nil && filepath.Ext(d.Name()) == ".seg" {
			spooled += info.Size()
		}
		return nil
	})
	if err != nil || spooled > millSpool {
		t.Errorf("the spool takes %d B of %d, %v", spooled, millSpool, err)
	}
	for _, p := range []*process{c.gateway, c.analyzer} {
		if peak := p.peak(); peak > memoryMax {
			t.Errorf("%s has needed %d B of memory", p.name, peak)
		}
	}
}

// peak is the most memory that the program has had, in bytes; 0 where it has ended.
func (p *process) peak() int64 {
	f, err := os.Open("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/status")
	if err != nil {
		return 0
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		text, found := strings.CutPrefix(lines.Text(), "VmHWM:")
		if !found {
			continue
		}
		kilobytes, err := strconv.ParseInt(strings.Fields(text)[0], 10, 64)
		if err != nil {
			return 0
		}
		return kilobytes << 10
	}
	return 0
}
