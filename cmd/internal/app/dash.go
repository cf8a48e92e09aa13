package app

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/vigil-gateway/vigil/schemas/event"
)

// dashed stands before an argument that begins with a dash and is no flag while
// flags are told from arguments. No argument has it: it ends a string in C.
const dashed = "\x00"

// protect marks the arguments that are pseudonyms and begin with a dash, as one of 64
// does: pasted from a table, nobody would know to put "--" before it.
func protect(c *cobra.Command, args []string) []string {
	out := slices.Clone(args)
	for i, a := range args {
		if a == "--" {
			break
		}
		if dashedPseudonym(a) && flag(c, a) == nil && (i == 0 || !wantsValue(c, args[i-1])) {
			out[i] = dashed + a
		}
	}
	return out
}

// unprotect takes the marks away, in place.
func unprotect(args []string) {
	for i := range args {
		args[i] = strings.TrimPrefix(args[i], dashed)
	}
}

func dashedPseudonym(a string) bool {
	return strings.HasPrefix(a, "-") && event.Pseudonym(a)
}

// wantsValue reports whether the argument after a is a's value.
func wantsValue(c *cobra.Command, a string) bool {
	f := flag(c, a)
	return f != nil && f.NoOptDefVal == ""
}

// flag is the flag that an argument without "=" names, of whatever command; nil for none.
func flag(c *cobra.Command, a string) *pflag.Flag {
	for _, set := range []*pflag.FlagSet{c.Flags(), c.PersistentFlags()} {
		var f *pflag.Flag
		if name, long := strings.CutPrefix(a, "--"); long {
			f = set.Lookup(name)
		} else if len(a) == 2 && a[0] == '-' {
			f = set.ShorthandLookup(a[1:])
		}
		if f != nil {
			return f
		}
	}
	for _, sub := range c.Commands() {
		if f := flag(sub, a); f != nil {
			return f
		}
	}
	return nil
}
