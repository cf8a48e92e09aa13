package main

import (
	"time"

	"github.com/spf13/pflag"

	"github.com/vigil-gateway/vigil/cmd/internal/config"
)

// durationFlag is a flag that takes durations as configuration files do, with days.
type durationFlag time.Duration

// durationVar adds a flag for a duration to f, with its value before anybody sets it.
func durationVar(f *pflag.FlagSet, to *time.Duration, name string, value time.Duration, usage string) {
	*to = value
	f.Var((*durationFlag)(to), name, usage)
}

// Set implements [pflag.Value].
func (d *durationFlag) Set(s string) error {
	v, err := config.ParseDuration(s)
	if err != nil {
		return err
	}
	*d = durationFlag(v)
	return nil
}

// String implements [pflag.Value].
func (d *durationFlag) String() string { return time.Duration(*d).String() }

// Type implements [pflag.Value]; it is what help calls the value.
func (d *durationFlag) Type() string { return "duration" }
