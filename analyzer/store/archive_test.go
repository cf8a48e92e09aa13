package store_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/analyzer/state"
	"github.com/vigil-gateway/vigil/analyzer/store"
	"github.com/vigil-gateway/vigil/deploy/devstack/olap/olaptest"
	schema "github.com/vigil-gateway/vigil/schemas/clickhouse"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// archiveConfig is that of an archive in a database of the test's own.
func archiveConfig(t *testing.T) store.Config {
	t.Helper()
	c := store.DefaultConfig()
	c.Addresses, c.Protocol, c.Database = []string{olaptest.Server(t).Addr()}, store.ProtocolHTTP, olaptest.Database(t)
	return c
}

func openArchive(t *testing.T, c store.Config) *store.Archive {
	t.Helper()
	a, err := store.NewArchive(c, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a
}

func newArchive(t *testing.T) (*store.Archive, store.Config) {
	t.Helper()
	c := archiveConfig(t)
	for _, m := range schema.Migrations() {
		for _, s := range m.Statements {
			if m.Name == "snapshots" { // The others make tables that nobody asks for here.
				olaptest.Exec(t, strings.Replace(s, "IF NOT EXISTS ", "IF NOT EXISTS "+c.Database+".", 1))
			}
		}
	}
	return openArchive(t, c), c
}

func header(epoch uint64, next int64) state.Header {
	return state.Header{
		Topic: "vigil.requests", Partition: 3, Partitions: 8, TopicID: "t", Epoch: epoch, Next: next, Model: "m",
		Saved: time.Date(2026, 11, 28, 1, 2, 3, 0, time.UTC).Add(time.Duration(next) * time.Second),
	}
}

func put(t *testing.T, a *store.Archive, h state.Header, body string) {
	t.Helper()
	err := a.Put(t.Context(), h, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
}

// places lists what is in the archive as (epoch, next).
func places(t *testing.T, a *store.Archive) [][2]int64 {
	t.Helper()
	list, err := a.List(t.Context(), "vigil.requests", 3)
	if err != nil {
		t.Fatal(err)
	}
	out := [][2]int64{}
	for _, s := range list {
		out = append(out, [2]int64{int64(s.Epoch), s.Next})
	}
	return out
}

// The two newest stay, by epoch before offset, and come back as they were.
func TestArchiveKeepsTheTwoNewest(t *testing.T) {
	a, _ := newArchive(t)
	if got := places(t, a); len(got) != 0 {
		t.Fatalf("an empty archive has %v", got)
	}
	put(t, a, header(1, 0), "nothing seen yet")
	put(t, a, header(1, 100), "one")
	put(t, a, header(1, 200), "two")
	put(t, a, header(2, 150), "three")
	other := header(9, 900)
	other.Partition = 4
	put(t, a, other, "another partition's")
	if diff := cmp.Diff([][2]int64{{2, 150}, {1, 200}}, places(t, a)); diff != "" {
		t.Error(diff)
	}
	list, err := a.List(t.Context(), "vigil.requests", 3)
	if err != nil {
		t.Fatal(err)
	}
	want := state.Archived{Header: header(2, 150), Chunks: 1, Bytes: 5}
	if diff := cmp.Diff(want, list[0]); diff != "" {
		t.Error(diff)
	}
	body, err := a.Chunk(t.Context(), list[0], 0)
	if err != nil || string(body) != "three" {
		t.Errorf("Chunk = %q, %v", body, err)
	}
}

// Many chunks, and one that is written twice because its answer was lost.
func TestArchiveKeepsChunksApart(t *testing.T) {
	a, c := newArchive(t)
	big := make([]byte, 20<<20)
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(big)
	for range 2 {
		err := a.Put(t.Context(), header(1, 10), big)
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := olaptest.Exec(t, "SELECT count() FROM "+c.Database+".snapshots"); got != "3\n" {
		t.Errorf("%s rows, want 3", got)
	}
	s := keeper(t, a, time.Second)
	found, err := s.FindArchived(t.Context(), "vigil.requests", 3)
	if err != nil || len(found) != 1 {
		t.Fatalf("FindArchived = %d, %v", len(found), err)
	}
	err = found[0].Restore(t.Context(), func(body *bytes.Buffer) error {
		if !bytes.Equal(body.Bytes(), big) {
			t.Error("what comes back is something else")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// keeper is a store of state with an archive alone.
func keeper(t *testing.T, a state.Archive, wait time.Duration) *state.Store {
	t.Helper()
	c := state.DefaultConfig()
	c.ArchiveWait = wait
	s, err := state.New(state.Options{Config: c, Archive: a, Logger: slog.New(slog.DiscardHandler), Meter: metricnoop.Meter{}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Who has lost the partition can neither write nor remove what its successor has.
func TestArchiveFencesAnOlderEpoch(t *testing.T) {
	a, _ := newArchive(t)
	put(t, a, header(5, 100), "owner")
	err := a.Put(t.Context(), header(4, 200), []byte("zombie"))
	if !errors.Is(err, state.ErrFenced) {
		t.Errorf("Put under an older epoch = %v, want ErrFenced", err)
	}
	if diff := cmp.Diff([][2]int64{{5, 100}}, places(t, a)); diff != "" {
		t.Error(diff)
	}
}

// What is half there is not there, and is removed when there is something newer.
func TestArchiveHidesWhatIsNotComplete(t *testing.T) {
	a, c := newArchive(t)
	put(t, a, header(1, 100), "whole")
	olaptest.Exec(t, "INSERT INTO "+c.Database+".snapshots (kafka_topic, kafka_partition, epoch, kafka_offset, chunk, chunks, data, ingested_at) VALUES ('vigil.requests', 3, 1, 199, 0, 2, 'half', now())")
	if diff := cmp.Diff([][2]int64{{1, 100}}, places(t, a)); diff != "" {
		t.Error(diff)
	}
	put(t, a, header(1, 300), "newer")
	if diff := cmp.Diff([][2]int64{{1, 300}, {1, 100}}, places(t, a)); diff != "" {
		t.Error(diff)
	}
	if got := olaptest.Exec(t, "SELECT count() FROM "+c.Database+".snapshots"); got != "2\n" {
		t.Errorf("%s rows, want 2", got)
	}
}

// A changed byte is noticed, and the snapshot before it is the next best.
func TestArchiveRefusesDamage(t *testing.T) {
	a, c := newArchive(t)
	put(t, a, header(1, 100), "whole")
	olaptest.Exec(t, "INSERT INTO "+c.Database+".snapshots (kafka_topic, kafka_partition, epoch, kafka_offset, chunk, chunks, bytes, checksum, data, ingested_at) VALUES ('vigil.requests', 3, 1, 199, 0, 1, 4, 7, 'bad!', now())")
	s := keeper(t, a, time.Second)
	found, err := s.FindArchived(t.Context(), "vigil.requests", 3)
	if err != nil || len(found) != 2 {
		t.Fatalf("FindArchived = %d, %v", len(found), err)
	}
	err = found[0].Restore(t.Context(), func(*bytes.Buffer) error { return nil })
	if !errors.Is(err, state.ErrDamaged) {
		t.Errorf("Restore of damage = %v, want ErrDamaged", err)
	}
	err = found[1].Restore(t.Context(), func(*bytes.Buffer) error { return nil })
	if err != nil {
		t.Error(err)
	}
}

// Before the migrations there is nothing, which is no error.
func TestArchiveWithoutTablesIsEmpty(t *testing.T) {
	c := archiveConfig(t)
	list, err := openArchive(t, c).List(t.Context(), "vigil.requests", 3)
	if err != nil || len(list) != 0 {
		t.Errorf("without tables List = %v, %v", list, err)
	}
	c.Database = "nobody_made_it"
	list, err = openArchive(t, c).List(t.Context(), "vigil.requests", 3)
	if err != nil || len(list) != 0 {
		t.Errorf("without a database List = %v, %v", list, err)
	}
}

// A server that accepts and never answers is given up.
func TestArchiveThatHangsIsGivenUp(t *testing.T) {
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	for _, protocol := range []string{store.ProtocolNative, store.ProtocolHTTP} {
		t.Run(protocol, func(t *testing.T) {
			c := store.DefaultConfig()
			c.Addresses, c.Protocol = []string{l.Addr().String()}, protocol
			done := make(chan error, 1)
			go func() {
				_, err := keeper(t, openArchive(t, c), 50*time.Millisecond).FindArchived(context.WithoutCancel(t.Context()), "vigil.requests", 3)
				done <- err
			}()
			select {
			case err := <-done:
				if err == nil {
					t.Error("a server that never answered has told something")
				}
			case <-time.After(10 * time.Second):
				t.Error("it is waited for without end")
			}
		})
	}
}

// What an analyst reads is what the engine knows; the second time only news is
// written.
func TestProfilesAreReadable(t *testing.T) {
	a, c := newArchive(t)
	e, err := scorer.New(scorer.Options{Model: model.Default()})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	offset := int64(0)
	visit := func(subject string, at time.Time) {
		e.Assess(scorer.Record{Topic: "vigil.requests", Offset: offset, Event: &event.RequestEvent{
			Kind: event.KindRequest, Phase: event.PhaseComplete, Time: timestamppb.New(at), Tenant: "default", Subject: subject, Session: subject + "-s",
			SubjectKind: event.SubjectHuman, Address: "192.0.2.1", Asn: 3320, Country: "DE", Method: "GET", Template: "/orders", Path: "/orders", Status: 200,
		}})
		offset++
	}
	describe := func() {
		var b bytes.Buffer
		err := e.Snapshot(&b)
		if err != nil {
			t.Fatal(err)
		}
		h := header(1, offset)
		err = a.Describe(t.Context(), h, func(yield func(*scorer.Profile) bool) error {
			return scorer.ReadProfiles(model.Default(), bytes.NewBuffer(b.Bytes()), yield)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	visit("bob", start)
	for day := range 3 {
		for i := range 30 {
			visit("alice", start.AddDate(0, 0, day).Add(time.Duration(i)*time.Minute))
		}
	}
	describe()
	got := olaptest.Exec(t, "SELECT subject, requests, countries[1], last_country, has(hours, 9), kafka_offset FROM "+c.Database+".models ORDER BY subject")
	want := "alice\t90\tDE\tDE\t1\t90\nbob\t1\t\tDE\t0\t90\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	visit("alice", start.AddDate(0, 0, 4))
	describe()
	got = olaptest.Exec(t, "SELECT subject, requests, kafka_offset FROM "+c.Database+".models FINAL ORDER BY subject")
	if diff := cmp.Diff("alice\t91\t91\nbob\t1\t90\n", got); diff != "" {
		t.Error(diff)
	}
}
