package main

import (
	"io"

	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/cmd/internal/config"
)

// role is one kind of configuration file.
type role struct {
	name   string
	check  func(config.Sources) ([]string, error)
	print  func(w io.Writer, s config.Sources, o printOptions) error
	schema func() ([]byte, error)
	init   func(io.Writer) error
}

// printOptions say what vigil config print writes.
type printOptions struct{ effective, origin, json bool }

// roleOf binds the commands to one configuration type.
func roleOf[T any](name string, defaults T, written []string, head string, examples map[string]string) role {
	load := func(s config.Sources) (config.Loaded[T], error) {
		s.Written = written
		return config.Load(s, defaults)
	}
	return role{
		name: name,
		check: func(s config.Sources) ([]string, error) {
			l, err := load(s)
			return l.Warnings, err
		},
		print: func(w io.Writer, s config.Sources, o printOptions) error {
			l, err := load(s)
			if err != nil {
				return err
			}
			if o.json {
				return writeJSON(w, l.Values(o.effective))
			}
			return l.Print(w, o.effective, o.origin)
		},
		schema: func() ([]byte, error) { return config.Schema("Vigil "+name, defaults) },
		init:   func(w io.Writer) error { return config.Starter(w, head, defaults, examples) },
	}
}

// roleNames are what --role may say.
func roleNames() []string { return []string{config.RoleGateway, config.RoleAnalyzer} }

// roleFor picks a role by name or, where none is given, by the keys of a file.
func roleFor(name, file string) (role, error) {
	if name == "" {
		var err error
		name, err = config.RoleOf(config.FileKeys(file))
		if err != nil {
			return role{}, err
		}
	}
	for _, r := range roles() {
		if r.name == name {
			return r, nil
		}
	}
	return role{}, app.Usage("--role: must be one of gateway, analyzer, is %q", name)
}
