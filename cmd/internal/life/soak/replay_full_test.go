//go:build soak

package soak_test

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vigil-gateway/vigil/cmd/internal/life"
)

// TestReplayOfAMillion is run by "make replay".
func TestReplayOfAMillion(t *testing.T) { checkReplay(t, 1_000_000, 20) }

// elsewhere names the file of a partition whose hash is to be printed.
const elsewhere = "VIGIL_REPLAY_PARTITION"

// TestReplayOnAnotherArchitecture scores the same records on this machine and
// on arm64 under emulation. The records are made here: only the scorer has to
// say the same everywhere.
func TestReplayOnAnotherArchitecture(t *testing.T) {
	qemu, err := exec.LookPath("qemu-aarch64-static")
	if err != nil {
		t.Fatal("qemu-aarch64-static is missing: install your distribution's package qemu-user-static")
	}
	records := record(t, life.Options{Seed: 12, Start: monday, Days: 60, Subjects: 200, Attacks: 2, AttackDay: 1}, 100_000)[0]
	want, err := replay(0, records, nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file, program := filepath.Join(dir, "partition"), filepath.Join(dir, "soak.test")
	write(t, file, records)
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-tags", "soak", "-o", program, ".")
	build.Env = append(os.Environ(), "GOARCH=arm64", "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	if err != nil {
		t.Fatalf("build for arm64: %v: %s", err, out)
	}
	there := exec.CommandContext(t.Context(), qemu, program, "-test.run", "^TestReplayOfAFile$", "-test.v")
	there.Env = append(os.Environ(), elsewhere+"="+file)
	out, err = there.CombinedOutput()
	if err != nil {
		t.Fatalf("on arm64: %v: %s", err, out)
	}
	if !strings.Contains(string(out), "hash "+hex.EncodeToString(want)) {
		t.Errorf("arm64 says otherwise than hash %x of %d records: %s", want, len(records), out)
	}
	t.Logf("%d records: hash %x on both", len(records), want)
}

// TestReplayOfAFile prints the hash of a partition that another process wrote;
// it has nothing to say where none is named.
func TestReplayOfAFile(t *testing.T) {
	name := os.Getenv(elsewhere)
	if name == "" {
		return
	}
	got, err := replay(0, read(t, name), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("hash %x", got)
}

func write(t *testing.T, name string, records recorded) {
	t.Helper()
	var b []byte
	for _, r := range records {
		b = append(binary.AppendUvarint(b, uint64(len(r))), r...)
	}
	err := os.WriteFile(name, b, 0o600)
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, name string) recorded {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	in := bufio.NewReader(f)
	var out recorded
	for {
		n, err := binary.ReadUvarint(in)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, n)
		_, err = io.ReadFull(in, b)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b)
	}
}
