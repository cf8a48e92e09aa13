package doctor

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// check is one thing that can be wrong.
type check struct {
	name string
	// run reports what is wrong, or that nothing is.
	run func(f Facts, r *report)
}

// checks are in the order in which a fault explains later ones.
func checks() []check {
	return []check{
		{"running", running},
		{"config", configs},
		{"secret-files", secrets},
		{"key-set", keySets},
		{"agreement", agreement},
		{"certificates", certificates},
		{"kafka", kafkaReached},
		{"kafka-tls", kafkaSecured},
		{"topics", topicsThere},
		{"topic-settings", topicSettings},
		{"topic-copies", topicCopies},
		{"verdict-topic", verdictTopic},
		{"grants-needed", grantsNeeded},
		{"grants-wide", grantsWide},
		{"group-lag", groupLag},
		{"clickhouse", clickHouseReached},
		{"schema", schemaThere},
		{"clickhouse-rights", clickHouseRights},
		{"archive", archive},
		{"clickhouse-disk", clickHouseDisk},
		{"clocks", clocks},
		{"gateways", gatewaysReady},
		{"verdict-feed", verdictFeed},
		{"events", eventsLeave},
		{"refused-verdicts", refusedVerdicts},
		{"analyzers", analyzersReady},
		{"standby", standbys},
		{"models", models},
		{"issuers", issuers},
		{"disks", disks},
		{"descriptors", descriptors},
	}
}

// Names are those of all checks, in order.
func Names() []string {
	var all []string
	for _, c := range checks() {
		all = append(all, c.name)
	}
	return all
}

// Judge runs every check. A check that has nothing to look at has no result.
func Judge(f Facts) []Result {
	var all []Result
	for _, c := range checks() {
		r := report{check: c.name}
		c.run(f, &r)
		all = append(all, r.results...)
	}
	return all
}

// report gathers what one check finds.
type report struct {
	check   string
	results []Result
}

func (r *report) add(l Level, hint, text string, args ...any) {
	r.results = append(r.results, Result{Check: r.check, Level: l, Text: oneLine(fmt.Sprintf(text, args...)), Hint: hint})
}

func (r *report) red(hint, text string, args ...any)    { r.add(Red, hint, text, args...) }
func (r *report) yellow(hint, text string, args ...any) { r.add(Yellow, hint, text, args...) }

// green is said where nothing else was.
func (r *report) green(text string, args ...any) {
	if len(r.results) == 0 {
		r.add(Green, "", text, args...)
	}
}

func oneLine(s string) string { return strings.ReplaceAll(strings.TrimSpace(s), "\n", "; ") }

func running(f Facts, r *report) {
	switch {
	case f.Directory.stopped():
		r.red(fmt.Sprintf("start it with \"%s\" and ask again; only files were examined", f.Directory.Start), "nothing runs in %s", f.Directory.Path)
	case f.Directory.Runs:
		r.green("the installation in %s runs", f.Directory.Path)
	}
}

func configs(f Facts, r *report) {
	for _, c := range f.Configs {
		for _, fault := range c.Faults {
			r.red("correct the file; \"vigil config validate\" shows line and column", "%s", fault)
		}
	}
	if len(f.Configs) > 0 {
		r.green("%d configuration files are valid", len(f.Configs))
	}
}

func secrets(f Facts, r *report) {
	for _, s := range f.Secrets {
		switch {
		case s.Err != nil:
			r.red("put the file there, or run the doctor where the service runs", "%s: %v", s.Key, s.Err)
		case s.Mode.Perm()&0o007 != 0:
			r.red("chmod 600 "+s.Path+", and make a new secret if others can log in here", "%s: everybody on this machine can use %s (mode %04o)", s.Key, s.Path, s.Mode.Perm())
		}
	}
	if len(f.Secrets) > 0 {
		r.green("%d files of secrets are closed to others", len(f.Secrets))
	}
}

func keySets(f Facts, r *report) {
	for _, k := range f.Keys {
		if k.Err != nil {
			r.red("sign the key set with this root and with the analyzer's key in it, and give every gateway and analyzer the same file", "%s: %v", k.File, k.Err)
		}
	}
	if len(f.Keys) > 0 {
		r.green("%d key sets are signed by their root and have the analyzers' keys", len(f.Keys))
	}
}

func agreement(f Facts, r *report) {
	for _, s := range f.Shared {
		first := f.Shared[0]
		if s.Lanes != first.Lanes {
			r.red("give all the same number of lanes, and restart them", "%s has %d lanes, %s has %d", s.File, s.Lanes, first.File, first.Lanes)
		}
		if s.Key != "" && first.Key != "" && s.Key != first.Key {
			r.red("copy one tenant key to all: with two, nobody is the same person at both", "%s has another tenant key than %s", s.File, first.File)
		}
	}
	if len(f.Shared) > 1 {
		r.green("lanes and tenant key are the same in %d configurations", len(f.Shared))
	}
}

// Certificates are renewed days before their end; later than that somebody has to look.
const (
	certificateSoon = 14 * 24 * time.Hour
	certificateNow  = 24 * time.Hour
)

