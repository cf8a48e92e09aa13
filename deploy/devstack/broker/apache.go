package broker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/vigil-gateway/vigil/deploy/devstack/freeport"
)

// ApacheVersion is the release that `make engines` fetches.
const ApacheVersion = "4.4.0"

// ApacheOptions say what to start. Dir is required.
type ApacheOptions struct {
	// Dir holds data, configuration and log. It is formatted when it is new.
	Dir string
	// Jars is the folder with the broker's jars; "" is .cache/kafka-VERSION of the checkout.
	Jars string
	// Properties are added to server.properties, one NAME=VALUE each.
	Properties []string
	// Listeners are where clients connect, NAME://127.0.0.1:PORT with commas
	// between; "" is plain text on a free port. [Apache.Addr] is that of the last
	// one. With several, each needs a port of its own choice.
	Listeners string
	// Passwords are those of SCRAM-SHA-512 users that are there from the start.
	Passwords map[string]string
}

// Apache is Apache Kafka, one node in KRaft mode, as a child process. It keeps
// data and port over Stop or Kill and the next Start.
type Apache struct {
	dir  string
	jars string
	addr string
	// listeners are those of the configuration, "" for one in plain text.
	listeners string

	cmd  *exec.Cmd
	done chan struct{} // Closed when the process has ended.
	err  error         // How it ended; read after done.
}

// clusterID is any; it must not begin with a dash.
const clusterID = "MkU3OEVBNTcwNTJENDM2Qk"

// properties of the node. DIR is replaced. The short sessions let it come back
// at once after a kill; the small dedupe buffer saves 130 MB.
const properties = `process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=127.0.0.1:0
listeners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0
log.dirs=DIR/data
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.heartbeat.interval.ms=100
broker.session.timeout.ms=1000
log.cleaner.dedupe.buffer.size=4194304
`

// serving matches a log of a node that serves. Two acceptors report; the
// controller's comes first, so the last one is the clients' port.
func serving() *regexp.Regexp {
	return regexp.MustCompile(`(?s)Awaiting socket.*Awaiting socket connections on (127\.0\.0\.1:\d+)\..*Kafka Server started`)
}

// NewApache returns a node that is not running yet. Its error says in one line
// what is missing on this machine and how to get it.
func NewApache(ctx context.Context, o ApacheOptions) (*Apache, error) {
	_, err := exec.LookPath("java")
	if err != nil {
		return nil, errors.New("apache kafka needs java 17 or later on the PATH (for example: apt-get install openjdk-17-jre-headless)")
	}
	if o.Jars == "" {
		o.Jars = filepath.Join(checkout(), ".cache", "kafka-"+ApacheVersion)
	}
	jars, err := filepath.Glob(filepath.Join(o.Jars, "kafka_*.jar"))
	if err != nil || len(jars) == 0 {
		return nil, fmt.Errorf("no jars of apache kafka in %s: run `make engines`", o.Jars)
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("directory of apache kafka: %w", err)
	}
	a := &Apache{dir: dir, jars: o.Jars, listeners: o.Listeners}
	_, err = os.Stat(a.config())
	if err == nil {
		return a, nil // Formatted by an earlier start.
	}
	return a, a.format(ctx, o)
}

// checkout is the directory with go.mod above the working directory, "." for none.
func checkout() string {
	dir, err := os.Getwd()
	for err == nil && dir != filepath.Dir(dir) {
		_, found := os.Stat(filepath.Join(dir, "go.mod"))
		if found == nil {
			return dir
		}
		dir = filepath.Dir(dir)
	}
	return "."
}

func (a *Apache) config() string  { return filepath.Join(a.dir, "server.properties") }
func (a *Apache) logFile() string { return filepath.Join(a.dir, "broker.log") }

// Addr is the host and port for clients, "" before the first Start.
func (a *Apache) Addr() string { return a.addr }

func (a *Apache) format(ctx context.Context, o ApacheOptions) error {
	err := os.MkdirAll(a.dir, 0o700)
	if err != nil {
		return fmt.Errorf("format apache kafka: %w", err)
	}
	text := strings.ReplaceAll(properties, "DIR", a.dir) + strings.Join(append(o.Properties, ""), "\n")
	if o.Listeners != "" {
		text += "listeners=" + o.Listeners + ",CONTROLLER://127.0.0.1:0\n" // The last one counts.
	}
	err = os.WriteFile(a.config(), []byte(text), 0o600)
	if err != nil {
		return fmt.Errorf("format apache kafka: %w", err)
	}
	args := []string{"kafka.tools.StorageTool", "format", "--standalone", "-t", clusterID, "-c", a.config()}
	for _, name := range slices.Sorted(maps.Keys(o.Passwords)) {
		args = append(args, "--add-scram", "SCRAM-SHA-512=[name="+name+",password="+o.Passwords[name]+"]")
	}
	out, err := a.java(ctx, args...).CombinedOutput()
	if err != nil {
		_ = os.Remove(a.config()) // So that the next attempt formats again.
		return fmt.Errorf("format apache kafka: %w: %s", err, out)
	}
	return nil
}

