package config_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/cmd/internal/config"
)

const module = "github.com/vigil-gateway/vigil/"

// roles are the types of configuration files.
func roles() []reflect.Type {
	return []reflect.Type{reflect.TypeFor[config.Gateway](), reflect.TypeFor[config.Analyzer]()}
}

// Every key of every configuration file has a comment in the source, and
// comments.json has them all as they are now.
func TestCommentsAreFresh(t *testing.T) {
	structs := make(map[reflect.Type]bool)
	for _, r := range roles() {
		collect(r, structs)
	}
	got := make(map[string]string)
	for s := range structs {
		docs := fieldDocs(t, s)
		for f := range s.Fields() {
			tag := f.Tag.Get("mapstructure")
			if tag == "" || tag == "-" || strings.Contains(tag, "squash") {
				continue
			}
			key := s.PkgPath() + "." + s.Name() + "." + f.Name
			if docs[f.Name] == "" {
				t.Errorf("%s has no comment", key)
			}
			got[key] = keysFor(s, docs[f.Name])
		}
	}
	if os.Getenv("UPDATE_GOLDEN") != "" {
		b, err := json.MarshalIndent(got, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		err = os.WriteFile("comments.json", append(b, '\n'), 0o600)
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	b, err := os.ReadFile("comments.json")
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]string
	err = json.Unmarshal(b, &want)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("comments.json is stale; UPDATE_GOLDEN=1 go test ./cmd/internal/config writes it (-file +source):\n%s", diff)
	}
}

// keysFor writes the names of a struct's Go fields as the keys that a file has.
func keysFor(s reflect.Type, text string) string {
	words := strings.Fields(text)
	for i, w := range words {
		name := strings.TrimRight(w, ".,;:)")
		f, ok := s.FieldByName(name)
		tag := f.Tag.Get("mapstructure")
		if ok && tag != "" && !strings.Contains(tag, ",") {
			words[i] = tag + strings.TrimPrefix(w, name)
		}
	}
	return strings.Join(words, " ")
}

func collect(t reflect.Type, into map[reflect.Type]bool) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || into[t] || t == reflect.TypeFor[time.Time]() || !strings.HasPrefix(t.PkgPath(), module) {
		return
	}
	into[t] = true
	for f := range t.Fields() {
		if f.Tag.Get("mapstructure") != "" {
			collect(f.Type, into)
		}
	}
}

// fieldDocs reads the comments of a struct's fields from its source.
func fieldDocs(t *testing.T, s reflect.Type) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("../../..", strings.TrimPrefix(s.PkgPath(), module), "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no source of %s (%v)", s.PkgPath(), err)
	}
	docs := make(map[string]string)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok || spec.Name.Name != s.Name() {
				return true
			}
			body, ok := spec.Type.(*ast.StructType)
			if !ok {
				return true
			}
			for _, field := range body.Fields.List {
				text := strings.Join(strings.Fields(field.Doc.Text()+" "+field.Comment.Text()), " ")
				for _, id := range field.Names {
					docs[id.Name] = text
				}
			}
			return false
		})
	}
	return docs
}
