package soak

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/vigil-gateway/vigil/cmd/internal/life/sheet"
	"github.com/vigil-gateway/vigil/scorer/evidence"
)

// Budget of false alarms per 10,000 subject-days of each kind.
const (
	StepUpBudget   = 100
	ThrottleBudget = 20
	RevokeBudget   = 1
)

// segmentDaysMin is how many subject-days a segment needs to be shown: the rate
// of fewer is noise.
const segmentDaysMin = 100

// segmentBlocksMin is how many blocks a segment needs for its mean of exp(L): of
// fewer a single finding of 20 nats, at temperature 0.4, would make more than half.
const segmentBlocksMin = 5000

// per10k is a rate per 10,000 subject-days.
func per10k(n, days int) float64 { return 10000 * float64(n) / float64(max(1, days)) }

// Print writes the report as tables.
func (r *Report) Print(out io.Writer) error {
	return sheet.Print(out, func(t io.Writer) {
		sheet.Say(t, "seed %d: %d subjects, %d days of warm-up (%d events, %d proposals), then %d measured days: %d events, %d requests; %d sessions held, %d entities evicted\n\n",
			r.Seed, r.Subjects, r.WarmupDays, r.WarmupEvents, r.WarmupProposals, r.MeasuredDays, r.Events, r.Requests, r.Sessions, r.Evicted)
		r.printKinds(t)
		r.printSegments(t)
		r.printCauses(t)
		r.printEvidence(t)
		r.printFacets(t)
		r.printLevels(t)
		r.printDetection(t)
	})
}

func row(t io.Writer, name string, days int, a Alarms, more string) {
	sheet.Say(t, "%s\t%d\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t(%d/%d/%d/%d/%d)\t%s\n", name, days,
		per10k(a.Throttle, days), per10k(a.ReadOnly, days), per10k(a.StepUp, days), per10k(a.Revoke, days), per10k(a.Block, days),
		a.Throttle, a.ReadOnly, a.StepUp, a.Revoke, a.Block, more)
}

func (r *Report) printKinds(t io.Writer) {
	sheet.Say(t, "false alarms per 10,000 subject-days; budget: throttle %d, step-up %d, revoke %d\n", ThrottleBudget, StepUpBudget, RevokeBudget)
	sheet.Say(t, "kind\tsubject-days\tthrottle\tread-only\tstep-up\trevoke\tblock\tcounts\tof subjects\n")
	for _, k := range r.Kinds {
		row(t, k.Kind, k.SubjectDays, k.Alarms, fmt.Sprint(k.Affected))
	}
}

func (r *Report) printSegments(t io.Writer) {
	sheet.Say(t, "\nworst segments first\nsegment\tsubject-days\tthrottle\tread-only\tstep-up\trevoke\tblock\tcounts\n")
	for _, s := range r.Segments {
		if s.SubjectDays >= segmentDaysMin && s.perDay() > 0 {
			row(t, s.Kind+", "+s.Trait, s.SubjectDays, s.Alarms, "")
		}
	}
}

// causesShown bounds the table of causes; the JSON has all.
const causesShown = 25

func (r *Report) printCauses(t io.Writer) {
	sheet.Say(t, "\nwhat false alarms rest on\nkind\taction\tcount\tevidence\tmostly\n")
	for _, c := range r.Causes[:min(len(r.Causes), causesShown)] {
		sheet.Say(t, "%s\t%s\t%d\t%s\t%s\n", c.Kind, c.Action, c.Count, c.Evidence, strings.Join(c.Traits, ", "))
	}
}

func (r *Report) printEvidence(t io.Writer) {
	sheet.Say(t, "\nmean of exp(L) on clean data, over blocks of a minute | over those of the worst segment but the ones that the group looks for; asked: at most 1\ngroup")
	for _, k := range r.Kinds {
		sheet.Say(t, "\t%s", k.Kind)
	}
	sheet.Say(t, "\n")
	for g := range groupsAndAll {
		sheet.Say(t, "%s", groupName(g))
		for _, k := range r.Kinds {
			sheet.Say(t, "\t%.3f | %s", k.mean.of(g), r.worst(k.Kind, g))
		}
		sheet.Say(t, "\n")
	}
	sheet.Say(t, "left out of the segments, never of a kind's own mean:\n")
	for _, x := range exclusions() {
		sheet.Say(t, "%s\t%s\t%s\n", x.group, x.trait, x.why)
	}
	for _, k := range r.Kinds {
		sheet.Say(t, "%s: segments of fewer than %d blocks, not judged:\t%s\n", k.Kind, segmentBlocksMin, strings.Join(r.unjudged(k.Kind), ", "))
	}
}

// unjudged names the segments of a kind that are too small for a mean.
func (r *Report) unjudged(kind string) []string {
	var names []string
	for _, s := range r.Segments {
		if s.Kind == kind && s.mean.n[evidence.GroupCount] < segmentBlocksMin && looksFor(evidence.GroupCount)&s.trait == 0 {
			names = append(names, s.Trait)
		}
	}
	return names
}

// worst names the segment of a kind in which a group's mean is the largest, but
// for those that the group looks for.
func (r *Report) worst(kind string, g int) string {
	most, name := 0.0, ""
	for _, s := range r.Segments {
		if s.Kind == kind && looksFor(g)&s.trait == 0 && s.mean.n[g] >= segmentBlocksMin && s.mean.of(g) > most {
			most, name = s.mean.of(g), " ("+s.Trait+")"
		}
	}
	return fmt.Sprintf("%.3f%s", most, name)
}

func (r *Report) printDetection(t io.Writer) {
	if len(r.Detection) == 0 {
		return
	}
	sheet.Say(t, "\nattacks: caught by a step-up or more, ended by a revoke or block; requests and time from the first suspicious one on, by the attack's own clock, to the event that a verdict rests on\n")
	sheet.Say(t, "\t\t\tstep-up\t\t\t\trevoke\t\t\t\t\nkind\tattacks\tslowed\tcaught\tmedian\tp90\ttime\tended\tmedian\tp90\ttime\tof requests\n")
	for _, d := range r.Detection {
		sheet.Say(t, "%s\t%d\t%d\t%d\t%s\t%d\t%s\t%d\n", d.Kind, d.Attacks, d.Slowed,
			d.Caught, after(d.Caught, d.StepUpMedian, d.StepUpP90, d.StepUpIn), d.Ended, after(d.Ended, d.RevokeMedian, d.RevokeP90, d.RevokeIn), d.Requests)
	}
}

// after are the cells of one action: dashes where it was never taken.
func after(taken, median, p90 int, in time.Duration) string {
	if taken == 0 {
		return "-\t-\t-"
	}
	return fmt.Sprintf("%d\t%d\t%s", median, p90, in.Round(time.Second))
}

func (r *Report) printFacets(t io.Writer) {
	if len(r.Facets) == 0 {
		return
	}
	sheet.Say(t, "\nverdicts about what many share\ntarget\taction\tverdicts\thonest touched\n")
	for _, f := range r.Facets {
		sheet.Say(t, "%s\t%s\t%d\t%d\n", f.Target, f.Action, f.Verdicts, f.Touched)
	}
}