// java returns a command in a process group of its own, so that a terminal's
// Ctrl-C reaches only us, and that dies with us.
func (a *Apache) java(ctx context.Context, args ...string) *exec.Cmd {
	const logger = "-Dorg.slf4j.simpleLogger."
	options := []string{
		"-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", logger + "defaultLogLevel=warn",
		logger + "log.kafka.network.DataPlaneAcceptor=info", logger + "log.kafka.server.KafkaRaftServer=info",
		"-cp", filepath.Join(a.jars, "*"),
	}
	c := exec.CommandContext(ctx, "java", append(options, args...)...) //nolint:gosec // The arguments are ours.
	c.SysProcAttr = attributes()
	return c
}

// Start starts the node and returns when it serves. After Stop or Kill it has
// the same data and the same port. ctx bounds the start, not the node's life.
func (a *Apache) Start(ctx context.Context) error {
	log, err := os.Create(a.logFile()) // A file: no pipe to drain, and it is there after a failure.
	if err != nil {
		return fmt.Errorf("start apache kafka: %w", err)
	}
	defer func() { _ = log.Close() }() // The child has its own descriptor.
	cmd := a.java(context.WithoutCancel(ctx), "kafka.Kafka", a.config())
	if a.listeners == "" {
		if a.addr == "" {
			a.addr, err = freeport.Addr() // One that is still there after a crash.
			if err != nil {
				return fmt.Errorf("start apache kafka: %w", err)
			}
		}
		cmd.Args = append(cmd.Args, "--override", "listeners=PLAINTEXT://"+a.addr+",CONTROLLER://127.0.0.1:0")
	}
	cmd.Stdout, cmd.Stderr = log, log
	a.cmd, a.done = cmd, make(chan struct{})
	started := make(chan error)
	go a.keep(started)
	err = <-started
	if err != nil {
		return fmt.Errorf("start apache kafka: %w", err)
	}
	return a.await(ctx)
}

// keep starts the process and waits for its end on one thread: the
// parent-death signal comes when the thread that started it ends.
func (a *Apache) keep(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(a.done)
	err := a.cmd.Start()
	started <- err
	if err == nil {
		a.err = a.cmd.Wait()
	}
}

// await returns when the node's log says that it serves.
func (a *Apache) await(ctx context.Context) error {
	poll := time.NewTicker(25 * time.Millisecond)
	defer poll.Stop()
	up := serving()
	for {
		out, err := os.ReadFile(a.logFile())
		if err != nil {
			return fmt.Errorf("start apache kafka: %w", err)
		}
		m := up.FindSubmatch(out)
		if m != nil {
			a.addr = string(m[1])
			if a.listeners != "" {
				a.addr = a.listeners[strings.LastIndex(a.listeners, "/")+1:]
			}
			return nil
		}
		select {
		case <-a.done:
			return fmt.Errorf("apache kafka ended: %w: %s", a.err, out)
		case <-ctx.Done():
			a.Kill()
			return fmt.Errorf("apache kafka does not serve: %w: %s", ctx.Err(), out)
		case <-poll.C:
		}
	}
}

// Stop asks the node to end and waits; after wait it is killed. It reports an
// end that was not orderly.
func (a *Apache) Stop(wait time.Duration) error {
	if a.cmd == nil {
		return nil
	}
	a.signal(syscall.SIGTERM)
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-a.done:
	case <-t.C:
		a.Kill()
		return errors.New("apache kafka did not stop and was killed")
	}
	if code := a.cmd.ProcessState.ExitCode(); code != 143 && code != 0 {
		return fmt.Errorf("apache kafka ended with status %d", code)
	}
	return nil
}

// Kill ends the node as a crash would, and waits until it is gone.
func (a *Apache) Kill() {
	if a.cmd == nil {
		return
	}
	a.signal(syscall.SIGKILL)
	<-a.done
}

// Pause makes the node hang: connections stay open and nothing answers.
func (a *Apache) Pause() { a.signal(syscall.SIGSTOP) }

// Resume ends a Pause.
func (a *Apache) Resume() { a.signal(syscall.SIGCONT) }

// Restart kills the node and starts it again on the same port and data.
func (a *Apache) Restart(ctx context.Context) error {
	a.Kill()
	return a.Start(ctx)
}

func (a *Apache) signal(s syscall.Signal) {
	if a.cmd != nil && a.cmd.Process != nil {
		_ = a.cmd.Process.Signal(s) // It may have ended already.
	}
}
