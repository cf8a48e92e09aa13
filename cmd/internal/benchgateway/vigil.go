//go:build linux

package benchgateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/cmd/internal/config"
	"github.com/vigil-gateway/vigil/cmd/internal/devstack/runfile"
	"github.com/vigil-gateway/vigil/cmd/internal/keys"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// Where a gateway's events end.
const (
	rowsKept   = "rows in ClickHouse"
	eventsKept = "events in Kafka"
)

// vigil is one gateway.
type vigil struct {
	id    string
	admin string
	kept  string   // Where its events end, rowsKept or eventsKept; empty for one without.
	kafka []string // Where its events go.
	asked int      // Requests that it was sent.
}

// startVigil starts a gateway of the engines' installation beside their own,
// with nothing set but what has no default.
func (b *bench) startVigil(ctx context.Context, name, program string, v vigil) (*target, error) {
	dir := filepath.Join(b.dir, v.id)
	err := os.MkdirAll(dir, 0o700)
	if err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	err = b.inherit(filepath.Join(dir, "state"))
	if err != nil {
		return nil, err
	}
	upstream := "http://" + b.places["UPSTREAM"].String()
	text, err := json.MarshalIndent(map[string]any{
		"id": v.id, "tenant_key_file": b.engines.TenantKeyFile, "kafka": map[string]any{"brokers": v.kafka},
		"emit":   map[string]any{"key_file": keys.GatewayKey(b.installation(), v.id)},
		"keys":   map[string]any{"key_set_file": b.engines.KeySetFile, "root_public_file": b.engines.RootFile},
		"revoke": map[string]any{"dir": filepath.Join(dir, "state")},
		"listen": map[string]any{"address": "127.0.0.1:0"},
		"identity": map[string]any{"issuers": []any{map[string]any{
			"issuer": issuer, "audiences": []string{audience}, "jwks_file": filepath.Join(b.dir, "jwks.json"),
		}}},
		"routes": []any{map[string]any{"id": "orders", "path": "/api/v1/orders/{order}", "upstream": upstream}},
	}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode configuration: %w", err)
	}
	file := filepath.Join(dir, "gateway.json") // JSON is YAML.
	err = os.WriteFile(file, text, 0o600)
	if err != nil {
		return nil, fmt.Errorf("write configuration: %w", err)
	}
	if b.report.Configuration == "" {
		b.report.Configuration, b.report.Digest, err = describe(file)
		if err != nil {
			return nil, err
		}
	}
	p, first, err := start(b.dir, v.id, b.alone, program, "--config", file)
	if err != nil {
		return nil, err
	}
	b.processes = append(b.processes, p)
	line, err := p.says(ctx, first)
	if err != nil {
		return nil, err
	}
	at, err := addressIn(line)
	if err != nil {
		return nil, fmt.Errorf("read ready line of %s: %w", name, err)
	}
	v.admin = line["admin"]
	return &target{name: name, process: p, at: at, algorithm: rs256, checks: true, vigil: &v}, nil
}

// describe lists what a configuration file sets, and returns the start of the
// SHA-256 of the defaults that hold for all else.
func describe(file string) (set, digest string, err error) {
	l, err := config.Load(config.Sources{File: file, Written: config.GatewayWritten()}, config.DefaultGateway())
	if err != nil {
		return "", "", err
	}
	var defaults bytes.Buffer
	err = config.Dump(&defaults, config.DefaultGateway())
	if err != nil {
		return "", "", err
	}
	var keys []string
	for _, v := range l.Values(false) {
		keys = append(keys, v.Key)
	}
	return strings.Join(keys, ", "), fmt.Sprintf("%x", sha256.Sum256(defaults.Bytes()))[:16], nil
}

// says waits for a program's ready line.
func (p *process) says(ctx context.Context, first <-chan string) (map[string]string, error) {
	late := time.NewTimer(startMax)
	defer late.Stop()
	select {
	case text := <-first:
		var line map[string]string
		err := json.Unmarshal([]byte(text), &line)
		if err != nil {
			return nil, fmt.Errorf("read ready line of %s: %w", p.name, err)
		}
		return line, nil
	case <-p.done:
		return nil, p.ended()
	case <-ctx.Done():
		return nil, fmt.Errorf("start %s: %w", p.name, ctx.Err())
	case <-late.C:
		return nil, fmt.Errorf("%s is not ready: %s", p.name, p.tail())
	}
}

