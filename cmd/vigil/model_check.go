package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/vigil-gateway/vigil/analyzer"
	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/cmd/internal/config"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// roleModel is the name of a risk model where configurations are checked.
const roleModel = "model"

// checkerFor is roleFor for who only checks: risk models are checked, too, and
// with an analyzer's configuration the model that it names.
func checkerFor(name, file string, env app.Env) (role, error) {
	if name == roleModel || name == "" && looksLikeModel(file) {
		return role{name: roleModel, check: func(config.Sources) ([]string, error) { return checkModel(file, env.Now()) }}, nil
	}
	r, err := roleFor(name, file)
	if err != nil || r.name != config.RoleAnalyzer {
		return r, err
	}
	check := r.check
	r.check = func(s config.Sources) ([]string, error) {
		warnings, err := check(s)
		if err != nil || s.SkipFiles {
			return warnings, err
		}
		s.Written = config.AnalyzerWritten()
		loaded, err := config.Load(s, config.DefaultAnalyzer())
		if err != nil || loaded.Config.Model.File == "" {
			return warnings, err
		}
		more, err := checkModel(loaded.Config.Model.File, env.Now())
		return append(warnings, more...), err
	}
	return r, nil
}

// looksLikeModel reports whether a file has a key that only a model has.
func looksLikeModel(file string) bool {
	return slices.ContainsFunc(config.FileKeys(file), func(key string) bool {
		return slices.Contains([]string{"signals", "groups", "ladders", "learning", "rules", "models", "exceptions", "route_classes", "peer_groups"}, key)
	})
}

// checkModel reads a model, and warns of what has expired.
func checkModel(file string, now time.Time) ([]string, error) {
	b, err := os.ReadFile(file) //nolint:gosec // The operator names it.
	if err != nil {
		return nil, fmt.Errorf("read model: %w", err)
	}
	m, err := model.ParseWith(file, b, analyzer.Beside(file))
	if err != nil {
		return nil, asFaults(err)
	}
	var warnings []string
	for _, x := range m.Expired(now) {
		warnings = append(warnings, fmt.Sprintf("%s: exception %s of %s has expired at %s and does nothing: take it out, or let its owner renew it",
			file, x.ID, x.Owner, x.Until.Format(time.RFC3339)))
	}
	return warnings, nil
}

// asFaults turns what is wrong with a model into what is wrong with any file.
func asFaults(err error) error {
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		return err
	}
	var faults config.Faults
	for _, one := range joined.Unwrap() {
		var f *model.Fault
		if !errors.As(one, &f) {
			return err
		}
		faults = append(faults, config.Fault{Source: f.File, Line: f.Line, Column: f.Column, Key: f.Key, Text: f.Text})
	}
	return faults
}
