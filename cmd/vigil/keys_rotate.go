package main

import (
	"encoding/json"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/cmd/internal/keys"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// classRoot is what rotate calls the key that signs key sets; it is no class.
const classRoot = "root"

const rotateLong = `Replace the key of a class in the installation in DIR: analyzer, operator, feed or
root. The root's private key is needed; take it offline again afterwards.

The new private key goes to the end of the class's key file, and the key set gets
a higher version. Hand both out as you handed out the first: the key set to every
gateway and analyzer, the key file to those who sign with it. They read them again
by themselves, within seconds and without a restart.

After --lead the new key signs: by then every gateway must have the key set. After
--overlap more nobody believes the old key. While the new key waits to sign, no
further one is made.

What an analyzer has said is signed anew by itself at once. For what operators have
said run "vigil keys resign" after --lead and before the old key ends.

With --compromised the old key is listed no longer. Give the key set and the new
key to the analyzers first and wait until their logs say that what is in force is
signed by the new key; then give the key set to the gateways. They take back what
the old key alone has signed.

A root is rotated like the others, but at once: the key set names the next root and
is signed by both, so that services that know either believe it. Give keys/root.pub.pem
to new services; destroy keys/root.pem.retired.`

// rotateOptions are the flags of vigil keys rotate.
type rotateOptions struct {
	lead, overlap    time.Duration
	compromised      bool
	keyFile, rootKey string
}

// newKeysRotateCommand replaces keys.
func newKeysRotateCommand(env app.Env) *cobra.Command {
	var o rotateOptions
	c := &cobra.Command{
		Use:     "rotate CLASS DIR",
		Short:   "Replace a key, and sign the key set that says so",
		Long:    rotateLong,
		Example: "  vigil keys rotate analyzer /etc/vigil --lead 1h --overlap 24h\n  vigil keys rotate root /etc/vigil --root-key-file /media/root.pem",
		Args:    someArgs("CLASS (analyzer, operator, feed or root) and DIR", 2),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) != 2 {
				return app.Usage("needs CLASS (analyzer, operator, feed or root) and DIR")
			}
			return rotate(c, env, o, args[0], args[1])
		},
	}
	f := c.Flags()
	durationVar(f, &o.lead, "lead", time.Hour, "how long from now the new key begins to sign")
	durationVar(f, &o.overlap, "overlap", 24*time.Hour, "how long after that the old key is believed")
	f.BoolVar(&o.compromised, "compromised", false, "believe the old key no longer, and what it has signed neither")
	f.StringVar(&o.keyFile, "key-file", "", "file of the private keys that are replaced (default: that of the class in DIR)")
	f.StringVar(&o.rootKey, "root-key-file", "", "the root's private key (default: DIR/keys/root.pem)")
	return c
}

func rotate(c *cobra.Command, env app.Env, o rotateOptions, class, dir string) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	if o.lead < 0 || o.overlap <= 0 {
		return app.Usage("--lead must not be negative, and --overlap must be positive")
	}
	files := keys.In(dir)
	if o.rootKey == "" {
		o.rootKey = files.RootKey
	}
	if o.keyFile == "" {
		o.keyFile = files.KeyFile(verdict.Class(class))
	}
	var list verdict.KeyList
	now := env.Now().UTC().Truncate(time.Second)
	switch {
	case class == classRoot:
		o.keyFile = o.rootKey
		list, err = files.RotateRoot(o.rootKey, now)
	case o.keyFile == "":
		return app.Usage("CLASS: must be one of analyzer, operator, feed, root, is %q", class)
	default:
		list, err = files.Rotate(keys.Rotation{
			Class: verdict.Class(class), KeyFile: o.keyFile, RootKey: o.rootKey, Now: now,
			Lead: o.lead, Overlap: o.overlap, Compromised: o.compromised,
		})
	}
	if err != nil {
		return err
	}
	if asJSON {
		return writeJSON(env.Stdout, list)
	}
	sayRotated(env.Stdout, files, list, class, o)
	return nil
}

// sayRotated says what to do next.
func sayRotated(w io.Writer, files keys.Files, list verdict.KeyList, class string, o rotateOptions) {
	say(w, "key set version %d: %s\n", list.Version, files.KeySet)
	if class == classRoot {
		say(w, "root %s signs from now on: %s\n", keys.Fingerprint(list.NextRoot), o.keyFile)
		say(w, "next: give %s to every gateway and analyzer, and %s to new ones; destroy %s.retired\n", files.KeySet, files.RootPublic, o.keyFile)
		return
	}
	fresh := list.Keys[len(list.Keys)-1]
	say(w, "%s signs from %s on: %s\n", fresh.ID, fresh.From.Format(time.RFC3339), o.keyFile)
	switch {
	case o.compromised:
		say(w, "next: give both to the analyzers, wait until what is in force is signed by %s, then give %s to every gateway\n", fresh.ID, files.KeySet)
	case class == string(verdict.ClassOperator):
		say(w, "next: by then give %s to every gateway and analyzer, and %s to those who sign; after that run \"vigil keys resign\"\n", files.KeySet, o.keyFile)
	default:
		say(w, "next: by then give %s to every gateway and analyzer, and %s to those who sign\n", files.KeySet, o.keyFile)
	}
}