// address is where a program serves, by its ready line.
func (p *process) address(ctx context.Context, first <-chan string) (netip.AddrPort, error) {
	line, err := p.says(ctx, first)
	if err != nil {
		return netip.AddrPort{}, err
	}
	at, err := addressIn(line)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("read ready line of %s: %w", p.name, err)
	}
	return at, nil
}

// addressIn is the address of a ready line.
func addressIn(line map[string]string) (netip.AddrPort, error) {
	u, err := url.Parse(line["gateway"])
	if err != nil {
		return netip.AddrPort{}, err //nolint:wrapcheck // Named by the callers.
	}
	return netip.ParseAddrPort(u.Host) //nolint:wrapcheck // As above.
}

// startEngines starts Kafka, analyzer and ClickHouse: an installation in mode
// observe, so that nothing that the analyzer finds out changes the work.
// The gateways beside its own are listed in its key set first, as in any
// installation: what they write is sealed, and believed.
func (b *bench) startEngines(ctx context.Context) error {
	dir := b.installation()
	_, err := keys.Init(dir)
	ids := []string{seedID, warmID, silentID, apartID}
	for i := range b.o.Beside {
		ids = append(ids, besideID(i))
	}
	for _, id := range ids {
		if err == nil {
			_, err = keys.AddGateway(dir, id, time.Now())
		}
	}
	if err != nil {
		return fmt.Errorf("list gateways: %w", err)
	}
	p, first, err := start(b.dir, "engines", b.elsewhere, "nice", "-n", "10", b.o.Up, "up", "--verbose", "--data", dir, "--chdb", b.o.Library)
	if err != nil {
		return err
	}
	b.processes = append(b.processes, p)
	b.yielding = p
	_, err = p.says(ctx, first)
	if err != nil {
		return err
	}
	b.engines, err = runfile.Read(dir)
	return err
}

// seed lets a gateway take the revocations and write its verdict file, with which
// all that are measured start: none of them has the taking in its memory.
func (b *bench) seed(ctx context.Context) error {
	if b.o.Revoked == 0 {
		return nil
	}
	b.say("%d revocations", b.o.Revoked)
	t, err := b.startVigil(ctx, vigilWarm, b.o.Gateway, vigil{id: seedID, kafka: b.engines.Kafka})
	if err != nil {
		return err
	}
	err = b.revoke(ctx, t)
	if err != nil {
		return err
	}
	err = t.process.stop()
	if err != nil {
		return err
	}
	b.verdicts = filepath.Join(b.dir, seedID, "state", verdictFile)
	return nil
}

// The ids of the gateways that are measured, and of the one that writes the
// verdict file they start with.
const (
	seedID   = "bench-seed"
	warmID   = "bench"
	silentID = "bench-silent"
	apartID  = "bench-apart"
)

func besideID(i int) string { return fmt.Sprintf("bench-%d", i) }

// installation is the folder of the engines.
func (b *bench) installation() string { return filepath.Join(b.dir, "up") }

const verdictFile = "verdicts.log"

// inherit gives a gateway the verdict file of the seed.
func (b *bench) inherit(state string) error {
	if b.verdicts == "" {
		return nil
	}
	err := os.MkdirAll(state, 0o700)
	if err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	all, err := os.ReadFile(b.verdicts)
	if err != nil {
		return fmt.Errorf("read verdict file: %w", err)
	}
	err = os.WriteFile(filepath.Join(state, verdictFile), all, 0o600) //nolint:gosec // In our own directory.
	if err != nil {
		return fmt.Errorf("write verdict file: %w", err)
	}
	return nil
}

