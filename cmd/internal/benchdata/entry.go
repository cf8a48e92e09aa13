package benchdata

import (
	"fmt"
	"slices"
	"strings"
)

// An Entry is a set that the bench knows: where it lies, and what was reached
// on it and is asked.
type Entry struct {
	Name string
	// Ordered says that the stored order is that of time.
	Ordered bool
	// Asked and Reference are AUC and average precision, 0 for none. The
	// reference is the best of the published detectors that was measured under
	// the same rules, by average precision; By names it.
	Asked, Reference Quality
	By               string
	// Single says that there is no other order to measure: it is a set of its own, or
	// ten orders would take too long.
	Single bool

	open func(dir string) (*Set, error)
}

// Load reads the set below dir. The error wraps [fs.ErrNotExist] where it is
// not there.
func (e Entry) Load(dir string) (*Set, error) { return e.open(dir) }

// Entries are all sets, in the order in which they are reported.
func Entries() []Entry {
	at := func(auc, ap float64) Quality { return Quality{AUC: auc, AP: ap} }
	return []Entry{
		{Name: "http", Ordered: true, Single: true, Asked: at(.999, .86), Reference: at(.999, .86), By: "KitNET, frozen", open: npz("16_http")},
		{Name: "kdd99-http", Ordered: true, Reference: at(.934, .27), By: "random cut forest", open: kdd(readKDDHTTP)},
		{Name: "smtp", Ordered: true, Asked: at(.935, .60), Reference: at(.869, .60), By: "LODA", open: npz("34_smtp")},
		{Name: "syn", Ordered: true, Asked: at(.91, 0), Reference: at(.909, .57), By: "RS-Hash", open: syn},
		{Name: "thyroid", Reference: at(.981, .57), By: "IForestASD", open: npz("38_thyroid")},
		{Name: "cardio", Reference: at(.952, .86), By: "one-class SVM", open: npz("6_cardio")},
		{Name: "ionosphere", Reference: at(.838, .73), By: "half-space trees", open: npz("18_Ionosphere")},
		{Name: "http-shuffled", Single: true, Asked: at(.9985, 0), Reference: at(.996, 0), By: "half-space trees", open: npz("16_http")},
		{Name: "kdd99", Ordered: true, Single: true, Asked: at(.98, 0), Reference: at(.98, 0), By: "MemStream, warmed up", open: kdd(readKDD)},
	}
}

// Pick returns the entries of these names, or all where there are none.
func Pick(names []string) ([]Entry, error) {
	all := Entries()
	if len(names) == 0 {
		return all, nil
	}
	var picked []Entry
	for _, name := range names {
		at := slices.IndexFunc(all, func(e Entry) bool { return e.Name == name })
		if at < 0 {
			known := make([]string, 0, len(all))
			for _, e := range all {
				known = append(known, e.Name)
			}
			return nil, fmt.Errorf("no set %q; there are %s", name, strings.Join(known, ", "))
		}
		picked = append(picked, all[at])
	}
	return picked, nil
}

// Means are the rows for groups of sets whose mean is asked as a whole, of
// those groups that are complete.
func Means(rows []Row) []Row {
	var means []Row
	for _, g := range []Row{
		{Set: "mean of 4", Order: "http kdd99-http smtp syn", Asked: Quality{AUC: .94, AP: .55}, Reference: Quality{AUC: .870, AP: .30}, By: "best online"},
		{Set: "mean of 3", Order: "thyroid cardio ionosphere", Asked: Quality{AUC: .93, AP: .62}, Reference: Quality{AUC: .905, AP: .58}, By: "best online"},
	} {
		names := strings.Fields(g.Order)
		var now, plain []Quality
		for _, r := range rows {
			if !r.Other && slices.Contains(names, r.Set) {
				now, plain = append(now, r.Now), append(plain, r.Trivial)
			}
		}
		if len(now) == len(names) {
			g.Now, g.Trivial = mean(now), mean(plain)
			means = append(means, g)
		}
	}
	return means
}

func npz(file string) func(string) (*Set, error) {
	return func(dir string) (*Set, error) {
		p, err := find(dir, "adbench/"+file+".npz", file+".npz")
		if err != nil {
			return nil, err
		}
		return readNPZ(p)
	}
}

func kdd(read func(string) (*Set, error)) func(string) (*Set, error) {
	return func(dir string) (*Set, error) {
		p, err := find(dir, "kdd99/kddcup.data_10_percent.gz", "kddcup.data_10_percent.gz")
		if err != nil {
			return nil, err
		}
		return read(p)
	}
}

func syn(dir string) (*Set, error) {
	table, err := find(dir, "memstream-syn/syn.txt", "syn.txt")
	if err != nil {
		return nil, err
	}
	labels, err := find(dir, "memstream-syn/synlabel.txt", "synlabel.txt")
	if err != nil {
		return nil, err
	}
	return readSyn(table, labels)
}