// keyRow is a listed key as people see it.
type keyRow struct {
	Kid   string        `json:"kid"`
	Class verdict.Class `json:"class"`
	From  *time.Time    `json:"from,omitempty"`
	Until *time.Time    `json:"until,omitempty"`
	// State is waiting, signs, believed (another of its class and holder signs) or ended.
	State       string `json:"state"`
	Fingerprint string `json:"fingerprint"`
	// Private is the file in the installation that has its private half, "" for none.
	Private string `json:"private,omitempty"`
}

// keyView is a key set as people see it.
type keyView struct {
	Version uint64    `json:"version"`
	Made    time.Time `json:"made,omitzero"`
	Root    string    `json:"root"`
	Keys    []keyRow  `json:"keys"`
}

// newKeysShowCommand says what is in force.
func newKeysShowCommand(env app.Env) *cobra.Command {
	return &cobra.Command{
		Use:     "show DIR",
		Short:   "Say which keys are believed, and until when",
		Example: "  vigil keys show /etc/vigil",
		Args:    oneArg("the directory of the installation"),
		RunE: func(c *cobra.Command, args []string) error {
			asJSON, err := wantsJSON(c)
			if err != nil {
				return err
			}
			view, err := viewKeys(keys.In(args[0]), env.Now())
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(env.Stdout, view)
			}
			say(env.Stdout, "key set version %d, signed by root %s\n", view.Version, view.Root)
			rows := make([][]string, 0, len(view.Keys))
			for _, k := range view.Keys {
				rows = append(rows, []string{clean(k.Kid), clean(string(k.Class)), k.State, timeOr(k.From, "always"), timeOr(k.Until, "for ever"), k.Fingerprint, k.Private})
			}
			return newPrinter(c, env).table([]string{"KID", "CLASS", "STATE", "FROM (UTC)", "UNTIL (UTC)", "KEY", "PRIVATE HALF"}, rows)
		},
	}
}

func timeOr(t *time.Time, none string) string {
	if t == nil {
		return none
	}
	return t.UTC().Format(time.DateTime)
}

// viewKeys opens a key set and says of each key what it does at now.
func viewKeys(files keys.Files, now time.Time) (keyView, error) {
	held, err := files.Held()
	if err != nil {
		return keyView{}, err
	}
	view := keyView{Version: held.List.Version, Made: held.List.Made, Root: keys.Fingerprint(held.Root)}
	for _, k := range held.List.Keys {
		row := keyRow{Kid: k.ID, Class: k.Class, Fingerprint: keys.Fingerprint(k.Public), Private: held.Private[k.ID], State: "believed"}
		if !k.From.IsZero() {
			row.From = &k.From
		}
		if !k.Until.IsZero() {
			row.Until = &k.Until
		}
		switch {
		case held.Signs(k.ID, now):
			row.State = "signs"
		case !k.Until.IsZero() && !now.Before(k.Until):
			row.State = "ended"
		case now.Before(k.From):
			row.State = "waiting"
		}
		view.Keys = append(view.Keys, row)
	}
	return view, nil
}

const verifyLong = `Check the key set of the installation in DIR: that the root has signed it, that each
key file holds a key that signs now, and that none of those ends within --within
without another that follows.

With --against FILE, also that it may take the place of another key set, such as the
copy that a gateway keeps of what is in force: an older version would be refused.

Exit code 1 says what is wrong, and what to do.`

// newKeysVerifyCommand checks an installation's keys.
func newKeysVerifyCommand(env app.Env) *cobra.Command {
	var within time.Duration
	var against string
	c := &cobra.Command{
		Use:     "verify DIR",
		Short:   "Check the key set and the private keys",
		Long:    verifyLong,
		Example: "  vigil keys verify /etc/vigil\n  vigil keys verify /etc/vigil --against gateway-state/keys.jws",
		Args:    oneArg("the directory of the installation"),
		RunE: func(c *cobra.Command, args []string) error {
			asJSON, err := wantsJSON(c)
			if err != nil {
				return err
			}
			faults, err := keys.In(args[0]).Check(env.Now(), within, against)
			if err != nil {
				return err
			}
			if asJSON {
				err = json.NewEncoder(env.Stdout).Encode(map[string]any{"faults": append([]string{}, faults...)})
				if err != nil {
					return err
				}
			}
			for _, f := range faults {
				if !asJSON {
					sayln(env.Stdout, f)
				}
			}
			if len(faults) > 0 {
				return app.Findings()
			}
			if !asJSON {
				sayln(env.Stderr, "the key set is good, and every key file has a key that signs")
			}
			return nil
		},
	}
	durationVar(c.Flags(), &within, "within", 7*24*time.Hour, "how far ahead a key that ends is a fault")
	c.Flags().StringVar(&against, "against", "", "another key set file, whose place this one is to take")
	return c
}
