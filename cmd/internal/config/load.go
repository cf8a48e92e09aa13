package config

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"

	"github.com/vigil-gateway/vigil/schemas/keyfile"
)

// EnvPrefix stands before every environment variable: listen.address is
// VIGIL_LISTEN_ADDRESS.
const EnvPrefix = "VIGIL_"

// Sources are where a configuration comes from; later ones win.
type Sources struct {
	// File is the path of a YAML file; empty for none.
	File string
	// Env is the environment as [os.Environ] gives it.
	Env []string
	// Set holds key=value pairs of --set, such as routes[0].public=true.
	Set []string
	// Written lists keys, with [] for every entry of a list, of files that the
	// program makes itself, so that they need not exist.
	Written []string
	// SkipFiles does not look at the files that keys name, for a machine that
	// holds no secrets.
	SkipFiles bool
}

// Loaded is a configuration that is valid as a whole. Immutable.
type Loaded[T any] struct {
	// Config is the result of all sources.
	Config T
	// Warnings are for the log: variables that look like a mistyped key, and what the
	// configuration itself has doubts about.
	Warnings []string

	root   *field
	places map[string]place
	files  []string
}

// Files are the paths whose change should reload the configuration: the file
// itself and every file that it names.
func (l Loaded[T]) Files() []string { return slices.Clone(l.files) }

// Fixed is a configuration that a program has made itself, for a [Reloader] that only
// has to see that the content of files has changed.
func Fixed[T any](c T, files ...string) Loaded[T] { return Loaded[T]{Config: c, files: files} }

// Load reads all sources over defaults and validates the result. The error is
// a [Faults] where the configuration is wrong, or says why it cannot be read.
// On an error the Loaded holds nothing to use.
func Load[T any](s Sources, defaults T) (Loaded[T], error) {
	root, err := treeOf(reflect.TypeFor[T]())
	if err != nil {
		return Loaded[T]{}, err
	}
	r := &reader{root: root, source: s.File, places: make(map[string]place)}
	var fromFile map[string]any
	if s.File != "" {
		content, err := os.ReadFile(s.File)
		if err != nil {
			return Loaded[T]{}, fmt.Errorf("read configuration: %w", err)
		}
		fromFile = r.file(content)
		if fromFile == nil {
			return Loaded[T]{}, r.faults // Nothing after it can be trusted.
		}
		text, err := mistaken(root, topKeys(content))
		if err != nil {
			return Loaded[T]{}, err
		}
		if text != "" {
			return Loaded[T]{}, Faults{{Source: s.File, Line: 1, Column: 1, Text: text}}
		}
		absolutePaths(fromFile, root, filepath.Dir(s.File))
	}
	overlay, warnings := r.overlay(s, fromFile)

	out, err := decode(root, fromFile, overlay, defaults)
	if err != nil {
		return Loaded[T]{}, err
	}
	loaded := Loaded[T]{Config: out, Warnings: warnings, root: root, places: r.places}
	if s.File != "" {
		loaded.files = append(loaded.files, s.File)
	}
	if !s.SkipFiles {
		loaded.files = append(loaded.files, r.checkFiles(reflect.ValueOf(out), s.Written)...)
	}
	v, ok := any(out).(interface{ Validate() error })
	if ok {
		r.validation(v.Validate(), reflect.ValueOf(out), s.File)
	}
	warns, ok := any(out).(interface{ Warnings() []string })
	if ok {
		loaded.Warnings = append(loaded.Warnings, warns.Warnings()...)
	}
	if !s.SkipFiles {
		loaded.Warnings = append(loaded.Warnings, r.expired(reflect.ValueOf(out), time.Now())...)
	}
	opens, ok := any(out).(interface{ CheckFiles() error })
	if ok && !s.SkipFiles {
		r.validation(opens.CheckFiles(), reflect.ValueOf(out), s.File)
	}
	if len(r.faults) > 0 {
		return Loaded[T]{}, r.faults.sorted()
	}
	return loaded, nil
}

// overlay reads variables, then flags, into values by path of leaf.
func (r *reader) overlay(s Sources, fromFile map[string]any) (map[string]any, []string) {
	out := make(map[string]any)
	warnings := r.environment(s.Env, out)
	r.inline = true
	for _, pair := range s.Set {
		key, text, found := strings.Cut(pair, "=")
		r.source = "--set " + key
		if !found {
			r.fault(nil, "", "needs the form key=value, is %q", pair)
			continue
		}
		f := r.root.find(key)
		if f == nil || f.form == formSection {
			r.fault(nil, key, "unknown key%s", DidYouMean(key, r.paths()))
			continue
		}
		v, ok := r.inlineValue(text, f, key)
		if !ok {
			continue
		}
		leaf, steps := leafOf(key)
		if len(steps) == 0 {
			out[leaf] = v
			continue
		}
		list, known := out[leaf]
		if !known {
			list = dig(fromFile, leaf)
		}
		list, err := replaced(list, steps, v)
		if err != nil {
			r.fault(nil, key, "%s", err)
			continue
		}
		out[leaf] = list
	}
	return out, warnings
}

