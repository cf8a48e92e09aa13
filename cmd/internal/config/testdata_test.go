package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/cmd/internal/config"
)

// load reads a file as the role that its name begins with.
func load(file string) error {
	s := config.Sources{File: file, SkipFiles: !strings.Contains(file, "missing-file")}
	if strings.HasPrefix(filepath.Base(file), config.RoleAnalyzer) {
		_, err := config.Load(s, config.DefaultAnalyzer())
		return err
	}
	_, err := config.Load(s, config.DefaultGateway())
	return err
}

// Every file of testdata/config is accepted, or refused with exactly the words
// that stand in it.
func TestFiles(t *testing.T) {
	files, err := filepath.Glob("../../../testdata/config/*.yaml")
	if err != nil || len(files) < 2 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			err := load(file)
			if strings.HasSuffix(file, ".good.yaml") {
				if err != nil {
					t.Error(err)
				}
				return
			}
			_, ok := errors.AsType[config.Faults](err)
			if !ok {
				t.Fatalf("Load = %v, want faults", err)
			}
			got := strings.NewReplacer(file+":", "", filepath.Dir(file)+"/", "").Replace(err.Error())
			want := wanted(t, file, got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
}

// wanted reads what a file says about itself. With UPDATE_GOLDEN the file is
// written anew when the number of lines stays; else places would move.
func wanted(t *testing.T, file, got string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var want, rest []string
	for line := range strings.SplitSeq(string(b), "\n") {
		text, found := strings.CutPrefix(line, "# want: ")
		if found {
			want = append(want, text)
			continue
		}
		rest = append(rest, line)
	}
	if os.Getenv("UPDATE_GOLDEN") != "" {
		var out strings.Builder
		for line := range strings.SplitSeq(got, "\n") {
			out.WriteString("# want: " + line + "\n")
		}
		out.WriteString(strings.Join(rest, "\n"))
		err = os.WriteFile(file, []byte(out.String()), 0o600)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	return strings.Join(want, "\n")
}

// TestPathsCountFromTheFile checks that each key of the analyzer that names a
// file or folder counts from the configuration's own folder.
func TestPathsCountFromTheFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "analyzer.yaml")
	text := "tenant_key_file: f\nkafka: {brokers: [\"127.0.0.1:9\"]}\nmodel: {file: f}\nkeys: {key_set_file: f, root_public_file: f}\n" +
		"state: {dir: d, warm_start: f}\nannounce: {key_file: f, kid: k}\n"
	for name, content := range map[string]string{file: text, filepath.Join(dir, "f"): ""} {
		err := os.WriteFile(name, []byte(content), 0o600)
		if err != nil {
			t.Fatal(err)
		}
	}
	loaded, err := config.Load(config.Sources{File: file, SkipFiles: true}, config.DefaultAnalyzer())
	if err != nil {
		t.Fatal(err)
	}
	c := loaded.Config
	f := filepath.Join(dir, "f")
	want := []string{f, f, f, f, filepath.Join(dir, "d"), f, f}
	got := []string{c.TenantKeyFile, c.Model.File, c.Keys.KeySetFile, c.Keys.RootPublicFile, c.State.Dir, c.State.WarmStart, c.Announce.KeyFile}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
}