// revoke tells a gateway about sessions that are revoked, none of them those of
// the tokens in use, over its admin port.
func (b *bench) revoke(ctx context.Context, t *target) error {
	pem, err := os.ReadFile(b.engines.OperatorKeyFile)
	if err != nil {
		return fmt.Errorf("read operator's key: %w", err)
	}
	key, err := verdict.ParsePrivateKey(pem)
	if err != nil {
		return fmt.Errorf("read operator's key: %w", err)
	}
	signer := verdict.NewSigner(b.engines.OperatorKid, key)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: revokers}}
	defer client.CloseIdleConnections()
	now := b.now
	var work sync.WaitGroup
	faults := make([]error, revokers)
	for w := range revokers {
		work.Go(func() {
			for i := w; i < b.o.Revoked && faults[w] == nil; i += revokers {
				id := fmt.Sprintf("revoked-%08d", i)
				envelope, err := signer.Verdict(&verdict.Verdict{
					Id: id, Time: timestamppb.New(now), Epoch: uint64(now.Unix()), Seq: 1, Authority: verdict.AuthorityOperator,
					Tenant: b.engines.Tenant, Target: &verdict.Target{Kind: verdict.TargetSession, Id: id}, Action: verdict.ActionRevoke,
					Until: timestamppb.New(now.Add(24 * time.Hour)), Origin: "operator", PublicText: "An operator has ended this access.",
				})
				if err == nil {
					err = post(ctx, client, t.vigil.admin+"/v1/verdicts", envelope)
				}
				faults[w] = err
			}
		})
	}
	work.Wait()
	return errors.Join(faults...)
}

// revokers are how many verdicts are sent at once: the gateway saves those that
// come together with one write.
const revokers = 64

func post(ctx context.Context, client *http.Client, to string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("post verdict: %w", err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("post verdict: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(resp.Body, answerBytesMax))
	if err != nil || resp.StatusCode != http.StatusOK {
		return fmt.Errorf("post verdict: status %d: %s", resp.StatusCode, b)
	}
	return nil
}

// books is what a gateway says about its events and verdicts.
type books struct {
	Verdicts int    `json:"verdicts"`
	Feed     string `json:"feed"`
	Emit     struct {
		Requests struct {
			Queued  int64             `json:"queued_records"`
			Emitted uint64            `json:"emitted_events"`
			Acked   uint64            `json:"acked_events"`
			Dropped map[string]uint64 `json:"dropped_events"`
		} `json:"requests"`
	} `json:"emit"`
}

func (b *bench) books(ctx context.Context, v *vigil) (books, error) {
	var out books
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.admin+"/readyz?verbose", http.NoBody)
	if err != nil {
		return out, fmt.Errorf("ask gateway: %w", err)
	}
	resp, err := b.client.Do(req)
	if err != nil {
		return out, fmt.Errorf("ask gateway: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	err = json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&out)
	if err != nil {
		return out, fmt.Errorf("read gateway's answer: %w", err)
	}
	return out, nil
}

// caughtUp waits until a gateway has read all verdicts: until then it refuses
// everybody.
func (b *bench) caughtUp(ctx context.Context, v *vigil) (books, error) {
	for deadline := time.Now().Add(startMax); ; time.Sleep(lookGap) {
		k, err := b.books(ctx, v)
		if err != nil || k.Feed == "known" || time.Now().After(deadline) {
			return k, err
		}
	}
}

// sent waits until Kafka has every event of a gateway.
func (b *bench) sent(ctx context.Context, v *vigil) (books, error) {
	for deadline := time.Now().Add(settleMax); ; time.Sleep(lookGap / 5) {
		k, err := b.books(ctx, v)
		if err != nil || k.Emit.Requests.Acked >= k.Emit.Requests.Emitted || time.Now().After(deadline) {
			return k, err
		}
	}
}

// rows waits until as many rows of a gateway are in ClickHouse as requests were
// sent, and returns how many there are.
func (b *bench) rows(ctx context.Context, v *vigil) (int, error) {
	password, err := os.ReadFile(b.engines.ClickHousePasswordFile)
	if err != nil {
		return 0, fmt.Errorf("read password: %w", err)
	}
	statement := "SELECT count() FROM " + b.engines.ClickHouseDatabase + ".requests WHERE gateway = '" + v.id + "' FORMAT TabSeparated"
	for deadline := time.Now().Add(settleMax); ; time.Sleep(4 * lookGap) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.engines.ClickHouse+"/", strings.NewReader(statement))
		if err != nil {
			return 0, fmt.Errorf("count rows: %w", err)
		}
		req.SetBasicAuth(b.engines.ClickHouseUser, strings.TrimSpace(string(password)))
		resp, err := b.client.Do(req)
		if err != nil {
			return 0, fmt.Errorf("count rows: %w", err)
		}
		text, err := io.ReadAll(io.LimitReader(resp.Body, answerBytesMax))
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			return 0, fmt.Errorf("count rows: status %d: %s", resp.StatusCode, text)
		}
		n, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			return 0, fmt.Errorf("count rows: %w", err)
		}
		if n >= v.asked || time.Now().After(deadline) {
			return n, nil
		}
	}
}