func (r *reader) paths() []string {
	var paths []string
	r.root.leaves(func(f *field) { paths = append(paths, f.path) })
	return paths
}

// inlineValue reads the text of a variable or flag: a list may be written with
// commas, or as YAML in brackets; anything else is one value, as it stands.
func (r *reader) inlineValue(text string, f *field, key string) (any, bool) {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
	if f.form != formScalar {
		var doc yaml.Node
		flow := strings.TrimSpace(text)
		if f.form == formList && f.elem.form == formScalar && !strings.HasPrefix(flow, "[") {
			flow = "[" + flow + "]"
		}
		err := yaml.Unmarshal([]byte(flow), &doc)
		if err != nil {
			r.syntax(err)
			return nil, false
		}
		if len(doc.Content) > 0 {
			n = doc.Content[0]
		}
	}
	return r.value(n, f, key, 0)
}

func (r *reader) environment(env []string, out map[string]any) []string {
	byName := make(map[string]*field)
	var names []string
	r.root.leaves(func(f *field) {
		name := EnvName(f.path)
		byName[name] = f
		names = append(names, name)
	})
	var warnings []string
	for _, pair := range env {
		name, text, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, EnvPrefix) {
			continue
		}
		f, known := byName[name]
		if !known {
			guess := nearest(name, names)
			if guess != "" {
				warnings = append(warnings, fmt.Sprintf("environment variable %s is not used; did you mean %s?", name, guess))
			}
			continue
		}
		r.source, r.inline = "env "+name, true
		v, ok := r.inlineValue(text, f, f.path)
		if ok {
			out[f.path] = v
		}
	}
	return warnings
}

// EnvName is the environment variable of a key.
func EnvName(key string) string {
	return EnvPrefix + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(key))
}

// decode lets viper lay the sources over each other and fills a T.
func decode[T any](root *field, fromFile, overlay map[string]any, defaults T) (T, error) {
	v := viper.New()
	fillDefaults(v, root, reflect.ValueOf(defaults))
	err := v.MergeConfigMap(fromFile)
	if err != nil {
		return defaults, fmt.Errorf("merge configuration: %w", err)
	}
	for path, value := range overlay {
		v.Set(path, value)
	}
	out := defaults
	clearLists(root, reflect.ValueOf(&out).Elem())
	err = v.UnmarshalExact(&out, func(c *mapstructure.DecoderConfig) {
		c.WeaklyTypedInput = false // Everything has its type already.
		c.DecodeHook = nil
	})
	if err != nil {
		return defaults, fmt.Errorf("decode configuration: %w", err)
	}
	return out, nil
}

// fillDefaults tells viper every leaf that defaults hold, so that a variable
// or file that is silent about it leaves it as it is.
func fillDefaults(v *viper.Viper, section *field, value reflect.Value) {
	for _, c := range section.children {
		fv, ok := fieldValue(value, c)
		if !ok {
			continue // An optional section that is absent by default.
		}
		if c.form == formSection {
			fillDefaults(v, c, fv)
			continue
		}
		v.SetDefault(c.path, fv.Interface())
	}
}

// fieldValue is the value of a section's child without pointers; false where
// a pointer on the way is nil.
func fieldValue(section reflect.Value, c *field) (reflect.Value, bool) {
	v := section
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return v, false
		}
		v = v.Elem()
	}
	for _, i := range c.index {
		v = v.Field(i)
		for v.Kind() == reflect.Pointer {
			if v.IsNil() {
				return v, false
			}
			v = v.Elem()
		}
	}
	return v, true
}

// clearLists empties every list, because mapstructure would otherwise decode
// the entries of a file over those of the defaults, one by one. A pointer to a
// section is given a copy, so that the caller's defaults stay his.
func clearLists(section *field, value reflect.Value) {
	for value.Kind() == reflect.Pointer {
		if value.IsNil() {
			return
		}
		fresh := reflect.New(value.Type().Elem())
		fresh.Elem().Set(value.Elem())
		value.Set(fresh)
		value = fresh.Elem()
	}
	for _, c := range section.children {
		fv := value.FieldByIndex(c.index)
		switch c.form {
		case formList:
			fv.SetZero()
		case formSection:
			clearLists(c, fv)
		case formScalar:
		}
	}
}