func certificates(f Facts, r *report) {
	all := slices.Clone(f.Certificates)
	for _, k := range f.Kafka {
		if k.Shown != nil {
			all = append(all, *k.Shown)
		}
	}
	for _, c := range all {
		hint := "renew it: the file is read again by itself, no restart is needed"
		if c.Shown {
			hint = "renew it at the broker: when it has expired, nobody is let in any more"
		}
		left := c.NotAfter.Sub(f.Now)
		switch {
		case c.Err != nil:
			r.red("put a certificate in PEM form there", "%s: %v", c.Key, c.Err)
		case left <= 0:
			r.red(hint, "%s: %s has expired at %s", c.Key, c.Path, c.NotAfter.UTC().Format(time.RFC3339))
		case left < certificateNow:
			r.red(hint, "%s: %s expires in %s", c.Key, c.Path, left.Round(time.Minute))
		case left < certificateSoon:
			r.yellow(hint, "%s: %s expires in %d days", c.Key, c.Path, int(left.Hours()/24))
		}
	}
	if len(all) > 0 {
		r.green("%d certificates hold for at least %d days", len(all), int(certificateSoon.Hours()/24))
	}
}

// Clocks: a token's times are compared with leeway of a minute, and event times are
// a feature of the model.
const (
	clockYellow = 2 * time.Second
	clockRed    = 30 * time.Second
)

func clocks(f Facts, r *report) {
	for _, c := range f.Clocks {
		off := max(c.Offset.Abs()-c.Within, 0)
		switch {
		case off > clockRed:
			r.red("start time synchronisation (chrony or systemd-timesyncd) there or here", "the clock of %s is %s off", c.Host, c.Offset.Round(time.Second))
		case off > clockYellow:
			r.yellow("look at time synchronisation there and here", "the clock of %s is %s off", c.Host, c.Offset.Round(100*time.Millisecond))
		}
	}
	if len(f.Clocks) > 0 {
		r.green("%d clocks agree with this one", len(f.Clocks))
	}
}

func issuers(f Facts, r *report) {
	for _, i := range f.Issuers {
		switch {
		case i.Err != nil:
			r.red("look at the issuer, at jwks_url and at the way there: gateways go on with the keys that they have, and know no new one", "%s: %v", i.Issuer, i.Err)
		case i.Keys == 0:
			r.red("the address answers, but not with a key set: look at jwks_url", "%s: no key at %s", i.Issuer, i.URL)
		}
	}
	if len(f.Issuers) > 0 {
		r.green("%d issuers give their keys", len(f.Issuers))
	}
}

// Room that must be left: a share, of which so many bytes are always enough, and
// bytes that never are.
const (
	roomYellow = 0.10
	roomRed    = 0.03
	roomAmple  = 10 << 30
	roomLeast  = 1 << 30
)

func (r *report) room(what string, free, total uint64, hint string) {
	share := 1.0
	if total > 0 {
		share = float64(free) / float64(total)
	}
	switch {
	case free < roomLeast || share < roomRed && free < roomAmple:
		r.red(hint, "%s: %.1f %% of the disk is free (%d MiB)", what, share*100, free>>20)
	case share < roomYellow && free < roomAmple:
		r.yellow(hint, "%s: %.1f %% of the disk is free (%d MiB)", what, share*100, free>>20)
	}
}

func disks(f Facts, r *report) {
	for _, d := range f.Disks {
		if d.Err != nil {
			r.red("make the folder, writable for the service", "%s: %v", d.Key, d.Err)
			continue
		}
		r.room(d.Key+" "+d.Path, d.Free, d.Total, "make room: verdicts and state that cannot be written are lost at the next restart")
	}
	if len(f.Disks) > 0 {
		r.green("%d folders have room", len(f.Disks))
	}
}

func descriptors(f Facts, r *report) {
	const hint = "raise the limit (LimitNOFILE= in systemd, ulimits: in compose), or lower listen.connections_max"
	for _, d := range f.Descriptors {
		switch {
		case d.Err != nil:
			r.yellow("run the doctor as the service's user", "%s: %v", d.Process, d.Err)
		case d.Limit < d.Needs/4:
			r.red(hint, "%s may have %d files and connections open, its configuration allows for %d", d.Process, d.Limit, d.Needs)
		case d.Limit < d.Needs:
			r.yellow(hint, "%s may have %d files and connections open, its configuration allows for %d", d.Process, d.Limit, d.Needs)
		default:
			continue
		}
	}
	if len(f.Descriptors) > 0 {
		r.green("limits of open files suffice")
	}
}

// first is the text of an error's first line.
func first(err error) string {
	text, _, _ := strings.Cut(errors.Join(err).Error(), "\n")
	return text
}

// keysOf are a map's keys in order, with their numbers.
func counted(m map[string]uint64) string {
	var all []string
	for k, n := range m {
		if n > 0 {
			all = append(all, fmt.Sprintf("%d %s", n, k))
		}
	}
	slices.SortFunc(all, cmp.Compare[string])
	return strings.Join(all, ", ")
}