// absolutePaths makes the file's relative paths count from its own folder.
func absolutePaths(values map[string]any, section *field, folder string) {
	for name, value := range values {
		c := section.child(name)
		values[name] = absolute(value, c, folder)
	}
}

// FromAnywhere makes the relative paths of c count from the working directory of now,
// so that c says the same in a file that lies elsewhere. c is a pointer to a
// configuration as [Load] takes it. It fails where the working directory is gone.
func FromAnywhere[T any](c *T) error {
	root, err := treeOf(reflect.TypeFor[T]())
	if err != nil {
		return err
	}
	var errs []error
	walk(root, reflect.ValueOf(c).Elem(), "", func(path string, f *field, v reflect.Value) {
		if !f.isPath() || v.Kind() != reflect.String || v.String() == "" || !v.CanSet() {
			return
		}
		name, err := filepath.Abs(v.String())
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", path, err))
			return
		}
		v.SetString(name)
	})
	return errors.Join(errs...)
}

func absolute(value any, f *field, folder string) any {
	switch v := value.(type) {
	case map[string]any:
		absolutePaths(v, f, folder)
	case []any:
		for i := range v {
			v[i] = absolute(v[i], f.elem, folder)
		}
	case string:
		if f.isPath() && v != "" && !filepath.IsAbs(v) {
			return filepath.Join(folder, v)
		}
	}
	return value
}

// checkFiles reports every named file that is not there, and returns those
// that are.
func (r *reader) checkFiles(config reflect.Value, written []string) []string {
	var files []string
	walk(r.root, config, "", func(path string, f *field, v reflect.Value) {
		if !f.isPath() || f.typ.Kind() != reflect.String || v.String() == "" {
			return
		}
		if f.isFolder() { // One that is missing is made.
			info, err := os.Stat(v.String())
			if err == nil && !info.IsDir() {
				r.faults = append(r.faults, r.placeOf(path).fault(path, fmt.Sprintf("%s is a file, not a folder", v.String())))
			}
			return
		}
		if slices.Contains(written, f.path) {
			return
		}
		info, err := os.Stat(v.String())
		switch {
		case errors.Is(err, os.ErrNotExist):
			r.faults = append(r.faults, r.placeOf(path).fault(path, fmt.Sprintf("file %s does not exist", v.String())))
		case err != nil:
			r.faults = append(r.faults, r.placeOf(path).fault(path, err.Error()))
		case info.IsDir():
			r.faults = append(r.faults, r.placeOf(path).fault(path, fmt.Sprintf("%s is a folder, not a file", v.String())))
		default:
			files = append(files, v.String())
		}
	})
	return files
}

// expired names the certificates, and the bundles in which there is no other, that do
// not count at a moment: a service starts with them, and everybody turns it away.
// What cannot be read is for others to report.
func (r *reader) expired(config reflect.Value, now time.Time) []string {
	var warnings []string
	walk(r.root, config, "", func(path string, f *field, v reflect.Value) {
		bundle := strings.HasSuffix(f.name, "ca_file")
		if !bundle && !strings.HasSuffix(f.name, "cert_file") || f.typ.Kind() != reflect.String || v.String() == "" {
			return
		}
		rest, err := keyfile.Read(path, v.String())
		if err != nil {
			return
		}
		var last, first time.Time // When the last certificate ends that counts, and when it begins.
		for last.IsZero() || bundle {
			var block *pem.Block
			block, rest = pem.Decode(rest)
			if block == nil {
				break
			}
			cert, err := x509.ParseCertificate(block.Bytes)
			if err == nil && cert.NotAfter.After(last) {
				last, first = cert.NotAfter, cert.NotBefore
			}
		}
		switch {
		case last.IsZero():
		case now.After(last):
			warnings = append(warnings, fmt.Sprintf("%s: %s has expired at %s", path, v.String(), last.UTC().Format(time.RFC3339)))
		case now.Before(first) && !bundle:
			warnings = append(warnings, fmt.Sprintf("%s: %s counts only from %s on", path, v.String(), first.UTC().Format(time.RFC3339)))
		}
	})
	return warnings
}

// walk visits every scalar and every empty list of a configuration in the
// order of its fields.
func walk(f *field, v reflect.Value, path string, visit func(path string, f *field, v reflect.Value)) {
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return
		}
		v = v.Elem()
	}
	switch f.form {
	case formSection:
		for _, c := range f.children {
			cv, ok := fieldValue(v, c)
			if ok {
				walk(c, cv, join(path, c.name), visit)
			}
		}
	case formList:
		if v.Len() == 0 {
			visit(path, f, v)
		}
		for i := range v.Len() {
			walk(f.elem, v.Index(i), fmt.Sprintf("%s[%d]", path, i), visit)
		}
	case formScalar:
		visit(path, f, v)
	}
}
